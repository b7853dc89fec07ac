"""Samplers: from noise to a picture, whatever the network and the prompt. Plain generators."""

from ..noise import randn  # noqa: F401
from .diffusion import ddim, ddpm, pndm
from .flow import flow_euler
from .guidance import guide  # noqa: F401
from .sigma import dpm_solver_pp_2m, euler, euler_ancestral, heun
from .steps import Step, timestep_grid  # noqa: F401

# Every sampler under the name that a user types.
SAMPLERS = {
    function.__name__: function
    for function in (ddpm, ddim, euler, euler_ancestral, heun, dpm_solver_pp_2m, pndm, flow_euler)
}
