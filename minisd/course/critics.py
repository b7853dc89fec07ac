"""Networks that judge pictures: one that knows the world's attributes, whose features say how
alike two pictures look, and one that tells true pictures from reconstructions, patch by patch.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..training import TrainingState, fit, step_generator
from ..world import BACKGROUNDS, COLORS, SHAPES, SIZES

ATTRIBUTES = tuple(map(len, (SHAPES, COLORS, SIZES, BACKGROUNDS)))


class AttributeClassifier(nn.Module):
    """Name shape, color, size and background of the one object in a picture.

    (B, 3, H, W) -> (B, 19) scores: 6 shapes, 8 colors, 2 sizes, 3 backgrounds
    """

    def __init__(self, widths=(16, 32, 64)):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1)
            for before, after in zip((3, *widths), widths)
        )
        self.head = nn.Linear(widths[-1], sum(ATTRIBUTES))

    def features(self, images):
        """What each layer sees: a list of (B, C, H / 2, W / 2), ..., coarser and coarser."""
        found = []
        for layer in self.layers:
            images = F.relu(layer(images))
            found.append(images)
        return found

    def forward(self, images):
        return self.head(self.features(images)[-1].amax(dim=(2, 3)))


def attribute_loss(classifier, images, scenes):
    """How wrong its four names are: the sum of four cross-entropies. (B, 3, H, W) -> scalar"""
    parts = classifier(images).split(ATTRIBUTES, dim=1)
    true = scenes.shape[:, 0], scenes.color[:, 0], scenes.size[:, 0], scenes.background
    return sum(F.cross_entropy(scores, t.to(scores.device)) for scores, t in zip(parts, true))


def train_classifier(images, scenes, num_steps, seed):
    """Train a classifier on pictures of one object. (N, 3, H, W), N scenes -> the classifier"""
    torch.manual_seed(seed)
    classifier = AttributeClassifier().to(images.device)
    state = TrainingState({"classifier": classifier}, 5e-3)

    def compute_loss(step):
        generator = step_generator(seed, step, "cpu")
        rows = torch.randint(len(images), (32,), generator=generator)
        return attribute_loss(classifier, images[rows], scenes[rows])

    for _ in fit(state, compute_loss, num_steps):
        pass
    return state.averages["classifier"]


def perceptual_distance(classifier, images, others):
    """How unlike two pictures look to a network that has learned what matters. Johnson et al.
    2016; at each place the features are brought to length 1, as by Zhang et al. 2018.

    (B, 3, H, W) twice -> (B,)
    """
    distance = 0.0
    for one, other in zip(classifier.features(images), classifier.features(others)):
        difference = F.normalize(one, dim=1) - F.normalize(other, dim=1)
        distance = distance + (difference**2).sum(dim=1).mean(dim=(1, 2))
    return distance


class PatchDiscriminator(nn.Module):
    """Score each patch of a picture: high for true, low for drawn. Isola et al. 2017.

    (B, 3, H, W) -> (B, 1, H / 4, W / 4); a score sees a patch of 18 x 18 pixels and no more.
    """

    def __init__(self, width=32):
        super().__init__()
        self.conv_in = nn.Conv2d(3, width, 4, stride=2, padding=1)
        self.conv = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)
        self.conv_out = nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, images):
        x = F.leaky_relu(self.conv_in(images), 0.2)
        return self.conv_out(F.leaky_relu(self.conv(x), 0.2))


def balance(error, generator_loss, last_weight):
    """The factor that makes a critic pull as hard at the decoder's last layer as the error does.
    Esser et al. 2021, section 3.1. Two scalars, a weight of any shape -> scalar without gradient
    """
    pulls = [
        torch.autograd.grad(loss, last_weight, retain_graph=True)[0].norm()
        for loss in (error, generator_loss)
    ]
    return (pulls[0] / (pulls[1] + 1e-4)).clamp(max=1e4).detach()
