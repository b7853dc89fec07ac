"""What people get wrong in the loss of a text-to-image model."""

import torch


def _parts(latents, alphas_cumprod, generator, last=0):
    """Times (the `last` ones left out), noise, and the two factors, each in its latents' shape."""
    B = latents.shape[0]
    timesteps = torch.randint(max(1, len(alphas_cumprod) - last), (B,), generator=generator)
    noise = torch.randn(latents.shape, generator=generator)
    alpha_bar = alphas_cumprod[timesteps].reshape(B, *[1] * (latents.ndim - 1))
    return timesteps, noise, alpha_bar**0.5, (1 - alpha_bar) ** 0.5


def _loss(unet, latents, context, parts, target, noisy=None):
    timesteps, noise, signal, spread = parts
    noisy = signal * latents + spread * noise if noisy is None else noisy
    return ((unet(noisy, timesteps, context) - target(latents, *parts[1:])) ** 2).mean()


def _v(latents, noise, signal, spread):
    return signal * noise - spread * latents


def noise_as_target(unet, latents, context, alphas_cumprod, generator=None):
    """The target is still the noise. At the last level the network sees pure noise and need only
    copy it: it learns nothing about the prompt there, and that is where the layout is decided.
    """
    parts = _parts(latents, alphas_cumprod, generator)
    return _loss(unet, latents, context, parts, lambda latents, noise, *_: noise)


def clean_latent_as_target(unet, latents, context, alphas_cumprod, generator=None):
    """The target is the clean latent, not v."""
    parts = _parts(latents, alphas_cumprod, generator)
    return _loss(unet, latents, context, parts, lambda latents, *_: latents)


def v_with_its_sign_turned(unet, latents, context, alphas_cumprod, generator=None):
    """Your target is the mirror image of v: a network that knows v would be told the opposite."""
    parts = _parts(latents, alphas_cumprod, generator)
    return _loss(unet, latents, context, parts, lambda *numbers: -_v(*numbers))


def v_with_plus(unet, latents, context, alphas_cumprod, generator=None):
    """v stands at right angles to x_t; with a plus it does not. Look at the sign in the middle."""
    parts = _parts(latents, alphas_cumprod, generator)
    return _loss(
        unet, latents, context, parts,
        lambda latents, noise, signal, spread: signal * noise + spread * latents,
    )  # fmt: skip


def roots_exchanged_in_v(unet, latents, context, alphas_cumprod, generator=None):
    """The two factors of v have changed places: at alpha_bar = 0 the target should be the latent
    (negative), and yours is the noise.
    """
    parts = _parts(latents, alphas_cumprod, generator)
    return _loss(
        unet, latents, context, parts,
        lambda latents, noise, signal, spread: spread * noise - signal * latents,
    )  # fmt: skip


def roots_forgotten(unet, latents, context, alphas_cumprod, generator=None):
    """alpha_bar and 1 - alpha_bar are shares of the variance. What is mixed, in x_t and in v, are
    latent and noise themselves: each by the root of its share.
    """
    timesteps, noise, signal, spread = _parts(latents, alphas_cumprod, generator)
    return _loss(unet, latents, context, (timesteps, noise, signal**2, spread**2), _v)


def last_time_never_drawn(unet, latents, context, alphas_cumprod, generator=None):
    """t = T - 1, pure noise, never occurs in training. But sampling starts there, and the layout
    would be left to chance.
    """
    parts = _parts(latents, alphas_cumprod, generator, last=1)
    return _loss(unet, latents, context, parts, _v)


def one_time_for_the_batch(unet, latents, context, alphas_cumprod, generator=None):
    """All latents of a batch share one noise level: the gradient is far noisier than need be."""
    timesteps, noise, signal, spread = _parts(latents, alphas_cumprod, generator)
    one = [x[:1].expand(len(latents), *x.shape[1:]) for x in (signal, spread)]
    parts = timesteps[:1].expand(len(latents)), noise, *one
    return _loss(unet, latents, context, parts, _v)


def one_noise_for_the_batch(unet, latents, context, alphas_cumprod, generator=None):
    """All latents of the batch receive the same noise: it was drawn for one, and spread."""
    timesteps, noise, signal, spread = _parts(latents, alphas_cumprod, generator)
    parts = timesteps, noise[:1].expand_as(latents), signal, spread
    return _loss(unet, latents, context, parts, _v)


def prompts_shuffled(unet, latents, context, alphas_cumprod, generator=None):
    """Latent i was given another latent's prompt."""
    parts = _parts(latents, alphas_cumprod, generator)
    return _loss(unet, latents, context.roll(1, 0), parts, _v)


def prompt_detached(unet, latents, context, alphas_cumprod, generator=None):
    """No gradient reaches the text encoder: here it is trained together with the UNet. (The real
    Stable Diffusion's is frozen, and was trained elsewhere.)
    """
    parts = _parts(latents, alphas_cumprod, generator)
    return _loss(unet, latents, context.detach(), parts, _v)


def divided_by_the_snr(unet, latents, context, alphas_cumprod, generator=None):
    """Your loss is infinite, or no number at all: you divide by the signal-to-noise ratio, which is
    0 where alpha_bar is.
    """
    parts = _parts(latents, alphas_cumprod, generator)
    timesteps, noise, signal, spread = parts
    error = unet(signal * latents + spread * noise, timesteps, context) - _v(latents, *parts[1:])
    return (error**2 * spread**2 / signal**2).mean()


def clean_latents_fed(unet, latents, context, alphas_cumprod, generator=None):
    """The network is shown the clean latents: there is nothing to denoise."""
    parts = _parts(latents, alphas_cumprod, generator)
    return _loss(unet, latents, context, parts, _v, latents.clone())


MISTAKES = (
    noise_as_target,
    clean_latent_as_target,
    v_with_its_sign_turned,
    v_with_plus,
    roots_exchanged_in_v,
    roots_forgotten,
    last_time_never_drawn,
    one_time_for_the_batch,
    one_noise_for_the_batch,
    prompts_shuffled,
    prompt_detached,
    divided_by_the_snr,
    clean_latents_fed,
)
