"""08.convergence_order: measuring an order."""

import torch

from ...exercise import Exercise


def convergence_order(num_steps, errors, floor=0.0):
    """With which power of the number of steps does the error fall? Least squares in logarithms.

    Only errors above ten times `floor`, what is left however many the steps, count.
    (N,), (N,), number -> number
    """
    counts = errors > 10 * floor
    log_steps, log_errors = num_steps[counts].log(), errors[counts].log()
    from_mean = log_steps - log_steps.mean()
    return -(from_mean @ log_errors / (from_mean @ from_mean)).item()


def cases(generator):
    """Errors that fall with a power, with some scatter, with steps that need not double."""

    def draw(num_steps, order, floor=0.0, left=0.0):
        steps = torch.tensor(num_steps)
        scatter = (0.1 * torch.randn(len(steps), generator=generator)).exp()
        return steps, 3 * scatter * steps**-order + left, floor

    return {
        "example": draw([64.0, 128.0, 256.0, 512.0], 1.0),
        "steps that do not double": draw([5.0, 7.0, 20.0, 33.0, 90.0], 2.0),
        "three points": draw([10.0, 30.0, 40.0], 1.5),
        "a floor": draw([4.0, 8.0, 16.0, 30.0, 100.0, 400.0], 2.0, floor=1e-3, left=5e-4),
    }


STEPS = torch.tensor([10.0, 20.0, 40.0, 80.0])


def halving_is_one(mine):
    """Errors that halve when the steps double are of order 1. Yours says otherwise."""
    return abs(float(mine(STEPS, 3 / STEPS)) - 1) < 1e-3


def quartering_is_two(mine):
    """Errors that fall to a quarter when the steps double are of order 2. Yours says otherwise."""
    return abs(float(mine(STEPS, 5 / STEPS**2)) - 2) < 1e-3


def larger_errors_same_order(mine):
    """Ten times all errors should leave the order as it is. With yours it changes."""
    return abs(float(mine(STEPS, 50 / STEPS**2)) - float(mine(STEPS, 5 / STEPS**2))) < 1e-3


def steps_need_not_double(mine):
    """Whatever the numbers of steps, an error of 2 / n^3 is of order 3. Yours says otherwise."""
    steps = torch.tensor([3.0, 5.0, 6.0, 20.0])
    return abs(float(mine(steps, 2 / steps**3)) - 3) < 1e-3


def the_floor_does_not_count(mine):
    """Points within ten times the floor do not fall any more, and should be left out. With yours
    they flatten the slope.
    """
    errors = torch.tensor([1.0, 0.25, 0.0625, 0.0019])  # the last: rounding, not the method
    return abs(float(mine(STEPS, errors, 0.001)) - 2) < 1e-3


def every_point_counts(mine):
    """One error a little larger than the others' line should move the order a little, wherever it
    stands. With yours it does not.
    """
    before = float(mine(STEPS, 3 / STEPS))
    bumps = [3 / STEPS * (1 + 0.1 * (torch.arange(4) == i)) for i in range(4)]
    return all(1e-3 < abs(float(mine(STEPS, bump)) - before) < 0.5 for bump in bumps)


def _fit(x, y):
    x = x - x.mean()
    return (x @ y / (x @ x)).item()


def _kept(num_steps, errors, floor):
    return num_steps[errors > 10 * floor], errors[errors > 10 * floor]


def no_logarithms(num_steps, errors, floor=0.0):
    """The slope of the error against the steps has no meaning of its own: an order is a power."""
    return -_fit(*_kept(num_steps, errors, floor))


def sign(num_steps, errors, floor=0.0):
    """Negative: errors fall, and an order is positive."""
    return -convergence_order(num_steps, errors, floor)


def the_other_way_round(num_steps, errors, floor=0.0):
    """An order of 2 comes out as one half: which of the two is plotted over which?"""
    num_steps, errors = _kept(num_steps, errors, floor)
    return -_fit(errors.log(), num_steps.log())


def floor_included(num_steps, errors, floor=0.0):
    """The flat end was fitted too: what is left there is rounding, not the method."""
    return convergence_order(num_steps, errors)


def floor_not_times_ten(num_steps, errors, floor=0.0):
    """Only errors below the floor itself are left out: those just above it are half rounding."""
    return convergence_order(num_steps, errors, floor / 10)


def steps_without_logarithm(num_steps, errors, floor=0.0):
    """Only the error is in logarithms: a straight line there would be an exponential, not a
    power.
    """
    num_steps, errors = _kept(num_steps, errors, floor)
    return -_fit(num_steps, errors.log())


def first_two_alone(num_steps, errors, floor=0.0):
    """Only the first two errors count, and only where the steps double: two points are no fit."""
    return (errors[0] / errors[1]).log2().item()


def through_the_origin(num_steps, errors, floor=0.0):
    """Ten times all errors give another order: your line is forced through the origin."""
    num_steps, errors = _kept(num_steps, errors, floor)
    return -(num_steps.log() @ errors.log() / (num_steps.log() @ num_steps.log())).item()


EXERCISE = Exercise(
    "08.convergence_order",
    "Measuring an order",
    stars=1,
    minutes=8,
    points=1,
    reference=convergence_order,
    cases=cases,
    laws=(
        halving_is_one,
        quartering_is_two,
        larger_errors_same_order,
        steps_need_not_double,
        the_floor_does_not_count,
        every_point_counts,
    ),
    mistakes=(
        no_logarithms,
        sign,
        the_other_way_round,
        floor_included,
        floor_not_times_ten,
        steps_without_logarithm,
        first_two_alone,
        through_the_origin,
    ),
    needs_gradient=False,  # what is fitted are measurements
)
