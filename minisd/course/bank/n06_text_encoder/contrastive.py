"""06.contrastive_loss: pictures and prompts that belong together."""

import math

import torch
import torch.nn.functional as F

from ...exercise import Exercise


def contrastive_loss(image_features, text_features, logit_scale):
    """Let each picture find its text among all, and each text its picture. Radford et al. 2021,
    figure 3.

    Pair i belongs together. (B, D), (B, D), () -> scalar: the mean of two cross-entropies, over
    cosines times exp(logit_scale).
    """
    images, texts = F.normalize(image_features, dim=-1), F.normalize(text_features, dim=-1)
    scores = logit_scale.exp() * images @ texts.T  # (B, B): row i is picture i
    right = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def cases(generator):
    """image_features, text_features, logit_scale"""

    def draw(B, D, scale, length=1.0):
        images = torch.randn(B, D, generator=generator)
        texts = length * (0.5 * images + torch.randn(B, D, generator=generator))
        return images, texts, torch.tensor(scale)

    return {
        "example": draw(4, 6, 1.0),
        "batch 1": draw(1, 5, 0.7),
        "B = D": draw(5, 5, 0.0),
        "texts seven times as long": draw(6, 3, -0.5, 7.0),
        "sharp": draw(8, 4, 3.0),
    }


def pairs(B=5, D=8, seed=0):
    """Vectors of pictures and texts that match halfway."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(B, D, generator=generator)
    return images, 0.6 * images + torch.randn(B, D, generator=generator)


def one_number(mine):
    """One number should come back for the whole batch: a tensor of shape ()."""
    return mine(*pairs(), torch.tensor(1.0)).shape == ()


def close(a, b):
    """Equal but for rounding."""
    return torch.allclose(a, torch.as_tensor(b, dtype=a.dtype), rtol=1e-4, atol=1e-5)


def length_does_not_matter(mine):
    """Make one picture's vector seven times as long, or one text's: the loss changes. It should
    depend on directions alone.
    """
    images, texts = pairs()
    scale, longer = torch.tensor(1.0), torch.tensor([[7.0], [1], [1], [1], [1]])
    found = (
        mine(images, texts, scale),
        mine(longer * images, texts, scale),
        mine(images, longer * texts, scale),
    )
    return close(found[0], found[1]) and close(found[0], found[2])


def all_alike_costs_log_b(mine):
    """Where all vectors are the same, nobody can choose: the loss of B pairs should be log B."""
    for B in (2, 7):
        same = torch.ones(B, 3)
        if not close(mine(same, same, torch.tensor(2.0)), math.log(B)):
            return False
    return True


def perfect_pairs_cost_nothing(mine):
    """Where every vector is that of its partner and at right angles to all others, a large scale
    should bring the loss to 0.
    """
    return bool(mine(torch.eye(4), torch.eye(4), torch.tensor(5.0)).abs() < 1e-3)


def a_scale_of_0_multiplies_by_1(mine):
    """logit_scale 0 should leave the cosines as they are: four perfect pairs then cost
    log(1 + 3 / e).
    """
    return close(mine(torch.eye(4), torch.eye(4), torch.tensor(0.0)), math.log(1 + 3 / math.e))


def both_sides_count_alike(mine):
    """Exchange pictures and texts: the loss changes."""
    images, texts = pairs()
    return close(mine(images, texts, torch.tensor(1.5)), mine(texts, images, torch.tensor(1.5)))


def order_of_the_pairs_is_free(mine):
    """Shuffle the pairs, each staying together: the loss changes."""
    images, texts = pairs()
    order, scale = torch.tensor([2, 0, 4, 1, 3]), torch.tensor(1.0)
    return close(mine(images, texts, scale), mine(images[order], texts[order], scale))


def wrong_pairs_cost_more(mine):
    """Give every picture another one's text: the loss should rise."""
    images, texts = pairs()
    scale = torch.tensor(2.0)
    return bool(mine(images, texts.roll(1, dims=0), scale) > mine(images, texts, scale) + 0.1)


def _cosines(image_features, text_features):
    return F.normalize(image_features, dim=-1) @ F.normalize(text_features, dim=-1).T


def _both_ways(scores):
    right = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def not_normalized(image_features, text_features, logit_scale):
    """Longer vectors win: the loss changes when one side is multiplied by 7. Cosines are wanted."""
    return _both_ways(logit_scale.exp() * image_features @ text_features.T)


def normalized_along_the_batch(image_features, text_features, logit_scale):
    """You brought the columns to length 1, over the whole batch (dim=0). Each vector is a row: its
    own length should become 1.
    """
    images, texts = F.normalize(image_features, dim=0), F.normalize(text_features, dim=0)
    return _both_ways(logit_scale.exp() * images @ texts.T)


def one_direction_only(image_features, text_features, logit_scale):
    """Each picture looks for its text, but no text has to find its picture (the same cross-entropy
    twice comes to the same): exchange the two, and the loss changes.
    """
    scores = logit_scale.exp() * _cosines(image_features, text_features)
    return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


def the_other_direction_only(image_features, text_features, logit_scale):
    """Each text looks for its picture, but no picture has to find its text: exchange the two, and
    the loss changes.
    """
    return one_direction_only(text_features, image_features, logit_scale)


def sum_of_both_directions(image_features, text_features, logit_scale):
    """Where all are alike you get 2 log B: the statement takes the mean of the two directions."""
    return 2 * contrastive_loss(image_features, text_features, logit_scale)


def scale_without_exp(image_features, text_features, logit_scale):
    """logit_scale is a logarithm: at 0 the cosines should be multiplied by 1, yours vanish."""
    return _both_ways(logit_scale * _cosines(image_features, text_features))


def no_scale(image_features, text_features, logit_scale):
    """logit_scale is never used. Cosines lie between -1 and 1: on their own they can never make a
    choice certain, and the loss stays high.
    """
    return _both_ways(_cosines(image_features, text_features) + 0 * logit_scale)


def divided_by_the_scale(image_features, text_features, logit_scale):
    """A larger scale makes right pairs less certain here: it should multiply."""
    return _both_ways(_cosines(image_features, text_features) / logit_scale.exp())


def right_pairs_only(image_features, text_features, logit_scale):
    """Nothing pushes wrong pairs apart: a network that maps everything to one point would be
    perfect.
    """
    return -logit_scale.exp() * _cosines(image_features, text_features).diagonal().mean()


def softmax_before_cross_entropy(image_features, text_features, logit_scale):
    """cross_entropy takes raw scores. A softmax before it flattens everything: perfect pairs never
    reach 0.
    """
    scores = logit_scale.exp() * _cosines(image_features, text_features)
    right = torch.arange(len(scores), device=scores.device)
    ways = (F.cross_entropy(s.softmax(dim=-1), right) for s in (scores, scores.T))
    return sum(ways) / 2


def all_labels_0(image_features, text_features, logit_scale):
    """Every picture is told that text 0 is its own."""
    scores = logit_scale.exp() * _cosines(image_features, text_features)
    right = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def each_cell_judged_alone(image_features, text_features, logit_scale):
    """Each pair was judged on its own, yes or no (a sigmoid); CLIP lets the texts of a batch
    compete. (SigLIP, Zhai et al. 2023, does it your way, with a bias.)
    """
    scores = logit_scale.exp() * _cosines(image_features, text_features)
    return F.binary_cross_entropy_with_logits(scores, torch.eye(len(scores)).to(scores))


def summed_over_the_batch(image_features, text_features, logit_scale):
    """The loss grows with the batch: a mean over the pairs is wanted, not their sum."""
    return len(image_features) * contrastive_loss(image_features, text_features, logit_scale)


EXERCISE = Exercise(
    "06.contrastive_loss",
    "Matching pictures and prompts",
    stars=2,
    minutes=12,
    points=3,
    reference=contrastive_loss,
    cases=cases,
    laws=(
        one_number, length_does_not_matter, both_sides_count_alike, all_alike_costs_log_b,
        order_of_the_pairs_is_free, wrong_pairs_cost_more, a_scale_of_0_multiplies_by_1,
        perfect_pairs_cost_nothing,
    ),
    mistakes=(
        not_normalized, one_direction_only, the_other_direction_only, sum_of_both_directions,
        scale_without_exp, no_scale, divided_by_the_scale, right_pairs_only,
        softmax_before_cross_entropy, all_labels_0, each_cell_judged_alone, summed_over_the_batch,
        normalized_along_the_batch,
    ),
)  # fmt: skip
