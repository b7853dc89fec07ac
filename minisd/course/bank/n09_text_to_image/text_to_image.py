"""09.text_to_image: the parts in a row, from a prompt to a picture."""

from dataclasses import replace

import torch

from ...exercise import Exercise
from .machine import Toy, text_to_image
from .text_to_image_mistakes import MISTAKES


def run(mine, options, *arguments):
    """Give the answer a machine that takes notes; what it noted belongs to the result."""
    toy = Toy(**options)
    images = mine(toy.machine, *arguments)
    if images is None:
        return None
    sizes = [size for size, _ in toy.asked]
    if arguments[2] == 1:  # then nobody needs the negative half
        sizes = [len(arguments[0]) for _ in sizes]
    times = [time for _, time in toy.asked]
    return images, times, sizes, len(toy.decoded), toy.with_gradient


def cases(generator):
    """(the toy's options, prompts, negative prompt, guidance, seeds, height, width)"""
    two, three = ["a red ring", "two hearts"], ["a cross", "a blue square", "a ring"]
    four_steps = {"timesteps": (999, 700, 400, 50), "scale": 2.5}
    return {
        "example": ({}, two, "", 4.0, [3, 8], 8, 8),
        "batch 1": ({}, ["a pink heart"], "", 2.0, [5], 6, 4),
        "H and W differ": (four_steps, three, "", 3.0, [1, 2, 3], 4, 10),
        "a negative prompt": ({}, two, "a yellow cross", 2.5, [0, 7], 4, 6),
        "guidance 1": (four_steps, two, "a ring", 1.0, [11, 4], 6, 6),
        "guidance 0": ({}, two, "a ring", 0.0, [11, 4], 6, 8),
        "downscale 4": ({"downscale": 4, "channels": 3}, two, "", 4.0, [2, 9], 8, 16),
    }


def _draw(mine, prompts=("a red ring", "a blue cross"), negative="", scale=3.0, seeds=(1, 2),
          height=8, width=8, **options):  # fmt: skip
    toy = Toy(**options)
    return mine(toy.machine, list(prompts), negative, scale, list(seeds), height, width), toy


def _differ(a, b):
    return bool((a - b).abs().max() > 1e-3)


def size_as_asked(mine):
    """A picture of another height and width comes out than was asked for."""
    return _draw(mine, height=4, width=10)[0].shape == (2, 3, 4, 10)


def each_minds_its_own(mine):
    """Picture i should depend on prompt i and seed i alone. Yours is another one in other company.
    """  # fmt: skip
    together = _draw(mine, seeds=(4, 6))[0]
    alone = _draw(mine, prompts=("a blue cross",), seeds=(6,))[0]
    return not _differ(together[1:], alone)


def seeds_decide(mine):
    """The same seeds should give the same pictures again, and other seeds other pictures."""
    first, again, other = (_draw(mine, seeds=seeds)[0] for seeds in ((1, 2), (1, 2), (3, 2)))
    return bool((first == again).all()) and _differ(first[0], other[0])


def one_call_of_both(mine):
    """In every step the network should be asked once, with both halves as one batch of 2B."""
    _, toy = _draw(mine)
    return [size for size, _ in toy.asked] == [4, 4, 4]


def times_in_order(mine):
    """The network should be asked at every timestep, in the order in which they are given."""
    return [time for _, time in _draw(mine)[1].asked] == [900, 500, 100]


def negative_prompt_counts(mine):
    """The negative prompt should change the picture, except at guidance 1."""
    plain, away = (_draw(mine, negative=n)[0] for n in ("", "two hearts"))
    at_1 = [_draw(mine, negative=n, scale=1.0)[0] for n in ("", "two hearts")]
    return _differ(plain, away) and not _differ(*at_1)


def guidance_0_forgets_the_prompt(mine):
    """At guidance 0 only the negative prompt is left; at 1 only the prompt. Yours is otherwise."""
    zero = [_draw(mine, prompts=(p, p), scale=0.0, seeds=(1, 1))[0] for p in ("a ring", "a cross")]
    one = [_draw(mine, prompts=(p, p), scale=1.0, seeds=(1, 1))[0] for p in ("a ring", "a cross")]
    return not _differ(*zero) and _differ(*one)


def guidance_is_a_straight_line(mine):
    """Ask a network that answers with the prompt alone: from guidance 1 to 3, the change should be
    twice that from 0 to 1, and in the same direction.
    """

    def after(scale):
        toy = Toy(timesteps=(500,), scale=1.0)
        machine = replace(
            toy.machine,
            unet=lambda x, t, context: 0 * x + context.mean((1, 2))[:, None, None, None],
            decode=lambda z: 0.01 * z[:, :3].repeat(1, 1, 2, 2),
        )
        return mine(machine, ["a red ring"], "", scale, [1], 8, 8)

    zero, one, three = (after(scale) for scale in (0.0, 1.0, 3.0))
    return bool((three - one - 2 * (one - zero)).abs().max() < 1e-5) and bool((one != zero).any())


def decoder_gets_its_own_scale(mine):
    """With a network that sees no noise, the decoder should get the noise divided by the scale that
    latents were multiplied by.
    """
    toy, seen = Toy(scale=0.25), []
    still = replace(toy.machine, step=lambda latents, prediction, t: latents,
                    decode=lambda z: seen.append(z) or 0 * z[:, :3])  # fmt: skip
    mine(still, ["a red ring"], "", 3.0, [1], 64, 64)
    return bool(seen) and abs(seen[-1].std().item() - 4) < 0.2


def decoded_once(mine):
    """The decoder should run once, at the end: it costs as much as several steps."""
    return len(_draw(mine)[1].decoded) == 1


def zero_is_middle_gray(mine):
    """Where the decoder says 0 the picture should be .5; where it says -1 and 1, it is 0 and 1."""

    def picture(value):
        toy = Toy()
        machine = replace(toy.machine, decode=lambda z: torch.full((len(z), 3, 8, 8), value))
        return mine(machine, ["a red ring"], "", 3.0, [1], 8, 8)

    grays = [(picture(value), gray) for value, gray in ((0.0, 0.5), (-1.0, 0.0), (0.5, 0.75))]
    return all(bool((image - gray).abs().max() < 1e-5) for image, gray in grays)


def between_0_and_1(mine):
    """Some values lie outside of [0, 1]."""
    images = _draw(mine)[0]
    return bool(images.min() >= 0 and images.max() <= 1)


def without_gradients(mine):
    """Nothing is learned while sampling, and yet gradients are being prepared."""
    images, toy = _draw(mine)
    return not toy.with_gradient and not images.requires_grad


EXERCISE = Exercise(
    "09.text_to_image",
    "From a prompt to a picture",
    3,
    25,
    5,
    text_to_image,
    cases,
    laws=(
        size_as_asked,
        each_minds_its_own,
        seeds_decide,
        one_call_of_both,
        times_in_order,
        negative_prompt_counts,
        guidance_0_forgets_the_prompt,
        guidance_is_a_straight_line,
        decoder_gets_its_own_scale,
        decoded_once,
        zero_is_middle_gray,
        between_0_and_1,
        without_gradients,
    ),
    mistakes=MISTAKES,
    run=run,
    needs_gradient=False,
)
