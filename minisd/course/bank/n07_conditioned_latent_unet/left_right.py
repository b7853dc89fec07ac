"""A world with one question: which of two squares stands left? And what noise tells about it.

Two small networks learn to draw it from a sentence. They differ in what they predict and in how
the noise ends, and in nothing else.
"""

import math
from dataclasses import dataclass

import torch

from ....samplers import ddim
from ....schedule import NoiseSchedule, add_noise
from ....sizes import ZERO_SNR, attention_at
from ....text_encoder import CLIPTextModel, TextConfig
from ....training import TrainingState, fit, step_generator
from ....unet import UNet2DConditionModel, UNetConfig

WORDS = ("red", "blue", "left of", "right of")
COLORS = torch.tensor([[1.0, -1.0, -1.0], [-1.0, -1.0, 1.0]])
SIDE, SQUARE = 8, 3  # pixels
PLANNED = 400  # steps; the learning rate is laid out for so many
STABLE_DIFFUSION = NoiseSchedule(
    prediction_type="v_prediction", timestep_spacing="trailing", set_alpha_to_one=True
)
RECIPES = {  # name: (schedule, the error that is squared)
    "epsilon, Stable Diffusion's schedule": (STABLE_DIFFUSION, "epsilon"),
    "v, Stable Diffusion's schedule": (STABLE_DIFFUSION, "v"),
    "v, zero terminal SNR": (ZERO_SNR, "v"),
}
CONFIG = UNetConfig(
    sample_size=SIDE,
    in_channels=3,
    out_channels=3,
    block_out_channels=(16, 32),
    **attention_at(False, True),
    layers_per_block=1,
    cross_attention_dim=32,
    attention_head_dim=2,
    norm_num_groups=8,
)


def draw_pairs(n, generator=None):
    """Draw a red and a blue square on gray, and a true sentence about each picture.

    -> (n, 3, 8, 8) in [-1, 1]; (n, 3) numbers of WORDS; (n,) 0 where red stands left, else 1.
    """
    on_the_left, about = torch.randint(2, (2, n), generator=generator)
    # Of four sentences two are true: the picture cannot be told from any one word.
    sentence = torch.stack([about, 2 + (about != on_the_left).long(), 1 - about], dim=1)
    along = torch.arange(SIDE)
    pictures = torch.zeros(n, 3, SIDE, SIDE)
    for half, color in enumerate((on_the_left, 1 - on_the_left)):
        x = torch.randint(SIDE // 2 - SQUARE + 1, (n,), generator=generator) + half * SIDE // 2
        y = torch.randint(SIDE - SQUARE + 1, (n,), generator=generator)
        column, row = ((along >= at[:, None]) & (along < at[:, None] + SQUARE) for at in (x, y))
        inside = (row[:, :, None] & column[:, None])[:, None]  # (n, 1, 8, 8)
        pictures = torch.where(inside, COLORS[color][:, :, None, None], pictures)
    return pictures, sentence, on_the_left


def say(sentence):
    """(3,) numbers of WORDS -> text"""
    return " ".join(WORDS[number] for number in sentence)


def side_of(pictures):
    """0 where the left half is redder than the right one, else 1. (N, 3, H, W) -> (N,)

    Of pure noise it says how the noise leans by chance.
    """
    left, right = (pictures[:, 0] - pictures[:, 2]).chunk(2, dim=-1)
    return (left.mean((1, 2)) < right.mean((1, 2))).long()


def share_of_good_guesses(snr, distance):
    """How often the best of all observers is right: is it this picture, or one that lies
    `distance` from it, under noise of this signal-to-noise ratio? Numbers or tensors.
    """
    return 0.5 * (1 + torch.erf(torch.as_tensor(snr) ** 0.5 * distance / (2 * math.sqrt(2))))


def worth_of_the_sentence(snr, distance):
    """How much smaller the best possible squared error in x_0 is if one is told which of two
    pictures it is. (T,), number -> (T,). By a sum over 2,001 values of the noise.

    Without the sentence the best answer lies between the two pictures: tanh(u) of the way from
    their middle to the true one, with u ~ N(m, m) and m = SNR * distance^2 / 4.
    """
    noise = torch.linspace(-9, 9, 2001)
    share = (-(noise**2) / 2).softmax(dim=0)  # of N(0, 1) around each value
    m = (snr * distance**2 / 4)[:, None]
    return distance**2 / 4 * ((1 - (m + m**0.5 * noise).tanh() ** 2) * share).sum(dim=1)


@dataclass(frozen=True)
class Look:
    """What a network draws from 256 noises, each with its own sentence."""

    step: int
    obeys_sentence: float  # share that stands as the sentence says
    obeys_noise: float  # share that stands as the noise happened to lean
    pictures: torch.Tensor  # (256, 3, 8, 8)
    sentences: torch.Tensor  # (256, 3)


def train(schedule, error, seed=0, num_steps=PLANNED, look_every=50, device="cpu"):
    """Train the small network, and yield a `Look` every so often. Fewer steps than `PLANNED` are
    the first ones of the same run.

    The network's answer is read as v in every recipe, so that all learn to paint equally easily.
    With `error` "epsilon" what is squared is the error of the epsilon that v stands for, which is
    sqrt(alpha_bar) times the error of v. Weights, pictures, times and noise depend on the seed
    alone.
    """
    torch.manual_seed(seed)
    parts = {
        "unet": UNet2DConditionModel(CONFIG).to(device),
        "text_encoder": CLIPTextModel(TextConfig(len(WORDS), 3, 32, 64, 1, 2)).to(device),
    }
    state = TrainingState(parts, learning_rate=2e-3, ema_decay=0.97)
    table = schedule.alphas_cumprod.cpu()

    def compute_loss(step):
        generator = step_generator(seed, step, "cpu")  # the same numbers on every device
        pictures, sentences, _ = draw_pairs(32, generator)
        t = torch.randint(len(table), (32,), generator=generator)
        noise = torch.randn(pictures.shape, generator=generator)
        noisy = add_noise(pictures, noise, t, table).to(device)
        target = schedule.target(pictures, noise, t).to(device)
        context = parts["text_encoder"](sentences.to(device))
        off = parts["unet"](noisy, t.to(device), context) - target
        weight = table[t].to(device) if error == "epsilon" else torch.ones(32, device=device)
        return (weight[:, None, None, None] * off**2).mean()

    for step in fit(state, compute_loss, max(PLANNED, num_steps)):
        if step.number % look_every == 0:
            yield look(step.number, state.averages, schedule, device)
        if step.number == num_steps:
            return


@torch.no_grad()
def look(number, parts, schedule, device, num_pictures=256):
    """Draw in ten steps without guidance, always from the same noise and sentences."""
    generator = torch.Generator().manual_seed(1)
    _, sentences, asked = draw_pairs(num_pictures, generator)
    noise = torch.randn(num_pictures, 3, SIDE, SIDE, generator=generator)
    context = parts["text_encoder"](sentences.to(device))
    steps = ddim(lambda x, t: parts["unet"](x, t, context), noise.to(device), schedule, 10)
    *_, last = steps
    pictures = last.latents.cpu()
    shares = [(side_of(pictures) == side).float().mean().item() for side in (asked, side_of(noise))]
    return Look(number, *shares, pictures, sentences)
