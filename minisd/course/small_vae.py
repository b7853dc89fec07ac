"""A variational autoencoder that learns in seconds: nearly all its work is done at the latent's
size, where there are few places. The package's own, `minisd.vae`, has Stable Diffusion's form.
"""

from torch import nn

from ..resnet import ResnetBlock2D
from ..vae import EPS, DiagonalGaussian

GROUPS = 8


class SmallVAE(nn.Module):
    """Encoder and decoder, used like `minisd.vae.AutoencoderKL`.

    (B, 3, H, W) -> (B, 4, h, w) -> (B, 3, H, W), where h = H / downscale. Each square of downscale
    x downscale pixels becomes `width` numbers at once, and the last layer writes all pixels of a
    square at once (Shi et al. 2016).
    """

    def __init__(self, downscale=4, width=64, latent_channels=4):
        super().__init__()

        def layers(first, num_blocks, out_channels):
            blocks = [ResnetBlock2D(width, width, GROUPS, EPS) for _ in range(num_blocks)]
            last = nn.Conv2d(width, out_channels, 3, padding=1)
            return nn.Sequential(first, *blocks, nn.GroupNorm(GROUPS, width), nn.SiLU(), last)

        squares = nn.Conv2d(3, width, downscale, stride=downscale)
        self.encoder = layers(squares, 1, 2 * latent_channels)
        begin = nn.Conv2d(latent_channels, width, 3, padding=1)
        self.decoder = layers(begin, 2, 3 * downscale**2)
        self.to_pixels = nn.PixelShuffle(downscale)
        # Begin almost noiseless, as the package's does.
        nn.init.constant_(self.encoder[-1].bias[latent_channels:], -6.0)

    def encode(self, images):
        """Describe pictures in [-1, 1] as Gaussians. (B, 3, H, W) -> of (B, 4, h, w)"""
        mean, logvar = self.encoder(images).chunk(2, dim=1)
        return DiagonalGaussian(mean, logvar.clamp(-30.0, 20.0))

    def decode(self, latents):
        """Draw latents as pictures. (B, 4, h, w) -> (B, 3, H, W)"""
        return self.to_pixels(self.decoder(latents))
