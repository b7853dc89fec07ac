"""02.to_x0_and_epsilon: three names of one thing."""

import torch

from ...exercise import Exercise
from .tools import close, normal, roots, table, truth


def to_x0_and_epsilon(latents, prediction, alpha_bar, prediction_type):
    """Turn whatever the network said about x_t into (x_0, epsilon). Salimans and Ho 2022.

    prediction_type: "epsilon", "sample" (x_0 itself) or "v_prediction".
    (B, C, H, W), (B, C, H, W), (B,) -> (B, C, H, W), (B, C, H, W)
    """
    alpha_bar = alpha_bar.reshape(-1, 1, 1, 1)
    signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    if prediction_type == "epsilon":
        return (latents - noise * prediction) / signal, prediction
    if prediction_type == "sample":
        return prediction, (latents - signal * prediction) / noise
    return signal * latents - noise * prediction, signal * prediction + noise * latents


def cases(generator):
    def pair(*shape):
        return normal(generator, *shape), normal(generator, *shape)

    levels, five = torch.tensor([0.9, 0.25]), torch.tensor([0.95, 0.7, 0.5, 0.2, 0.05])
    return {
        "example": (*pair(2, 3, 4, 6), levels, "epsilon"),
        "sample": (*pair(2, 3, 4, 6), levels, "sample"),
        "v": (*pair(2, 3, 4, 6), levels, "v_prediction"),
        "batch 1": (*pair(1, 3, 4, 6), torch.tensor([0.36]), "v_prediction"),
        "B = W, epsilon": (*pair(5, 2, 3, 5), five, "epsilon"),
        "B = W, v": (*pair(5, 2, 3, 5), five, "v_prediction"),
        "v, alpha-bar 0 and 1": (*pair(2, 1, 3, 4), torch.tensor([0.0, 1.0]), "v_prediction"),
    }


def both_answers_rebuild_x_t(mine):
    """Put your two answers back into the jump, sqrt(alpha-bar) x_0 + sqrt(1 - alpha-bar) epsilon:
    it does not give the x_t that you were handed.
    """
    alpha_bar, generator = torch.tensor([0.9, 0.4]), torch.Generator().manual_seed(27)
    signal, noise = roots(alpha_bar)
    for kind in ("epsilon", "sample", "v_prediction"):
        latents, said = normal(generator, 2, 2, 3, 4), normal(generator, 2, 2, 3, 4)
        x0, epsilon = mine(latents.clone(), said, alpha_bar, kind)
        if not close(signal * x0 + noise * epsilon, latents, atol=1e-4):
            return False
    return True


def the_three_truths_give_one_pair(mine):
    """I took a picture and a noise, and handed you x_t with the true epsilon, the true x_0 and the
    true v. All three should lead back to this picture and this noise. One does not.
    """
    alpha_bar = torch.tensor([0.9, 0.5, 0.1])
    latents, x0, epsilon, v = truth(28, alpha_bar)
    for said, kind in ((epsilon, "epsilon"), (x0, "sample"), (v, "v_prediction")):
        found = mine(latents.clone(), said.clone(), alpha_bar, kind)
        if not (close(found[0], x0, atol=1e-4) and close(found[1], epsilon, atol=1e-4)):
            return False
    return True


def v_is_a_rotation(mine):
    """(x_t, v) and (x_0, epsilon) are the same arrow on two sheets of paper, one of them turned:
    the length, |x_0|^2 + |epsilon|^2 = |x_t|^2 + |v|^2, should stay. With you it changes.
    """
    alpha_bar, generator = torch.tensor([0.9, 0.5, 0.1]), torch.Generator().manual_seed(29)
    latents, v = normal(generator, 3, 2, 3, 4), normal(generator, 3, 2, 3, 4)
    x0, epsilon = mine(latents.clone(), v.clone(), alpha_bar, "v_prediction")
    before, after = ((a**2 + b**2).sum((1, 2, 3)) for a, b in ((latents, v), (x0, epsilon)))
    return close(after, before)


def v_works_where_nothing_is_left(mine):
    """At alpha-bar = 0, x_t is nothing but noise and v is nothing but the picture, its sign turned.
    From v one can still read both. Yours does not.
    """
    generator = torch.Generator().manual_seed(30)
    latents, v = normal(generator, 2, 2, 3, 4), normal(generator, 2, 2, 3, 4)
    x0, epsilon = mine(latents.clone(), v.clone(), torch.zeros(2), "v_prediction")
    return close(x0, -v) and close(epsilon, latents)


def each_picture_its_own_level(mine):
    """A picture is read otherwise in a batch than alone: each should follow its own alpha-bar."""
    alpha_bar = table()[torch.tensor([20, 300, 600, 900])]
    latents, x0, epsilon, v = truth(31, alpha_bar)
    for said, kind in ((epsilon, "epsilon"), (x0, "sample"), (v, "v_prediction")):
        together = mine(latents.clone(), said.clone(), alpha_bar, kind)
        for i in range(4):
            one = slice(i, i + 1)
            alone = mine(latents[one].clone(), said[one].clone(), alpha_bar[one], kind)
            if not all(close(t[one], a, atol=1e-4) for t, a in zip(together, alone, strict=True)):
                return False
    return True


def _read(latents, said, alpha_bar, kind):
    """A right reading, so that each mistake has to spell out its own line only."""
    signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    if kind == "epsilon":
        return (latents - noise * said) / signal, said
    if kind == "sample":
        return said, (latents - signal * said) / noise
    return signal * latents - noise * said, signal * said + noise * latents


def epsilon_not_divided(latents, prediction, alpha_bar, prediction_type):
    """From epsilon: what you call x_0 is still the faded picture. Put it back into the jump, and
    it does not give x_t.
    """
    if prediction_type == "epsilon":
        return latents - roots(alpha_bar)[1] * prediction, prediction
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), prediction_type)


def epsilon_divided_by_alpha_bar(latents, prediction, alpha_bar, prediction_type):
    """From epsilon: x_0 comes out too large, by one more root. By what exactly had the jump
    multiplied the picture?
    """
    if prediction_type == "epsilon":
        signal, noise = roots(alpha_bar)
        return (latents - noise * prediction) / signal**2, prediction
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), prediction_type)


def epsilon_without_the_noises_root(latents, prediction, alpha_bar, prediction_type):
    """From epsilon: some noise stays behind in x_0. How much of it had the jump put in?"""
    if prediction_type == "epsilon":
        signal, noise = roots(alpha_bar)
        return (latents - noise**2 * prediction) / signal, prediction
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), prediction_type)


def sample_not_divided(latents, prediction, alpha_bar, prediction_type):
    """From x_0 (`sample`): what you call epsilon is still as weak as the jump made it."""
    if prediction_type == "sample":
        return prediction, latents - roots(alpha_bar)[0] * prediction
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), prediction_type)


def v_sign_of_x0(latents, prediction, alpha_bar, prediction_type):
    """From v: your x_0 and epsilon together do not rebuild x_t. Draw x_t and v as two axes, and
    turn them by an angle: of the four signs, one is negative.
    """
    if prediction_type == "v_prediction":
        signal, noise = roots(alpha_bar)
        return signal * latents + noise * prediction, signal * prediction + noise * latents
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), prediction_type)


def v_sign_of_epsilon(latents, prediction, alpha_bar, prediction_type):
    """From v: at alpha-bar = 0, x_t is pure noise, but as epsilon you return its negative."""
    if prediction_type == "v_prediction":
        signal, noise = roots(alpha_bar)
        return signal * latents - noise * prediction, signal * prediction - noise * latents
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), prediction_type)


def v_factors_exchanged(latents, prediction, alpha_bar, prediction_type):
    """From v: at alpha-bar = 1, x_t is the clean picture and should come out as x_0. From you
    comes v, its sign turned.
    """
    if prediction_type == "v_prediction":
        signal, noise = roots(alpha_bar)
        return noise * latents - signal * prediction, noise * prediction + signal * latents
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), prediction_type)


def v_taken_for_epsilon(latents, prediction, alpha_bar, prediction_type):
    """The prediction is read as noise although it is a v. A model read in this way draws
    washed-out pictures.
    """
    kind = "epsilon" if prediction_type == "v_prediction" else prediction_type
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), kind)


def v_by_way_of_epsilon(latents, prediction, alpha_bar, prediction_type):
    """From v: right, until alpha-bar is 0, and then nan, since you divide by its root. With zero
    terminal SNR (exercise 2.5) that is the very first step of sampling.
    """
    if prediction_type == "v_prediction":
        signal, noise = roots(alpha_bar)
        epsilon = signal * prediction + noise * latents
        return (latents - noise * epsilon) / signal, epsilon
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), prediction_type)


def v_by_way_of_x0(latents, prediction, alpha_bar, prediction_type):
    """From v: right, until alpha-bar is 1, and then nan. You read epsilon from x_0, by the root of
    1 - alpha-bar, and where there is no noise yet that root is 0.
    """
    if prediction_type == "v_prediction":
        signal, noise = roots(alpha_bar)
        x0 = signal * latents - noise * prediction
        return x0, (latents - signal * x0) / noise
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), prediction_type)


def alpha_bar_not_reshaped(latents, prediction, alpha_bar, prediction_type):
    """As many pictures as columns, and it runs without a word, but each *column* is read at its
    own noise level.
    """
    return _read(latents, prediction, alpha_bar, prediction_type)


def answers_in_the_wrong_order(latents, prediction, alpha_bar, prediction_type):
    """You return the noise first and the picture second. The statement asks for x_0 first."""
    return _read(latents, prediction, alpha_bar.reshape(-1, 1, 1, 1), prediction_type)[::-1]


EXERCISE = Exercise(
    "02.to_x0_and_epsilon",
    "Three names of one thing: epsilon, x0, v",
    2,
    12,
    3,
    to_x0_and_epsilon,
    cases,
    laws=(
        both_answers_rebuild_x_t,
        the_three_truths_give_one_pair,
        v_is_a_rotation,
        v_works_where_nothing_is_left,
        each_picture_its_own_level,
    ),
    mistakes=(
        epsilon_not_divided,
        epsilon_divided_by_alpha_bar,
        epsilon_without_the_noises_root,
        sample_not_divided,
        v_sign_of_x0,
        v_sign_of_epsilon,
        v_factors_exchanged,
        v_taken_for_epsilon,
        v_by_way_of_epsilon,
        v_by_way_of_x0,
        alpha_bar_not_reshaped,
        answers_in_the_wrong_order,
    ),
)
