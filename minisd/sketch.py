"""The text encoder's first lessons: guess the average picture from its caption alone.

A denoiser that does not yet listen teaches a text encoder little about word order, and a text
encoder that says little about word order gives a denoiser no reason to listen. So the text
encoder starts on an easier task, without noise: say for each place of the latent what to expect
there. "Left of" is the difference between two averages. What it did to the shipped model stands
in its card.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .attention import BasicTransformerBlock


class Sketch(nn.Module):
    """Each place of a latent asks the words what to expect there; thrown away after the lessons.

    (B, S, D) -> (B, channels, side, side)
    """

    def __init__(self, dim, num_heads, channels, side, num_layers=2):
        super().__init__()
        self.side = side
        self.places = nn.Parameter(torch.randn(side * side, dim))  # what makes a place that place
        self.blocks = nn.ModuleList(
            BasicTransformerBlock(dim, num_heads, dim) for _ in range(num_layers)
        )
        self.out = nn.Linear(dim, channels)

    def forward(self, context):
        x = self.places.expand(len(context), -1, -1)  # (B, side * side, D)
        for block in self.blocks:
            x = block(x, context)
        return self.out(x).transpose(1, 2).unflatten(2, (self.side, self.side))


def sketch_loss(sketch, text_encoder, latents, token_ids):
    """Squared error of the guess: smallest where it is the mean latent of all such captions.

    (B, c, h, w) of unit variance, (B, S) integers -> scalar
    """
    return F.mse_loss(sketch(text_encoder(token_ids)).float(), latents)
