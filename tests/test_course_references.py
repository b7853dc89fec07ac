"""Where an exercise's reference is a first version of its own, it must not drift from the rest.

Those below, of notebooks 01 to 04, are held equal on random numbers: to the package's final form,
to torch, to diffusers, or to a sum written out here. Laws alone hold 01.attention_mask,
02.forward_step, 02.naive_std, 03.exact_denoiser and 03.score_from_epsilon.
"""

import copy

import diffusers
import pytest
import torch
import torch.nn.functional as F
from oracles import randomize, relative_error

from minisd import course, schedule


def reference(id):
    return course.exercises()[id].reference


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dim", [-1, 0, 1])
@pytest.mark.parametrize("scale", [1.0, 10_000.0])
def test_softmax_is_torchs(dim, scale):
    scores = scale * normal(3, 5, 4)
    torch.testing.assert_close(reference("01.softmax")(scores, dim), torch.softmax(scores, dim))


def test_add_noise_is_the_packages():
    images, noise, t = (
        normal(4, 3, 5, 4),
        normal(4, 3, 5, 4, seed=1),
        torch.tensor([0, 9, 500, 999]),
    )
    table = schedule.NoiseSchedule().alphas_cumprod
    ours = reference("02.add_noise")(images, noise, t, table)
    torch.testing.assert_close(ours, schedule.add_noise(images, noise, t, table))


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_three_names_are_the_packages(kind):
    latents, said = normal(4, 3, 5, 4), normal(4, 3, 5, 4, seed=1)
    levels = torch.tensor([0.99, 0.5, 0.1, 0.0 if kind == "v_prediction" else 0.01])
    ours = reference("02.to_x0_and_epsilon")(latents, said, levels, kind)
    theirs = schedule.to_x0_and_epsilon(latents, said, levels, kind)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    "kind, name",
    [("linear", "linear"), ("scaled_linear", "scaled_linear"), ("cosine", "squaredcos_cap_v2")],
)
def test_schedules_are_the_packages(kind, name):
    betas, alphas_cumprod = reference("02.noise_schedule")(kind, 1000, 0.00085, 0.012)
    expected = schedule.make_betas(name, 1000, 0.00085, 0.012)
    torch.testing.assert_close(betas, expected)
    torch.testing.assert_close(alphas_cumprod, (1 - expected).cumprod(dim=0))


@pytest.mark.parametrize("timestep", [0, 1, 500, 999])
def test_one_step_is_the_posteriors(timestep):
    table = schedule.NoiseSchedule()
    latents, epsilon, noise = (normal(2, 3, 4, 5, seed=seed) for seed in range(3))
    ours = reference("03.ddpm_step")(
        latents, epsilon, timestep, noise, table.betas, table.alphas_cumprod
    )
    now = table.alphas_cumprod[timestep].double()
    before = table.alphas_cumprod[timestep - 1].double() if timestep else torch.tensor(1.0).double()
    x0 = (latents - (1 - now) ** 0.5 * epsilon) / now**0.5
    mean, variance = schedule.posterior(latents.double(), x0.double(), now, before)
    assert relative_error(ours, mean + variance**0.5 * noise) <= 1e-4


def test_denoising_loss_is_the_packages_jump_and_torchs_loss():
    x0, table, shown = normal(6, 3, 5, 4), torch.linspace(0.99, 0.1, 10), []

    def model(x_t, timesteps):
        shown.append((x_t, timesteps))
        return 0.3 * x_t

    ours = reference("03.denoising_loss")(model, x0, table, torch.Generator().manual_seed(3))
    again = torch.Generator().manual_seed(3)
    timesteps = torch.randint(10, (6,), generator=again)
    noise = torch.randn(x0.shape, generator=again)
    x_t = schedule.add_noise(x0, noise, timesteps, table)
    torch.testing.assert_close(shown, [(x_t, timesteps)])
    torch.testing.assert_close(ours, F.mse_loss(0.3 * x_t, noise))


def test_distance_of_gaussians_is_torchs():
    p, q = ((normal(5, 3, seed=s), normal(5, 3, seed=s + 1).exp()) for s in (0, 2))
    expected = torch.distributions.kl_divergence(
        *(torch.distributions.Normal(mean, variance**0.5) for mean, variance in (p, q))
    ).sum(-1)
    torch.testing.assert_close(reference("03.kl_gaussians")(*p, *q), expected)


def test_group_norm_is_torchs():
    images, weight, bias = normal(3, 8, 5, 4), normal(8, seed=1), normal(8, seed=2)
    ours = reference("04.group_norm")(images, 4, weight, bias, 1e-3)
    torch.testing.assert_close(ours, F.group_norm(images, 4, weight, bias, 1e-3))


@torch.no_grad()
def test_the_slow_copy_is_a_weighted_sum():
    """After n updates: decay^n of the first, and (1 - decay) decay^(n - k) of the k-th weights."""
    decay, num_updates = 0.7, 5
    model = torch.nn.BatchNorm1d(4)
    slow = copy.deepcopy(model)
    expected = decay**num_updates * slow.weight
    for k in range(1, num_updates + 1):
        model.weight.copy_(normal(4, seed=k))
        model.running_mean.copy_(normal(4, seed=10 * k))
        expected += (1 - decay) * decay ** (num_updates - k) * model.weight
        reference("04.ema_update")(slow, model, decay)
    torch.testing.assert_close(slow.weight, torch.nn.Parameter(expected))
    assert slow.running_mean.equal(model.running_mean)


@torch.no_grad()
def test_the_pixel_unet_is_diffusers():
    ours = randomize(reference("04.UNet2DModel")(3, (16, 32), 4))
    theirs = diffusers.UNet2DModel(
        in_channels=3, out_channels=3, block_out_channels=(16, 32), layers_per_block=1,
        norm_num_groups=4, attn_norm_num_groups=4, norm_eps=1e-5, attention_head_dim=32,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    theirs.load_state_dict(ours.state_dict(), strict=True)
    images, timesteps = normal(3, 3, 8, 12), torch.tensor([0, 10, 900])
    assert relative_error(ours(images, timesteps), theirs(images, timesteps).sample) <= 1e-5
