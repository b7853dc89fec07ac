"""What every table draws its numbers with."""

import torch


class Draw:
    """Random float64 numbers, the same for one seed."""

    def __init__(self, seed):
        self.seed, self.generator = seed, torch.Generator().manual_seed(seed)

    def normal(self, *shape):
        """N(0, 1), of any shape."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def share(self, *shape, low=0.1, high=0.9):
        """Between `low` and `high`: an alpha-bar, a beta, a variance."""
        uniform = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return low + (high - low) * uniform


def one_based(tensor):
    """A tensor as papers count: x(1) is its first element. Slices for the axes left out."""
    return lambda *places: tensor[tuple(int(place) - 1 for place in places)]
