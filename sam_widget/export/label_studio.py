"""Label Studio's JSON: a list of tasks, each an image with its annotations or predictions.

https://labelstud.io/guide/task_format
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np

from sam_widget.errors import FormatError
from sam_widget.export.brush import pack_mask, unpack_runs
from sam_widget.export.files import checked_size, file_size, read_json, write_json
from sam_widget.export.names import address_of, name_in_address, pick
from sam_widget.export.reading import Reading, corners, items, member, number, optional, score_of, shown, text_of
from sam_widget.export.rings import one_ring, parts_from_mask
from sam_widget.export.sources import images_of, named
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.runs import Runs, united_runs
from sam_widget.masks.scanlines import runs_from_ellipse, runs_from_polygons


def to_label_studio(
    source: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    shape: Literal["brush", "polygon"] = "brush",
    kind: Literal["annotations", "predictions"] = "annotations",
    prefix: str = "",
    from_name: str = "label",
    to_name: str = "image",
    tolerance: float = 0.0,
) -> list[dict[str, Any]]:
    """Convert images to Label Studio's tasks, one per image, and write them if a path is given. Overlaps are preserved.

    Brush masks are lossless. With polygons, each part of a mask is one region, and holes are connected to their outline
    by a bridge; filled by pixel centres, they are lossless too if `tolerance` is 0.

    Args:
        source: Sessions, masks, or a dict from file names to these; see `images_of`.
        path: Path of the JSON file.
        shape: "brush", for a labelling interface with `<BrushLabels>`, or "polygon", for `<PolygonLabels>`.
        kind: "annotations", or "predictions" for an annotator to accept.
        prefix: Prefix of the file names that makes them addresses from which Label Studio loads the images, such as
            "/data/local-files/?d=photos/". If it is part of a URL, names are quoted.
        from_name: Name of the labels tag in the labelling interface.
        to_name: Name of its `<Image>` tag, whose value is `$image`.
        tolerance: Maximum deviation of a simplified polygon, in pixels.

    Raises:
        FormatError: Two images have the same name, or the file cannot be written.
        MissingExtraError: For polygons, scikit-image or scipy is not installed.
    """
    if shape not in ("brush", "polygon") or kind not in ("annotations", "predictions"):
        raise FormatError(
            f"shape is {shape!r} and kind {kind!r}, expected 'brush' or 'polygon', and 'annotations' or 'predictions'"
        )
    tasks = []
    for name, image in named(images_of(source)):
        width, height = image.size
        common = {
            "from_name": from_name,
            "to_name": to_name,
            "type": f"{shape}labels",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
        }
        results = []
        for item in image:
            values: Iterable[dict[str, Any]]
            if shape == "brush":
                values = [{"format": "rle", "rle": pack_mask(item.mask).tolist()}]
            else:
                parts = (one_ring(part)[:-1] for part in parts_from_mask(item.mask, tolerance=tolerance))
                percent = np.array((100 / width, 100 / height))
                values = ({"points": np.round(ring * percent, 6).tolist(), "closed": True} for ring in parts)
            for part, value in enumerate(values):
                region = item.id if part == 0 else f"{item.id}.part{part}"
                result = {**common, "id": region, "value": {**value, f"{shape}labels": [item.label]}}
                results.append(result if item.score is None else {**result, "score": round(item.score, 6)})
        answer = {"result": results} if kind == "annotations" else {"model_version": "sam_widget", "result": results}
        tasks.append({"data": {"image": address_of(name, prefix)}, kind: [answer]})
    write_json(path, tasks)
    return tasks


def from_label_studio(source: Any, *, image: str | None = None) -> list[AnnotatedImage]:
    """Read Label Studio's JSON export: brush masks, polygons, rectangles and ellipses, including rotated ones.

    Labels may come from any tag: `<BrushLabels>`, `<Labels>`, ... Of several annotations of a task, the first that was
    not cancelled is read; if there are none, its predictions. Key points and damaged regions are skipped with a single
    warning.

    Args:
        source: Path of the file, or its parsed content.
        image: Name of the only image to read; the others are not decoded.

    Raises:
        FormatError: The file is not Label Studio's, no region in it can be read, or no image has this name.
    """
    size = file_size(source)
    data = read_json(source)
    tasks = data if isinstance(data, list) else [data]
    regions: Sequence[Any]
    reading = Reading(source, "this is not Label Studio's JSON", size=size)
    known: list[tuple[str, bool, Sequence[Any]]] = []
    for position, task in enumerate(tasks, 1):
        with reading.region(f"task {position}"):
            if regions := _regions(task, reading):
                address = _address(task)
                known.append((name_in_address(address), "?d=" in address, regions))
    found = []
    paths = [path for path, _, _ in known]
    bases = Counter(PurePosixPath(path).name for path in paths)
    for index in pick(paths, image) if known else ():
        path, served, regions = known[index]
        base = PurePosixPath(path).name
        # The folder from which Label Studio serves images is kept in names only if it distinguishes two of them.
        name = base if served and bases[base] == 1 else path
        with reading.region(f"image {name!r}"):
            found.append(_image(name, regions, reading))
    reading.finish()
    if not found:
        raise FormatError("there is no region in this JSON; expected Label Studio's tasks with annotations")
    return found


def _regions(task: Any, reading: Reading) -> list[Any]:
    """Return those results of a task that are regions of its image."""
    if not isinstance(task, Mapping):
        raise FormatError(f"a task is {shown(task)}, expected an object")
    results: Sequence[Any] = ()
    for kind in ("annotations", "predictions"):
        answers = [
            answer
            for answer in items(optional(task, kind) or [], f"{kind!r}")
            if not (optional(answer, "was_cancelled") or optional(answer, "skipped"))
        ]
        if answers:
            results = items(member(answers[0], "result"), "'result'")
            break
    regions = []
    for result in results:
        value = optional(result, "value")
        if not isinstance(value, Mapping):
            continue  # a relation between regions
        if "rle" in value or "points" in value or {"width", "height"} <= value.keys() or "radiusX" in value:
            regions.append(result)
        elif "x" in value:
            reading.pass_over("key point")
    return regions


def _image(name: str, regions: Sequence[Any], reading: Reading) -> AnnotatedImage:
    width, height = checked_size(*(member(regions[0], side) for side in ("original_width", "original_height")))
    found: dict[str, tuple[str, float | None, list[Runs]]] = {}
    for position, result in enumerate(regions, 1):
        with reading.region(f"region {position}" + (f" of {name!r}" if name else "")):
            own = checked_size(*(member(result, side) for side in ("original_width", "original_height")))
            if own != (width, height):
                raise FormatError(f"its image has {own[0]} x {own[1]} pixels, but that of the first {width} x {height}")
            # The parts of an object, as written above, differ only in the suffix of their id.
            region = re.sub(r"\.part\d+$", "", text_of(optional(result, "id"), "its id") or f" {position}")
            label = _label(result["value"]) or f"object {len(found) + 1}"
            runs = _runs(result["value"], height, width)
            found.setdefault(region, (label, score_of(optional(result, "score")), []))[2].append(runs)
    objects: list[Annotation] = []
    for label, score, parts in found.values():
        objects += reading.annotation(label, united_runs(parts, width), (height, width), score)
    return AnnotatedImage(tuple(objects), (width, height), name or None)


def _address(task: Any) -> str:
    data = optional(task, "data")
    values = list(data.values()) if isinstance(data, Mapping) else []
    return next((value for value in values if isinstance(value, str)), "")


def _label(value: Mapping[str, Any]) -> str:
    """Return the first label of a region, from any tag: "brushlabels", "labels", ..."""
    for key, labels in value.items():
        if key.endswith("labels") and isinstance(labels, list) and labels:
            return text_of(labels[0], "its label")
    return ""


def _runs(value: Mapping[str, Any], height: int, width: int) -> Runs:
    """Fill a region; sizes are percentages of the image, and angles are clockwise."""
    if "rle" in value:
        return unpack_runs(value["rle"], height, width)
    scale = np.array((width / 100, height / 100))
    if "points" in value:
        return runs_from_polygons([corners(value["points"], "a polygon") * scale], height, width)
    x, y = number(member(value, "x"), "x") * scale[0], number(member(value, "y"), "y") * scale[1]
    angle = number(optional(value, "rotation") or 0, "rotation")
    sides = ("radiusX", "radiusY") if "radiusX" in value else ("width", "height")
    across, down = (number(member(value, side), side) * per_cent for side, per_cent in zip(sides, scale, strict=True))
    if "radiusX" in value:
        return runs_from_ellipse((x, y), (across, down), angle, height, width)
    # Rotated about the top left corner, like in label_studio_converter (utils.convert_annotation_to_yolo_obb).
    cosine, sine = _turn(angle)
    along, below = np.array((cosine, sine)) * across, np.array((-sine, cosine)) * down
    corner = np.array((x, y))
    return runs_from_polygons([[corner, corner + along, corner + along + below, corner + below]], height, width)


def _turn(angle: float) -> tuple[float, float]:
    """Return the cosine and sine of an angle in degrees; exact for right angles, so edges stay on pixel borders."""
    quarters, rest = divmod(angle, 90)
    if rest == 0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarters % 4)]
    return math.cos(math.radians(angle)), math.sin(math.radians(angle))
