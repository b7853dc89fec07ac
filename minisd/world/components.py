"""Find the background of a picture and the patches that lie on it, a batch at a time."""

import torch
from torch.nn import functional as F

from .scene import BACKGROUNDS

CONTRAST = 0.2  # least distance from the background, of the .55 that every color has
SPECK = 6 / 32**2  # share of the picture; the smallest object covers six times as much


def find_background(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Let the border pixels vote. (N, 3, H, W) in [0, 1] -> color (N, 3), index (N,), share (N,)

    share = the part of the border that agrees with the winner.
    """
    border = torch.cat(
        [pictures[:, :, 0], pictures[:, :, -1], pictures[:, :, :, 0], pictures[:, :, :, -1]], 2
    )
    named = torch.tensor(list(BACKGROUNDS.values())) / 255
    color = border.median(2).values  # (N, 3)
    index = torch.cdist(color, named).argmin(1)
    near = (border - named[index][:, :, None]).norm(dim=1) < CONTRAST
    return color, index, near.float().mean(1)


def find_patches(strength: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Split the pixels that stand out into connected patches. (N, H, W) -> (M,), (M, H, W)

    Returns each patch's picture and its pixels (bool), one pixel of soft rim included. Labels
    spread to neighbors until nothing changes: every patch ends with its largest pixel number.
    """
    mask = strength > CONTRAST
    size = strength.shape[-1]
    numbers = torch.arange(1, size * size + 1, dtype=torch.float32).view(size, size)
    labels = mask * numbers
    while True:
        spread = labels
        for _ in range(4):  # a few steps a comparison
            spread = F.max_pool2d(spread[:, None], 3, 1, 1)[:, 0] * mask
        if torch.equal(spread, labels):
            break
        labels = spread
    picture, row, column = ((labels == numbers) & mask).nonzero().unbind(1)
    area = torch.zeros(len(labels), size * size + 1)
    area.scatter_add_(1, labels.flatten(1).long(), torch.ones(len(labels), size * size))
    number = numbers[row, column]
    large = area[picture, number.long()] >= SPECK * size * size
    picture, number = picture[large], number[large]
    own = labels[picture] == number[:, None, None]
    rim = F.max_pool2d(own[:, None].float(), 3, 1, 1)[:, 0].bool() & ~mask[picture]
    return picture, own | rim


def crop(pictures: torch.Tensor, pixels: torch.Tensor, window: int):
    """Cut a window around each patch, other pixels 0. (M, C, H, W), (M, H, W) ->

    patches (M, C, window, window), left (M,), top (M,): where each window starts.
    """
    size = pixels.shape[-1]
    steps = torch.arange(size)

    def start(there):  # (M, size) bool: which columns or rows hold any pixel
        first = torch.where(there, steps, size).min(1).values
        last = torch.where(there, steps, 0).max(1).values
        return ((first + last + 1 - window) // 2).clamp(0, size - window)

    left, top = start(pixels.any(1)), start(pixels.any(2))
    rows = (top[:, None] + torch.arange(window))[:, :, None]
    columns = (left[:, None] + torch.arange(window))[:, None, :]
    index = torch.arange(len(pixels))[:, None, None]
    patches = (pictures * pixels[:, None]).permute(0, 2, 3, 1)[index, rows, columns]
    return patches.permute(0, 3, 1, 2), left, top
