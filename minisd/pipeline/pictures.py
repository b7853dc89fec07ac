"""Pictures in and out: bytes and floats, masks, one picture for many prompts."""

import numpy as np
import torch


def to_uint8(images):
    """Pictures in [-1, 1] -> bytes. (N, 3, H, W) -> (N, H, W, 3) uint8"""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def from_uint8(images):
    """Bytes -> pictures in [-1, 1]. (N, H, W, 3) uint8 -> (N, 3, H, W) float32"""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def as_tensor(picture):
    """A tensor, a numpy array or a PIL picture -> a tensor."""
    return picture if isinstance(picture, torch.Tensor) else torch.from_numpy(np.array(picture))


def read_images(images):
    """Accept what a user may hold: bytes (H, W, 3) or (N, H, W, 3), or floats (N, 3, H, W).

    -> (N, 3, H, W) in [-1, 1]. Raises ValueError for anything else.
    """
    images = as_tensor(images)
    images = images[None] if images.ndim == 3 else images
    given = f"{images.dtype} {tuple(images.shape)}"
    if images.dtype == torch.uint8 and images.shape[-1] == 3:
        images = from_uint8(images)
    if not (images.is_floating_point() and images.shape[1] == 3 and images.abs().max() <= 1.001):
        raise ValueError(
            "expected pictures as uint8 (H, W, 3) or (N, H, W, 3), or as floats (N, 3, H, W) in "
            f"[-1, 1], got {given}"
        )
    return images


def read_mask(mask, images):
    """Accept a mask for `images`, (N, 3, H, W): (H, W), (N, H, W) or (N, 1, H, W), as bytes,
    booleans or floats in [0, 1]; white is to be drawn anew.

    -> (N, 1, H, W), 0 or 1. Raises ValueError where its size is another one.
    """
    mask = as_tensor(mask)
    if mask.ndim < 2 or mask.shape[-2:] != images.shape[-2:]:
        raise ValueError(
            f"expected a mask of the picture's size {tuple(images.shape[-2:])}, got one of shape "
            f"{tuple(mask.shape)}"
        )
    white = 255 if mask.dtype == torch.uint8 else 1
    return (mask.reshape(-1, 1, *images.shape[-2:]) >= white / 2).float()


def spread(images, count):
    """Repeat one picture for all, or each for its prompt's drawings. (N, ...) -> (count, ...)"""
    if count % len(images):
        raise ValueError(
            f"expected one picture, one a prompt or one a drawing: {len(images)} do not go evenly "
            f"into {count} drawings"
        )
    return images.repeat_interleave(count // len(images), dim=0)
