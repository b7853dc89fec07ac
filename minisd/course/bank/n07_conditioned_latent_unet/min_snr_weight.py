"""07.min_snr_weight: which noise levels count."""

import torch

from ...exercise import Exercise


def min_snr_weight(snr, gamma, prediction_type):
    """The factor on a squared error, so that an error in x_0 weighs min(SNR, gamma) whatever the
    network predicts. Hang et al. 2023, section 3.4.

    (B,), number, "epsilon", "v_prediction" or "sample" -> (B,). At SNR 0: 1, 0 and 0.
    """
    capped = snr.clamp(max=gamma)
    if prediction_type == "epsilon":
        return (gamma / snr).clamp(max=1)
    if prediction_type == "v_prediction":
        return capped / (snr + 1)
    return capped


def cases(generator):
    """SNRs on both sides of gamma, and 0 itself."""

    def case(B, gamma, prediction_type, zero=False):
        snr = torch.randn(B, generator=generator).mul(2).exp() * gamma / 2
        snr[0] = 0 if zero else snr[0]
        return snr, gamma, prediction_type

    return {
        "example": case(6, 5.0, "v_prediction"),
        "batch 1": case(1, 5.0, "epsilon"),
        "epsilon": case(8, 4.0, "epsilon"),
        "the clean picture": case(8, 3.0, "sample", zero=True),
        "v, and pure noise": case(7, 2.0, "v_prediction", zero=True),
        "epsilon, and pure noise": case(7, 6.0, "epsilon", zero=True),
    }


LEVELS = torch.tensor([0.0047, 0.3, 1.0, 4.9, 5.1, 60.0])


def three_predictions_weigh_alike(mine):
    """One and the same error in x_0 should weigh the same whatever the network predicts: min(SNR,
    gamma). Work out what it is as an error in epsilon, and in v; for one of them yours is another.
    """
    error = {"epsilon": LEVELS, "v_prediction": LEVELS + 1, "sample": torch.ones(6)}
    expected = LEVELS.clamp(max=5.0)
    return all(
        torch.allclose(mine(LEVELS, 5.0, kind) * squared, expected, rtol=1e-3)
        for kind, squared in error.items()
    )


def finite_in_pure_noise(mine):
    """At SNR 0 a weight is infinite or no number. Training ends there."""
    kinds = ("epsilon", "v_prediction", "sample")
    return all(bool(mine(torch.zeros(2), 5.0, kind).isfinite().all()) for kind in kinds)


def epsilon_is_not_weighed_below_gamma(mine):
    """For epsilon the weight should be 1 wherever the SNR is below gamma, at 0 too, and fall above
    it: twice the SNR, half the weight.
    """
    weights = mine(torch.tensor([0.0, 0.1, 1.0, 4.0, 10.0, 20.0]), 5.0, "epsilon")
    return torch.allclose(weights, torch.tensor([1.0, 1.0, 1.0, 1.0, 0.5, 0.25]), atol=1e-4)


def large_gamma_caps_nothing(mine):
    """With an endless gamma nothing is capped: for x_0 the weight should be the SNR itself."""
    return torch.allclose(mine(LEVELS, 1e6, "sample"), LEVELS, rtol=1e-4)


def small_gamma_makes_levels_alike(mine):
    """With gamma below every SNR, all levels should weigh the same in x_0: gamma."""
    weights = mine(torch.tensor([3.0, 30.0, 300.0]), 0.5, "sample")
    return torch.allclose(weights, torch.full((3,), 0.5), atol=1e-4)


def epsilons_weight_for_v(snr, gamma, prediction_type):
    """v is weighed like epsilon, which is too heavy where there is much noise: an error in v is not
    an error in epsilon.
    """
    kind = "epsilon" if prediction_type == "v_prediction" else prediction_type
    return min_snr_weight(snr, gamma, kind)


def maximum_for_minimum(snr, gamma, prediction_type):
    """The clean end outweighs everything: the weight should be capped from above."""
    raised = snr.clamp(min=gamma)
    scale = {"epsilon": snr, "v_prediction": snr + 1, "sample": 1}[prediction_type]
    return raised / scale


def same_weight_for_all(snr, gamma, prediction_type):
    """The weight of x_0 was used for every kind of prediction."""
    return snr.clamp(max=gamma)


def upside_down(snr, gamma, prediction_type):
    """Your fraction is upside down: the cleaner the picture, the larger the weight, without end."""
    capped = snr.clamp(max=gamma)
    scale = {"epsilon": snr, "v_prediction": snr + 1, "sample": torch.ones_like(snr)}
    return scale[prediction_type] / capped


def alpha_bar_for_the_snr(snr, gamma, prediction_type):
    """What you cap never exceeds 1: that is alpha_bar = SNR / (1 + SNR), a share. The ratio goes to
    hundreds.
    """
    share = snr / (1 + snr)
    return min_snr_weight(share, gamma, prediction_type)


def multiplied_for_v(snr, gamma, prediction_type):
    """For v you multiply where you should divide. An error in x_0 becomes a *larger* error in v, so
    a smaller weight gives it the same say.
    """
    if prediction_type == "v_prediction":
        return snr.clamp(max=gamma) * (snr + 1)
    return min_snr_weight(snr, gamma, prediction_type)


def zero_by_zero_for_epsilon(snr, gamma, prediction_type):
    """min(SNR, gamma) / SNR is 0 / 0 in pure noise: nan. Divide gamma instead, and cap what comes
    out.
    """
    if prediction_type == "epsilon":
        return snr.clamp(max=gamma) / snr
    return min_snr_weight(snr, gamma, prediction_type)


def nudged_away_from_zero(snr, gamma, prediction_type):
    """Something small was put below the fraction, so that nothing is divided by 0. That gives 0 in
    pure noise, where the weight should be 1 as at every level below gamma.
    """
    if prediction_type == "epsilon":
        return snr.clamp(max=gamma) / (snr + 1e-8)
    return min_snr_weight(snr, gamma, prediction_type)


def root_of_the_snr(snr, gamma, prediction_type):
    """The SNR is a ratio of variances already, and the error is squared: no root is due."""
    return min_snr_weight(snr**0.5, gamma, prediction_type)


EXERCISE = Exercise(
    "07.min_snr_weight",
    "Which noise levels count (min-SNR), an extension",
    2,
    8,
    2,
    min_snr_weight,
    cases,
    laws=(
        finite_in_pure_noise,
        epsilon_is_not_weighed_below_gamma,
        large_gamma_caps_nothing,
        small_gamma_makes_levels_alike,
        three_predictions_weigh_alike,
    ),
    mistakes=(
        epsilons_weight_for_v,
        maximum_for_minimum,
        same_weight_for_all,
        upside_down,
        alpha_bar_for_the_snr,
        multiplied_for_v,
        zero_by_zero_for_epsilon,
        nudged_away_from_zero,
        root_of_the_snr,
    ),
    needs_gradient=False,  # a weight is no part of what is learned
)
