"""08.guide: a denoiser that listens to its prompt more than it was taught to."""

import torch

from ....samplers import guide
from ...exercise import Exercise


def cases(generator):
    """Batches of points and pictures; scales below, at, between and beyond the two answers."""

    def draw(B, *shape, scale, timestep=3):
        latents = torch.randn(B, *shape, generator=generator)
        context, negative = torch.randn(2, B, 4, 3, generator=generator)
        return latents, timestep, context, negative, scale

    return {
        "example": draw(3, 2, scale=4.0),
        "batch 1": draw(1, 2, 3, 3, scale=2.5, timestep=7),
        "scale 1": draw(2, 5, scale=1.0),
        "scale 0": draw(2, 5, scale=0.0, timestep=0),
        "half way": draw(4, 2, scale=0.5),
        "pictures, far": draw(2, 4, 3, 2, scale=15.0),
    }


class Network:
    """A small denoiser that looks at all it is given, and counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, latents, timestep, context):
        """Each picture sees its own context alone. (B, ...), number, (B, S, D) -> (B, ...)"""
        self.calls += 1
        if len(latents) != len(context):
            raise ValueError(f"asked about {len(latents)} latents with {len(context)} contexts")
        told = context.flatten(1).cumsum(dim=1).sin().mean(dim=1)
        told = told.reshape(-1, *[1] * (latents.ndim - 1))
        return torch.tanh(latents * (1 + told)) + 2 * told + 0.1 * timestep * latents


def run(mine, latents, timestep, context, negative, scale):
    """Wrap the network, and ask once. -> (what comes back, how often the network was asked)"""
    network = Network()
    answer = mine(network, context, negative, scale)
    if answer is None:
        return None
    result = answer(latents, timestep)
    return result if result is None else (result, float(network.calls))


def _ask(mine, scale, alike=False):
    """(guided, the wanted prompt's own answer, the negative's) for three pictures."""
    generator = torch.Generator().manual_seed(4)
    latents = torch.randn(3, 2, 4, 4, generator=generator)
    context, negative = torch.randn(2, 3, 5, 3, generator=generator)
    negative = context if alike else negative
    network = Network()
    guided = mine(network, context, negative, scale)(latents, 2)
    return guided, network(latents, 2, context), network(latents, 2, negative)


def scale_one_is_the_prompt(mine):
    """At scale 1 the answer should be the prompt's own prediction. Yours is not."""
    guided, positive, _ = _ask(mine, 1.0)
    return torch.allclose(guided, positive, atol=1e-4)


def scale_zero_is_the_negative(mine):
    """At scale 0 the answer should be the negative prompt's prediction. Yours is not."""
    guided, _, negative = _ask(mine, 0.0)
    return torch.allclose(guided, negative, atol=1e-4)


def alike_prompts_leave_nothing_to_do(mine):
    """Where both prompts say the same, the scale should not matter. With yours it does."""
    guided, positive, _ = _ask(mine, 6.0, alike=True)
    return torch.allclose(guided, positive, atol=1e-4)


def straight_line(mine):
    """From scale 2 to scale 4 the answer should move as far as from 4 to 6. Yours does not."""
    two, four, six = (_ask(mine, scale)[0] for scale in (2.0, 4.0, 6.0))
    return torch.allclose(four - two, six - four, atol=1e-3) and not torch.allclose(two, four)


def pictures_keep_their_own_prompt(mine):
    """A picture is answered differently when others share its batch: whose prompt did it get?"""
    generator = torch.Generator().manual_seed(5)
    latents = torch.randn(3, 2, generator=generator)
    context, negative = torch.randn(2, 3, 4, 3, generator=generator)
    together = mine(Network(), context, negative, 3.0)(latents, 1)
    alone = mine(Network(), context[1:2], negative[1:2], 3.0)(latents[1:2], 1)
    return torch.allclose(together[1:2], alone, atol=1e-4)


def asked_once(mine):
    """The network should be asked once, with both prompts as one batch: two calls cost more."""
    generator = torch.Generator().manual_seed(6)
    network, context = Network(), torch.randn(2, 4, 3, generator=generator)
    mine(network, context, -context, 3.0)(torch.ones(2, 2), 1)
    return network.calls == 1


def _both(denoise, latents, timestep, context, negative):
    """(the negative's answer, the prompt's), asked at once."""
    contexts = torch.cat([negative, context])
    return denoise(torch.cat([latents, latents]), timestep, contexts).chunk(2)


def halves_exchanged(denoise, context, negative_context, guidance_scale):
    """Scale 1 gives the negative's prediction, and a larger scale leads AWAY from the prompt: which
    half of the batch came first, and from which end does your formula start?
    """

    def answer(latents, timestep):
        negative, positive = _both(denoise, latents, timestep, context, negative_context)
        return positive + guidance_scale * (negative - positive)

    return answer


def sign_as_some_tutorials_print_it(denoise, context, negative_context, guidance_scale):
    """With two equal prompts the answer grows with the scale: the factors of the two predictions
    should add up to 1.
    """

    def answer(latents, timestep):
        negative, positive = _both(denoise, latents, timestep, context, negative_context)
        return guidance_scale * positive - (1 - guidance_scale) * negative

    return answer


def w_of_the_paper(denoise, context, negative_context, guidance_scale):
    """Scale 1 exaggerates already: that is the paper's w, and guidance_scale is w + 1."""

    def answer(latents, timestep):
        negative, positive = _both(denoise, latents, timestep, context, negative_context)
        return (1 + guidance_scale) * positive - guidance_scale * negative

    return answer


def rows_taken_alternately(denoise, context, negative_context, guidance_scale):
    """With two pictures their predictions are mixed up: cat puts one block after the other, it does
    not shuffle them like cards.
    """

    def answer(latents, timestep):
        out = torch.cat(_both(denoise, latents, timestep, context, negative_context))
        return out[::2] + guidance_scale * (out[1::2] - out[::2])

    return answer


def rows_doubled_alternately(denoise, context, negative_context, guidance_scale):
    """The latents were doubled as a, a, b, b, but the prompts stand as n, n, p, p."""

    def answer(latents, timestep):
        doubled = latents.repeat_interleave(2, dim=0)
        out = denoise(doubled, timestep, torch.cat([negative_context, context]))
        negative, positive = out.chunk(2)
        return negative + guidance_scale * (positive - negative)

    return answer


def scales_up_to_one_taken_as_off(denoise, context, negative_context, guidance_scale):
    """Scale 0 should be the negative's prediction; you return the prompt's, as some libraries do
    for speed.
    """
    return guide(denoise, context, negative_context, max(guidance_scale, 1))


def an_average(denoise, context, negative_context, guidance_scale):
    """An average never goes beyond the prompt, however large the scale; guidance does."""

    def answer(latents, timestep):
        negative, positive = _both(denoise, latents, timestep, context, negative_context)
        return (negative + guidance_scale * positive) / (1 + guidance_scale)

    return answer


def negative_forgotten(denoise, context, negative_context, guidance_scale):
    """The prediction is only multiplied: where both prompts agree nothing should happen to it."""

    def answer(latents, timestep):
        _, positive = _both(denoise, latents, timestep, context, negative_context)
        return guidance_scale * positive

    return answer


def difference_alone(denoise, context, negative_context, guidance_scale):
    """You return the way from one prediction to the other, without the place it starts from."""

    def answer(latents, timestep):
        negative, positive = _both(denoise, latents, timestep, context, negative_context)
        return guidance_scale * (positive - negative)

    return answer


def asked_twice(denoise, context, negative_context, guidance_scale):
    """The numbers are right, but the network is asked twice: once, with both prompts as one batch,
    is faster.
    """

    def answer(latents, timestep):
        negative = denoise(latents, timestep, negative_context)
        positive = denoise(latents, timestep, context)
        return negative + guidance_scale * (positive - negative)

    return answer


EXERCISE = Exercise(
    "08.guide",
    "Say it louder",
    stars=2,
    minutes=12,
    points=3,
    reference=guide,
    cases=cases,
    laws=(
        scale_one_is_the_prompt,
        scale_zero_is_the_negative,
        alike_prompts_leave_nothing_to_do,
        straight_line,
        pictures_keep_their_own_prompt,
        asked_once,
    ),
    mistakes=(
        halves_exchanged,
        sign_as_some_tutorials_print_it,
        w_of_the_paper,
        rows_taken_alternately,
        rows_doubled_alternately,
        scales_up_to_one_taken_as_off,
        an_average,
        negative_forgotten,
        difference_alone,
        asked_twice,
    ),
    run=run,
    needs_gradient=False,  # sampling learns nothing
)
