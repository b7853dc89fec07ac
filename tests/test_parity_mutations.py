"""The parity tests can see: every mistake that a reader might make, put in, makes them fail."""

import pytest
import test_parity
import torch
import torch.nn.functional as F

import minisd.attention
import minisd.text_encoder
import minisd.unet
import minisd.vae
from minisd.attention import GEGLU, BasicTransformerBlock, Transformer2DModel
from minisd.resnet import Downsample2D, ResnetBlock2D, Upsample2D
from minisd.text_encoder import CLIPTextModel
from minisd.unet import UNetConfig

CHECKS = {
    "unet": (test_parity.test_unet_equals_diffusers, test_parity.UNETS),
    "vae": (test_parity.test_vae_equals_diffusers, test_parity.VAES),
    "text": (test_parity.test_text_encoder_equals_transformers, test_parity.TEXTS),
}


def after_init(module_class, change):
    """A constructor that lets `change` spoil the finished module."""
    right = module_class.__init__

    def spoiled(self, *arguments, **options):
        right(self, *arguments, **options)
        change(self)

    return spoiled


def spoiled_embedding(sine_first=False, shift=0):
    def timestep_embedding(timesteps, dim, max_period=10000):
        half = torch.arange(dim // 2, dtype=torch.float32)
        frequencies = torch.exp(-torch.tensor(max_period).log() * half / (dim // 2 - shift))
        angles = timesteps[:, None].float() * frequencies
        waves = [angles.sin(), angles.cos()] if sine_first else [angles.cos(), angles.sin()]
        return torch.cat(waves, dim=-1)

    return timestep_embedding


def resnet_with_eps(eps):
    def make(in_channels, out_channels, num_groups, _, time_channels=None):
        return ResnetBlock2D(in_channels, out_channels, num_groups, eps, time_channels)

    return make


def resnet_without_the_second_silu(self, x, time=None):
    y = self.conv1(F.silu(self.norm1(x)))
    if self.time_emb_proj is not None:
        y = y + self.time_emb_proj(time)[:, :, None, None]
    y = self.conv2(F.silu(self.norm2(y)))
    return y + (x if self.conv_shortcut is None else self.conv_shortcut(x))


def resnet_with_time_after_norm2(self, x, time=None):
    y = self.norm2(self.conv1(F.silu(self.norm1(x))))
    if self.time_emb_proj is not None:
        y = y + self.time_emb_proj(F.silu(time))[:, :, None, None]
    return self.conv2(F.silu(y)) + (x if self.conv_shortcut is None else self.conv_shortcut(x))


def geglu(gelu=F.gelu, swapped=False):
    def forward(self, x):
        value, gate = self.proj(x).chunk(2, dim=-1)
        return gate * gelu(value) if swapped else value * gelu(gate)

    return forward


def tanh_gelu(x):
    return F.gelu(x, approximate="tanh")


def cross_attention_first(self, x, context):
    x = x + self.attn2(self.norm2(x), context)
    x = x + self.attn1(self.norm1(x))
    return x + self.ff(self.norm3(x))


def padded(*sides):
    def forward(self, x):
        return F.conv2d(F.pad(x, sides), self.conv.weight, self.conv.bias, stride=2)

    return forward


def linear_upsampling(self, x, size=None):
    size = size or (2 * x.shape[2], 2 * x.shape[3])
    return self.conv(F.interpolate(x, size=size, mode="bilinear"))


def text_without_final_norm(self, token_ids):
    S = token_ids.shape[1]
    mask = torch.ones(S, S, dtype=torch.bool).tril()
    return self.encoder(self.embeddings(token_ids), mask)


def text_without_mask(self, token_ids):
    S = token_ids.shape[1]
    mask = torch.ones(S, S, dtype=torch.bool)
    return self.final_layer_norm(self.encoder(self.embeddings(token_ids), mask))


def unscaled_attention(q, k, v, mask=None):
    scores = q @ k.transpose(-1, -2)
    return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1) @ v


def norm_eps(name, eps):
    return lambda module: setattr(getattr(module, name), "eps", eps)


class SkipFirst:
    """torch, but for cat: it puts the skip connection before what comes from below."""

    cat = staticmethod(lambda tensors, dim: torch.cat(tensors[::-1], dim=dim))

    def __getattr__(self, name):
        return getattr(torch, name)


# name: (part, where, what, the wrong thing in its place)
MUTATIONS = {
    "resnet GroupNorm eps 1e-6 for 1e-5": (
        "unet", minisd.unet, "ResnetBlock2D", resnet_with_eps(1e-6)),
    "last GroupNorm eps 1e-6 for 1e-5": (
        "unet", minisd.unet.UNet2DConditionModel, "__init__",
        after_init(minisd.unet.UNet2DConditionModel, norm_eps("conv_norm_out", 1e-6))),
    "Transformer2D GroupNorm eps 1e-5 for 1e-6": (
        "unet", Transformer2DModel, "__init__",
        after_init(Transformer2DModel, norm_eps("norm", 1e-5))),
    "transformer LayerNorm eps 1e-6 for 1e-5": (
        "unet", BasicTransformerBlock, "__init__",
        after_init(BasicTransformerBlock, norm_eps("norm2", 1e-6))),
    "sine before cosine": (
        "unet", minisd.unet, "timestep_embedding", spoiled_embedding(sine_first=True)),
    "frequency shift 1 for 0": (
        "unet", minisd.unet, "timestep_embedding", spoiled_embedding(shift=1)),
    "GEGLU halves swapped": ("unet", GEGLU, "forward", geglu(swapped=True)),
    "tanh GELU for erf": ("unet", GEGLU, "forward", geglu(tanh_gelu)),
    "2 heads for 8": (
        "unet", UNetConfig, "num_heads", property(lambda self: (2,) * len(self.up_block_types))),
    "scores not divided by the root of E": (
        "unet", minisd.attention, "scaled_dot_product_attention", unscaled_attention),
    "cross-attention before self-attention": (
        "unet", BasicTransformerBlock, "forward", cross_attention_first),
    "no SiLU before the time projection": (
        "unet", ResnetBlock2D, "forward", resnet_without_the_second_silu),
    "time added after norm2": ("unet", ResnetBlock2D, "forward", resnet_with_time_after_norm2),
    "skip connection first": ("unet", minisd.unet, "torch", SkipFirst()),
    "linear upsampling in the UNet": ("unet", Upsample2D, "forward", linear_upsampling),
    "unsymmetric padding in the UNet": (
        "unet", Downsample2D, "forward", padded(0, 1, 0, 1)),
    "VAE GroupNorm eps 1e-5 for 1e-6": ("vae", minisd.vae, "EPS", 1e-5),
    "VAE symmetric padding": ("vae", Downsample2D, "forward", padded(1, 1, 1, 1)),
    "linear upsampling in the VAE": ("vae", Upsample2D, "forward", linear_upsampling),
    "VAE attention unscaled": (
        "vae", minisd.attention, "scaled_dot_product_attention", unscaled_attention),
    "CLIP gelu for quick_gelu": ("text", minisd.text_encoder, "quick_gelu", F.gelu),
    "CLIP tanh gelu for gelu": ("text", minisd.text_encoder, "gelu", tanh_gelu),
    "last VAE GroupNorm eps 1e-5 for 1e-6": (
        "vae", minisd.vae.Decoder, "__init__",
        after_init(minisd.vae.Decoder, norm_eps("conv_norm_out", 1e-5))),
    "CLIP LayerNorm eps 1e-6 for 1e-5": (
        "text", CLIPTextModel, "__init__",
        after_init(CLIPTextModel, norm_eps("final_layer_norm", 1e-6))),
    "CLIP without its final norm": ("text", CLIPTextModel, "forward", text_without_final_norm),
    "CLIP without a causal mask": ("text", CLIPTextModel, "forward", text_without_mask),
}  # fmt: skip


def fails(part):
    """Whether the part's parity test fails for any of its cases, by its own assertion."""
    check, cases = CHECKS[part]
    for name in cases:
        for kind in test_parity.SIZES_OF:
            torch.manual_seed(0)
            try:
                check(name, kind)
            except AssertionError:
                return True
    return False


def put_in(mistake, monkeypatch):
    """Exchange the right thing for the wrong one; return the part that it spoils."""
    part, where, what, wrong = MUTATIONS[mistake]
    if where is minisd.text_encoder and what in ("quick_gelu", "gelu"):
        monkeypatch.setitem(minisd.text_encoder.ACTIVATIONS, what, wrong)
    else:
        monkeypatch.setattr(where, what, wrong)
    return part


@pytest.mark.parametrize("mistake", MUTATIONS)
def test_a_mistake_makes_the_parity_test_fail(mistake, monkeypatch):
    assert fails(put_in(mistake, monkeypatch))


# Too little of this one reaches an output: only the list of all eps shows it.
HIDDEN = {"transformer LayerNorm eps 1e-6 for 1e-5"}


@pytest.mark.parametrize("mistake", [m for m in MUTATIONS if " eps " in m and m not in HIDDEN])
def test_a_wrong_eps_shows_in_the_outputs_alone(mistake, monkeypatch):
    monkeypatch.setattr(test_parity, "assert_same_eps", lambda ours, theirs: None)
    assert fails(put_in(mistake, monkeypatch))


@pytest.mark.parametrize("part", CHECKS)
def test_the_code_as_it_is_passes(part):
    assert not fails(part)  # or the test above would pass whatever is put in
