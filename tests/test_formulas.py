r"""The formulas that a learner reads are the code that the package runs.

Every displayed formula of the notebooks is read as it stands there (tests/latex.py), evaluated on
random numbers, and compared with the code: tests/formulas says with which. A formula that
cannot be evaluated is listed there with the reason; one that is in neither list fails.
"""

import json
import re
from pathlib import Path

import pytest
import torch
from formulas import EQUIVALENT_EDITS, FORMULAS, NOT_EVALUATED, Draw
from latex import UnreadableError, canonical, equations, evaluate

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def displays(path):
    """[(cell number, LaTeX between double dollars)] of a notebook's text, code blocks left out."""
    found = []
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] == "markdown":
            text = re.sub(r"^```.*?^```", "", "".join(cell["source"]), flags=re.S | re.M)
            found += [(number, latex) for latex in re.findall(r"\$\$(.+?)\$\$", text, re.S)]
    return found


def tags(latex):
    return re.findall(r"\\tag\{([^}]*)\}", latex)


ALL = {tags(latex)[0]: latex for path in NOTEBOOKS for _, latex in displays(path) if tags(latex)}


def assert_formula_is_code(latex, entry, seed=0):
    """Raise where a formula says something else than its code: `entry` is one of FORMULAS."""
    symbols, expected = entry(Draw(seed))
    found = equations(latex)
    assert [left for left, _ in found] == [canonical(left) for left in expected]
    for (left, sides), value in zip(found, expected.values(), strict=True):
        for side in sides:
            computed = evaluate(side, symbols)
            if isinstance(value, tuple):  # mean and variance of a Gaussian
                assert isinstance(computed, tuple), f"{left}: expected a Gaussian, read {side}"
                computed, value = torch.stack(computed), torch.stack([*map(number, value)])
            torch.testing.assert_close(
                computed.squeeze(), number(value).squeeze(), rtol=1e-4, atol=1e-6
            )


def number(value):
    return torch.as_tensor(value, dtype=torch.float64)


def is_caught(latex, entry):
    """Whether some draw of numbers shows that this text is wrong."""
    try:
        for seed in range(3):
            assert_formula_is_code(latex, entry, seed)
    except Exception:  # whatever happens, it is no quiet success
        return True
    return False


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_displayed_formulas_are_tagged(path):
    text = "".join("".join(c["source"]) for c in json.loads(path.read_text("utf-8"))["cells"])
    assert not re.search(r"\\\[(?!\w)|\\begin\{(equation|align)\*?\}", text), "use $$ ... $$"
    number = path.name[:2].lstrip("0") or "0"
    for cell, latex in displays(path):
        assert len(tags(latex)) == 1, f"cell {cell}: one \\tag for each display, in {latex!r}"
        assert re.fullmatch(rf"{number}\.\d+", tags(latex)[0]), f"cell {cell}: tag it {number}.k"
    mine = [tags(latex)[0] for _, latex in displays(path)]
    assert mine == sorted(set(mine), key=lambda tag: int(tag.split(".")[1])), "numbered in order"


def test_every_formula_is_accounted_for():
    assert sorted(set(ALL) - set(FORMULAS) - set(NOT_EVALUATED)) == [], "add them to the table"
    assert sorted((set(FORMULAS) | set(NOT_EVALUATED)) - set(ALL)) == [], "no notebook has them"
    assert set(FORMULAS) & set(NOT_EVALUATED) == set()
    assert all(len(reason.split()) >= 4 for reason in NOT_EVALUATED.values())


@pytest.mark.parametrize("tag", FORMULAS)
@pytest.mark.parametrize("seed", range(3))
def test_formula_is_the_code(tag, seed):
    assert_formula_is_code(ALL[tag], FORMULAS[tag], seed)


@pytest.mark.parametrize("tag", FORMULAS)
def test_every_slip_of_the_pen_is_caught(tag):
    missed = [what for what, text in slips(ALL[tag]) if not is_caught(text, FORMULAS[tag])]
    assert missed == EQUIVALENT_EDITS.get(tag, [])


def slips(latex):
    """(what was done, text) for each single edit that a tired writer could make."""
    edits = [
        (r"\+", "-"), (r"(?<=[\w}\])\s])-", "+"), (r"\\sqrt(?!\[)", ""), (r"\^2(?!\d)", ""),
        (r"_t(?![a-z])", "_{t-1}"), (r"_\{t-1\}", "_t"), (r"_0(?!\d)", "_t"), (r"\\bar", ""),
        (r"\\frac\{1\}", r"\\frac{2}"), (r"_i(?![a-z])", "_j"), (r"\\exp", r"\\log"),
        (r"_\{([a-z])([a-z])\}", r"_{\2\1}"),
    ]  # fmt: skip
    body = re.sub(r"\\tag\{[^}]*\}", "", latex)
    for pattern, new in edits:
        for count, match in enumerate(re.finditer(pattern, body), start=1):
            text = body[: match.start()] + match.expand(new) + body[match.end() :]
            yield f"{match[0]} number {count} becomes {match.expand(new) or 'nothing'}", text


# What follows holds the reader itself to formulas that such a course cannot do without. The right
# side is written out by hand; breaking the text breaks the equation.

KNOWN = {
    r"\mathrm{softmax}(s)_i = \frac{\exp(s_i)}{\sum_{j=1}^{S} \exp(s_j)}": lambda d: (
        {"s": lambda j: d.row[int(j) - 1], "i": 2, "S": 4},
        d.row.softmax(dim=0)[1],
    ),
    r"\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{E}}\right) V": (
        lambda d: (
            {
                "Q": d.q, "K": d.k, "V": d.v, "E": 4,
                r"\mathrm{softmax}": lambda scores: scores.softmax(dim=-1),
            },
            torch.nn.functional.scaled_dot_product_attention(d.q, d.k, d.v),
        )
    ),
    r"x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon": lambda d: (
        d.pair, d.keep * d.pair["x_0"] + d.add * d.pair[r"\epsilon"],
    ),
    r"\bar\alpha_t = \prod_{s=1}^{t} (1 - \beta_s)": lambda d: (
        {"t": 3, r"\beta": lambda s: d.betas[int(s) - 1]}, (1 - d.betas[:3]).prod(),
    ),
    r"\mathrm{SNR}(t) = \frac{\bar\alpha_t}{1 - \bar\alpha_t}": lambda d: (
        d.pair, d.keep**2 / d.add**2,
    ),
    r"\tilde\beta_t = \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t} \beta_t": lambda d: (
        d.step, (1 - d.before) / (1 - d.now) * (1 - d.now / d.before),
    ),
    r"\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1 - \bar\alpha_t} x_0"
    r" + \frac{\sqrt{\alpha_t}\,(1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t} x_t": lambda d: (
        d.step, d.brute_force_mean,
    ),
    r"\mathrm{KL}(p \,\|\, q) = \frac{1}{2} \sum_{d=1}^{D} \left( \log\frac{v_{q,d}}{v_{p,d}}"
    r" + \frac{v_{p,d} + (\mu_{p,d} - \mu_{q,d})^2}{v_{q,d}} - 1 \right)": lambda d: (
        {
            "D": 3, "p": 0, "q": 1,
            "v": lambda which, axis: d.variances[int(which), int(axis) - 1],
            r"\mu": lambda which, axis: d.means[int(which), int(axis) - 1],
        },
        torch.distributions.kl_divergence(*d.gaussians).sum(),
    ),
    r"\mathbb{E}[x_0 \mid x_t] = \frac{x_t + (1 - \bar\alpha_t)\,\nabla_{x_t} \log q(x_t)}"
    r"{\sqrt{\bar\alpha_t}}": lambda d: (
        {**d.pair, "x_t": d.noisy, r"\nabla_{x_t} \log q(x_t)": -d.pair[r"\epsilon"] / d.add},
        d.pair["x_0"],
    ),
    r"\nabla_{x_t} \log q(x_t) = -\frac{\epsilon}{\sqrt{1 - \bar\alpha_t}}": lambda d: (
        d.pair, -d.pair[r"\epsilon"] / d.add,
    ),
    r"x_{t-1} = \frac{1}{\sqrt{\alpha_t}} \left( x_t - \frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}"
    r" \epsilon_\theta(x_t, t) \right) + \sigma_t z": lambda d: (
        {**d.step, r"\epsilon_\theta(x_t, t)": d.noise_of_step, r"\sigma_t": 0.7, "z": d.row},
        d.brute_force_mean + 0.7 * d.row,
    ),
    r"v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1 - \bar\alpha_t}\,x_0": lambda d: (
        d.pair, d.keep * d.pair[r"\epsilon"] - d.add * d.pair["x_0"],
    ),
    r"f(t) = \cos^2\left( \frac{t / T + 0.008}{1.008} \cdot \frac{\pi}{2} \right)": lambda d: (
        {"t": 30, "T": 100}, torch.tensor(0.308 / 1.008 * torch.pi / 2).cos() ** 2,
    ),
    r"\omega_i = e^{-\frac{2 i}{D} \log 10{,}000}": lambda d: (
        {"i": 3, "D": 8}, 10000 ** (-2 * 3 / 8),
    ),
    r"y_c = \gamma_c \frac{x_c - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \delta_c": lambda d: (
        {
            r"\gamma": d.row + 2, r"\delta": d.betas, "x": d.row, "c": 1, r"\epsilon": 0.01,
            r"\mu": d.row.mean(), r"\sigma": d.row.std(correction=0),
        },
        ((d.row - d.row.mean()) / (d.row.var(correction=0) + 0.01) ** 0.5 * (d.row + 2)
         + d.betas)[1],
    ),
    r"\bar\theta \sim \mathcal{N}\!\left(a \theta, (1 - a)^2 I\right)": lambda d: (
        {"a": 0.3, r"\theta": 5.0}, (torch.tensor(1.5), torch.tensor(0.49)),
    ),
    r"L = \| \epsilon - \epsilon_\theta(x_t, t) \|^2": lambda d: (
        {r"\epsilon": d.row, r"\epsilon_\theta": lambda x, t: x * t, "x_t": d.noisy, "t": 2},
        ((d.row - 2 * d.noisy) ** 2).sum(),
    ),
}  # fmt: skip


class Known:
    """Numbers for the formulas above."""

    def __init__(self, seed):
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape):
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.row, self.q, self.k, self.v = normal(4), normal(3, 4), normal(5, 4), normal(5, 2)
        self.betas = 0.05 + 0.3 * torch.rand(4, generator=generator, dtype=torch.float64)
        now = 0.2 + 0.5 * torch.rand((), generator=generator, dtype=torch.float64)
        self.keep, self.add = now**0.5, (1 - now) ** 0.5
        self.pair = {"x_0": normal(4), r"\epsilon": normal(4), r"\bar\alpha_t": now}
        self.noisy = self.keep * self.pair["x_0"] + self.add * self.pair[r"\epsilon"]
        self.now, self.before = now, (1 + now) / 2
        alpha = self.now / self.before
        self.step = {
            "x_0": self.pair["x_0"], "x_t": self.noisy, r"\alpha_t": alpha,
            r"\beta_t": 1 - alpha, r"\bar\alpha_t": self.now, r"\bar\alpha_{t-1}": self.before,
        }  # fmt: skip
        self.noise_of_step = self.pair[r"\epsilon"]
        # Two Gaussian densities multiplied: certainties add, means are weighted by them.
        certainties = alpha / (1 - alpha), 1 / (1 - self.before)
        means = self.noisy / alpha**0.5, self.before**0.5 * self.pair["x_0"]
        total = certainties[0] * means[0] + certainties[1] * means[1]
        self.brute_force_mean = total / sum(certainties)
        self.means, self.variances = normal(2, 3), normal(2, 3).exp()
        self.gaussians = [
            torch.distributions.Normal(mean, variance**0.5)
            for mean, variance in zip(self.means, self.variances)
        ]


def known(latex):
    """The entry of a formula of KNOWN, in the form of the table's."""
    left = equations(latex)[0][0]

    def entry(draw):
        symbols, value = KNOWN[latex](Known(draw.seed))
        return symbols, {left: value}

    return entry


@pytest.mark.parametrize("latex", KNOWN)
def test_reader_knows_its_formulas(latex):
    for seed in range(3):
        assert_formula_is_code(latex, known(latex), seed)


@pytest.mark.parametrize("latex", KNOWN)
def test_reader_notices_every_slip(latex):
    assert [what for what, text in slips(latex) if not is_caught(text, known(latex))] == []


@pytest.mark.parametrize(
    "right, wrong",
    [
        (r"\, x_0 + \sqrt", r"\, x_0 - \sqrt"),  # a sign
        (r"x_0 + \sqrt{1 - \bar\alpha_t}", r"x_0 + (1 - \bar\alpha_t)"),  # a root
        (r"\sqrt{\bar\alpha_t}", r"\sqrt{\bar\alpha_{t-1}}"),  # a subscript
        (r"\sqrt{\bar\alpha_t}", r"\sqrt{\alpha_t}"),  # a bar
        ("x_t =", "x_{t-1} ="),  # the left side
    ],
)
def test_a_broken_jump_is_caught(right, wrong):
    jump = r"x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon"
    before = {r"\bar\alpha_{t-1}": 0.9, r"\alpha_t": 0.95}  # having numbers does not excuse them

    def entry(draw):
        symbols, expected = known(jump)(draw)
        return {**symbols, **before}, expected

    assert_formula_is_code(jump, entry)
    assert right in jump and is_caught(jump.replace(right, wrong), entry)


def test_aligned_lines_and_conditions_are_cut_apart():
    text = r"""\begin{aligned} \bar{\alpha}_{t} &= a^2 + 1, \\ &= b \qquad
        \text{with } \epsilon \sim \mathcal{N}(0, I). \end{aligned} \tag{2.1}"""
    assert equations(text) == [
        (r"\bar\alpha_t", [["a", "^", "2", "+", "1"], ["b"]]),
        (r"\epsilon", [[r"\mathcal", "N", "(", "0", ",", "I", ")"]]),
    ]


@pytest.mark.parametrize(
    "text, symbols, value",
    [
        (r"\sum_{i \ne j} x_i", {"x": [1, 2, 4], "range i": range(3), "j": 1}, 5),
        (
            r"\sum_{i, j} A_{ij} 2",
            {"A": torch.ones(2, 3), **{f"range {i}": (0, 1) for i in "ij"}},
            8,
        ),
        (r"\max_j s_j - 1", {"s": [3, 7], "range j": (0, 1)}, 6),
        (r"\min\left(1 - \frac12, 0.9\right)", {}, 0.5),
        (r"\prod_{s \le t} s", {"t": 4}, 24),
        (r"\sqrt[3]{8} / 2 \cdot 3", {}, 3),
        (r"-a^{2} + |{-3}|", {"a": 2}, -1),
        (r"q_i^\top k_j", {"q": torch.eye(2), "k": torch.ones(1, 2), "i": 1, "j": 0}, 1),
        (r"\frac{10}{4} y_{10}", {"y_{10}": 2}, 5),
        (r"x^{(i)}_t", {"x^{(i)}_t": 3}, 3),
        (r"D(a \,\|\, b) + \|c\|_1", {"D": lambda a, b: a / b, "a": 6, "b": 3, "c": [-1, 1]}, 4),
        (r"\exp\!\left(-\frac{1}{2} \|c\|^2\right)", {"c": [0, 2]}, 0.1353352832),
    ],
)
def test_reader_reads(text, symbols, value):
    symbols = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in symbols.items()}
    torch.testing.assert_close(evaluate(text, symbols).squeeze(), number(value))


@pytest.mark.parametrize(
    "text",
    [r"x_10", r"\sqrt12", r"\log y y", r"\int y", r"\mathbb E[y]", "u u", "y)", r"\frac{y}", "w"],
)
def test_reader_refuses_what_it_cannot_read(text):
    with pytest.raises(UnreadableError):
        evaluate(text, {"y": 2.0, "u": torch.ones(2)})
