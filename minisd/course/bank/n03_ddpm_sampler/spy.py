"""Models that look at what `denoising_loss` gives them: its draws are random, its laws are not."""

import torch


class Spy:
    """A model that remembers what it was given; if it `knows`, its answer is right, or `off_by`."""

    def __init__(self, x0, alphas_cumprod, knows=True, off_by=0.0):
        self.x0, self.alphas_cumprod = x0.clone(), alphas_cumprod
        self.knows, self.off_by = knows, off_by

    def __call__(self, x_t, timesteps):
        """Answer with the noise in x_t, or with zeros."""
        self.x_t, self.timesteps = x_t, torch.as_tensor(timesteps)
        B, T = len(self.x0), len(self.alphas_cumprod)
        t = self.timesteps.detach().flatten().long().clamp(0, T - 1).expand(B)
        alpha_bar = self.alphas_cumprod[t].reshape(-1, *[1] * (self.x0.ndim - 1))
        self.noise = (x_t - alpha_bar**0.5 * self.x0) / (1 - alpha_bar) ** 0.5
        return self.noise + self.off_by if self.knows else torch.zeros_like(x_t)


def ask(mine, shape, T, seed=0, knows=True, off_by=0.0):
    """Call the answer on pictures of -2 and 2. -> (loss, the model with what it saw)"""
    generator = torch.Generator().manual_seed(seed)
    x0 = 4.0 * torch.randint(2, shape, generator=generator) - 2
    alphas_cumprod = torch.linspace(0.9, 0.2, T)
    spy = Spy(x0, alphas_cumprod, knows, off_by)
    return mine(spy, x0, alphas_cumprod, generator), spy


def run(mine, shape, T, seed):
    """Return what holds of an answer however it orders its random draws, roughly where it varies.

    The loss of a model that knows (cut off at .01, and to the nearest whole); log2 of the loss of
    one that says 0; how many times were drawn; are the first and last among them; are they whole;
    is the noise centered; do pictures share it; is the picture clean; does a model that is off by
    2 lose more than 3.
    """
    loss, saw = ask(mine, shape, T, seed)
    if loss is None or not hasattr(saw, "noise"):
        return loss
    if not isinstance(loss, torch.Tensor):
        raise TypeError(f"the loss should be a tensor, or nothing can be learned from it: {loss!r}")
    if loss.ndim:
        raise ValueError(f"the loss should be one number, a mean: its shape is {tuple(loss.shape)}")
    zero, _ = ask(mine, shape, T, seed, knows=False)
    wide, _ = ask(mine, shape, T, seed, off_by=2.0)
    whole = not saw.timesteps.is_floating_point()
    times = saw.timesteps.unique() if whole else saw.timesteps[:0]
    ends = [float(t in times) if len(times) > 1 else -1.0 for t in (0, T - 1)]
    centered = bool(saw.noise.mean().abs() < 0.2)
    shared = len(saw.x0) > 1 and bool((saw.noise[0] - saw.noise[-1]).abs().max() < 1e-4)
    clean, squared = torch.equal(saw.x_t, saw.x0), bool(wide.detach().mean() > 3)
    flags = [float(flag) for flag in (whole, centered, shared, clean, squared)]
    size = (zero.detach().mean().clamp(min=1e-9).log2() * 3).round()
    known = loss.detach()
    return known.clamp(max=0.01), known.mean().round(), size, float(len(times)), *ends, *flags
