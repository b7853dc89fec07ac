"""A network that looks at what `conditioned_loss` gives it, and knows pictures by their prompt."""

import torch

FEATURES = 6  # width of a text vector


class Spy:
    """A network that remembers what it was given, and knows v if `knows`.

    It recognizes latent i by the prompt that was made for it: with another's prompt it answers
    for another's picture.
    """

    def __init__(self, latents, context, alphas_cumprod, knows=True):
        self.latents, self.context = latents.clone(), context.detach().clone()
        self.alphas_cumprod, self.knows, self.num_calls = alphas_cumprod, knows, 0

    def __call__(self, noisy, timesteps, context):
        """Answer with v, or with zeros; a whisper of the prompt goes with it, for gradients."""
        self.num_calls += 1
        self.noisy, self.timesteps, self.got = noisy, torch.as_tensor(timesteps), context
        B, T = len(self.latents), len(self.alphas_cumprod)
        names = context.detach()[:, 0, 0] - self.context[0, 0, 0]
        who = (names * B).round().long().clamp(0, B - 1).expand(B)
        x0 = self.latents[who]
        t = self.timesteps.detach().flatten().long().clamp(0, T - 1).expand(B)
        alpha_bar = self.alphas_cumprod[t].reshape(-1, *[1] * (x0.ndim - 1))
        self.noise = (noisy - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5
        v = alpha_bar**0.5 * self.noise - (1 - alpha_bar) ** 0.5 * x0
        whisper = 1e-3 * (context * torch.arange(context.shape[-1])).mean()
        return whisper + (v if self.knows else torch.zeros_like(noisy))


def data(shape, seed=0, size=1.0):
    """Latents of -size and size, and for each its own prompt: number i in every vector."""
    generator = torch.Generator().manual_seed(seed)
    latents = size * (2.0 * torch.randint(2, shape, generator=generator) - 1)
    names = torch.arange(shape[0]).float() / shape[0]
    context = names[:, None, None].repeat(1, 3, FEATURES)
    return latents, context - context.mean()


def ask(mine, shape, alphas_cumprod, seed=0, knows=True, size=1.0, wrap=None):
    """Call an answer. -> (loss, the network with what it saw). `wrap` changes the prompt first."""
    latents, context = data(shape, seed, size)
    spy = Spy(latents, context, alphas_cumprod, knows)
    context = wrap(context) if wrap else context
    generator = torch.Generator().manual_seed(seed)
    return mine(spy, latents, context, alphas_cumprod, generator), spy


def snap(loss, expected, tolerance=0.06):
    """`expected` where the loss is close to it, else the loss itself, coarsely."""
    loss = loss.detach().float().mean()
    if bool((loss - expected).abs() <= tolerance * max(1.0, expected)):
        return torch.tensor(expected)
    return (10 * loss.clamp(max=1e4)).round() / 10


def run(mine, shape, table, seed):
    """Return what holds of an answer however it orders its random draws.

    The loss of a network that knows v; of one that says 0 on latents three times as large, at
    alpha_bar .9, .1 and 0; how many times were drawn, and whether the last is among them; whole
    times, one network call, clean latents fed, one noise for all, a gradient for the prompt.
    """
    seen = []

    def wrap(context):
        seen.append(context.clone().requires_grad_())
        return seen[-1]

    loss, saw = ask(mine, shape, torch.tensor(table), seed, wrap=wrap)
    if not isinstance(loss, torch.Tensor) or not hasattr(saw, "noise"):
        return loss
    gradient = None
    if loss.requires_grad:
        (gradient,) = torch.autograd.grad(loss.mean(), seen, allow_unused=True)
    silent = [
        ask(mine, (2048, 4), torch.tensor([level, level]), seed, knows=False, size=3.0)[0]
        for level in (0.9, 0.1, 0.0)
    ]
    whole = not saw.timesteps.is_floating_point()
    times = saw.timesteps.unique() if whole else saw.timesteps[:0]
    flags = [
        whole,
        saw.timesteps.ndim == 1,
        saw.num_calls == 1,
        torch.equal(saw.noisy.detach(), saw.latents),
        len(saw.noise) > 1 and bool((saw.noise[0] - saw.noise[-1]).abs().max() < 1e-3),
        gradient is not None and bool(gradient.any()),
        loss.ndim == 0,
    ]
    last = float(len(table) - 1 in times) if len(saw.latents) > 100 else -1.0
    levels = [snap(loss, 9 * (1 - a) + a, 0.1) for loss, a in zip(silent, (0.9, 0.1, 0.0))]
    return snap(loss, 0.0, 0.01), *levels, float(len(times)), last, *map(float, flags)
