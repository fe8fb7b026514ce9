"""Label maps, arrays in which each number is an object, and Pascal VOC's palette for them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import FormatError
from sam_widget.export.sources import class_names, image_of
from sam_widget.masks.runs import pixels_of

_MAX_PIXELS = 2**28

By = Literal["object", "class"]


def label_map(source: Any, *, by: By = "object") -> tuple[NDArray[np.uint16], list[str]]:
    """Convert the objects of one image to an array of numbers: 0 is background, n the n-th name.

    Where objects overlap, the later one is on top, and the hidden part of the other is lost.

    Args:
        source: A session, masks, or anything else that `images_of` reads.
        by: "object" gives each object its own number, "class" gives objects with the same label the same number.

    Returns:
        (H, W) uint16, and the names of 1, 2, 3, ...

    Raises:
        FormatError: There are several images, more than 65,535 objects, or more than 268 million pixels.
    """
    image = image_of(source, "a label map")
    if by not in ("object", "class"):
        raise FormatError(f"by is {by!r}, expected 'object' or 'class'")
    names = class_names([image], None) if by == "class" else [item.label for item in image]
    if len(names) > np.iinfo(np.uint16).max:
        raise FormatError(f"a label map holds 65,535 numbers, but there are {len(names)} objects; export to COCO")
    width, height = image.size
    if width * height > _MAX_PIXELS:
        raise FormatError(
            f"a label map of {width} x {height} pixels takes {width * height * 2 / 1e6:,.0f} MB, expected "
            f"{_MAX_PIXELS * 2 / 1e6:,.0f} MB at most; export to COCO, which takes no more than outlines"
        )
    numbers = np.zeros(height * width, np.uint16)
    known = {name: number for number, name in enumerate(names, 1)}
    for index, item in enumerate(image, 1):
        numbers[pixels_of(item.stored.runs)] = known[item.label] if by == "class" else index
    return numbers.reshape(height, width), names


def voc_palette() -> NDArray[np.uint8]:
    """Return Pascal VOC's palette, (256, 3): a number's bits are distributed over red, green and blue."""
    numbers = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((numbers >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colours
