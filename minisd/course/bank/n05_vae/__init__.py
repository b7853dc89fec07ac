"""05 · VAE: its exercises, in notebook order, and what is to be predicted."""

from ...predictions import Prediction
from . import (
    adversarial_losses,
    kl_to_standard_normal,
    latent_scale,
    sample_latents,
    score_function_gradient,
    vae_loss,
)

EXERCISES = (
    sample_latents.EXERCISE,
    score_function_gradient.EXERCISE,
    kl_to_standard_normal.EXERCISE,
    vae_loss.EXERCISE,
    latent_scale.EXERCISE,
    adversarial_losses.EXERCISE,
)

PREDICTIONS = (
    Prediction(
        "05.price",
        "Each nat gets ten times as expensive. What happens to the reconstructions, and to "
        "pictures decoded from pure noise?",
        {
            "both better": "A price never helps a reconstruction: whoever may say less can be "
            "understood less well. It helps the decoded noise, up to a point.",
            "reconstructions worse, noise more picture-like": "Yes: the latents are pushed "
            "together until they fill the bell that noise is drawn from, and for that they have to "
            "say less. Look below how far this can be driven, and what it never becomes.",
            "both worse": "The reconstructions, yes. But where latents fill the bell that noise is "
            "drawn from, the decoder has at least seen such places.",
        },
    ),
    Prediction(
        "05.pure_noise",
        "You decode pure noise, as wide as the latents are, with a decoder that draws well. What "
        "do you see?",
        {
            "objects": "Here and there something like it. But a latent is a little picture, and "
            "its places must agree on what is where; 256 numbers drawn one by one agree on "
            "nothing.",
            "gray": "Then the decoder would ignore its latent. It does not: it does its best with "
            "every place, and each says something else.",
            "colored patches": "Yes. Every place says something, and no two of them agree. What "
            "makes them agree is the job of the other network.",
        },
    ),
)
