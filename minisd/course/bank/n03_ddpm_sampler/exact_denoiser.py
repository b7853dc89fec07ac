"""03.exact_denoiser: the perfect denoiser of a small data set."""

import torch

from ...exercise import Exercise


def exact_denoiser(latents, data, alpha_bar):
    """E[x_0 | x_t] where the data are exactly these N points: a weighted mean of them.

    Bayes' rule with N equally likely answers. The same sum is attention, with the data as keys and
    values. (B, D), (N, D), number -> (B, D)
    """
    difference = latents[:, None] - alpha_bar**0.5 * data  # (B, N, D)
    log_weights = -(difference**2).sum(dim=-1) / (2 * (1 - alpha_bar))  # (B, N)
    return log_weights.softmax(dim=-1) @ data  # (B, D)


def cases(generator):
    """Data that overlap at some noise levels and not at others, not centered at 0."""

    def draw(B, N, D, alpha_bar):
        data = torch.randn(N, D, generator=generator) + 0.5
        noise = torch.randn(B, D, generator=generator)
        return alpha_bar**0.5 * data[torch.arange(B) % N] + (1 - alpha_bar) ** 0.5 * noise, data

    far, data = draw(3, 4, 2, 0.9)
    return {
        "example": (*draw(3, 4, 2, 0.5), 0.5),
        "batch 1": (*draw(1, 5, 3, 0.7), 0.7),
        "B = N = D": (*draw(3, 3, 3, 0.4), 0.4),
        "one data point": (*draw(4, 1, 2, 0.6), 0.6),
        "much noise": (*draw(4, 6, 2, 0.05), 0.05),
        "little noise": (*draw(4, 6, 2, 0.95), 0.95),
        "far from the data": (far + 40, data, 0.9),
    }


def _points():
    generator = torch.Generator().manual_seed(5)
    data = torch.randn(6, 2, generator=generator) * 1.5 + 1
    return torch.randn(4, 2, generator=generator) * 1.5, data


def one_data_point(mine):
    """With a single data point there is nothing to guess: the answer is that point, wherever x_t
    lies.
    """
    x, data = _points()
    return torch.allclose(mine(x, data[:1], 0.3), data[:1].expand(4, 2), atol=1e-4)


def hardly_any_noise(mine):
    """With hardly any noise the answer is the data point next to x_t. Yours is not."""
    _, data = _points()
    return torch.allclose(mine(0.9999**0.5 * data, data, 0.9999), data, atol=1e-2)


def hardly_any_picture(mine):
    """Where x_t says next to nothing about the picture, the best guess is the mean of the data.
    Yours is not.
    """
    x, data = _points()
    return torch.allclose(mine(x, data, 1e-6), data.mean(dim=0).expand(4, 2), atol=2e-2)


def finite_far_away(mine):
    """Far from all data the answer is nan: every exp is 0 there, and 0 / 0 is no number."""
    x, data = _points()
    return bool(mine(x + 200, data, 0.99).isfinite().all())


def rows_do_not_see_each_other(mine):
    """A point is denoised differently when other points share its batch. It should not see them."""
    x, data = _points()
    return torch.allclose(mine(x, data, 0.6)[1:2], mine(x[1:2], data, 0.6), atol=1e-4)


def unsure_half_way(mine):
    """Half way between two data points, with noise as wide as their distance, your answer is sure
    of one of them. It should lie between.
    """
    data = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    x = torch.tensor([[0.05, 0.0], [-0.05, 0.0]])
    return bool((mine(x, data, 0.5).abs() < 0.5).all())


def tweedie(mine):
    """The gradient of log p_t, which I took by autograd, leads from x_t to the mean of x_0
    (Tweedie's formula). It does not lead to your answer.
    """
    x, data = _points()
    for alpha_bar in (0.2, 0.5, 0.8):
        x = x.detach().requires_grad_()
        squares = ((x[:, None] - alpha_bar**0.5 * data) ** 2).sum(dim=-1)
        log_p = (-squares / (2 * (1 - alpha_bar))).logsumexp(dim=-1)
        slope = torch.autograd.grad(log_p.sum(), x)[0]
        expected = (x + (1 - alpha_bar) * slope) / alpha_bar**0.5
        if not torch.allclose(mine(x.detach(), data, alpha_bar), expected, atol=1e-3):
            return False
    return True


def _answer(latents, data, alpha_bar, shrink, scale):
    squares = ((latents[:, None] - shrink * data) ** 2).sum(dim=-1)
    return (-squares / scale).softmax(dim=-1) @ data


def data_not_shrunk(latents, data, alpha_bar):
    """With much noise your answer is pulled to the wrong points: by then the data themselves have
    shrunk. By how much?
    """
    return _answer(latents, data, alpha_bar, 1.0, 2 * (1 - alpha_bar))


def data_shrunk_by_alpha_bar(latents, data, alpha_bar):
    """You shrink the data by alpha_bar, a share of variance. By what does a picture shrink when its
    variance does?
    """
    return _answer(latents, data, alpha_bar, alpha_bar, 2 * (1 - alpha_bar))


def two_missing(latents, data, alpha_bar):
    """Too sure of itself: look at the exponent of a Gaussian once more."""
    return _answer(latents, data, alpha_bar, alpha_bar**0.5, 1 - alpha_bar)


def root_of_the_variance_in_the_exponent(latents, data, alpha_bar):
    """With little noise your answer blends too many points: the exponent is divided by a variance,
    not by its root.
    """
    return _answer(latents, data, alpha_bar, alpha_bar**0.5, 2 * (1 - alpha_bar) ** 0.5)


def sign_of_the_distance(latents, data, alpha_bar):
    """The *farthest* data point wins."""
    return _answer(latents, data, alpha_bar, alpha_bar**0.5, -2 * (1 - alpha_bar))


def distance_not_squared(latents, data, alpha_bar):
    """Your weights fall with the distance; a Gaussian's fall with its square."""
    difference = latents[:, None] - alpha_bar**0.5 * data
    distance = difference.norm(dim=-1)
    return (-distance / (2 * (1 - alpha_bar))).softmax(dim=-1) @ data


def exp_before_the_largest_is_taken_off(latents, data, alpha_bar):
    """nan far from the data: every exp is 0 there. Your softmax of notebook 01 knows what to do."""
    squares = ((latents[:, None] - alpha_bar**0.5 * data) ** 2).sum(dim=-1)
    weights = (-squares / (2 * (1 - alpha_bar))).exp()
    return weights / weights.sum(dim=-1, keepdim=True) @ data


def softmax_over_the_batch(latents, data, alpha_bar):
    """The points being denoised share one unit of weight among them: alone, a row gives another
    answer.
    """
    squares = ((latents[:, None] - alpha_bar**0.5 * data) ** 2).sum(dim=-1)
    return (-squares / (2 * (1 - alpha_bar))).softmax(dim=0) @ data


def nearest_point_only(latents, data, alpha_bar):
    """Half way between two points your answer jumps from one to the other. With much noise it
    should be unsure.
    """
    squares = ((latents[:, None] - alpha_bar**0.5 * data) ** 2).sum(dim=-1)
    return data[squares.argmin(dim=-1)]


def noise_returned(latents, data, alpha_bar):
    """This is the noise in x_t; the statement asks for the picture it came from."""
    x0 = exact_denoiser(latents, data, alpha_bar)
    return (latents - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5


def shrunk_data_averaged(latents, data, alpha_bar):
    """The weights are right, but they average the shrunken points: with much noise your picture is
    a small copy of the answer.
    """
    return alpha_bar**0.5 * exact_denoiser(latents, data, alpha_bar)


EXERCISE = Exercise(
    "03.exact_denoiser",
    "The perfect denoiser of a small data set",
    stars=3,
    minutes=15,
    points=4,
    reference=exact_denoiser,
    cases=cases,
    laws=(
        one_data_point,
        hardly_any_noise,
        hardly_any_picture,
        finite_far_away,
        rows_do_not_see_each_other,
        unsure_half_way,
        tweedie,
    ),
    mistakes=(
        data_not_shrunk,
        data_shrunk_by_alpha_bar,
        two_missing,
        root_of_the_variance_in_the_exponent,
        sign_of_the_distance,
        distance_not_squared,
        exp_before_the_largest_is_taken_off,
        softmax_over_the_batch,
        nearest_point_only,
        noise_returned,
        shrunk_data_averaged,
    ),
    forbidden=("scaled_dot_product_attention",),
    needs_gradient=False,  # nothing is trained through it, and "nearest point only" has a sentence
)
