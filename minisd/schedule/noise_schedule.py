"""One frozen record of how a model was noised in training, in diffusers' own words."""

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path

import torch

from .formulas import (
    PREDICTION_TYPES,
    check_choice,
    make_betas,
    rescale_zero_terminal_snr,
    to_x0_and_epsilon,
    training_target,
)

SPACINGS = ("leading", "trailing", "linspace")
VARIANCES = ("fixed_small", "fixed_large")

# What diffusers assumes where a scheduler_config.json is silent: all classes, then each its own.
_SILENT = {
    "beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02, "steps_offset": 0,
    "set_alpha_to_one": True,
}  # fmt: skip
_SILENT_IN = {
    "DDPMScheduler": {"clip_sample": True},
    "DDIMScheduler": {"clip_sample": True},
    "PNDMScheduler": {"set_alpha_to_one": False},
    "EulerDiscreteScheduler": {"timestep_spacing": "linspace"},
    "EulerAncestralDiscreteScheduler": {"timestep_spacing": "linspace"},
    "HeunDiscreteScheduler": {
        "timestep_spacing": "linspace", "beta_start": 0.00085, "beta_end": 0.012,
    },
    "DPMSolverMultistepScheduler": {"timestep_spacing": "linspace"},
    "FlowMatchEulerDiscreteScheduler": {"prediction_type": "flow_prediction"},
}  # fmt: skip
# Settings of diffusers that lead the samplers elsewhere: only these values are built here.
_FIXED = {
    "trained_betas": None, "sigma_min": None, "sigma_max": None, "shift_terminal": None,
    "thresholding": False, "use_exponential_sigmas": False, "use_beta_sigmas": False,
    "use_lu_lambdas": False, "use_flow_sigmas": False, "use_dynamic_shifting": False,
    "invert_sigmas": False, "stochastic_sampling": False, "skip_prk_steps": True,
    "algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint",
    "final_sigmas_type": "zero", "lambda_min_clipped": -math.inf, "timestep_type": "discrete",
    "interpolation_type": "linear",
}  # fmt: skip


@dataclass(frozen=True)
class NoiseSchedule:
    """All that a sampler must know of how a model was trained: diffusers' scheduler_config.json.

    The names are diffusers' own; the defaults are Stable Diffusion 1.5's.
    """

    num_train_timesteps: int = 1000  # T
    beta_schedule: str = "scaled_linear"  # see make_betas
    beta_start: float = 0.00085  # variance added by the first step
    beta_end: float = 0.012  # and by the last
    prediction_type: str = "epsilon"  # what the network says: see training_target
    rescale_betas_zero_snr: bool = False  # end at pure noise, which asks for v and "trailing"
    timestep_spacing: str = "leading"  # which of the T timesteps few steps visit: timestep_grid
    steps_offset: int = 1  # added to "leading" timesteps, which else would end at t = 0
    set_alpha_to_one: bool = False  # the last step ends at alpha_bar 1, not at alpha_bar[0]
    clip_sample: bool = False  # clip the predicted x_0: right for pixels, ruinous for latents
    clip_sample_range: float = 1.0  # pixels lie in [-1, 1]
    variance_type: str = "fixed_small"  # of DDPM's noise: the posterior's, or beta ("fixed_large")
    use_karras_sigmas: bool = False  # space noise levels as Karras et al. 2022 (sigma samplers)
    shift: float = 1.0  # above 1, flow matching spends more steps where there is much noise
    class_name: str = "DDIMScheduler"  # the diffusers class that reads this configuration back
    device: str = field(default="cpu", compare=False)  # of the table: see `to`

    def __post_init__(self):
        """Refuse at once what no sampler could use."""
        T, ends = self.num_train_timesteps, (self.beta_start, self.beta_end)
        if not isinstance(T, int) or T < 1:
            raise ValueError(f"num_train_timesteps must be a positive integer, got {T!r}.")
        if not 0 < ends[0] <= ends[1] < 1:
            raise ValueError(f"expected 0 < beta_start <= beta_end < 1, got {ends}.")
        check_choice("prediction_type", self.prediction_type, PREDICTION_TYPES)
        check_choice("timestep_spacing", self.timestep_spacing, SPACINGS)
        check_choice("variance_type", self.variance_type, VARIANCES)
        self.betas  # noqa: B018  (an unknown beta_schedule should fail here, not while sampling)

    @cached_property
    def betas(self):
        """The variance that each step adds, (T,) float32 on the CPU."""
        T, ends = self.num_train_timesteps, (self.beta_start, self.beta_end)
        betas = make_betas(self.beta_schedule, T, *ends)
        return rescale_zero_terminal_snr(betas) if self.rescale_betas_zero_snr else betas

    @cached_property
    def alphas_cumprod(self):
        """Alpha-bar, the share of the picture's variance that is left, (T,) on `device`.

        A float32 product, as in diffusers: in float64 the last digits would differ.
        """
        return (1 - self.betas).cumprod(dim=0).to(self.device)

    @cached_property
    def _alphas_cumprod_cpu(self):
        """The same where one value can be read without waiting for the GPU."""
        return self.alphas_cumprod.cpu()

    def alpha_bar(self, timestep):
        """Alpha-bar after one timestep, a scalar on the CPU; t < 0 is the end of sampling."""
        if timestep < 0:
            return torch.tensor(1.0) if self.set_alpha_to_one else self._alphas_cumprod_cpu[0]
        return self._alphas_cumprod_cpu[timestep]

    def target(self, images, noise, timesteps):
        """Return what a network of this schedule should say: see training_target."""
        table, kind = self.alphas_cumprod, self.prediction_type
        return training_target(images, noise, timesteps, table, kind)

    def x0_and_epsilon(self, latents, prediction, alpha_bar, prediction_type=None):
        """Read a raw network output at one noise level, x_0 clipped where the model wants it.

        `prediction_type` defaults to the schedule's own. (B, ...) twice -> (B, ...) twice
        """
        kind = prediction_type or self.prediction_type
        x0, epsilon = to_x0_and_epsilon(latents, prediction, alpha_bar, kind)
        if self.clip_sample:
            x0 = x0.clamp(-self.clip_sample_range, self.clip_sample_range)
        return x0, epsilon

    def to(self, device):
        """Return this schedule with its table on `device`, for training there."""
        return replace(self, device=str(device))

    @classmethod
    def from_json(cls, path):
        """Read any scheduler_config.json; what it does not say is as diffusers assumes.

        Raises ValueError where the file is no JSON object or asks for what minisd cannot do.
        """
        try:
            config = dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{path} should hold one JSON object, but it does not: {error}"
            ) from None
        config = {key: value for key, value in config.items() if value is not None}
        for key, value in _FIXED.items():
            if config.get(key, value) != value:
                raise ValueError(
                    f"{path} sets {key} to {config[key]!r}; minisd only knows {value!r}."
                )
        class_name = config.get("_class_name", cls.class_name)
        config = {**_SILENT, **_SILENT_IN.get(class_name, {}), **config, "class_name": class_name}
        known = {field.name for field in fields(cls) if field.name != "device"}
        return cls(**{key: value for key, value in config.items() if key in known})

    def to_dict(self):
        """Return the configuration as diffusers writes it."""
        config = {"_class_name": self.class_name, **asdict(self)}
        del config["class_name"], config["device"]
        # Two keys that DDIMScheduler does not know: written only where they say something.
        for key in ("use_karras_sigmas", "shift"):
            if config[key] == getattr(type(self), key):
                del config[key]
        return config

    def save(self, path):
        """Write the configuration as scheduler_config.json."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
