"""labelme's JSON: one file beside each image.

https://github.com/wkentaro/labelme; its shape type "mask" holds a PNG of the object's box.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
from pathlib import PurePath, PureWindowsPath
from typing import Any, Literal

import numpy as np
from PIL import Image

from sam_widget.errors import FormatError
from sam_widget.export.rings import parts_from_mask, straightened
from sam_widget.export.shared import checked_size, image_of, mask_png, png_bytes, read_json, write_json
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.codecs import mask_from_polygons
from sam_widget.masks.runs import Mask, StoredMask


def to_labelme(
    source: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    shape: Literal["mask", "polygon"] = "mask",
    tolerance: float = 0.0,
    photo: bool | None = None,
) -> dict[str, Any]:
    """Return, and write if a path is given, one image's objects as labelme's JSON. Overlaps stay.

    As masks they are lossless. As polygons, an object in several parts is several shapes of one group, and holes are
    filled, for labelme's polygons have none; without holes, labelme draws one that is about a pixel wider than it was.

    Args:
        source: A session, masks, or whatever else `images_of` reads.
        path: Of the file; labelme looks for the image in the same folder.
        shape: "mask" or "polygon".
        tolerance: How far, in pixels, a simplified polygon may stray.
        photo: Put the photo into the file; without, that is done where the image has no file name.

    Raises:
        FormatError: There are several images, the photo is wanted and not known, or the file cannot be written.
        MissingExtraError: scikit-image is not installed, which polygons need.
    """
    if shape not in ("mask", "polygon"):
        raise FormatError(f"shape is {shape!r}, expected 'mask' or 'polygon'")
    image = image_of(source, "labelme's JSON")
    shapes = []
    for group, item in enumerate(image, 1):
        common: dict[str, Any] = {"label": item.label, "flags": {}, "description": ""}
        if shape == "mask":
            x0, y0, x1, y1 = (int(side) for side in item.box.corners)
            crop = base64.b64encode(mask_png(item.mask[y0:y1, x0:x1])).decode("ascii")
            corners = [[x0, y0], [x1 - 1, y1 - 1]]
            shapes.append({**common, "points": corners, "group_id": None, "shape_type": "mask", "mask": crop})
        else:
            outlines = [straightened(part[0])[:-1] for part in parts_from_mask(item.mask, tolerance=tolerance)]
            group_id = group if len(outlines) > 1 else None
            shapes += [
                {**common, "points": np.round(ring, 3).tolist(), "group_id": group_id, "shape_type": "polygon"}
                for ring in outlines
            ]
    if photo and image.pixels is None:
        raise FormatError("the photo is not known, only its masks; give a session, or photo=False")
    embed = image.name is None and image.pixels is not None if photo is None else photo
    width, height = image.size
    data: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": image.name or "image.png",
        "imageData": base64.b64encode(png_bytes(image.pixels)).decode("ascii")
        if embed and image.pixels is not None
        else None,
        "imageHeight": height,
        "imageWidth": width,
    }
    write_json(path, data, indent=2)
    return data


def from_labelme(source: Any) -> list[AnnotatedImage]:
    """Read labelme's masks, polygons, rectangles and circles; shapes of one group and label are one object.

    Points and lines are passed over, for they enclose nothing.

    Args:
        source: Path of the file, or what it holds.

    Raises:
        FormatError: It is not labelme's, or a shape is damaged.
    """
    data = read_json(source)
    try:
        width, height = checked_size(data["imageWidth"], data["imageHeight"])
        found: dict[Any, tuple[str, Mask]] = {}
        for number, shape in enumerate(data["shapes"]):
            label, group = str(shape["label"]), shape.get("group_id")
            mask = _mask(shape, width, height)
            key = ("alone", number) if group is None else ("group", group, label)
            if mask is not None and mask.any():
                found[key] = (label, mask | found[key][1] if key in found else mask)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error, OSError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"this is not labelme's JSON ({error!r}); expected shapes, imageWidth, imageHeight"
        ) from error
    items = tuple(Annotation(label, StoredMask(mask)) for label, mask in found.values())
    name = PurePath(PureWindowsPath(str(data.get("imagePath") or "")).as_posix()).name
    return [AnnotatedImage(items, (width, height), name or None)]


def _mask(shape: dict[str, Any], width: int, height: int) -> Mask | None:
    points = np.asarray(shape["points"], dtype=np.float64).reshape(-1, 2)
    kind = shape.get("shape_type") or "polygon"
    if kind == "mask":
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"], validate=True))) as picture:
            checked_size(*picture.size)
            crop = np.asarray(picture).astype(np.bool_)
        x, y = (int(side) for side in points[0])
        if crop.ndim != 2 or x < 0 or y < 0 or x + crop.shape[1] > width or y + crop.shape[0] > height:
            raise FormatError(f"the mask of {shape['label']!r} does not lie in the image of {width} x {height} pixels")
        mask = np.zeros((height, width), np.bool_)
        mask[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
        return mask
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points
        return mask_from_polygons([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], height, width)
    if kind == "circle":
        (x, y), rim = points
        rows, columns = np.ogrid[:height, :width]
        return np.asarray((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < ((rim - (x, y)) ** 2).sum())
    if kind in ("polygon", "oriented_rectangle"):
        return mask_from_polygons([points], height, width)
    return None
