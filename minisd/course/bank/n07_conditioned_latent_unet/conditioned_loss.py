"""07.conditioned_loss: the loss of a text-to-image model, with v and nothing left at the end."""

import torch

from ...exercise import Exercise
from .conditioned_loss_mistakes import MISTAKES
from .spy import ask, data, run


def conditioned_loss(unet, latents, context, alphas_cumprod, generator=None):
    """Noise each latent to a random level, and ask for v, given the prompt. Ho et al. 2020,
    Algorithm 1, with the target of Salimans and Ho 2022.

    `unet(x_t, timesteps, context)` answers. (B, ...), (B, S, D), (T,) -> scalar. alpha_bar may
    end at 0.
    """
    B, draw = latents.shape[0], {"generator": generator, "device": latents.device}
    timesteps = torch.randint(len(alphas_cumprod), (B,), **draw)
    noise = torch.randn(latents.shape, **draw)
    alpha_bar = alphas_cumprod[timesteps].reshape(B, *[1] * (latents.ndim - 1))
    signal, spread = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    target = signal * noise - spread * latents
    return ((unet(signal * latents + spread * noise, timesteps, context) - target) ** 2).mean()


TABLES = ([0.95, 0.6, 0.2, 0.0], [0.9, 0.5], [0.99, 0.9, 0.7, 0.5, 0.3, 0.1, 0.05, 0.0])


def cases(generator):
    """(shape of the latents, alpha_bar, seed): large batches, so that chance hardly matters."""
    seeds = torch.randint(10_000, (4,), generator=generator).tolist()
    return {
        "example": ((2048, 4), TABLES[0], seeds[0]),
        "batch 1": ((1, 4, 8, 8), TABLES[1], seeds[1]),
        "B = w": ((128, 2, 3, 128), TABLES[1], seeds[2]),
        "another T": ((2000, 3), TABLES[2], seeds[3]),
    }


def one_call_with_whole_times(mine):
    """The network should be asked once, with whole times, one for each latent: (B,) integers."""
    _, saw = ask(mine, (6, 4), torch.tensor([0.9, 0.5, 0.1]))
    right = saw.timesteps.shape == (6,) and saw.timesteps.dtype == torch.int64
    return right and saw.num_calls == 1


def latents_stay_clean(mine):
    """Your function changed its input: the clean latents are noisy now."""
    latents, context = data((8, 3))
    before = latents.clone()
    mine(lambda x, t, c: 0 * x, latents, context, torch.tensor([0.9, 0.2]), None)
    return torch.equal(latents, before)


def prompts_stay_with_their_latents(mine):
    """Latent i should meet prompt i, untouched. In your loss the network hears another prompt."""
    latents, context = data((32, 4))
    heard = []
    table = torch.tensor([0.5, 0.4])
    mine(lambda x, t, c: heard.append(c) or 0 * x, latents, context, table, None)
    return len(heard) == 1 and heard[0].shape == context.shape and torch.equal(heard[0], context)


def every_time_is_drawn(mine):
    """Some noise level is never trained, or much more rarely than another: each of the T times
    should be drawn about equally often, the last one too, and each latent should have its own.
    """
    _, saw = ask(mine, (8000, 1), torch.linspace(0.9, 0.0, 8))
    counts = torch.bincount(saw.timesteps.flatten().long(), minlength=8)
    return len(counts) == 8 and bool(((counts > 800) & (counts < 1200)).all())


def knowing_v_costs_nothing(mine):
    """A network that knows v should have loss 0. It has not: what you feed it, or what you compare
    it with, is not that of (7.3).
    """
    table = torch.tensor([0.95, 0.6, 0.2, 0.0])
    return all(ask(mine, shape, table)[0].abs() < 1e-4 for shape in ((64, 2), (6, 2, 3, 6)))


def saying_nothing_costs_the_spread_of_v(mine):
    """On latents of deviation 3, a network that always says 0 should have loss 1.8 at alpha_bar .9
    (there v is mostly noise) and 9 at alpha_bar 0 (there v is the latent, but for its sign).
    """
    for level, expected in ((0.9, 1.8), (0.0, 9.0)):
        table = torch.tensor([level, level])
        for shape in ((4000, 2), (40, 1, 10, 20)):
            loss = ask(mine, shape, table, knows=False, size=3.0)[0]
            if not abs(loss - expected) < 0.1 * expected:
                return False
    return True


def loss_is_one_mean(mine):
    """The loss should be one number, a mean over all numbers of the batch: four times the batch,
    about the same loss. Yours grows, or is more than one number.
    """
    table = torch.tensor([0.5, 0.5])
    losses = [ask(mine, (B, 4), table, knows=False, size=3.0)[0] for B in (500, 2000)]
    return all(loss.ndim == 0 for loss in losses) and bool(losses[1] < 2 * losses[0])


def noise_is_gaussian(mine):
    """What was put into the latents is no N(0, 1) noise, or all latents of the batch share it: of
    N(0, 1) noise 32% lies beyond 1 or -1, as much on either side.
    """
    _, saw = ask(mine, (8000, 2), torch.tensor([0.5, 0.3]))
    above, below = (saw.noise > 1).float().mean(), (saw.noise < -1).float().mean()
    own = saw.noise.std(dim=0).min() > 0.5
    return abs(above - 0.159) < 0.02 and abs(below - 0.159) < 0.02 and bool(own)


def gradients_reach_the_network(mine):
    """No gradient reaches the network: it would never learn anything from this loss."""
    weight = torch.tensor(0.5, requires_grad=True)
    latents, context = data((8, 3))
    loss = mine(lambda x, t, c: weight * x, latents, context, torch.tensor([0.9, 0.2]), None)
    if not loss.requires_grad:
        return False
    (gradient,) = torch.autograd.grad(loss, [weight], allow_unused=True)
    return gradient is not None and bool(gradient != 0)


def gradients_reach_the_prompt(mine):
    """No gradient reaches the prompt's vectors, so the text encoder that made them would never
    learn. Here it is trained along.
    """
    latents, context = data((8, 3))
    context.requires_grad_()

    def unet(x, t, c):
        return x * c.mean(dim=(1, 2))[:, None]

    loss = mine(unet, latents, context, torch.tensor([0.9, 0.2]), None)
    return loss.requires_grad and torch.autograd.grad(loss, context)[0].abs().max() > 0


def same_seed_same_loss(mine):
    """The same generator in the same state should give the same loss, and another seed another."""
    table = torch.tensor([0.9, 0.5, 0.0])
    losses = [ask(mine, (16, 3), table, seed, False, 2.0)[0] for seed in (0, 0, 1)]
    return bool(losses[0] == losses[1]) and bool(losses[0] != losses[2])


EXERCISE = Exercise(
    "07.conditioned_loss",
    "The conditioned loss, with v and nothing left at the end",
    3,
    15,
    4,
    conditioned_loss,
    cases,
    laws=(
        one_call_with_whole_times,
        latents_stay_clean,
        prompts_stay_with_their_latents,
        every_time_is_drawn,
        loss_is_one_mean,
        saying_nothing_costs_the_spread_of_v,
        knowing_v_costs_nothing,
        noise_is_gaussian,
        same_seed_same_loss,
        gradients_reach_the_network,
        gradients_reach_the_prompt,
    ),
    mistakes=MISTAKES,
    run=run,
    needs_gradient=False,  # two laws ask for it: what `run` returns are observations
)
