"""The clinic: tiny UNets, trained and sampled with one real fault each.

python -m minisd.course.clinic datasets/clinic

Whoever reads on learns which patient has what: exercise 4.6 asks for that, so do it first.

Each run is trained on pictures of one shape (16 x 16 pixels), with Stable Diffusion's noise
schedule, and leaves its loss in losses.csv and its samples in two pictures: drawn with the slow
copy of the weights, and with the trained ("raw") weights themselves.
"""

import argparse
import copy
import csv
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from .. import plot
from ..checkpoint import flush, writing
from ..schedule import NoiseSchedule, add_noise, posterior
from .bank.n04_unet.ema_mistakes import buffers_averaged
from .bank.n04_unet.ema_update import ema_update
from .bank.n04_unet.patients import PATIENTS
from .bank.n04_unet.pictures import draw_shapes
from .bank.n04_unet.unet2d import UNet2DModel
from .bank.n04_unet.unet_mistakes import Wired

STEPS, BATCH, LEARNING_RATE = 2000, 16, 3e-3
WIDTHS, GROUPS = (16, 32), 4
NUM_DRAWN, SAMPLING_STEPS = 16, 50
LOOK_EVERY = 50
MILESTONES = (100, 300, 1000, 2000)


class Diffusion(nn.Module):
    """A denoiser with its schedule as buffers, so that both are saved and moved together.

    (B, 3, H, W), (B,) integers -> (B, 3, H, W). `timesteps` is what the network is told; it is
    filled when training starts.
    """

    def __init__(self, unet):
        super().__init__()
        self.unet = unet
        table = NoiseSchedule().alphas_cumprod.clone()
        self.register_buffer("alphas_cumprod", table)
        self.register_buffer("timesteps", torch.zeros(len(table), dtype=torch.long))

    def forward(self, images, t):
        return self.unet(images, self.timesteps[t])


class WithoutTime(UNet2DModel):
    """A UNet that is always told the same time. (B, 3, H, W), (B,) -> (B, 3, H, W)"""

    def forward(self, images, timesteps):
        return super().forward(images, torch.zeros_like(timesteps))


class WithoutSkips(Wired):
    """A UNet whose way up finds nothing where the skips should be."""

    def join(self, x, skip):
        """Put zeros where the skip should be."""
        return torch.cat([x, torch.zeros_like(skip)], dim=1)


class NotZeroed(UNet2DModel):
    """A UNet whose last convolution starts with random weights."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.conv_out.reset_parameters()


def clean_part(x, epsilon, alpha_bar, alpha):
    """The clean picture that x and its noise stand for. `alpha` is that of this step alone.

    (B, 3, H, W), (B, 3, H, W), number, number -> (B, 3, H, W)
    """
    return (x - (1 - alpha_bar) ** 0.5 * epsilon) / alpha_bar**0.5


def clean_part_by_alpha(x, epsilon, alpha_bar, alpha):
    """The same with this step's alpha, where alpha-bar should stand. (B, 3, H, W) -> the same"""
    return (x - (1 - alpha) ** 0.5 * epsilon) / alpha**0.5


def posterior_deviation(alpha_bar, alpha_bar_previous):
    """Of the noise that a step adds: none in the last, where nothing is left to blur."""
    return posterior(torch.zeros(1), torch.zeros(1), alpha_bar, alpha_bar_previous)[1] ** 0.5


def deviation_to_the_end(alpha_bar, alpha_bar_previous):
    """The same, but the last step adds as much noise as its forward step did."""
    last = alpha_bar_previous == 1
    share = 1 - alpha_bar if last else posterior_deviation(alpha_bar, alpha_bar_previous) ** 2
    return share**0.5


@dataclass(frozen=True)
class Run:
    """One training and its samples. The defaults are healthy; every patient changes one of them."""

    unet: Callable = UNet2DModel
    darkest: float = -1.0  # pixels are trained on in [darkest, 1], and shown as if in [-1, 1]
    update: Callable = ema_update
    decay: float = 0.995
    clean: Callable = clean_part
    deviation: Callable = posterior_deviation
    seed: int = 0


HEALTHY = Run()
ILL = {
    "no time embedding": replace(HEALTHY, unet=WithoutTime, seed=1),
    "slow copy too slow": replace(HEALTHY, decay=0.9999, seed=2),
    "buffers averaged": replace(HEALTHY, update=buffers_averaged, seed=3),
    "trained on [0, 1], shown as [-1, 1]": replace(HEALTHY, darkest=0.0, seed=4),
    "noise added in the last step": replace(HEALTHY, deviation=deviation_to_the_end, seed=5),
    "alpha for alpha-bar in the sampler": replace(HEALTHY, clean=clean_part_by_alpha, seed=6),
    "skips not connected": replace(HEALTHY, unet=WithoutSkips, seed=7),
}
ABLATIONS = {
    "healthy": HEALTHY,
    "without skips": replace(HEALTHY, unet=WithoutSkips),
    "last convolution not zeroed": replace(HEALTHY, unet=NotZeroed),
}
RUNS = ABLATIONS | {patient: ILL[cause] for patient, cause in PATIENTS.items()}


def denoising_loss(model, images, generator):
    """Ho et al. 2020, Algorithm 1, at random noise levels. (B, 3, H, W) -> scalar"""
    t = torch.randint(len(model.timesteps), (len(images),), generator=generator)
    noise = torch.randn(images.shape, generator=generator)
    return F.mse_loss(model(add_noise(images, noise, t, model.alphas_cumprod), t), noise)


def train(run, num_steps):
    """Yield (step, model, its slow copy) before the first step and after each."""
    torch.manual_seed(run.seed)
    generator = torch.Generator().manual_seed(run.seed)
    model = Diffusion(run.unet(3, WIDTHS, GROUPS))
    slow = copy.deepcopy(model).requires_grad_(False)
    model.timesteps.copy_(torch.arange(len(model.timesteps)))
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    yield 0, model, slow
    for step in range(num_steps):
        pictures = shrink(draw_shapes(BATCH, generator), run.darkest)
        loss = denoising_loss(model, pictures, generator)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        run.update(slow, model, run.decay)
        yield step + 1, model, slow


def shrink(images, darkest):
    """Squeeze pictures in [-1, 1] into [darkest, 1]. (B, 3, H, W) -> (B, 3, H, W)"""
    return 1 - (1 - images) * (1 - darkest) / 2


@torch.no_grad()
def draw(run, model, num_images, generator, num_steps=SAMPLING_STEPS):
    """Sample by ancestral steps, from t = 999 down. -> (num_images, 3, 16, 16)"""
    table = model.alphas_cumprod
    x = torch.randn(num_images, 3, 16, 16, generator=generator)
    stride = len(table) // num_steps
    for t in range(len(table) - 1, -1, -stride):
        alpha_bar = table[t]
        previous = table[t - stride] if t >= stride else torch.tensor(1.0)
        epsilon = model(x, torch.full((num_images,), t))
        x0 = run.clean(x, epsilon, alpha_bar, alpha_bar / previous).clamp(-1, 1)
        mean, _ = posterior(x, x0, alpha_bar, previous)
        noise = torch.randn(x.shape, generator=generator)
        x = mean + run.deviation(alpha_bar, previous) * noise
    return x


@torch.no_grad()
def held_out_loss(run, model, images):
    """The loss with the same times and noise every time it is asked. (B, 3, H, W) -> scalar"""
    return denoising_loss(model, shrink(images, run.darkest), torch.Generator().manual_seed(99))


def save_picture(images, path, zoom=1):
    """Write pictures side by side, eight a row, as one PNG. (B, 3, H, W) in [-1, 1]"""
    with writing(path) as temporary:
        tiles = plot.tile(images.clamp(-1, 1), columns=NUM_DRAWN // 2, gap=1)
        tiles = tiles.repeat(zoom, axis=0).repeat(zoom, axis=1)
        Image.fromarray(tiles).save(temporary, format="png", optimize=True)
        flush(temporary)


def examine(name, run, folder, num_steps):
    """Train and sample one run; write its pictures, return its rows of losses.csv."""
    images, rows, milestones = draw_shapes(256, torch.Generator().manual_seed(100)), [], []
    for step, model, slow in train(run, num_steps):
        if step % LOOK_EVERY == 0 or step == num_steps:
            losses = (held_out_loss(run, each, images).item() for each in (model, slow))
            rows.append([name, step, *(f"{loss:.4f}" for loss in losses)])
        if run is HEALTHY and step in MILESTONES:
            generator = torch.Generator().manual_seed(0)
            milestones.append(draw(run, model, NUM_DRAWN // 2, generator))
    for weights, each in (("raw", model), ("slow", slow)):
        drawn = draw(run, each, NUM_DRAWN, torch.Generator().manual_seed(run.seed))
        save_picture(drawn, folder / f"{name.replace(' ', '-')}-{weights}.png")
    if milestones:
        milestones.append(draw(run, slow, NUM_DRAWN // 2, torch.Generator().manual_seed(0)))
        save_picture(torch.cat(milestones), folder / "milestones.png", zoom=4)
    if run is HEALTHY:
        weights = {key: value.half() for key, value in slow.unet.state_dict().items()}
        with writing(folder / "healthy.safetensors") as temporary:
            safetensors.torch.save_file(weights, temporary)
    return rows


def main():
    """Make all runs, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m minisd.course.clinic", description=__doc__)
    parser.add_argument("folder", type=Path, help="usually datasets/clinic")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training ({STEPS})")
    parser.add_argument("--only", nargs="+", choices=RUNS, metavar="RUN", help=f"{', '.join(RUNS)}")
    arguments = parser.parse_args()
    table = arguments.folder / "losses.csv"
    rows = list(csv.reader(table.open())) if table.exists() else []
    for name in arguments.only or RUNS:
        start = time.process_time()
        new = examine(name, RUNS[name], arguments.folder, arguments.steps)
        rows = [row for row in rows if row[0] not in ("run", name)] + new
        rows.sort(key=lambda row: [*RUNS].index(row[0]))  # stable: steps stay in order
        with writing(table) as temporary, open(temporary, "w", newline="") as file:
            csv.writer(file).writerows([["run", "step", "raw", "slow"], *rows])
        print(f"{name}: loss {new[-1][2]}, {time.process_time() - start:.0f} CPU seconds")


if __name__ == "__main__":
    main()
