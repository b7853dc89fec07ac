"""Shared by the parity tests: the yardstick, models whose every weight is random, their folders."""

import diffusers
import torch


def relative_error(ours, theirs):
    """max|a - b| / max|b|"""
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def randomize(module, seed=0, gain=1.0):
    """Give every weight a random value: default initialization hides errors (biases are 0).

    A small `gain`, of all weights but the norms' scales, keeps every layer's answer small.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, weight in sorted(module.state_dict().items()):
        if not weight.is_floating_point():
            continue
        noise = torch.randn(weight.shape, generator=generator)
        scale = 0.3 if weight.dim() == 1 else weight[0].numel() ** -0.5
        is_norm_scale = "norm" in name and name.endswith("weight")
        weight.copy_(1 + noise * scale if is_norm_scale else gain * noise * scale)
    return module.eval()


def saved_by_diffusers(pipe, folder, class_name="StableDiffusionPipeline"):
    """Let diffusers read the folder that minisd saves, and return the one that it saves itself."""
    pipe.save_pretrained(folder / "ours")
    theirs = getattr(diffusers, class_name).from_pretrained(folder / "ours")
    theirs.save_pretrained(folder / "theirs")
    return folder / "theirs"


def assert_same_eps(ours, theirs):
    """Every norm adds the same eps: where a branch is small, no output would show another one."""
    found = {name: part.eps for name, part in theirs.named_modules() if hasattr(part, "eps")}
    assert found and {name: ours.get_submodule(name).eps for name in found} == found
