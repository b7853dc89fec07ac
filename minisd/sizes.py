"""One table of sizes: the same classes make a toy for tests and the real Stable Diffusion."""

from dataclasses import dataclass

from .schedule import NoiseSchedule
from .text_encoder import TextConfig
from .unet import UNetConfig
from .vae import VAEConfig


@dataclass(frozen=True)
class Size:
    """The configurations that together make one text-to-image model."""

    image_size: int  # height and width in pixels
    unet: UNetConfig
    vae: VAEConfig
    text: TextConfig  # vocab_size is a placeholder where the tokenizer is trained by the learner
    schedule: NoiseSchedule


def attention_at(*levels):
    """Return UNetConfig's two lists of block types, True for a level with attention.

    `levels` run from the finest to the coarsest.
    """
    down = tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in levels)
    up = tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(levels))
    return {"down_block_types": down, "up_block_types": up}


# Sampling starts from pure noise, so the schedule must end there too: zero terminal SNR, which
# asks for v-prediction and trailing timesteps (Lin et al. 2023).
ZERO_SNR = NoiseSchedule(
    prediction_type="v_prediction",
    rescale_betas_zero_snr=True,
    timestep_spacing="trailing",
    set_alpha_to_one=True,  # and it ends at the picture, not one step before
)

SIZES = {
    "tiny": Size(  # for tests: trains a step in milliseconds
        image_size=32,
        unet=UNetConfig(
            sample_size=8,
            block_out_channels=(16, 32),
            **attention_at(False, True),
            layers_per_block=1,
            cross_attention_dim=32,
            attention_head_dim=2,
            norm_num_groups=8,
        ),
        vae=VAEConfig(32, block_out_channels=(16, 16, 16), norm_num_groups=8),
        text=TextConfig(700, 24, 32, 64, 1, 2),
        schedule=ZERO_SNR,
    ),
    "shapes32": Size(  # two CPU cores, half an hour
        image_size=32,
        unet=UNetConfig(
            sample_size=8,
            block_out_channels=(96, 128),
            **attention_at(True, True),
            layers_per_block=1,
            cross_attention_dim=128,
            attention_head_dim=4,
        ),
        vae=VAEConfig(32, block_out_channels=(32, 64, 64), norm_num_groups=16),
        text=TextConfig(700, 24, 128, 512, 3, 4),
        schedule=ZERO_SNR,
    ),
    "shapes64": Size(  # one CUDA GPU
        image_size=64,
        unet=UNetConfig(
            sample_size=16,
            block_out_channels=(128, 256, 256),
            **attention_at(False, True, True),
            cross_attention_dim=256,
            attention_head_dim=4,
        ),
        vae=VAEConfig(64, block_out_channels=(64, 128, 128), norm_num_groups=16),
        text=TextConfig(700, 24, 256, 1024, 4, 4),
        schedule=ZERO_SNR,
    ),
    "sd15": Size(  # Stable Diffusion 1.5
        image_size=512,
        unet=UNetConfig(sample_size=64, cross_attention_dim=768),
        vae=VAEConfig(512, block_out_channels=(128, 256, 512, 512), layers_per_block=2),
        text=TextConfig(49408, 77, 768, 3072, 12, 12),
        schedule=NoiseSchedule(),
    ),
}
