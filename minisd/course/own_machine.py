"""Your own Stable Diffusion: the pipeline, running on the learner's passed answers.

Each part says which exercise's answer stands for which name of the package. Most answers take the
name's place as they are; where an exercise asked for a first version (a function of plain tensors
where the package has a layer, say), an adapter of a few lines hands on the arguments.
"""

import sys
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest import mock

import torch
from torch import nn

from .. import attention, embeddings, resnet, text_encoder, tokenizer
from ..pipeline import TextToImagePipeline
from ..samplers import SAMPLERS, Step, guide, timestep_grid
from ..samplers.steps import signal_and_noise
from ..schedule import formulas
from .judge import judge
from .keep import kept
from .registry import find

YOURS, PACKAGES = "yours", "the package's"
KINDS = {"squaredcos_cap_v2": "cosine"}  # the package's name: the exercise's


@dataclass(frozen=True)
class Part:
    """One exercise in the machine: what its answer does there, and what it takes the place of."""

    id: str
    work: str  # what it does in the machine, for the table
    replaces: object  # the package's own function or class, wherever it is looked up by name
    adapt: Callable = lambda mine: mine  # answer -> what goes into the place


def betas_of(mine):
    """noise_schedule gives betas and alpha-bars; the schedule asks for the betas alone."""

    def make_betas(beta_schedule, num_train_timesteps, beta_start, beta_end):
        kind = KINDS.get(beta_schedule, beta_schedule)
        return mine(kind, num_train_timesteps, beta_start, beta_end)[0]

    return make_betas


def one_level_each(mine):
    """The exercise has a level for each picture, the samplers one for all."""

    def to_x0_and_epsilon(latents, prediction, alpha_bar, prediction_type):
        levels = torch.as_tensor(alpha_bar).to(latents).expand(len(latents))
        return mine(latents, prediction, levels, prediction_type)

    return to_x0_and_epsilon


def group_norm_layer(mine):
    """A layer that keeps weight and bias, and lets the answer do the work."""

    class GroupNorm(nn.GroupNorm):
        def forward(self, images):
            return mine(images, self.num_groups, self.weight, self.bias, self.eps)

    return GroupNorm


def gated_layer(mine):
    """The same for the gate of the feed-forward."""

    class GEGLU(attention.GEGLU):
        def forward(self, hidden):
            return mine(hidden, self.proj.weight, self.proj.bias)

    return GEGLU


def encoder_layer(mine):
    """The answer makes its causal mask itself, and is told three widths in place of a config."""

    class EncoderLayer(mine):
        def __init__(self, config):
            if config.hidden_act != "quick_gelu":
                raise ValueError(
                    "06.EncoderLayer is built with quick_gelu and cannot stand in a text encoder "
                    f"whose hidden_act is {config.hidden_act!r}."
                )
            widths = config.hidden_size, config.num_attention_heads, config.intermediate_size
            super().__init__(*widths)

        def forward(self, hidden, mask):
            return super().forward(hidden)

    return EncoderLayer


def sampler_of(mine):
    """A loop around one step of DDIM; without `eta` the fresh noise is not heard."""

    @torch.no_grad()
    def ddim(
        denoise, latents, schedule, num_inference_steps, *,
        prediction_type=None, generator=None, image=None, skip=0,
    ):  # fmt: skip
        timesteps = timestep_grid(schedule, num_inference_steps)
        stride = schedule.num_train_timesteps // num_inference_steps
        end = -1 if schedule.set_alpha_to_one else 0  # SD itself ends at alpha_bar[0]
        table = schedule.alphas_cumprod.to(latents.device)
        levels = signal_and_noise(schedule, timesteps)[1:]
        for t, level in zip(timesteps, levels):
            alpha_bar, output = schedule.alpha_bar(t), denoise(latents, t)
            x0, _ = schedule.x0_and_epsilon(latents, output, alpha_bar, prediction_type)
            noise = torch.zeros_like(latents)
            latents = mine(latents, x0, t, max(t - stride, end), table, 0.0, noise)
            yield Step(t, latents, x0, level)

    return ddim


PARTS = (
    Part("01.scaled_dot_product_attention", "every attention",
         attention.scaled_dot_product_attention),
    Part("01.Attention", "pixels look at pixels, and at words", attention.Attention),
    Part("01.SpatialAttention", "the VAE's attention", attention.SpatialAttention),
    Part("02.noise_schedule", "the betas", formulas.make_betas, betas_of),
    Part("02.rescale_zero_terminal_snr", "noise to the very end",
         formulas.rescale_zero_terminal_snr),
    Part("02.to_x0_and_epsilon", "v becomes a picture and a noise", formulas.to_x0_and_epsilon,
         one_level_each),
    Part("04.timestep_embedding", "the time as waves", embeddings.timestep_embedding),
    Part("04.group_norm", "every group norm", nn.GroupNorm, group_norm_layer),
    Part("04.ResnetBlock2D", "the blocks of UNet and VAE", resnet.ResnetBlock2D),
    Part("06.bpe", "words in pieces", tokenizer.bpe),
    Part("06.EncoderLayer", "the layers of the text encoder", text_encoder.CLIPEncoderLayer,
         encoder_layer),
    Part("07.geglu", "the gate of the feed-forward", attention.GEGLU, gated_layer),
    Part("07.BasicTransformerBlock", "where words meet pixels", attention.BasicTransformerBlock),
    Part("08.guide", "guidance", guide),
    Part("08.ddim_step", "each step of the sampler", SAMPLERS["ddim"], sampler_of),
)  # fmt: skip

# Right answers that nothing asks for while a prompt becomes a picture; the rest are experiments.
ELSEWHERE = {
    "inside a part above": ("01.softmax", "01.attention_mask"),
    "in training": (
        "02.add_noise", "03.denoising_loss", "04.ema_update", "05.sample_latents",
        "05.kl_to_standard_normal", "05.vae_loss", "05.latent_scale", "05.adversarial_losses",
        "06.learn_merges", "07.cache_latents", "07.drop_captions", "07.conditioned_loss",
        "07.min_snr_weight",
    ),
    "in other samplers": (
        "03.posterior", "03.ddpm_step", "08.euler", "08.heun", "08.dpm_solver_pp_2m",
    ),
    "in other models": (
        "04.UNet2DModel", "06.encode", "06.prompt_feature", "06.contrastive_loss",
    ),
}  # fmt: skip


@contextmanager
def own_machine(folder="shapes32", device="cpu", answers=None):
    """While inside, the package runs on the learner's answers. Yields (pipeline, whose).

    Taken are those that were kept and are still judged right; `answers`, {id: answer}, takes
    others instead, right or wrong. `whose` maps each part's id to "yours" or "the package's".
    """
    whose, find_answer = {}, kept if answers is None else answers.get
    usable = {part.id for part in PARTS if answers is not None or is_right(part.id)}
    with ExitStack() as stack:
        for part in PARTS:  # in this order: a kept answer that imports an earlier part finds yours
            mine = find_answer(part.id) if part.id in usable else None
            whose[part.id] = PACKAGES if mine is None else YOURS
            for patch in [] if mine is None else patches(part, part.adapt(mine)):
                stack.enter_context(patch)
        yield TextToImagePipeline.from_pretrained(folder, device=device), whose


def is_right(id) -> bool:
    """Whether an answer was kept and is still right: somebody may have changed the file."""
    mine = kept(id)
    return mine is not None and judge(id, mine).status == "right"


def patches(part, new):
    """Exchange a part in every module of the package that knows it by name."""
    if part.replaces is nn.GroupNorm:  # known as nn.GroupNorm, to all
        yield mock.patch.object(nn, "GroupNorm", new)
        return
    for name, module in list(sys.modules.items()):
        if name.startswith("minisd.") and not name.startswith("minisd.course"):
            for key, value in list(vars(module).items()):
                if value is part.replaces:
                    yield mock.patch.object(module, key, new)
    for name, function in SAMPLERS.items():
        if function is part.replaces:
            yield mock.patch.dict(SAMPLERS, {name: new})


def solutions():
    """{id: the notebooks' own solution} of every part, as if all had been handed in."""
    return {part.id: find(part.id).reference for part in PARTS}


def parts_table(whose) -> str:
    """Who made what, as text: one line a part, and a count."""
    lines = [f"{part.id:<32} {part.work:<36} {whose[part.id]}" for part in PARTS]
    own = sum(maker == YOURS for maker in whose.values())
    return "\n".join([*lines, f"{own} of {len(PARTS)} parts are yours."])
