"""What goes wrong between a prompt and a picture, each with a tutor's sentence."""

from dataclasses import replace

import torch

from .machine import text_to_image


def _noise(machine, seeds, height, width):
    """One generator for all, seeded with the first seed."""
    shape = machine.channels, height // machine.downscale, width // machine.downscale
    generator = torch.Generator().manual_seed(seeds[0])
    return torch.randn(len(seeds), *shape, generator=generator).to(machine.device)


def scale_not_undone(machine, *rest):
    """The decoder gets latents of deviation 1, but it was trained on latents of their own spread:
    what were they multiplied by before the UNet learned them?
    """
    return text_to_image(replace(machine, scale=1.0), *rest)


def scale_multiplied_again(machine, *rest):
    """On the way into the UNet's world latents are multiplied by the scale. And on the way back?"""
    return text_to_image(replace(machine, scale=1 / machine.scale), *rest)


def left_in_minus_1_to_1(machine, *rest):
    """Half of your values may be negative, and a viewer cuts those to black: the decoder speaks in
    [-1, 1], the statement asks for [0, 1].
    """
    return text_to_image(machine, *rest) * 2 - 1


def only_clamped(machine, *rest):
    """Everything darker than the middle is cut off: bring [-1, 1] to [0, 1] first, then clamp."""

    def decode(latents):
        return machine.decode(latents).clamp(0, 1) * 2 - 1

    return text_to_image(replace(machine, decode=decode), *rest)


def not_clamped(machine, *rest):
    """Some values leave [0, 1]: saved as bytes they would wrap around into speckles."""
    raw = []

    def decode(latents):
        raw.append(machine.decode(latents))
        return raw[-1]

    text_to_image(replace(machine, decode=decode), *rest)
    return raw[-1] / 2 + 0.5


def one_generator_for_the_batch(machine, prompts, negative, scale, seeds, height, width):
    """The second picture changes when another prompt joins the batch: each needs noise of its own
    seed.
    """
    start = _noise(machine, seeds, height, width)
    return _from(start, machine, prompts, negative, scale, height, width)


def one_noise_for_all(machine, prompts, negative, scale, seeds, height, width):
    """All pictures of the batch start from the first seed's noise."""
    first = [seeds[0]] * len(seeds)
    return text_to_image(machine, prompts, negative, scale, first, height, width)


def prompts_before_negatives(machine, prompts, *rest):
    """The halves are exchanged: guidance pushes toward the negative prompt and away from yours."""
    B = len(prompts)
    exchanged = replace(machine, encode=lambda asked: machine.encode(asked[B:] + asked[:B]))
    return text_to_image(exchanged, prompts, *rest)


def negative_prompt_unused(machine, prompts, negative, *rest):
    """The negative prompt changes nothing: the empty one is used in its place."""
    return text_to_image(machine, prompts, "", *rest)


def difference_taken_from_the_prompt(machine, prompts, negative, scale, *rest):
    """At guidance 0 the prompt should be forgotten, and yours is followed. From which of the two
    predictions does one start to walk?
    """
    return text_to_image(machine, prompts, negative, scale + 1, *rest)


def square_latents(machine, prompts, negative, scale, seeds, height, width):
    """Width and height are not the same here, and your latent is h by h."""
    return text_to_image(machine, prompts, negative, scale, seeds, height, height)


def height_and_width_exchanged(machine, prompts, negative, scale, seeds, height, width):
    """The picture lies on its side: a latent is (c, h, w), the height comes first."""
    return text_to_image(machine, prompts, negative, scale, seeds, width, height)


def graph_kept(machine, *rest):
    """Every step's activations are kept for a gradient that nobody will ask for: memory grows with
    each step.
    """
    return text_to_image.__wrapped__(machine, *rest)


def decoded_at_every_step(machine, *rest):
    """The decoder runs at every step, and only its last picture is used: that costs more than the
    denoising.
    """

    def step(latents, prediction, timestep):
        after = machine.step(latents, prediction, timestep)
        if timestep != machine.timesteps[-1]:
            machine.decode(after / machine.scale)
        return after

    return text_to_image(replace(machine, step=step), *rest)


def last_timestep_left_out(machine, *rest):
    """One step is missing at the end: a veil of noise stays."""
    return text_to_image(replace(machine, timesteps=machine.timesteps[:-1]), *rest)


def time_runs_upward(machine, *rest):
    """You start at the clean end: the network is told "almost clean" while it looks at pure noise.
    """  # fmt: skip
    return text_to_image(replace(machine, timesteps=machine.timesteps[::-1]), *rest)


def two_calls_instead_of_one(machine, *rest):
    """Right pictures, but two network calls a step: one batch of both halves is faster."""

    def unet(latents, timestep, context):
        pairs = zip(latents.chunk(2), context.chunk(2))
        return torch.cat([machine.unet(x, timestep, words) for x, words in pairs])

    return text_to_image(replace(machine, unet=unet), *rest)


def _from(start, machine, prompts, negative, scale, height, width):
    """The reference, but from this noise: the difference is put in before the first step."""
    seeds, first = range(len(prompts)), machine.timesteps[0]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    shape = start.shape[1:]
    drawn = torch.stack([torch.randn(shape, generator=one) for one in generators]).to(start)

    def unet(latents, timestep, context):
        moved = latents + (start - drawn).repeat(2, 1, 1, 1) * (timestep == first)
        return machine.unet(moved, timestep, context)

    def step(latents, prediction, timestep):
        moved = latents + (start - drawn) * (timestep == first)
        return machine.step(moved, prediction, timestep)

    moved = replace(machine, unet=unet, step=step)
    return text_to_image(moved, prompts, negative, scale, seeds, height, width)


MISTAKES = (
    scale_not_undone,
    scale_multiplied_again,
    left_in_minus_1_to_1,
    only_clamped,
    not_clamped,
    one_generator_for_the_batch,
    one_noise_for_all,
    prompts_before_negatives,
    negative_prompt_unused,
    difference_taken_from_the_prompt,
    square_latents,
    height_and_width_exchanged,
    graph_kept,
    decoded_at_every_step,
    last_timestep_left_out,
    time_runs_upward,
    two_calls_instead_of_one,
)
