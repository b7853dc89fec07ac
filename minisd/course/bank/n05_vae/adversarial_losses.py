"""05.adversarial_losses: the critic in the first stage."""

import torch
import torch.nn.functional as F

from ...exercise import Exercise
from .known_critics import ask, brightness, run
from .slopes import slopes


def adversarial_losses(discriminator, real, fake, step, start):
    """Hinge losses of a patch critic, and of the decoder that it judges; 0 before `start`.

    `discriminator` turns pictures into a map of scores, high where it believes them. Rombach et
    al. 2022, appendix G, after Esser et al. 2021. (B, 3, H, W) twice -> two scalars
    """
    doubts = F.relu(1 - discriminator(real)).mean()
    beliefs = F.relu(1 + discriminator(fake.detach())).mean()  # the decoder shall not learn this
    discriminator_loss = 0.5 * (doubts + beliefs)
    generator_loss = -discriminator(fake).mean()
    if step < start:
        return 0 * discriminator_loss, 0 * generator_loss
    return discriminator_loss, generator_loss


def cases(generator):
    """(the critic's weights, real, fake, step, start): scores on both sides of the corners."""

    def case(B, H, W, step, start):
        real, fake = torch.randn(2, B, 3, H, W, generator=generator)
        return torch.randn(1, 3, 2, 2, generator=generator) / 2, real, fake, step, start

    return {
        "example": case(3, 4, 6, 700, 500),
        "batch 1": case(1, 6, 4, 20, 10),
        "not yet": case(2, 4, 4, 499, 500),
        "the first step that counts": case(2, 4, 4, 500, 500),
        "from the beginning": case(4, 4, 4, 0, 0),
    }


def nothing_before_start(mine):
    """Before `start` both losses should be 0, and from `start` on they should not."""
    before, at = (ask(mine, 0.2, 0.4, step=step, start=7)[:2] for step in (6, 7))
    return not any(loss.item() for loss in before) and all(loss.item() for loss in at)


def sure_and_right_costs_nothing(mine):
    """A critic that is sure of itself, and right, should have loss 0."""
    return abs(ask(mine, 1, -1, strength=5)[0].item()) < 1e-6


def saying_nothing_costs_one(mine):
    """A critic that always says 0 should have loss 1."""
    return abs(ask(mine, 1, -1, strength=0)[0].item() - 1) < 1e-6


def each_patch_has_its_own_hinge(mine):
    """A patch of which the critic is more than sure makes up for another one where it errs. Each
    patch should be judged for itself.
    """
    real = torch.full((1, 3, 2, 4), 3.0)
    real[..., 2:] = -1.0  # scores 3 and -1, hinges 0 and 2
    loss, _ = mine(brightness(1), real, torch.full((1, 3, 2, 4), -1.0), 1, 0)
    return abs(float(loss) - 0.5) < 1e-5


def learns_from_both(mine):
    """The critic's loss should fall when true pictures score higher, and when drawn ones score
    lower. Yours does not.
    """
    middle, true_higher, drawn_lower = (
        ask(mine, *pair)[0].item() for pair in ((0.1, -0.1), (0.3, -0.1), (0.1, -0.3))
    )
    return middle > max(true_higher, drawn_lower)


def critic_leaves_the_decoder_alone(mine):
    """The critic's loss has a slope at the drawn pictures: while the critic learns, the decoder
    would be pushed as well.
    """
    loss, _, fake = ask(mine, 0.1, -0.2)
    return not bool(slopes(loss, [fake])[0].any())


def decoder_is_told(mine):
    """The decoder's loss should send a slope to every pixel that the critic sees, and making them
    more believable should lower it.
    """
    _, loss, fake = ask(mine, 0.1, -0.2)
    return bool((slopes(loss, [fake])[0] < -1e-6).all())


def decoder_hears_raw_scores(mine):
    """The decoder's loss should be as far below 0 as the score of its pictures lies above, however
    sure the critic is.
    """
    scores = torch.tensor([ask(mine, 1, fake)[1].item() for fake in (-5, 0.5, 5)])
    return torch.allclose(scores, torch.tensor([5.0, -0.5, -5.0]), atol=1e-4)


def _both(discriminator, real, fake):
    doubts = F.relu(1 - discriminator(real)).mean()
    beliefs = F.relu(1 + discriminator(fake.detach())).mean()
    return doubts, beliefs, -discriminator(fake).mean()


def _from_start(step, start, *losses):
    return tuple((step >= start) * loss for loss in losses)


def real_and_fake_exchanged(discriminator, real, fake, step, start):
    """A sure and right critic has a *large* loss: the two signs are exchanged."""
    doubts = F.relu(1 + discriminator(real)).mean()
    beliefs = F.relu(1 - discriminator(fake.detach())).mean()
    return _from_start(step, start, 0.5 * (doubts + beliefs), -discriminator(fake).mean())


def fake_not_detached(discriminator, real, fake, step, start):
    """While the critic learns, its gradient also pushes the decoder, and in the wrong direction:
    toward pictures that are easy to recognize as drawn.
    """
    beliefs = F.relu(1 + discriminator(fake)).mean()
    doubts, _, generator_loss = _both(discriminator, real, fake)
    return _from_start(step, start, 0.5 * (doubts + beliefs), generator_loss)


def scores_detached(discriminator, real, fake, step, start):
    """The critic learns nothing from drawn pictures: you cut what it says of them, and its own
    gradient with it. Cut what goes in, not what comes out.
    """
    doubts, beliefs, generator_loss = _both(discriminator, real, fake)
    return _from_start(step, start, 0.5 * (doubts + beliefs.detach()), generator_loss)


def fake_detached_for_the_decoder_too(discriminator, real, fake, step, start):
    """The decoder's loss sends no gradient to the decoder: nothing will ever change."""
    return adversarial_losses(discriminator, real, fake.detach(), step, start)


def order_exchanged(discriminator, real, fake, step, start):
    """Both losses are there, but in the other order: the critic's is asked for first."""
    return adversarial_losses(discriminator, real, fake, step, start)[::-1]


def decoder_wants_to_be_caught(discriminator, real, fake, step, start):
    """The decoder is rewarded for pictures that the critic rejects: look at its sign."""
    critics, decoders = adversarial_losses(discriminator, real, fake, step, start)
    return critics, -decoders


def started_at_once(discriminator, real, fake, step, start):
    """The critic plays from step 0, when reconstructions are mush: `start` is ignored."""
    return adversarial_losses(discriminator, real, fake, 1, 0)


def one_step_late(discriminator, real, fake, step, start):
    """At the step `start` itself your losses are still 0: only *before* it they should be."""
    return adversarial_losses(discriminator, real, fake, step, start + 1)


def sigmoid_before_the_hinge(discriminator, real, fake, step, start):
    """Probabilities never reach the hinge's corners: even a sure critic keeps a loss. The hinge
    wants raw scores.
    """

    def likely(images):
        return discriminator(images).sigmoid()

    return adversarial_losses(likely, real, fake, step, start)


def logarithm_of_a_relu(discriminator, real, fake, step, start):
    """nan or infinite: a ReLU is 0 for half of all inputs and may exceed 1, so its logarithm is no
    log-probability. The hinge has no logarithm.
    """
    doubts = -F.relu(discriminator(real)).log().mean()
    beliefs = -(1 - F.relu(discriminator(fake.detach()))).log().mean()
    generator_loss = -F.relu(discriminator(fake)).log().mean()
    return _from_start(step, start, 0.5 * (doubts + beliefs), generator_loss)


def real_pictures_only(discriminator, real, fake, step, start):
    """The critic is never shown a drawn picture: saying "real" to everything is perfect."""
    doubts, _, generator_loss = _both(discriminator, real, fake)
    return _from_start(step, start, 0.5 * doubts, generator_loss)


def half_missing(discriminator, real, fake, step, start):
    """Twice the statement's value: the two halves are averaged."""
    critics, decoders = adversarial_losses(discriminator, real, fake, step, start)
    return 2 * critics, decoders


def averaged_before_the_hinge(discriminator, real, fake, step, start):
    """You bend the mean of all scores. One patch of which the critic is too sure then hides
    another where it errs: bend each score, then average.
    """

    def overall(images):
        return discriminator(images).mean()

    return adversarial_losses(overall, real, fake, step, start)


def decoder_behind_a_hinge(discriminator, real, fake, step, start):
    """The decoder stops hearing as soon as the critic believes it a little: its loss is the plain
    mean score, without a hinge.
    """
    critics, _ = adversarial_losses(discriminator, real, fake, step, start)
    return critics, (step >= start) * F.relu(1 - discriminator(fake)).mean()


EXERCISE = Exercise(
    "05.adversarial_losses",
    "The critic in the first stage",
    stars=2,
    minutes=15,
    points=3,
    reference=adversarial_losses,
    cases=cases,
    laws=(
        nothing_before_start,
        sure_and_right_costs_nothing,
        saying_nothing_costs_one,
        learns_from_both,
        each_patch_has_its_own_hinge,
        critic_leaves_the_decoder_alone,
        decoder_is_told,
        decoder_hears_raw_scores,
    ),
    mistakes=(
        real_and_fake_exchanged,
        fake_not_detached,
        scores_detached,
        fake_detached_for_the_decoder_too,
        order_exchanged,
        decoder_wants_to_be_caught,
        started_at_once,
        one_step_late,
        sigmoid_before_the_hinge,
        logarithm_of_a_relu,
        real_pictures_only,
        half_missing,
        averaged_before_the_hinge,
        decoder_behind_a_hinge,
    ),
    run=run,
    needs_gradient=False,  # `run` looks at the slopes, for some have to be 0
)
