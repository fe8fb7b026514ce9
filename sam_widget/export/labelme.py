"""labelme's JSON: one file next to each image.

https://github.com/wkentaro/labelme; its shape type "mask" holds a PNG of the object's box.
"""

from __future__ import annotations

import base64
import os
from pathlib import PurePath, PureWindowsPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import FormatError
from sam_widget.export.files import checked_size, file_size, mask_png, open_png, png_bytes, read_json, write_json
from sam_widget.export.reading import Reading, corners, items, key_of, member, optional, text_of
from sam_widget.export.rings import parts_from_mask, straightened
from sam_widget.export.sources import image_of, written_name
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.runs import Runs, StoredMask, united_runs
from sam_widget.masks.scanlines import runs_from_ellipse, runs_from_polygons
from sam_widget.masks.windows import placed
from sam_widget.prompts.geometry import Box


def to_labelme(
    source: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    shape: Literal["mask", "polygon"] = "mask",
    tolerance: float = 0.0,
    photo: bool | None = None,
) -> dict[str, Any]:
    """Convert one image's objects to labelme's JSON, and write it if a path is given. Overlaps are preserved.

    Masks are lossless. With polygons, an object in several parts becomes several shapes in one group, and holes are
    filled, because labelme's polygons have none; labelme draws polygons about one pixel wider than the mask.

    Args:
        source: A session, masks, or anything else that `images_of` reads.
        path: Path of the file; labelme looks for the image in the same folder.
        shape: "mask" or "polygon".
        tolerance: Maximum deviation of a simplified polygon, in pixels.
        photo: Whether to embed the photo in the file; by default, only if the image has no file name.

    Raises:
        FormatError: There are several images, the photo to embed is unknown, or the file cannot be written.
        MissingExtraError: For polygons, scikit-image is not installed.
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
        "imagePath": written_name(image.name or "image.png"),
        "imageData": base64.b64encode(png_bytes(image.pixels)).decode("ascii")
        if embed and image.pixels is not None
        else None,
        "imageHeight": height,
        "imageWidth": width,
    }
    write_json(path, data, indent=2)
    return data


def from_labelme(source: Any) -> list[AnnotatedImage]:
    """Read labelme's and X-AnyLabeling's shapes: masks, polygons, rectangles (also rotated ones), circles.

    Shapes with the same group and label are one object. Points and lines, which enclose no area, and damaged shapes are
    skipped with a single warning.

    Args:
        source: Path of the file, or its parsed content.

    Raises:
        FormatError: The file is not labelme's, or no shape in it can be read.
    """
    size = file_size(source)
    data = read_json(source)
    try:
        width, height = checked_size(member(data, "imageWidth"), member(data, "imageHeight"))
        shapes = items(member(data, "shapes"), "'shapes'")
    except FormatError as error:
        raise FormatError(f"this is not labelme's JSON ({error}); expected shapes, imageWidth, imageHeight") from error
    reading = Reading(source, "this is not labelme's JSON", size=size)
    found: dict[Any, tuple[str, list[Runs]]] = {}
    for number, shape in enumerate(shapes):
        with reading.region(f"shape {number + 1}"):
            label, group = text_of(member(shape, "label"), "its label"), optional(shape, "group_id")
            kind = optional(shape, "shape_type") or "polygon"
            if kind in _WITHOUT_AREA:
                reading.pass_over(f"{kind} shape")
                continue
            runs = _runs(shape, text_of(kind, "its shape_type"), height, width)
            key = ("alone", number) if group is None else ("group", key_of(group, "its group_id"), label)
            found.setdefault(key, (label, []))[1].append(runs)
    objects: list[Annotation] = []
    for label, parts in found.values():
        objects += reading.annotation(label, united_runs(parts, width), (height, width))
    reading.finish()
    name = PurePath(PureWindowsPath(text_of(optional(data, "imagePath"), "imagePath")).as_posix()).name
    return [AnnotatedImage(tuple(objects), (width, height), name or None)]


# Shapes that enclose no area.
_WITHOUT_AREA = ("point", "points", "line", "linestrip")


def _runs(shape: Any, kind: str, height: int, width: int) -> Runs:
    least = {"mask": 1, "rectangle": 2, "circle": 2}.get(kind, 3)
    points = corners(member(shape, "points"), f"a {kind}", least=least)
    if kind == "mask":
        return _mask(shape, points, height, width)
    if kind == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        return runs_from_ellipse((points[0, 0], points[0, 1]), (radius, radius), 0, height, width)
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    elif kind not in ("polygon", "rectangle", "rotation", "quadrilateral", "oriented_rectangle"):
        raise FormatError(f"its shape_type is {kind!r}, expected a mask, polygon, rectangle, rotation or circle")
    return runs_from_polygons([points], height, width)


def _mask(shape: Any, points: NDArray[np.float64], height: int, width: int) -> Runs:
    """Read a shape of type "mask": a PNG, in Base64, whose top left corner is the first of the points."""
    text = member(shape, "mask")
    try:
        png = base64.b64decode(text, validate=True)
    except (TypeError, ValueError) as error:
        raise FormatError("its mask is not a PNG in Base64") from error
    picture = open_png(png, called="its mask")
    x, y = (int(side) for side in points[0])
    if x < 0 or y < 0 or x + picture.width > width or y + picture.height > height:
        raise FormatError(f"its mask does not lie in the image of {width} x {height} pixels")
    crop = np.asarray(picture)
    if crop.ndim != 2:
        raise FormatError(f"its mask is a picture of mode {picture.mode}, expected one channel")
    stored = StoredMask(crop.astype(np.bool_))
    return placed(stored, Box(x, y, x + picture.width, y + picture.height), (height, width)).runs
