"""What people get wrong when they encode a data set."""

import torch


def _pixels_of(images):
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def _cached(vae, images, batch_size, pixels_of=_pixels_of, read=lambda code: code.mean):
    """The right loop, with other pixels or another reading of the code."""
    was_training = vae.training
    vae.eval()
    with torch.no_grad():
        parts = [read(vae.encode(pixels_of(some))) for some in images.split(batch_size)]
    vae.train(was_training)
    return torch.cat(parts)


def not_scaled(vae, images, scale, batch_size):
    """The latents keep the autoencoder's own spread: the schedule was made for deviation 1."""
    return _cached(vae, images, batch_size)


def divided_by_the_scale(vae, images, scale, batch_size):
    """Scaled the wrong way: dividing is for the way back to pixels."""
    return _cached(vae, images, batch_size) / scale


def graph_kept(vae, images, scale, batch_size):
    """Every latent carries the encoder's graph: memory fills up within a few batches. Which context
    tells torch that nothing will be learned here?
    """
    return scale * _cached(vae, images, batch_size) + 0 * vae.weight.sum()


def pixels_from_0_to_1(vae, images, scale, batch_size):
    """The encoder was trained on [-1, 1]; on [0, 1] it sees pictures that are far too bright."""
    return scale * _cached(vae, images, batch_size, lambda x: x.permute(0, 3, 1, 2) / 255)


def pixels_from_0_to_255(vae, images, scale, batch_size):
    """The encoder sees values up to 255. It was trained on [-1, 1]."""
    return scale * _cached(vae, images, batch_size, lambda x: x.permute(0, 3, 1, 2).float())


def reshaped_for_permuted(vae, images, scale, batch_size):
    """The picture is scrambled: `reshape` or `view` keeps the pixels in their old order and only
    counts them anew. Axes change places by `permute`.
    """

    def pixels_of(some):
        N, H, W, _ = some.shape
        return some.reshape(N, 3, H, W).float() / 127.5 - 1

    return scale * _cached(vae, images, batch_size, pixels_of)


def last_batch_dropped(vae, images, scale, batch_size):
    """The last, smaller batch is missing: there are fewer latents than captions."""
    whole = len(images) // batch_size * batch_size
    return scale * _cached(vae, images, batch_size)[:whole]


def shuffled(vae, images, scale, batch_size):
    """Latents and captions no longer belong together: row i is not picture i."""
    return scale * _cached(vae, images, batch_size).flip(0)


def encoded_in_train_mode(vae, images, scale, batch_size):
    """The VAE is left as it comes, even in train mode: dropout or batch statistics would be active
    while it encodes.
    """
    with torch.no_grad():
        batches = images.split(batch_size)
        return scale * torch.cat([vae.encode(_pixels_of(some)).mean for some in batches])


def left_in_eval_mode(vae, images, scale, batch_size):
    """The VAE comes back in eval mode though it came in train mode: whoever trains it goes on
    without noticing.
    """
    latents = scale * _cached(vae, images, batch_size)
    vae.eval()
    return latents


def one_sample_frozen(vae, images, scale, batch_size):
    """One noisy sample per picture was frozen for all epochs. Store the mean (or mean and spread,
    and sample afresh each time).
    """
    return scale * _cached(vae, images, batch_size, read=lambda code: code.sample())


MISTAKES = (
    not_scaled,
    divided_by_the_scale,
    graph_kept,
    pixels_from_0_to_1,
    pixels_from_0_to_255,
    reshaped_for_permuted,
    last_batch_dropped,
    shuffled,
    encoded_in_train_mode,
    left_in_eval_mode,
    one_sample_frozen,
)
