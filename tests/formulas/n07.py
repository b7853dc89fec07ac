"""The formulas of notebook 07."""

import torch
import torch.nn.functional as F

from minisd.attention import BasicTransformerBlock
from minisd.course.bank.n04_unet.weights import hooked, randomize, silence
from minisd.course.bank.n07_conditioned_latent_unet.conditioned_loss import conditioned_loss
from minisd.course.bank.n07_conditioned_latent_unet.geglu import geglu
from minisd.course.bank.n07_conditioned_latent_unet.left_right import share_of_good_guesses
from minisd.course.bank.n07_conditioned_latent_unet.min_snr_weight import min_snr_weight
from minisd.schedule import add_noise, snr, to_x0_and_epsilon, training_target


@torch.no_grad()
def three_branches(draw):
    """The stream after each branch: the block itself, with the later branches silenced."""
    block = randomize(BasicTransformerBlock(6, 2, 4), draw.seed).double()
    x, y = draw.normal(1, 5, 6), draw.normal(1, 3, 4)
    streams = []
    for later in ((block.attn2, block.ff), (block.ff,), ()):
        with hooked(dict.fromkeys(later, lambda output: silence(output))):
            streams.append(block(x, y))
    symbols = {
        "h_0": x, "y": y, r"\mathrm{self}": block.attn1, r"\mathrm{cross}": block.attn2,
        r"\mathrm{ff}": block.ff, "n_1": block.norm1, "n_2": block.norm2, "n_3": block.norm3,
        "h_1": streams[0], "h_2": streams[1],
    }  # fmt: skip
    symbols = {name: _without_graph(value) for name, value in symbols.items()}
    return symbols, dict(zip(("h_1", "h_2", "h_3"), streams))


def _without_graph(value):
    if isinstance(value, torch.Tensor):
        return value
    return lambda *arguments: value(*arguments).detach()


def gate(draw):
    """The two halves of a layer, and what the gate lets through at place i."""
    hidden, weight, bias = draw.normal(3), draw.normal(8, 3), draw.normal(8)
    value, shut = F.linear(hidden, weight, bias).chunk(2)
    symbols = {
        "x": hidden, "W_p": weight[:4], "W_g": weight[4:], "b_p": bias[:4], "b_g": bias[4:],
        "p": value, "g": shut, "i": 2, "j": 1,
        r"\Phi": lambda z: 0.5 * (1 + torch.erf(z / 2**0.5)),
    }  # fmt: skip
    return symbols, {"p": value, "g": shut, "y_i": geglu(hidden, weight, bias)[2]}


def _noisy(draw):
    level, x_0, noise = draw.share(3), draw.normal(1, 2, 2), draw.normal(1, 2, 2)
    symbols = {
        "x_0": x_0[0], r"\epsilon": noise[0], r"\bar\alpha_t": level[1],
        r"\bar\alpha_{t-1}": level[0], r"\alpha_t": level[2],
    }  # fmt: skip
    return symbols, (x_0, noise, torch.tensor([1]), level)


def noisy_and_v(draw):
    """x_t by add_noise, v by training_target."""
    symbols, arguments = _noisy(draw)
    x_t, v = add_noise(*arguments), training_target(*arguments, "v_prediction")
    symbols["x_t"] = x_t[0]
    return symbols, {"x_t": x_t[0], "v_t": v[0]}


def loss(draw):
    """conditioned_loss, with the draws that it made as its network saw them."""
    latents, context = draw.normal(3, 2), draw.normal(3, 1, 2)
    levels, seen = draw.share(4), []

    def unet(x, t, y):
        seen.append((x, t))
        return 0.3 * x + 0.1 * t[:, None] + y.mean(dim=1)

    torch.set_default_dtype(torch.float64)
    value = conditioned_loss(unet, latents, context, levels, draw.generator)
    torch.set_default_dtype(torch.float32)
    (x_t, t), level = seen[0], levels[seen[0][1]][:, None]
    noise = (x_t - level**0.5 * latents) / (1 - level) ** 0.5
    v = level**0.5 * noise - (1 - level) ** 0.5 * latents
    predict = lambda x, t, y: unet(x, t.long(), y)  # noqa: E731
    symbols = {"N": 6, "v_t": v, r"v_\theta": predict, "x_t": x_t, "t": t, "y": context}
    return symbols, {"L": value}


def good_guesses(draw):
    """The share of good guesses between two pictures."""
    level, a, b = draw.share(low=0.2, high=0.4), draw.normal(5), draw.normal(5)
    p = share_of_good_guesses(snr(level), (a - b).norm())
    return {
        "a": a, "b": b, r"\bar\alpha_t": level, r"\alpha_t": level / 2,
        r"\bar\alpha_{t-1}": (1 + level) / 2,
        r"\Phi": lambda z: 0.5 * (1 + torch.erf(z / 2**0.5)),
    }, {"p": p}  # fmt: skip


def same_error_in_three_names(draw):
    """One wrong v, and what it is as an error in epsilon and in x_0."""
    symbols, (x_0, noise, times, levels) = _noisy(draw)
    x_t = add_noise(x_0, noise, times, levels)
    v = training_target(x_0, noise, times, levels, "v_prediction")
    wrong = v + draw.normal(1, 2, 2)
    x_hat, noise_hat = to_x0_and_epsilon(x_t, wrong, levels[1], "v_prediction")
    symbols |= {
        "v": v[0], r"\hat v": wrong[0], r"\hat x_0": x_hat[0], r"\hat\epsilon": noise_hat[0],
        r"\mathrm{SNR}": snr(levels)[1], "x_t": x_t[0], r"\hat x_t": x_t[0] / 2,
    }  # fmt: skip
    return symbols, {
        r"\|\epsilon-\hat\epsilon\|^2": ((noise - noise_hat) ** 2).sum(),
        r"\|v-\hat v\|^2": ((v - wrong) ** 2).sum(),
    }


def weights(draw):
    """The three weights of min-SNR, on both sides of gamma."""
    ratio = draw.share(low=1.0, high=9.0)
    kinds = {r"w_\epsilon": "epsilon", "w_v": "v_prediction", "w_x": "sample"}
    found = {left: min_snr_weight(ratio, 5.0, kind) for left, kind in kinds.items()}
    m = ratio.clamp(max=5.0)
    return {r"\mathrm{SNR}": ratio, r"\gamma": 5.0, "m": m}, {"m": m, **found}


FORMULAS = {
    "7.1": three_branches,
    "7.2": gate,
    "7.3": noisy_and_v,
    "7.4": loss,
    "7.5": good_guesses,
    "7.6": same_error_in_three_names,
    "7.7": weights,
}
