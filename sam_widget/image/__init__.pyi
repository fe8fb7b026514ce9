from .files import find_images
from .reading import MAX_PIXELS, RGB, image_hash, read_values, rgb_from_values, to_rgb
from .rendering import USUAL, Rendering, SourceImage
from .samples import sample

__all__ = [
    "MAX_PIXELS",
    "RGB",
    "USUAL",
    "Rendering",
    "SourceImage",
    "find_images",
    "image_hash",
    "read_values",
    "rgb_from_values",
    "sample",
    "to_rgb",
]
