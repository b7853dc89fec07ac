"""How a result moves with what went in: some answers are right in value and wrong in gradient."""

import torch


def slopes(result, leaves):
    """Gradients of a result, its elements weighted by 1, 2, 3, ..., at some leaves; 0 where none
    arrives. tensor of any shape, tensors -> tensors of their shapes
    """
    if not isinstance(result, torch.Tensor) or not result.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    weights = torch.arange(1.0, result.numel() + 1).reshape(result.shape)
    found = torch.autograd.grad(
        (result * weights).sum(), leaves, allow_unused=True, retain_graph=True
    )
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, leaves)]
