"""A training run in a folder: tokenizer, VAE, the text encoder's first lessons, then text encoder
and UNet together on cached latents.

The run can be stopped at any step and resumed: it then ends where an unbroken run would have.
"""

import csv
import dataclasses
import json
import math
import time
from pathlib import Path

import torch
from tqdm import tqdm

from . import plot, recipes, world
from .checkpoint import load_module, load_state, reading, save_module, save_state, writing
from .console import stop_signals
from .evaluate import quick_scores
from .pipeline import TextToImagePipeline, from_uint8
from .recipes import BLOCK, RECIPES, SAMPLE_PROMPTS, Plan
from .sizes import SIZES
from .sketch import sketch_loss
from .tokenizer import CLIPTokenizer
from .training import denoising_loss, drop_captions, fit, step_generator, vae_loss
from .unet import UNet2DConditionModel
from .vae import AutoencoderKL, VAEConfig

READ_EVERY = 25  # steps between two looks at the loss: each look waits for the GPU


class Run:
    """One training run: its folder, its plan, its data, and where it stands."""

    def __init__(self, preset, out, minutes, steps, seed, resume, device, start=None):
        if preset not in RECIPES:
            raise ValueError(f"unknown preset {preset!r}; known: {', '.join(RECIPES)}")
        self.out, self.device = Path(out), torch.device(device)
        self.size, self.recipe = SIZES[preset], RECIPES[preset]
        self.history = {"minutes": 0.0, "losses": [], "scores": []}
        plan_file = self.out / "plan.json"
        if plan_file.exists() and not resume:
            raise ValueError(f"{self.out} holds a run: add --resume, or choose another --out")
        if resume and not plan_file.exists():
            raise ValueError(f"{self.out} holds no run to resume: start it without --resume")
        if resume:
            with reading(plan_file):
                self.plan = Plan(**json.loads(plan_file.read_text()))
            if (preset, seed) != (self.plan.preset, self.plan.seed):
                begun = f"--preset {self.plan.preset} --seed {self.plan.seed}"
                raise ValueError(f"{self.out} was begun with {begun}: resume it with the same")
        else:
            self.plan = recipes.make_plan(preset, minutes, steps, seed, self.device, start)
            if start is not None:
                self.take_over(start)
            with writing(plan_file) as path:
                path.write_text(json.dumps(dataclasses.asdict(self.plan), indent=2) + "\n")
        self.dtype = getattr(torch, self.plan.dtype)
        self.scenes = recipes.training_scenes(self.recipe.pictures, self.plan.seed)
        self.images = world.render(self.scenes, self.size.image_size)  # (N, H, W, 3) uint8
        self.started = time.perf_counter()

    def take_over(self, folder):
        """Use the tokenizer and the autoencoder of the model in `folder`."""
        pipe = TextToImagePipeline.from_pretrained(folder)
        if pipe.unet.config != self.size.unet:
            raise ValueError(f"expected a model of the preset's size, {folder} has another UNet")
        pipe.tokenizer.save_pretrained(self.out / "tokenizer")
        save_module(pipe.vae, self.out / "vae")

    def minutes(self):
        """Minutes trained so far, over all sessions."""
        return self.history["minutes"] + (time.perf_counter() - self.started) / 60

    def train_part(self, name, state, compute_loss, num_steps, on_milestone):
        """Train one part to `num_steps`, saving the run now and then and when asked to stop."""
        file = self.out / f"{name}.pt"
        if file.exists():
            saved = load_state(file, self.device)
            state.load_state_dict(saved["state"])
            self.history = saved["history"]
            self.started = time.perf_counter()

        def save():
            history = self.history | {"minutes": self.minutes()}
            save_state(file, {"state": state.state_dict(), "history": history})

        every = max(1, num_steps // self.recipe.num_milestones)
        unread = []
        bar = tqdm(total=num_steps, initial=state.step, desc=name, unit="step", disable=None)
        with bar, stop_signals() as asked_to_stop:
            for step in fit(state, compute_loss, num_steps, self.dtype):
                unread.append(step.loss)
                done = step.number == num_steps
                # A milestone just before the end would only repeat the last one.
                milestone = step.number % every == 0 and num_steps - step.number >= every // 2
                milestone |= done
                if step.number % READ_EVERY == 0 or milestone or asked_to_stop:
                    loss = torch.stack(unread).mean().item()
                    unread.clear()
                    if not math.isfinite(loss):
                        raise ValueError(
                            f"the loss of {name} is {loss} at step {step.number}: the last good "
                            f"state is kept in {file}; --resume goes on from there"
                        )
                    self.history["losses"].append([name, step.number, loss])
                    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update()
                if milestone:
                    on_milestone(state, step.number)
                if milestone or asked_to_stop:
                    save()
                if asked_to_stop:
                    raise KeyboardInterrupt

    def train_tokenizer(self):
        """Learn the pieces of words from the first captions."""
        folder = self.out / "tokenizer"
        if not (folder / "vocab.json").exists():
            generator = torch.Generator().manual_seed(self.plan.seed)
            captions = world.captions(self.scenes[: 2 * BLOCK], generator)
            captions.append(" ".join(world.vocabulary()))  # rare words too
            length = self.size.text.max_position_embeddings
            CLIPTokenizer.train(captions, model_max_length=length).save_pretrained(folder)
        return CLIPTokenizer.from_pretrained(folder)

    def train_vae(self):
        """Train the autoencoder, then measure the scale of its latents."""
        folder = self.out / "vae"
        if not (folder / "config.json").exists():
            torch.manual_seed(self.plan.seed)  # initial weights
            state = recipes.new_vae(self.plan.preset, self.device)
            vae = state.modules["vae"]

            def compute_loss(step):
                generator = step_generator(self.plan.seed, step, self.device)
                rows = torch.randint(len(self.images), (self.recipe.vae_batch_size,),
                                     generator=generator, device=self.device)  # fmt: skip
                images = from_uint8(self.images[rows.cpu()]).to(self.device)
                kl_weight = self.recipe.kl_weight * recipes.kl_strength(step, self.plan.vae_steps)
                return vae_loss(vae, images, kl_weight, generator)

            self.train_part("vae", state, compute_loss, self.plan.vae_steps, lambda *_: None)
            vae = state.averages["vae"]
            means = self.encode(vae, self.images[:BLOCK])
            scale = 1 / means.std().item()  # measured, not magic: unit variance for the UNet
            vae.config = dataclasses.replace(vae.config, scaling_factor=scale)
            save_module(vae, folder)
        return load_module(AutoencoderKL, VAEConfig, folder, self.device)

    @torch.no_grad()
    def encode(self, vae, images):
        """Encode pictures to unscaled means. uint8 (N, H, W, 3) -> (N, c, h, w) on the device"""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            parts = [
                vae.encode(from_uint8(batch).to(self.device)).mean.float()
                for batch in images.split(256)
            ]
        return torch.cat(parts)

    def say(self, tokenizer, mentions=None):
        """Caption the pictures. -> (N, captions, S) token ids on the device"""
        count, seed = self.recipe.captions_per_picture, self.plan.seed
        captions = recipes.training_captions(self.scenes, tokenizer, count, seed, mentions)
        return captions.to(self.device)

    def train_text_encoder(self, tokenizer, latents):
        """Give the text encoder its first lessons: full captions, which need the order of words."""
        token_ids = self.say(tokenizer, world.FULL)
        text_config = dataclasses.replace(self.size.text, vocab_size=len(tokenizer))
        torch.manual_seed(self.plan.seed)  # initial weights
        state = recipes.new_text_encoder(self.plan.preset, text_config, self.device)
        parts = state.modules["sketch"], state.modules["text_encoder"]

        def compute_loss(step):
            rows, ids, _ = self.draw_batch(latents, token_ids, step)
            return sketch_loss(*parts, latents[rows], ids)

        self.train_part("sketch", state, compute_loss, self.plan.text_steps, lambda *_: None)
        return state.averages["text_encoder"]

    def draw_batch(self, latents, token_ids, step):
        """Choose pictures and one caption each. -> rows (B,), token ids (B, S), the generator"""
        generator = step_generator(self.plan.seed, step, self.device)
        draw = {"generator": generator, "device": self.device}
        rows = torch.randint(len(latents), (self.recipe.batch_size,), **draw)
        which = torch.randint(token_ids.shape[1], rows.shape, **draw)
        return rows, token_ids[rows, which], generator

    def train_denoiser(self, tokenizer, vae):
        """Train text encoder and UNet on latents and captions that are prepared once."""
        latents = self.encode(vae, self.images) * vae.config.scaling_factor  # (N, c, h, w)
        token_ids = self.say(tokenizer)
        empty_ids = tokenizer([""])[0].to(self.device)  # (S,)
        if self.plan.start is None:
            torch.manual_seed(self.plan.seed)  # initial weights
            unet = UNet2DConditionModel(self.size.unet)
            text_encoder = self.train_text_encoder(tokenizer, latents)
        else:
            pipe = TextToImagePipeline.from_pretrained(self.plan.start)
            unet, text_encoder = pipe.unet, pipe.text_encoder
        state = recipes.new_denoiser(self.plan.preset, unet, text_encoder, self.device)
        unet, text_encoder = state.modules["unet"], state.modules["text_encoder"]
        schedule = self.size.schedule.to(self.device)

        def compute_loss(step):
            rows, ids, generator = self.draw_batch(latents, token_ids, step)
            ids = drop_captions(ids, empty_ids, self.recipe.caption_dropout, generator)
            return denoising_loss(unet, text_encoder, schedule, latents[rows], ids, generator)

        def pipeline(state):
            parts = state.averages["unet"], vae, state.averages["text_encoder"]
            return TextToImagePipeline(*parts, tokenizer, schedule)

        def milestone(state, step):
            self.look(pipeline(state), step)

        self.train_part("unet", state, compute_loss, self.plan.unet_steps, milestone)
        pipeline(state).save_pretrained(self.out / "model")

    def look(self, pipe, step):
        """Score the model so far, draw its pictures and the curves."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            scores = quick_scores(pipe, prompts=self.recipe.score_prompts, split="held_out")
            noise = torch.Generator().manual_seed(0)
            images = pipe(SAMPLE_PROMPTS, generator=noise)
        self.history["scores"].append({"minute": self.minutes(), "step": step} | scores)
        plot.image_grid(images, SAMPLE_PROMPTS, 4).savefig(self.out / f"samples-{step:06d}.png")
        with writing(self.out / "scores.csv") as path, open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, [*self.history["scores"][0]])
            writer.writeheader()
            for row in self.history["scores"]:
                writer.writerow({key: round(value, 4) for key, value in row.items()})
        _, steps, losses = zip(*(row for row in self.history["losses"] if row[0] == "unet"))
        plot.loss_curve(steps, losses, "UNet").savefig(self.out / "loss.png")


def train(preset, out, *, minutes=None, steps=None, seed=0, start=None, resume=False, device="cpu"):
    """Train every part from nothing into the folder `out`; see the module's first lines.

    Give `minutes` (all parts together, turned into a stored number of steps) or UNet `steps`.
    `start` is a model folder to go on from: its tokenizer and autoencoder stay as they are.
    Raises KeyboardInterrupt after saving when stopped by Ctrl-C or SIGTERM; `resume` goes on.
    """
    run = Run(preset, out, minutes, steps, seed, resume, device, start)
    tokenizer = run.train_tokenizer()
    vae = run.train_vae()
    run.train_denoiser(tokenizer, vae)
    return run.out / "model"
