"""Every part equals diffusers' or transformers', with the same random weights, to 1e-5."""

import json
from pathlib import Path
from unittest import mock

import diffusers
import pytest
import torch
import torch.nn.functional as F
import transformers
from oracles import assert_same_eps, randomize, relative_error

from minisd.attention import scaled_dot_product_attention
from minisd.sizes import SIZES
from minisd.text_encoder import CLIPTextModel, TextConfig
from minisd.unet import UNet2DConditionModel, UNetConfig
from minisd.vae import AutoencoderKL, VAEConfig

# Size of the inputs, gain of the weights: a wrong eps only shows where a norm's input is small.
SIZES_OF = {"usual": (1.0, 1.0), "faint": (0.003, 1.0), "faint within": (1.0, 0.1)}
CROSS, PLAIN = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")

UNETS = {
    "two levels": UNetConfig(
        block_out_channels=(32, 64),
        down_block_types=(CROSS[0], PLAIN[0]),
        up_block_types=(PLAIN[1], CROSS[1]),
        layers_per_block=1,
        cross_attention_dim=32,
    ),
    "linear projection, heads per level": UNetConfig(
        block_out_channels=(32, 64),
        down_block_types=(CROSS[0], PLAIN[0]),
        up_block_types=(PLAIN[1], CROSS[1]),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=(4, 8),
        use_linear_projection=True,
    ),
    "four levels as in SD 1.5": UNetConfig(
        block_out_channels=(32, 64, 64, 64), cross_attention_dim=48
    ),
    "four levels as in SD 2": UNetConfig(
        block_out_channels=(32, 64, 96, 96),
        cross_attention_dim=40,
        attention_head_dim=(2, 4, 6, 6),
        use_linear_projection=True,
    ),
    "four narrow levels, nine channels as for inpainting": UNetConfig(
        in_channels=9,
        block_out_channels=(32, 64, 96, 128),
        layers_per_block=1,
        cross_attention_dim=24,
        norm_num_groups=16,
    ),
    "tiny": SIZES["tiny"].unet,
    "shapes32": SIZES["shapes32"].unet,
}


@pytest.mark.parametrize("name", UNETS)
@pytest.mark.parametrize("kind", SIZES_OF)
def test_unet_equals_diffusers(name, kind):
    config, (scale, gain) = UNETS[name], SIZES_OF[kind]
    theirs = randomize(diffusers.UNet2DConditionModel.from_config(config.to_dict()), gain=gain)
    ours = UNet2DConditionModel(config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert_same_eps(ours, theirs)
    latents = scale * torch.randn(2, config.in_channels, 8, 16)
    timesteps = torch.tensor([3, 801])
    context = scale * torch.randn(2, 7, config.cross_attention_dim)
    with torch.no_grad():
        expected = theirs(latents, timesteps, context).sample
        assert relative_error(ours(latents, timesteps, context), expected) <= 1e-5


@pytest.mark.parametrize("size", [(12, 9), (7, 10), (8, 24)])
@pytest.mark.parametrize("name", ["four levels as in SD 1.5", "four levels as in SD 2"])
def test_unet_takes_latents_that_do_not_halve_evenly(name, size):
    config = UNETS[name]
    theirs = randomize(diffusers.UNet2DConditionModel.from_config(config.to_dict()))
    ours = UNet2DConditionModel(config).eval()
    ours.load_state_dict(theirs.state_dict())
    latents, context = torch.randn(1, 4, *size), torch.randn(1, 77, config.cross_attention_dim)
    with torch.no_grad():
        expected = theirs(latents, 500, context).sample
        assert relative_error(ours(latents, 500, context), expected) <= 1e-5


VAES = {
    "two levels": VAEConfig(block_out_channels=(32, 64), sample_size=16),
    "four levels as in SD": VAEConfig(
        block_out_channels=(32, 32, 64, 64), layers_per_block=2, sample_size=16, norm_num_groups=8
    ),
    "tiny": SIZES["tiny"].vae,
    "shapes32": SIZES["shapes32"].vae,
}


@pytest.mark.parametrize("name", VAES)
@pytest.mark.parametrize("kind", SIZES_OF)
def test_vae_equals_diffusers(name, kind):
    config, (scale, gain) = VAES[name], SIZES_OF[kind]
    theirs = randomize(diffusers.AutoencoderKL.from_config(config.to_dict()), gain=gain)
    ours = AutoencoderKL(config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert_same_eps(ours, theirs)
    images = scale * torch.randn(2, 3, 16, 24)
    latents = scale * torch.randn(2, config.latent_channels, 4, 6)
    with torch.no_grad():
        expected = theirs.encode(images).latent_dist
        posterior = ours.encode(images)
        assert relative_error(posterior.mean, expected.mean) <= 1e-5
        assert relative_error(posterior.logvar, expected.logvar) <= 1e-5
        assert relative_error(ours.decode(latents), theirs.decode(latents).sample) <= 1e-5
        torch.testing.assert_close(posterior.kl(), expected.kl())


TEXTS = {
    "quick_gelu": TextConfig(99, 24, 32, 64, 2, 4),
    "gelu": TextConfig(99, 24, 32, 64, 2, 4, hidden_act="gelu"),
    "shapes32": SIZES["shapes32"].text,
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", SIZES_OF)
def test_text_encoder_equals_transformers(name, kind):
    config, (scale, gain) = TEXTS[name], SIZES_OF[kind]
    theirs = transformers.CLIPTextModel(transformers.CLIPTextConfig(**config.to_dict()))
    randomize(theirs, gain=gain)
    theirs.embeddings.token_embedding.weight.data *= scale
    theirs.embeddings.position_embedding.weight.data *= scale
    ours = CLIPTextModel(config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert_same_eps(ours, theirs)
    ids = torch.randint(0, 90, (3, 17))
    with torch.no_grad():
        expected = theirs(ids).last_hidden_state
        assert relative_error(ours(ids), expected) <= 1e-5


@pytest.mark.parametrize("causal", [False, True])
def test_attention_in_one_kernel_equals_attention_written_out(causal):
    q, k, v = (torch.randn(2, 4, tokens, 8) for tokens in (5, 7, 7))
    mask = torch.ones(5, 7, dtype=torch.bool).tril(2) if causal else None
    kernel = mock.Mock(wraps=F.scaled_dot_product_attention)
    with (
        mock.patch.object(F, "scaled_dot_product_attention", kernel),
        mock.patch.object(torch.Tensor, "is_cuda", True),  # all that the branch asks
    ):
        fused = scaled_dot_product_attention(q, k, v, mask)
    written_out = scaled_dot_product_attention(q, k, v, mask)
    assert kernel.call_count == 1
    torch.testing.assert_close(fused, written_out, rtol=1e-5, atol=1e-6)


REAL = {
    "unet": (UNet2DConditionModel, 686, 859_520_964),
    "vae": (AutoencoderKL, 248, 83_653_863),
    "text": (CLIPTextModel, 196, 123_060_480),
}


@pytest.mark.parametrize("part", REAL)
def test_full_size_has_the_real_keys_and_shapes(part):
    model_class, num_keys, num_parameters = REAL[part]
    with torch.device("meta"):
        model = model_class(getattr(SIZES["sd15"], part))
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    real = json.loads((Path(__file__).parent / "sd15_keys.json").read_text())[part]
    assert shapes == real
    assert len(real) == num_keys
    assert sum(p.numel() for p in model.parameters()) == num_parameters
