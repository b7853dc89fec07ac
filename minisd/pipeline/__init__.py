"""Prompt -> picture, picture -> picture, mask -> picture: all parts of the model at work."""

from .image_to_image import ImageToImagePipeline  # noqa: F401
from .inpaint import InpaintPipeline  # noqa: F401
from .pictures import from_uint8, to_uint8  # noqa: F401
from .text_to_image import WEIGHTS, TextToImagePipeline  # noqa: F401
