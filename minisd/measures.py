"""Numbers that say how sure a score is, and how far two sets of pictures are apart."""

import torch
from einops import rearrange


def bootstrap_means(scores, resamples: int = 2000, generator=None) -> torch.Tensor:
    """Means of P scores over redrawn sets of P. (P,) -> (resamples,). Efron 1979.

    One score is one PROMPT's mean over its pictures. Pictures of one prompt succeed and fail
    together, so an interval over single pictures is too narrow; notebook 09 measures by how much.
    """
    scores = torch.as_tensor(scores, dtype=torch.float64)
    drawn = torch.randint(len(scores), (resamples, len(scores)), generator=generator)
    return scores[drawn].mean(dim=1)


def interval(means: torch.Tensor, level: float = 0.95) -> list[float]:
    """The middle `level` of bootstrapped means, as [low, high]: the percentile interval.

    Where all P scores are equal it has no width, though the truth may still differ: after P
    prompts without a failure, failure rates up to about 3 / P remain plausible.
    """
    tail = (1 - level) / 2
    return torch.quantile(means, torch.tensor([tail, 1 - tail], dtype=means.dtype)).tolist()


def histogram_distance(ours: dict[str, list], theirs: dict[str, list]) -> float:
    """Mean total variation between two sets' histograms, attribute by attribute: 0 equal, 1 apart.

    Each argument maps an attribute's name to the values found, one for each thing counted.
    """
    distances = []
    for name in ours:
        values = sorted(set(ours[name]) | set(theirs[name]), key=str)
        shares = [
            torch.tensor([found[name].count(value) / max(1, len(found[name])) for value in values])
            for found in (ours, theirs)
        ]
        distances.append(0.5 * (shares[0] - shares[1]).abs().sum().item())
    return sum(distances) / len(distances)


def nearest_distance(images, others, chunk: int = 4096) -> torch.Tensor:
    """Distance from each picture to its nearest among others: root mean square of the difference
    of their levels (0-255). uint8 (N, H, W, 3), (M, H, W, 3) -> (N,)
    """
    images = rearrange(torch.as_tensor(images).float(), "n h w c -> n (h w c)")
    nearest = torch.full((len(images),), torch.inf)
    for part in torch.as_tensor(others).split(chunk):  # bounds the memory
        part = rearrange(part.float(), "m h w c -> m (h w c)")
        nearest = torch.minimum(nearest, torch.cdist(images, part).min(dim=1).values)
    return nearest / images.shape[1] ** 0.5


def memorization_ratio(images, training_images, fresh_images) -> float:
    """How much nearer pictures are to the training set than to equally many fresh ones.

    uint8 (N, H, W, 3), (M, H, W, 3), (M, H, W, 3) -> number
    1: a training picture is no nearer than a picture never trained on; 0: every picture is a copy.
    """
    if len(training_images) != len(fresh_images):  # more neighbors are nearer neighbors
        raise ValueError(
            f"expected as many fresh as training pictures, got {len(fresh_images)} and "
            f"{len(training_images)}"
        )
    to_fresh = nearest_distance(images, fresh_images).mean()
    return (nearest_distance(images, training_images).mean() / to_fresh).item()
