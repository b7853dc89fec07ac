"""07.cache_latents: encode once, train many times."""

import torch

from ...exercise import Exercise
from .cache_latents_mistakes import MISTAKES
from .spy_vae import SpyVAE


@torch.no_grad()
def cache_latents(vae, images, scale, batch_size):
    """Encode pictures once: the means of their latents, times `scale`. Rombach et al. 2022.

    uint8 (N, H, W, 3) -> (N, c, h, w), without a graph, on the VAE's device. The VAE is in eval
    mode meanwhile, and in its old mode afterwards.
    """
    was_training, device = vae.training, next(vae.parameters()).device
    vae.eval()
    parts = []
    for some in images.split(batch_size):
        pixels = some.to(device).permute(0, 3, 1, 2).float() / 127.5 - 1  # (B, 3, H, W)
        parts.append(vae.encode(pixels).mean * scale)
    vae.train(was_training)
    return torch.cat(parts)


def cases(generator):
    """(images, scale, batch size, the VAE's mode before)."""

    def case(N, H, W, scale, batch_size, training):
        shape = (N, H, W, 3)
        images = torch.randint(256, shape, generator=generator).to(torch.uint8)
        return images, scale, batch_size, training

    return {
        "example": case(5, 4, 6, 0.7, 2, False),
        "batch 1": case(1, 4, 4, 0.18215, 3, True),
        "N = H = W": case(6, 6, 6, 1.5, 3, True),
        "one at a time": case(3, 2, 8, 0.4, 1, False),
    }


def run(mine, images, scale, batch_size, training):
    """Return the latents, whether they keep a graph, and the VAE's mode before and after."""
    vae = SpyVAE().train(training)
    latents = mine(vae, images, scale, batch_size)
    if not isinstance(latents, torch.Tensor):
        return latents
    graph = latents.requires_grad
    return {"latents": latents, "graph": graph, "training": vae.training, "before": training}


def _ask(mine, N=7, batch_size=3, scale=0.5, training=False):
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(256, (N, 4, 6, 3), generator=generator).to(torch.uint8)
    images[0, :2] = torch.tensor([0, 255, 128], dtype=torch.uint8)
    vae = SpyVAE().train(training)
    return mine(vae, images, scale, batch_size), vae, images


def as_many_latents_as_pictures(mine):
    """Seven pictures in, three at a time: seven latents should come out, the last batch's too."""
    return len(_ask(mine)[0]) == 7


def pixels_lie_between_minus_one_and_one(mine):
    """The VAE was trained on pixels from -1 (black) to 1 (full). Yours shows it another range."""
    shown = torch.cat([batch.flatten() for batch in _ask(mine)[1].shown])
    return bool(shown.min() == -1) and bool(shown.max() == 1)


def channels_come_first(mine):
    """The VAE reads (B, 3, H, W). The pictures' pixels arrive at other places: was the order of the
    axes changed, or only their lengths?
    """
    _, vae, images = _ask(mine, N=2)
    for batch, image in zip(torch.cat(vae.shown), images):
        for channel in range(3):
            expected = image[:, :, channel].float()
            got = batch[channel].float()
            order = [x.flatten().argsort(stable=True) for x in (got, expected)]
            if got.shape != expected.shape or not torch.equal(*order):
                return False
    return True


def row_i_is_picture_i(mine):
    """Row i of the latents should be picture i: captions wait for it at place i."""
    latents, vae, images = _ask(mine)
    for i in (0, 3, 6):
        alone = mine(vae, images[i : i + 1], 0.5, 3)[0]
        if not torch.allclose(latents[i], alone, atol=1e-4):
            return False
    return True


def any_batch_size_the_same(mine):
    """Another batch size gives other latents. It should only decide how many pictures are encoded
    at a time.
    """
    return torch.allclose(_ask(mine, batch_size=2)[0], _ask(mine, batch_size=7)[0], atol=1e-4)


def few_at_a_time(mine):
    """The VAE was shown more pictures at once than `batch_size` allows: with all of them in one
    batch, memory would run out.
    """
    return max(len(batch) for batch in _ask(mine)[1].shown) <= 3


def twice_the_scale_twice_the_latents(mine):
    """Twice the scale should give twice the latents. Yours do something else."""
    return torch.allclose(2 * _ask(mine)[0], _ask(mine, scale=1.0)[0], atol=1e-4)


def no_graph_is_kept(mine):
    """Every latent carries the VAE's graph with it. Nothing will be learned there any more: say so
    before you encode.
    """
    return not _ask(mine)[0].requires_grad


def eval_mode_meanwhile(mine):
    """The VAE encodes in train mode: dropout or batch statistics would make the latents random."""
    return not _ask(mine, training=True)[1].trained_on


def old_mode_afterwards(mine):
    """The VAE comes back in another mode than it went in."""
    return all(_ask(mine, training=mode)[1].training == mode for mode in (True, False))


def nothing_random(mine):
    """Encoding the same pictures twice gives two results. Store the mean."""
    return torch.equal(_ask(mine)[0], _ask(mine)[0])


def means_times_scale(mine):
    """The latents should be the VAE's means, times the scale. Yours are something else."""
    latents, vae, _ = _ask(mine)
    with torch.no_grad():
        return torch.allclose(latents, 0.5 * vae.eval().encode(torch.cat(vae.shown)).mean)


EXERCISE = Exercise(
    "07.cache_latents",
    "Encode once, train many times",
    1,
    8,
    2,
    cache_latents,
    cases,
    laws=(
        as_many_latents_as_pictures,
        pixels_lie_between_minus_one_and_one,
        channels_come_first,
        nothing_random,
        eval_mode_meanwhile,
        old_mode_afterwards,
        row_i_is_picture_i,
        any_batch_size_the_same,
        few_at_a_time,
        twice_the_scale_twice_the_latents,
        no_graph_is_kept,
        means_times_scale,
    ),
    mistakes=MISTAKES,
    run=run,
    needs_gradient=False,
)
