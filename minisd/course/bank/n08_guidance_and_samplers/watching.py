"""A denoiser that counts how often it is asked, and what a sampler makes of it."""

import torch

from .mixture import mixture_denoiser

SPREAD = 0.4  # the width of the bells that the samplers are tried on


class Watched:
    """The perfect denoiser of some bells, (N, D), for points or pictures; it remembers `asked`."""

    def __init__(self, centers, width=SPREAD):
        self.answer, self.asked = mixture_denoiser(centers, width), []

    def __call__(self, latents, sigma):
        """Answer with x_0. (B, ...), number -> (B, ...)"""
        self.asked.append(float(sigma))
        if not latents.is_floating_point():
            raise TypeError(f"the network takes real numbers; it was shown {latents.dtype}")
        return self.answer(latents.flatten(1), float(sigma)).reshape(latents.shape)


def run(sampler, centers, noise, sigmas):
    """Walk, and say where it ended, how often it asked, and at which levels in all."""
    denoise = Watched(centers)
    end = sampler(denoise, noise, list(sigmas))
    if not isinstance(end, torch.Tensor):
        return end
    return end, float(len(denoise.asked)), sum(denoise.asked)


def scripted(answers, asked=None):
    """A denoiser that gives these numbers one after the other, whatever it is asked."""
    remaining = iter(answers)

    def denoise(latents, sigma):
        if asked is not None:
            asked.append(float(sigma))
        return torch.full_like(latents, next(remaining))

    return denoise


def cases(generator):
    """Bells in the plane and in pictures, uneven steps, with and without a step to 0."""

    def draw(B, N, *shape, sigmas):
        centers = 1.2 * torch.randn(N, torch.Size(shape).numel(), generator=generator) + 0.3
        return centers, torch.randn(B, *shape, generator=generator), sigmas

    return {
        "example": draw(3, 4, 2, sigmas=(8.0, 3.0, 1.0, 0.25, 0.0)),
        "batch 1": draw(1, 4, 2, sigmas=(5.0, 1.5, 0.8, 0.2)),
        "pictures": draw(2, 3, 2, 3, 2, sigmas=(6.0, 2.5, 0.7, 0.4, 0.1)),
        "one step to 0": draw(2, 3, 2, sigmas=(4.0, 0.0)),
        "one point": draw(2, 1, 3, sigmas=(7.0, 2.0, 0.5, 0.1, 0.0)),
        "small steps": draw(4, 5, 3, sigmas=(3.0, 2.7, 2.3, 1.8, 1.5, 1.1, 0.9, 0.6, 0.5, 0.3)),
    }


def asked_at(asked, levels):
    """Were these the levels asked at, in this order? Sigmas may have been rounded to float32."""
    return len(asked) == len(levels) and all(
        abs(a - level) < 1e-4 for a, level in zip(asked, levels)
    )


def two_starts():
    """Two starts in the plane, and four bells. -> (2, 2), (4, 2)"""
    generator = torch.Generator().manual_seed(8)
    return torch.randn(2, 2, generator=generator), torch.randn(4, 2, generator=generator) * 1.5


def one_point_is_exact(mine):
    """If the data are one single point, the road is a straight line, and any number of steps should
    end exactly on it. Yours does not.
    """
    noise, point = two_starts()[0], torch.tensor([[0.7, -0.4]])
    for sigmas in ((5.0, 0.5), (5.0, 3.0, 1.0, 0.5), (14.6, 2.0, 0.3, 0.0)):
        end = mine(lambda latents, sigma: point.expand_as(latents), noise, list(sigmas))
        share = sigmas[-1] / sigmas[0]  # of the way from the start to the point that is left
        if not torch.allclose(end, point + share * (sigmas[0] * noise - point), atol=1e-4):
            return False
    return True
