"""09.slerp: between two noises."""

import torch

from ...exercise import Exercise


def slerp(noise_a, noise_b, fraction):
    """Walk from one noise to another along an arc. Shoemake 1985.

    (B, ...), (B, ...), number from 0 to 1 -> (B, ...), each picture by its own angle
    """
    one_each = [-1] + [1] * (noise_a.ndim - 1)  # (B, 1, ...)
    a, b = noise_a.flatten(1), noise_b.flatten(1)
    cosine = (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))
    angle = cosine.clamp(-1, 1).acos()  # (B,), in radians
    parallel = angle.sin() < 1e-4  # then there is no arc to walk: take the straight line
    sine = torch.where(parallel, 1.0, angle.sin())
    share_a = torch.where(parallel, 1 - fraction, ((1 - fraction) * angle).sin() / sine)
    share_b = torch.where(parallel, fraction, (fraction * angle).sin() / sine)
    return share_a.reshape(one_each) * noise_a + share_b.reshape(one_each) * noise_b


def cases(generator):
    """Pairs at many angles, of other lengths, equal ones; both ends."""

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    a, b = draw(3, 2, 3, 4), draw(3, 2, 3, 4)
    near = torch.stack([a[0] + 0.3 * b[0], b[1], -0.5 * a[2] + b[2]])
    return {
        "example": (a, near, 0.3),
        "batch 1": (draw(1, 4, 2, 2), draw(1, 4, 2, 2), 0.5),
        "start": (a, b, 0.0),
        "end": (a, b, 1.0),
        "B = W": (draw(4, 2, 3, 4), draw(4, 2, 3, 4), 0.7),
        "equal noises": (a, a.clone(), 0.4),
        "another length": (a, 3 * near, 0.6),
        "points": (draw(3, 5), draw(3, 5), 0.25),
    }


def _pair(seed, B=4, size=24):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, B, 4, size, size, generator=generator)


def both_ends(mine):
    """At 0 the first noise should come out, and at 1 the second."""
    a, b = _pair(0, size=3)
    ends = (mine(a, b, 0.0), a), (mine(a, b, 1.0), b)
    return all(torch.allclose(got, end, atol=1e-4) for got, end in ends)


def half_way_is_noise_too(mine):
    """Half way between two independent noises the deviation should still be 1. Yours is another:
    the network has never started from such a thing.
    """
    return abs(mine(*_pair(1), 0.5).std().item() - 1) < 0.05


def equal_noises_stay(mine):
    """Between two equal noises there is only that noise. Yours becomes another one, or nan."""
    a, _ = _pair(2, size=3)
    return bool((mine(a, a.clone(), 0.4) - a).abs().max() < 1e-3)


def same_road_back(mine):
    """From b to a it should be the same road as from a to b."""
    a, b = _pair(3, size=3)
    return torch.allclose(mine(a, b, 0.3), mine(b, a, 0.7), atol=1e-4)


def each_by_its_own_angle(mine):
    """Each pair of the batch has its own angle: in other company the walk should be the same."""
    a, b = _pair(4, size=3)
    b = torch.cat([a[:2] + 0.3 * b[:2], b[2:]])
    return torch.allclose(mine(a, b, 0.4)[:1], mine(a[:1], b[:1], 0.4), atol=1e-4)


def even_steps(mine):
    """Between two noises of one length, after a quarter of the road a quarter of the angle should
    be behind you.
    """
    a, b = _pair(5, B=2)
    b = b * _one_each(a.flatten(1).norm(dim=1) / b.flatten(1).norm(dim=1), b)

    def angle(x, y):
        return torch.cosine_similarity(x.flatten(1), y.flatten(1), dim=1).clamp(-1, 1).acos()

    walked = torch.stack([angle(a, mine(a, b, f)) for f in (0.25, 0.5, 0.75)])
    return bool((walked / angle(a, b) - torch.tensor([[0.25], [0.5], [0.75]])).abs().max() < 0.01)


def _one_each(values, like):
    return values.reshape([-1] + [1] * (like.ndim - 1))


def _angle(a, b):
    a, b = a.flatten(1), b.flatten(1)
    return ((a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))).clamp(-1, 1).acos()


def _arc(noise_a, noise_b, fraction, angle):
    parallel = angle.sin().abs() < 1e-4
    sine = torch.where(parallel, 1.0, angle.sin())
    share_a = torch.where(parallel, 1 - fraction, ((1 - fraction) * angle).sin() / sine)
    share_b = torch.where(parallel, fraction, (fraction * angle).sin() / sine)
    return _one_each(share_a, noise_a) * noise_a + _one_each(share_b, noise_b) * noise_b


def straight_line(noise_a, noise_b, fraction):
    """Half way, two independent noises have a variance of one half: the network has never seen so
    quiet a start.
    """
    return (1 - fraction) * noise_a + fraction * noise_b


def roots_of_the_fractions(noise_a, noise_b, fraction):
    """This keeps the variance if the two noises are independent, and only then: equal noises come
    out too loud.
    """
    return (1 - fraction) ** 0.5 * noise_a + fraction**0.5 * noise_b


def ends_exchanged(noise_a, noise_b, fraction):
    """Fraction 0 gives the second noise, and 1 the first."""
    return slerp(noise_b, noise_a, fraction)


def one_angle_for_the_batch(noise_a, noise_b, fraction):
    """The angle was measured over all pictures at once: each pair has its own."""
    angle = _angle(noise_a[None], noise_b[None]).expand(len(noise_a))
    return _arc(noise_a, noise_b, fraction, angle)


def lengths_not_divided_out(noise_a, noise_b, fraction):
    """An angle does not change if one noise is three times as long: the product was not divided by
    both lengths.
    """
    a, b = noise_a.flatten(1), noise_b.flatten(1)
    angle = ((a * b).sum(dim=1) / a.shape[1]).clamp(-1, 1).acos()
    return _arc(noise_a, noise_b, fraction, angle)


def degrees(noise_a, noise_b, fraction):
    """The sine of torch expects radians."""
    return _arc(noise_a, noise_b, fraction, _angle(noise_a, noise_b).rad2deg())


def cosine_taken_for_the_angle(noise_a, noise_b, fraction):
    """You used the cosine itself as an angle: its arc is missing."""
    return _arc(noise_a, noise_b, fraction, _angle(noise_a, noise_b).cos())


def unit_vectors_returned(noise_a, noise_b, fraction):
    """All numbers of a picture together have length 1 now; noise of n numbers has the length root
    of n.
    """
    walked = slerp(noise_a, noise_b, fraction)
    return walked / _one_each(walked.flatten(1).norm(dim=1), walked)


def nothing_between_equal_noises(noise_a, noise_b, fraction):
    """Between equal noises you divide 0 by 0: there the straight line is right."""
    angle = _angle(noise_a, noise_b)
    angle = torch.where(angle < 2e-3, torch.zeros_like(angle), angle)
    share_a = ((1 - fraction) * angle).sin() / angle.sin()
    share_b = (fraction * angle).sin() / angle.sin()
    return _one_each(share_a, noise_a) * noise_a + _one_each(share_b, noise_b) * noise_b


EXERCISE = Exercise(
    "09.slerp",
    "Between two noises",
    2,
    8,
    2,
    slerp,
    cases,
    laws=(
        both_ends,
        half_way_is_noise_too,
        equal_noises_stay,
        same_road_back,
        each_by_its_own_angle,
        even_steps,
    ),
    mistakes=(
        straight_line,
        roots_of_the_fractions,
        ends_exchanged,
        one_angle_for_the_batch,
        lengths_not_divided_out,
        degrees,
        cosine_taken_for_the_angle,
        unit_vectors_returned,
        nothing_between_equal_noises,
    ),
    needs_gradient=False,
    rtol=1e-3,
    atol=1e-3,
)
