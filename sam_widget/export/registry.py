"""The table of formats, and detection of a format from a name, a suffix or a file's content."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_widget.errors import FormatError
from sam_widget.export.coco import from_coco, to_coco
from sam_widget.export.files import JsonFile
from sam_widget.export.geojson import from_geojson, to_geojson
from sam_widget.export.huggingface import from_datasets, to_datasets
from sam_widget.export.label_studio import from_label_studio, to_label_studio
from sam_widget.export.labelme import from_labelme, to_labelme
from sam_widget.export.names import pick
from sam_widget.export.numpy_files import from_npz, to_npy, to_npz
from sam_widget.export.pngs import from_png, to_binary_pngs, to_cutouts, to_indexed_png
from sam_widget.export.svg import from_svg, to_svg
from sam_widget.export.tables import from_pandas, from_supervision, to_pandas, to_supervision
from sam_widget.export.voc import from_voc, to_voc
from sam_widget.export.yolo import to_yolo
from sam_widget.export.yolo_read import from_yolo, is_yolo
from sam_widget.masks.annotations import AnnotatedImage


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        write: Its `to_...` function.
        read: Its `from_...` function.
        suffix: Suffix of its files, if `export` may choose it by suffix; "/" for a folder.
    """

    write: Callable[..., Any]
    read: Callable[..., list[AnnotatedImage]]
    suffix: str


FORMATS = {
    "coco": Format(to_coco, from_coco, ".json"),
    "yolo": Format(to_yolo, from_yolo, "/"),
    "voc": Format(to_voc, from_voc, "/"),
    "indexed_png": Format(to_indexed_png, from_png, ".png"),
    "binary_pngs": Format(to_binary_pngs, from_png, "/"),
    "cutouts": Format(to_cutouts, from_png, "/"),
    "npz": Format(to_npz, from_npz, ".npz"),
    "npy": Format(to_npy, from_npz, ".npy"),
    "geojson": Format(to_geojson, from_geojson, ".geojson"),
    "svg": Format(to_svg, from_svg, ".svg"),
    "labelme": Format(to_labelme, from_labelme, ".json"),
    "label_studio": Format(to_label_studio, from_label_studio, ".json"),
    "datasets": Format(to_datasets, from_datasets, ""),
    "supervision": Format(to_supervision, from_supervision, ""),
    "pandas": Format(to_pandas, from_pandas, ".csv"),
}
# If several formats share a suffix, the first is used.
_BY_SUFFIX = {item.suffix: name for name, item in reversed(FORMATS.items()) if item.suffix.startswith(".")}


def export(
    source: Any,
    target: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - what pandas, xarray and Pillow call it
    **options: Any,
) -> Any:
    """Write objects to a file or folder, or convert them to another library's type.

    Args:
        source: A Session, a SamWidget, objects, masks, or a dict from file names to these; see `images_of`.
        target: A path, whose suffix determines the format: .json (COCO), .png (indexed), .npz, .npy, .geojson, .svg,
            .csv. Or the name of a format, to return the data instead: "coco", "supervision", "pandas", ...
        format: The name of the format, if the path does not determine it: `export(s, "labels", format="yolo")`.
        options: Options of the format's function, such as `segmentation="polygons"` of `to_coco`.

    Returns:
        The result of the format's function: the data, or the paths written.

    Raises:
        FormatError: The format or option does not exist, or the format cannot represent the objects.
        MaskError: The source contains no masks.
        MissingExtraError: A library that the format requires is not installed.
    """
    text = os.fspath(target)
    name = format or (text if text in FORMATS else _BY_SUFFIX.get(Path(text).suffix.lower()))
    if name not in FORMATS:
        raise FormatError(f"{(format or text)!r} names no format; {_known()}")
    write = FORMATS[name].write
    takes = inspect.signature(write).parameters
    if unknown := [option for option in options if option not in list(takes)[1:]]:
        known = ", ".join(list(takes)[2:]) or "none"
        raise FormatError(f"{name} has no option {unknown[0]!r}; its options: {known}")
    places = [parameter for parameter in ("path", "folder") if parameter in takes]
    if format is None and text in FORMATS:
        if "folder" in places:
            raise FormatError(f'{name} writes a folder; say which: export(..., "folder", format="{name}")')
        return write(source, **options)
    if not places:
        raise FormatError(f'{name} is not a file format; export(..., "{name}") returns it')
    return write(source, text, **options)


def load_dataset(
    path: Any,
    *,
    format: str | None = None,  # noqa: A002 - what pandas, xarray and Pillow call it
    size: tuple[int, int] | None = None,
    threshold: float | None = None,
    max_bytes: int | None = None,
) -> list[AnnotatedImage]:
    """Read the masks of all images in a file or folder.

    Unreadable parts are skipped and reported in a single warning.

    Args:
        path: A file or folder in any of the formats, a `datasets.Dataset`, `supervision.Detections`, a DataFrame, or
            parsed JSON.
        format: The name of the format; detected from suffix and content by default.
        size: Width and height of the images, for formats that do not contain them: GeoJSON, YOLO.
        threshold: Threshold of soft masks in PNG and NumPy files.
        max_bytes: Maximum unpacked size of a PNG or a NumPy archive, for files you trust; defaults to 134 and 268 MB.

    Raises:
        FormatError: The format is unknown, or nothing can be read.
        MissingExtraError: A library that the format requires is not installed.
    """
    return _load(path, format, {"size": size, "threshold": threshold, "max_bytes": max_bytes})[0]


def load_masks(
    path: Any,
    *,
    image: str | None = None,
    format: str | None = None,  # noqa: A002 - what pandas, xarray and Pillow call it
    size: tuple[int, int] | None = None,
    threshold: float | None = None,
    max_bytes: int | None = None,
) -> AnnotatedImage:
    """Read the masks of one image: `session.add_objects(sw.load_masks("masks.json"))`.

    Args:
        path: See `load_dataset`.
        image: Name of the image, if the file contains several: its path in the file, or the end of that path.
        format: The name of the format; detected from suffix and content by default.
        size: Width and height of the image, for formats that do not contain them: GeoJSON, YOLO.
        threshold: Threshold of soft masks in PNG and NumPy files.
        max_bytes: Maximum unpacked size of a PNG or a NumPy archive, for files you trust; defaults to 134 and 268 MB.

    Returns:
        The masks, with labels and scores if the format has them; iterating over the result yields `Annotation`s.

    Raises:
        FormatError: The format is unknown, nothing can be read, or there are several images and `image` is not given.
        MissingExtraError: A library that the format requires is not installed.
    """
    images, picked = _load(path, format, {"size": size, "threshold": threshold, "max_bytes": max_bytes, "image": image})
    if image is not None and not picked:
        return images[pick([item.name for item in images], image)[0]]
    if len(images) != 1:
        shown = ", ".join(repr(item.name or "") for item in images[:10]) + (", ..." if len(images) > 10 else "")
        raise FormatError(f"there are {len(images)} images in it, give image= {shown}")
    return images[0]


def _load(path: Any, format_name: str | None, options: dict[str, Any]) -> tuple[list[AnnotatedImage], bool]:
    """Return the images in `path`, and whether the reader has already selected the requested one."""
    given = repr(format_name or (os.fspath(path) if isinstance(path, str | os.PathLike) else type(path).__name__))
    name = format_name
    if name is None and isinstance(path, str | os.PathLike) and Path(path).suffix.lower() == ".json":
        path = JsonFile(path)
        name = _guess_json(path.data)
    elif name is None:
        name = _guess(path)
    if name not in FORMATS:
        raise FormatError(f"{given} is in an unknown format; {_known()}")
    read = FORMATS[name].read
    takes = inspect.signature(read).parameters
    wanted = {key: value for key, value in options.items() if key in takes and value is not None}
    return read(path, **wanted), "image" in takes


def _guess(source: Any) -> str | None:
    """Return the name of the detected format, or None."""
    if not isinstance(source, str | os.PathLike):
        if hasattr(source, "xyxy"):
            return "supervision"
        if hasattr(source, "column_names"):
            return "datasets"
        return "pandas" if hasattr(source, "columns") else _guess_json(source)
    path = Path(source).expanduser()
    if path.is_dir():
        if is_yolo(path):
            return "yolo"
        return "voc" if (path / "SegmentationObject").is_dir() else "binary_pngs"
    return _BY_SUFFIX.get(path.suffix.lower())


def _guess_json(data: Any) -> str | None:
    if isinstance(data, list):
        # QuPath writes a bare list of features.
        return "geojson" if any(isinstance(item, dict) and "geometry" in item for item in data) else "label_studio"
    if not isinstance(data, dict):
        return None
    for key, name in (("shapes", "labelme"), ("categories", "coco"), ("features", "geojson"), ("data", "label_studio")):
        if key in data:
            return name
    return "geojson" if data.get("type") == "GeometryCollection" or {"geometry", "coordinates"} & data.keys() else None


def _known() -> str:
    listed = ", ".join(f"{name} ({item.suffix})" if item.suffix else name for name, item in FORMATS.items())
    return f"the formats are {listed}"
