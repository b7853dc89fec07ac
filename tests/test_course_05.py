"""Notebook 05: its references are the package's, its networks and its saved runs are sound."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from minisd import course, training, world
from minisd.course import first_stage
from minisd.course.bank.n05_vae.adversarial_losses import adversarial_losses
from minisd.course.critics import (
    ATTRIBUTES,
    AttributeClassifier,
    PatchDiscriminator,
    balance,
    perceptual_distance,
    train_classifier,
)
from minisd.course.small_vae import SmallVAE
from minisd.vae import DiagonalGaussian

FOLDER = Path(__file__).parents[1] / "datasets" / "first_stage"


def reference(id):
    return course.exercises()[id].reference


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_samples_and_prices_are_the_packages():
    mean, logvar = normal(3, 4, 5, 2), normal(3, 4, 5, 2, seed=1)
    cloud, generator = DiagonalGaussian(mean, logvar), torch.Generator()
    noise = torch.randn(mean.shape, generator=generator.manual_seed(2))
    ours = reference("05.sample_latents")(mean, logvar, noise)
    torch.testing.assert_close(ours, cloud.sample(generator.manual_seed(2)))
    price = reference("05.kl_to_standard_normal")(mean, logvar)
    torch.testing.assert_close(price, cloud.kl())
    normals = (
        torch.distributions.Normal(mean, (0.5 * logvar).exp()),
        torch.distributions.Normal(0, 1),
    )
    expected = torch.distributions.kl_divergence(*normals).flatten(1).sum(1)
    torch.testing.assert_close(price, expected)


def test_the_loss_is_the_packages_in_other_units():
    torch.manual_seed(0)
    vae, images, weight = SmallVAE(width=16), normal(2, 3, 16, 16).tanh(), 0.3
    theirs = training.vae_loss(vae, images, weight, torch.Generator().manual_seed(3))
    cloud = vae.encode(images)
    rebuilt = vae.decode(cloud.sample(torch.Generator().manual_seed(3)))
    num_pixels, num_latents = images[0].numel(), cloud.mean[0].numel()
    ours = reference("05.vae_loss")(
        rebuilt, images, cloud.mean, cloud.logvar, weight * num_pixels / num_latents
    )
    torch.testing.assert_close(ours / num_pixels, theirs)


@pytest.mark.parametrize("downscale", [4, 8])
def test_small_vae_has_the_packages_shapes(downscale):
    vae, images = SmallVAE(downscale, width=16), normal(2, 3, 16, 24)
    cloud = vae.encode(images)
    assert cloud.mean.shape == cloud.logvar.shape == (2, 4, 16 // downscale, 24 // downscale)
    assert vae.decode(cloud.mean).shape == images.shape


def test_patches_are_judged_alone():
    torch.manual_seed(0)
    critic, images = PatchDiscriminator(8), normal(1, 3, 32, 32).requires_grad_()
    scores = critic(images)
    assert scores.shape == (1, 1, 8, 8)
    scores[0, 0, 4, 4].backward()
    seen = images.grad.abs().sum(dim=(0, 1)) > 0
    assert seen.any(dim=0).sum() == seen.any(dim=1).sum() == 18  # as its docstring says


def test_a_classifier_learns_and_tells_pictures_apart():
    images, scenes, _ = first_stage.draw_pictures(64, 0)
    classifier = train_classifier(images, scenes, 60, seed=0)
    assert classifier(images).shape == (64, sum(ATTRIBUTES)) == (64, 19)
    colors = classifier(images).split(ATTRIBUTES, dim=1)[1].argmax(dim=1)
    assert (colors == scenes.color[:, 0]).float().mean() > 0.3  # chance is 1 in 8
    distance = perceptual_distance(classifier, images[:4], images[4:8])
    assert distance.shape == (4,) and (distance > 0).all()
    assert perceptual_distance(classifier, images, images).abs().max() < 1e-6


def test_a_critic_pulls_as_hard_as_the_error():
    weight = normal(3, 4).requires_grad_()
    error, judged = (weight**2).sum(), 50 * (weight**3).sum()
    factor = balance(error, judged, weight)
    pulls = [torch.autograd.grad(x, weight, retain_graph=True)[0] for x in (error, factor * judged)]
    torch.testing.assert_close(pulls[0].norm(), pulls[1].norm(), rtol=1e-3, atol=0)
    assert not factor.requires_grad


def test_readability_and_sharpness_see_what_they_should():
    images, _, prompts = first_stage.draw_pictures(16, 0)
    blurred = torch.nn.functional.avg_pool2d(images, 5, stride=1, padding=2)
    assert first_stage.readability(images) == first_stage.obedience(images, prompts) == 1
    assert first_stage.readability(normal(16, 3, 32, 32)) == 0
    assert first_stage.sharpness(blurred) < 0.7 * first_stage.sharpness(images)


def test_the_command_makes_all_that_the_notebook_reads(tmp_path):
    command = [sys.executable, "-m", "minisd.course.first_stage", str(tmp_path), "--steps", "2"]
    only = ["--only", "price 0.1", "and a critic, late"]
    subprocess.run([*command, *only], check=True, capture_output=True)
    saved = json.loads((FOLDER / "runs.json").read_text())
    made = json.loads((tmp_path / "runs.json").read_text())
    assert list(saved) == list(first_stage.RUNS)
    assert all(made[name].keys() == saved[name].keys() for name in made) and len(made) == 2
    committed = {path.name for path in FOLDER.iterdir()}
    assert {path.name for path in tmp_path.iterdir()} <= committed
    names = {f"{first_stage.file_name(name)}.png" for name in first_stage.RUNS}
    assert names | {"true.png", "runs.json", "README.md"} <= committed


def test_a_run_depends_on_its_seed_alone():
    images, scenes, _ = first_stage.draw_pictures(32, 0)
    teacher = AttributeClassifier().requires_grad_(False)
    run = first_stage.RUNS["and a critic, late"]
    once, twice = (first_stage.train(run, images, teacher, 3) for _ in range(2))
    for one, other in zip(once.parameters(), twice.parameters()):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", first_stage.KEPT)
def test_saved_weights_are_those_of_the_saved_numbers(name):
    vae = SmallVAE()
    weights = load_file(FOLDER / f"{first_stage.file_name(name)}.safetensors")
    vae.load_state_dict({key: weight.float() for key, weight in weights.items()})
    images, _, prompts = first_stage.draw_pictures(64, 1)
    with torch.no_grad():
        share = first_stage.obedience(vae.decode(vae.encode(images).mean), prompts)
    saved = json.loads((FOLDER / "runs.json").read_text())[name]["obey"]
    assert abs(share - saved) < 0.15  # 64 pictures here, 256 there


def test_critic_and_decoder_play_against_each_other():
    torch.manual_seed(0)
    critic = PatchDiscriminator(8)
    real, fake = normal(4, 3, 16, 16), torch.zeros(4, 3, 16, 16, requires_grad=True)
    optimizer = torch.optim.SGD(critic.parameters(), 0.05)
    losses = []
    for step in range(30):
        loss, _ = adversarial_losses(critic, real, fake, step, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0] and fake.grad is None


def test_first_stage_sees_pictures_of_one_object():
    images, scenes, prompts = first_stage.draw_pictures(8, 0)
    assert images.shape == (8, 3, 32, 32) and images.min() >= -1 and images.max() <= 1
    assert (scenes.count == 1).all() and len(prompts) == 8
    assert all(len(world.parse(prompt).objects) == 1 for prompt in prompts)
