"""01.SpatialAttention: pixels as tokens. The laws that every right answer keeps."""

import torch

from ....attention import SpatialAttention
from ...exercise import Exercise
from . import spatial_attention_mistakes as wrong
from .weights import fill, set_projection


def cases(generator):
    """(channels, groups, eps), pictures: wide, high, B = W, C = H = W, and a single pixel."""

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "example": ((4, 2, 1e-6), draw(2, 4, 3, 5)),
        "batch 1": ((8, 4, 1e-6), draw(1, 8, 4, 2)),
        "B = W": ((6, 3, 1e-6), draw(3, 6, 2, 3)),
        "C = H = W": ((4, 2, 1e-6), draw(2, 4, 4, 4)),
        "a large eps": ((4, 1, 0.5), draw(2, 4, 2, 3)),
        "one pixel": ((4, 2, 1e-6), draw(2, 4, 1, 1)),
    }


def run(answer, config, images):
    """Build the answer's module, fill it with known weights, and call it."""
    return fill(answer(*config), images)(images)


def example(answer):
    """A module of random weights, and two pictures of 4 channels, 3 rows and 5 columns."""
    images = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(1))
    return fill(answer(4, 2, 1e-6), images), images


def close(left, right):
    """Equal but for rounding."""
    return torch.allclose(left, right, rtol=1e-4, atol=1e-5)


def names_of_the_weights(mine):
    """The layers have other names or shapes than the statement's, so that saved weights would not
    fit.
    """
    shapes = {name: tuple(weight.shape) for name, weight in mine(4, 2, 1e-6).state_dict().items()}
    layers = {
        "to_q": (4, 4),
        "to_k": (4, 4),
        "to_v": (4, 4),
        "to_out.0": (4, 4),
        "group_norm": (4,),
    }
    expected = {f"{name}.weight": shape for name, shape in layers.items()}
    return shapes == expected | {f"{name}.bias": (4,) for name in layers}


def shape_is_kept(mine):
    """A picture of 3 rows and 5 columns should come out with 3 rows and 5 columns."""
    module, images = example(mine)
    return module(images).shape == images.shape


def picture_is_added(mine):
    """With a last projection (to_out) of zeros the picture should pass untouched."""
    module, images = example(mine)
    set_projection(module.to_out[0])
    return torch.equal(module(images), images)


def mirror_in_mirror_out(mine):
    """Mirror the picture: the result should be the mirrored result. Pixels came back to other
    places than they left.
    """
    module, images = example(mine)
    return all(close(module(images.flip(axis)), module(images).flip(axis)) for axis in (2, 3))


def shuffled_in_shuffled_out(mine):
    """Shuffle the pixels: the result should be shuffled in the same way, for attention knows no
    places.
    """
    module, images = example(mine)
    order = torch.randperm(15, generator=torch.Generator().manual_seed(2))

    def shuffle(x):
        return x.flatten(2)[..., order].unflatten(2, (3, 5))

    return close(module(shuffle(images)), shuffle(module(images)))


def corner_reaches_corner(mine):
    """Change the pixel at the top left: the one at the bottom right should notice."""
    module, images = example(mine)
    module.group_norm = torch.nn.Identity()  # it would carry the news by itself
    other = images.clone()
    other[:, :, 0, 0] += 2
    return not close(module(images)[:, :, -1, -1], module(other)[:, :, -1, -1])


def pictures_do_not_see_each_other(mine):
    """Change one picture of the batch: another one changes."""
    module, images = example(mine)
    other = torch.cat([images[:1], images[1:].exp()])  # not a brighter or mirrored one: a new one
    return close(module(images)[0], module(other)[0])


def brightness_and_contrast_are_taken_out(mine):
    """What is added to the picture should not depend on the picture's overall brightness and
    contrast.
    """
    module, images = example(mine)
    other = 3 * images + 1
    return torch.allclose(module(images) - images, module(other) - other, rtol=1e-3, atol=1e-4)


def no_interest_gives_the_mean(mine):
    """With queries of zeros every pixel looks everywhere alike: the same should be added to all,
    the projected mean of the values.
    """
    module, images = example(mine)
    set_projection(module.to_q)
    values = module.to_v(module.group_norm(images).flatten(2).mT)  # (B, H W, C)
    added = module.to_out(values.mean(1))[:, :, None, None]
    return close(module(images), images + added)


EXERCISE = Exercise(
    "01.SpatialAttention",
    "Pixels as tokens",
    stars=2,
    minutes=10,
    points=2,
    reference=SpatialAttention,
    cases=cases,
    laws=(
        names_of_the_weights,
        shape_is_kept,
        picture_is_added,
        mirror_in_mirror_out,
        shuffled_in_shuffled_out,
        corner_reaches_corner,
        pictures_do_not_see_each_other,
        brightness_and_contrast_are_taken_out,
        no_interest_gives_the_mean,
    ),
    mistakes=wrong.MISTAKES,
    run=run,
    forbidden=("scaled_dot_product_attention", "multi_head_attention_forward"),
)
