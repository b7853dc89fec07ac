"""What a model makes of its prompts if the order of their words is lost.

python -m minisd.course.order datasets/order/scores.json

Two copies of a model go on learning for a while, on the same pictures, captions and noise: one
whose text encoder has lost all order (no positions, no causal mask), and one that keeps it. Then
both draw. Notebook 06 shows the scores.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import torch

from ..checkpoint import writing
from ..evaluate import draw, obedience
from ..pipeline import TextToImagePipeline, from_uint8
from ..recipes import training_scenes
from ..text_encoder import CLIPTextModel
from ..training import (
    TrainingState,
    denoising_loss,
    drop_captions,
    fastest_dtype,
    fit,
    step_generator,
)
from ..world import COLORS, captions, compositions, parse, prompts, render
from .fingerprint import fingerprint

STEPS, BATCH, LEARNING_RATE, PICTURES = 100, 32, 5e-4, 12_288
SETTINGS = {"seed": 0, "steps": 20, "guidance": 4.0, "sampler": "ddim"}


class OrderTextModel(CLIPTextModel):
    """A trained text encoder's copy, in which either source of order can be shut off.

    (B, S) integers -> (B, S, D). Without positions, and with `causal` False, it is handed a bag
    of words: shuffle them, and their vectors are shuffled with them.
    """

    def __init__(self, trained, positions=True, causal=True):
        super().__init__(trained.config)
        self.load_state_dict(trained.state_dict())
        self.to(trained.final_layer_norm.weight)
        self.positions, self.causal = positions, causal

    def forward(self, token_ids):
        S, parts = token_ids.shape[1], self.embeddings
        hidden = parts(token_ids) if self.positions else parts.token_embedding(token_ids)
        mask = torch.ones(S, S, dtype=torch.bool, device=token_ids.device)
        hidden = self.encoder(hidden, mask.tril() if self.causal else mask)
        return self.final_layer_norm(hidden)


ARMS = {"order kept": {}, "order lost": {"positions": False, "causal": False}}


def without_order(pipe, positions=False, causal=False):
    """The same pipeline with a text encoder that has lost its positions, its mask, or both."""
    encoder = OrderTextModel(pipe.text_encoder, positions, causal)
    return TextToImagePipeline(pipe.unet, pipe.vae, encoder, pipe.tokenizer, pipe.schedule)


def twin(prompt):
    """The same words, the two colors exchanged: "a red ring and a blue cross" becomes
    "a blue ring and a red cross".
    """
    words = prompt.split()
    places = [place for place, word in enumerate(words) if word in COLORS]
    if len(places) != 2:
        raise ValueError(f"expected a prompt with two colors, got {prompt!r}")
    first, second = places
    words[first], words[second] = words[second], words[first]
    return " ".join(words)


def attribution_pairs(num_pairs=None):
    """[(prompt, twin)] of the fixed list "color attribution"; neither asks for a composition that
    training held out.
    """
    pairs = [(prompt, twin(prompt)) for prompt in prompts("seen")["color_attribution"]]
    known = [pair for pair in pairs if not compositions(parse(pair[1]))]
    return known[:num_pairs]


def judge_pairs(images, pairs):
    """Judge pictures of P pairs against both prompts.

    Two stacks of uint8 (P, H, W, 3), of the prompts and of their twins. Returns (2, P) twice: does
    the picture obey its own prompt (1 or 0), and does it obey the other one of its pair?
    """
    ways = [[side[0] for side in pairs], [side[1] for side in pairs]]
    own = torch.stack([obedience(images[k], ways[k]) for k in (0, 1)])
    other = torch.stack([obedience(images[k], ways[1 - k]) for k in (0, 1)])
    return own, other


def draw_pairs(pipe, pairs, seed=0, twin_seed=None):
    """Draw both prompts of each pair: from one noise, or the twins from another, of `twin_seed`.

    -> uint8 (2, P, H, W, 3)
    """
    images = []
    for side, first in enumerate((seed, seed if twin_seed is None else twin_seed)):
        noise = [torch.Generator().manual_seed(first + n) for n in range(len(pairs))]
        images.append(pipe([pair[side] for pair in pairs], generator=noise))
    return torch.stack(images)


def fine_tune(pipe, encoder, num_steps, batch_size, seed=0):
    """Let a copy of the UNet and this text encoder go on learning. -> a new pipeline"""
    device, dtype = pipe.device, fastest_dtype(pipe.device)
    scenes = training_scenes(PICTURES, seed)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        parts = [pipe.encode(from_uint8(p)) for p in render(scenes, pipe.image_size).split(256)]
    latents = torch.cat(parts).float()  # (N, c, h, w)
    token_ids = pipe.tokenizer(captions(scenes, torch.Generator().manual_seed(seed))).to(device)
    empty = pipe.tokenizer([""])[0].to(device)
    unet = copy.deepcopy(pipe.unet).requires_grad_(True)
    modules = {"unet": unet, "text_encoder": encoder.requires_grad_(True)}
    state = TrainingState(modules, LEARNING_RATE, ema_decay=0.99)

    def compute_loss(step):
        generator = step_generator(seed, step, device)
        rows = torch.randint(len(latents), (batch_size,), generator=generator, device=device)
        ids = drop_captions(token_ids[rows], empty, 0.1, generator)
        return denoising_loss(unet, encoder, pipe.schedule, latents[rows], ids, generator)

    for step in fit(state, compute_loss, num_steps, dtype):
        if step.number % 100 == 0:
            print(f"step {step.number}: loss {step.loss.item():.4f}", flush=True)
    learned = state.averages
    return TextToImagePipeline(
        learned["unet"], pipe.vae, learned["text_encoder"], pipe.tokenizer, pipe.schedule
    )


def scores(pipe, num_prompts):
    """Shares of pictures: of one colored object, and of two, as asked or as the twin asks.

    Prompt and twin get different noise: from one noise an encoder without order draws both the same
    picture, and the last two shares would be equal whatever it draws.
    """
    single = prompts("seen")["colors"][:num_prompts]
    images = draw(pipe, single, 1, 64, None, **SETTINGS)
    pairs = attribution_pairs(num_prompts)
    own, other = judge_pairs(draw_pairs(pipe, pairs, twin_seed=1000), pairs)
    return {
        "one object": obedience(images, single).mean().item(),
        "two objects, as asked": own.mean().item(),
        "two objects, as the twin asks": other.mean().item(),
        "pictures of two objects": own.numel(),
    }


def main():
    """Train both copies, draw, and write the scores."""
    parser = argparse.ArgumentParser(prog="python -m minisd.course.order", description=__doc__)
    parser.add_argument("file", type=Path, help="usually datasets/order/scores.json")
    parser.add_argument("--model", default="shapes32", help="folder or name of the model to change")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training ({STEPS})")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"pictures a step ({BATCH})")
    parser.add_argument("--prompts", type=int, default=48, help="of each kind, at most (48)")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    pipe = TextToImagePipeline.from_pretrained(arguments.model, device=arguments.device)
    result = {"weights": fingerprint(arguments.model), "steps": arguments.steps}
    result |= {"batch": arguments.batch, "arms": {}}
    for name, order in ARMS.items():
        start = time.perf_counter()
        encoder = OrderTextModel(pipe.text_encoder, **order)
        learned = fine_tune(pipe, encoder, arguments.steps, arguments.batch)
        result["arms"][name] = scores(learned, arguments.prompts)
        print(name, result["arms"][name], f"{time.perf_counter() - start:.0f} seconds")
    with writing(arguments.file) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
