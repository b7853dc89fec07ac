"""Which model was measured? What is committed names it, so that a test sees when it is another."""

import hashlib
from pathlib import Path

from ..pipeline import WEIGHTS


def fingerprint(model) -> str:
    """First 12 hex digits of the SHA-256 of the UNet's file, of a folder or of a shipped model."""
    folder = WEIGHTS / model if (WEIGHTS / model).is_dir() else Path(model)
    data = (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    return hashlib.sha256(data).hexdigest()[:12]
