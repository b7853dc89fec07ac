r"""Read the course's displayed LaTeX as arithmetic: the text of a formula in, numbers out.

Not all of LaTeX: the notation of the notebooks. Fractions, roots, powers, sums and products over
an index, exp, log, norms, matrices, `\mathcal N(mean, variance)`. What it cannot read, it refuses.
Everything is float64. A number scales a tensor, two matrices multiply as matrices, two vectors
need `\cdot` (dot product) or `\odot` (elementwise).
"""

import functools
import math
import re

import torch

LETTERS = {
    r"\alpha", r"\beta", r"\gamma", r"\delta", r"\epsilon", r"\eta", r"\theta", r"\kappa",
    r"\lambda", r"\mu", r"\nu", r"\pi", r"\rho", r"\sigma", r"\tau", r"\phi", r"\psi", r"\omega",
    r"\Delta", r"\Theta", r"\Sigma", r"\Phi", r"\Psi", r"\Omega", r"\ell", r"\nabla",
}  # fmt: skip
ACCENTS = {r"\bar", r"\tilde", r"\hat", r"\mathrm", r"\mathbf", r"\mathcal", r"\mathbb"}
CONSTANTS = {"e": math.e, r"\pi": math.pi, "I": 1, r"\mathbf I": 1}
FUNCTIONS = {
    r"\exp": torch.exp, r"\log": torch.log, r"\ln": torch.log, r"\cos": torch.cos,
    r"\sin": torch.sin, r"\tanh": torch.tanh,
}  # fmt: skip
FOLDS = {
    r"\sum": torch.add, r"\prod": torch.mul, r"\max": torch.maximum, r"\min": torch.minimum,
}  # fmt: skip
BARS = {"|", r"\|"}
CLOSING = {"(": ")", "[": "]", "{": "}", r"\{": r"\}"}
RELATIONS = {"=", r"\sim", r"\approx"}
ALIASES = {
    r"\varepsilon": r"\epsilon", r"\mid": "|", r"\lvert": "|", r"\rvert": "|", r"\vert": "|",
    r"\lVert": r"\|", r"\rVert": r"\|", r"\Vert": r"\|", r"\lbrace": r"\{", r"\rbrace": r"\}",
    r"\operatorname": r"\mathrm", r"\text": r"\mathrm", r"\leq": r"\le", r"\neq": r"\ne",
    r"\lbrack": "[", r"\rbrack": "]",
}  # fmt: skip
SILENT = re.compile(
    r"\\(?:(?:left|right|[bB]igg?[lrm]?|displaystyle|limits)(?![a-zA-Z])|[;,:! ])|\\?&"
)


class UnreadableError(ValueError):
    """The text is not in the notation of the course, or uses a symbol that has no value."""


def tokenize(text):
    r"""Cut LaTeX into tokens; braces around a single one go, so that x_{0} and x_0 are the same."""
    text = re.sub(r"\\[dt]?frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", text)
    if careless := re.search(r"[_^]\s*\d\d|\\(?:sqrt|frac)\s*\d\d", text):
        raise UnreadableError(f"{careless[0]!r}: LaTeX takes one digit here; write braces.")
    text = SILENT.sub(" ", re.sub(r"\\[dt]frac", r"\\frac", text).replace("{,}", ""))
    tokens = []
    for token in re.findall(r"\\[a-zA-Z]+|\\.|\d+\.?\d*|\.\d+|\S", text):
        tokens.append(ALIASES.get(token, token))
        if token == "}" and tokens[-3:-2] == ["{"]:
            tokens[-3:] = [tokens[-2]]
    return tokens


def join(tokens):
    """Write tokens as text again, in the one spelling that this file uses."""
    text = ""
    for token in tokens:
        text += " " if re.search(r"\\[a-zA-Z]+$", text) and token[0].isalnum() else ""
        text += token
    return text


def canonical(text):
    r"""One spelling for one symbol: \bar{\alpha}_{t} and \bar \alpha_t are both \bar\alpha_t."""
    return join(tokenize(text))


def split(tokens, separators):
    """Cut at separators that stand outside all brackets."""
    parts, depth = [[]], 0
    for token in tokens:
        depth += (token in CLOSING) - (token in CLOSING.values())
        if depth == 0 and token in separators:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def equations(latex):
    r"""Cut a display into [(left side, [tokens of each other side])]; left sides are canonical.

    `\\`, `\quad` and `\qquad` part equations; a piece that begins with = goes on with the last one.
    """
    latex = re.sub(r"\\tag\{[^}]*\}|\\(begin|end)\{(aligned|align|split|gathered)\}", " ", latex)
    found = []
    for piece in re.split(r"\\\\(?:\[\w+\])?|\\q?quad(?![a-zA-Z])", latex):
        piece = re.sub(r"^\s*\\text\{[^}]*\}", "", piece).strip().rstrip(",.;").rstrip()
        if not piece:
            continue
        left, *sides = split(tokenize(piece), RELATIONS)
        if not sides or not (left or found):
            raise UnreadableError(f"{piece!r} is no equation.")
        if left:
            found.append((join(left), []))
        found[-1][1].extend(sides)
    return found


def evaluate(side, symbols):
    r"""The value of text or tokens: a float64 tensor, or (mean, variance) for \mathcal N.

    `symbols` maps LaTeX to numbers, tensors or functions. A subscript belongs to the name if the
    whole is there ("x_0"); else it is an index: beta_s calls symbols["\\beta"](s), or indexes it.
    The longest key that fits wins, and may be a whole phrase: "q(x_t)". "range i" holds the values
    of an index for a sum that does not name its ends.
    """
    tokens = tokenize(side) if isinstance(side, str) else side
    return Reader(tokens, {**CONSTANTS, **symbols}).all()


class Reader:
    """Evaluates while it reads; the body of a sum is read again for each value of its index."""

    def __init__(self, tokens, symbols):
        self.tokens, self.symbols, self.at = tokens, symbols, 0
        self.stops = set()  # bars that end the present expression instead of opening a norm

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected=None):
        token = self.peek()
        if not token or expected not in (None, token):
            found = join(self.tokens[self.at :]) or "the end"
            raise UnreadableError(f"expected {expected or 'more'}, found {found}.")
        self.at += 1
        return token

    def group(self):
        """The tokens of {...} without the braces, or the next token alone."""
        if self.peek() != "{":
            return [self.take()]
        start, depth = self.at, 0
        while depth or self.at == start:
            depth += {"{": 1, "}": -1}.get(self.take(), 0)
        return self.tokens[start + 1 : self.at - 1]

    def value(self, tokens):
        return Reader(tokens, self.symbols).all()

    def all(self):
        value = self.expression()
        if self.peek():
            raise UnreadableError(f"cannot go on at {join(self.tokens[self.at :])!r}.")
        return value

    def expression(self):
        sign = self.take() if self.peek() in ("+", "-") else "+"
        value = self.term() if sign == "+" else -self.term()
        while self.peek() in ("+", "-"):
            value = value + self.term() if self.take() == "+" else value - self.term()
        return value

    def term(self):
        value = self.factor()
        while True:
            if self.peek() == "/":
                self.take()
                value = value / self.factor()
            elif self.peek() in (r"\cdot", r"\times", r"\odot"):
                value = multiply(value, self.take(), self.factor())
            elif self.begins_factor():
                value = multiply(value, "", self.factor())
            else:
                return value

    def begins_factor(self):
        token = self.peek()
        known = CLOSING.keys() | FUNCTIONS.keys() | FOLDS.keys() | LETTERS | ACCENTS
        return (
            token[:1].isalnum()
            or token[:1] == "§"
            or token in (known | BARS | {r"\frac", r"\sqrt"}) - self.stops
        )

    def factor(self):
        value = self.atom()
        while self.peek() == "^":
            self.take()
            exponent = self.group()
            if exponent == [r"\top"]:
                value = value.mT if value.ndim > 1 else value[None]
            else:
                value = value ** self.value(exponent)
        return value

    def atom(self):
        token = self.peek()
        if token[:1].isdigit() or token[:1] == ".":
            return number(float(self.take()))
        if token in CLOSING:
            return self.bracket()[0]
        if token in BARS:
            return self.norm()
        if token in FUNCTIONS:
            return self.function()
        if token in FOLDS:
            return self.fold()
        if token == r"\frac":
            self.take()
            return self.value(self.group()) / self.value(self.group())
        if token == r"\sqrt":
            self.take()
            degree = self.bracket()[0] if self.peek() == "[" else 2
            return self.value(self.group()) ** (1 / degree)
        return self.symbol()

    def bracket(self):
        """(a, b; c | d) -> the values between the separators, a list."""
        closing, start, outer, depth = CLOSING[self.take()], self.at, self.stops, 1
        while depth:  # an odd number of bars: they part arguments, as in KL(p || q)
            depth += (self.peek() in CLOSING) - (self.take() in CLOSING.values())
        inside, self.at = self.tokens[start : self.at - 1], start
        self.stops = {bar for bar in BARS if len(split(inside, {bar})) % 2 == 0}
        values = [self.expression()]
        while self.peek() in {",", ";"} | self.stops:
            self.take()
            values.append(self.expression())
        self.take(closing)
        self.stops = outer
        return values

    def norm(self):
        bar, outer = self.take(), self.stops
        self.stops = {bar}
        inside = self.expression()
        self.take(bar)
        self.stops = outer
        if bar == "|":
            return inside.abs()
        degree = 2
        if self.peek() == "_":
            self.take()
            degree = int(self.value(self.group()))
        return (inside.abs() ** degree).sum() ** (1 / degree)

    def function(self):
        function, power = FUNCTIONS[self.take()], 1
        if self.peek() == "^":
            self.take()
            power = self.value(self.group())
        bracketed = self.peek() in CLOSING
        value = function(self.atom() if bracketed else self.factor())
        if not bracketed and self.begins_factor():
            raise UnreadableError(f"put the argument in brackets: is {self.peek()!r} part of it?")
        return value**power

    def fold(self):
        fold, limits = FOLDS[self.take()], {}
        while self.peek() in ("_", "^"):
            mark = self.take()
            limits[mark] = self.group()
        if not limits:  # max(a, b)
            return functools.reduce(fold, self.bracket())
        start, outer, values = self.at, self.symbols, []
        for bound in self.index_values(limits["_"], limits.get("^")):
            self.at, self.symbols = start, {**outer, **bound}
            values.append(self.term())
        self.symbols = outer
        if not values:
            raise UnreadableError(f"nothing to fold over: {join(limits['_'])}.")
        return functools.reduce(fold, values)

    def index_values(self, lower, upper):
        r"""i=1 and n; s \le t (from 1); j; i, j; j \ne i: a dict of the bound letters each."""
        if "=" in lower:
            letter, first = split(lower, {"="})
            return self.bind(letter, int(self.value(first)), int(self.value(upper)) + 1)
        for relation, more in ((r"\le", 1), ("<", 0)):
            if relation in lower:
                letter, last = split(lower, {relation})
                return self.bind(letter, 1, int(self.value(last)) + more)
        letters, *other = split(lower, {r"\ne"})
        found = [{}]
        for letter in map(join, split(letters, {","})):
            if f"range {letter}" not in self.symbols:
                raise UnreadableError(f"the values of the index {letter} are not given.")
            values = self.symbols[f"range {letter}"]
            found = [{**bound, letter: n} for bound in found for n in values]
        avoid = int(self.value(other[0])) if other else None
        return [bound for bound in found if avoid not in bound.values()]

    @staticmethod
    def bind(letter, first, end):
        return [{join(letter): n} for n in range(first, end)]

    def symbol(self):
        if self.peek() == r"\mathcal" and self.tokens[self.at + 1 : self.at + 2] == ["N"]:
            self.at += 2
            return tuple(self.bracket()[-2:])
        for name, tokens in longest_first(tuple(self.symbols)):
            if self.tokens[self.at : self.at + len(tokens)] == tokens:
                value = self.symbols[name]
                self.at += len(tokens)
                break
        else:
            raise UnreadableError(f"no value for what begins at {join(self.tokens[self.at :])!r}.")
        if self.peek() == "_":
            self.take()
            places = [self.value(place) for place in split_index(self.group())]
            if not callable(value) and torch.as_tensor(value).ndim < len(places):
                raise UnreadableError(f"{name} is given, but not with an index.")
            value = value(*places) if callable(value) else value[tuple(int(n) for n in places)]
        elif callable(value):
            value = value(*self.bracket())
        return number(value)


@functools.cache
def longest_first(names):
    """The symbols with their tokens, in the order in which they are tried."""
    pairs = [(name, tokenize(name)) for name in names if not name.startswith("range ")]
    return sorted(pairs, key=lambda pair: -len(pair[1]))


def number(value):
    """Everything is a float64 tensor."""
    return torch.as_tensor(value, dtype=torch.float64)


def split_index(tokens):
    """ij and i, j are two indices; t - 1 is one."""
    return [[t] for t in tokens] if join(tokens).isalpha() else split(tokens, {","})


def multiply(left, sign, right):
    """A product as it is written: see the head of this file."""
    if left.ndim and right.ndim and sign not in (r"\odot", r"\times"):
        if left.ndim == right.ndim == 1 and not sign:
            raise UnreadableError(r"two vectors side by side: write \cdot or \odot.")
        return left @ right
    return left * right
