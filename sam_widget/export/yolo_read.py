"""Read YOLO segmentation datasets in the layouts of various programs.

Ultralytics uses `labels/train`, Roboflow `train/labels`, Label Studio `classes.txt` next to `labels`, labelImg in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sam_widget.errors import FormatError, import_extra
from sam_widget.export.files import MAX_PICTURE, checked_size, picture_size, read_bytes
from sam_widget.export.names import path_in, pick
from sam_widget.export.reading import Reading, corners, shown
from sam_widget.masks.annotations import AnnotatedImage
from sam_widget.masks.runs import Runs, StoredMask
from sam_widget.masks.scanlines import clipped
from sam_widget.masks.windows import placed
from sam_widget.prompts.geometry import Box
from sam_widget.text import clean

# Maximum number of bytes and aliases of a `data.yaml`; larger files are attacks on the parser rather than class lists.
_MAX_YAML = 2**20
_MAX_ALIASES = 8
# The folders of a split, inside `labels` or containing it.
_SPLITS = ("train", "val", "valid", "test")
_IMAGES = frozenset((".avif", ".bmp", ".dng", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"))
_IMAGES |= {".mpo", ".pfm", ".png", ".tif", ".tiff", ".webp"}


def is_yolo(folder: Path) -> bool:
    """Whether a folder looks like a YOLO dataset."""
    return bool(_label_folders(folder))


def from_yolo(
    folder: str | os.PathLike[str], *, size: tuple[int, int] | None = None, image: str | None = None
) -> list[AnnotatedImage]:
    """Read a YOLO dataset: `labels`, split or not, and the classes in `data.yaml` or `classes.txt`.

    Lines that are not polygons, such as boxes, are skipped with one warning.

    Args:
        folder: Folder of the dataset, or of one split of it.
        size: Width and height of the images, which the files do not contain; by default, read from `images`.
        image: Name of the only image to read.

    Raises:
        FormatError: The folder is not such a dataset, no line can be read, an image is missing, or no image has this
            name.
        MissingExtraError: OpenCV is not installed.
    """
    root = Path(folder).expanduser()
    files: list[tuple[str, Path, Path | None]] = []
    for labels in _label_folders(root):
        pictures = _pictures(labels)
        for file in sorted(labels.rglob("*.txt")):
            if file.name != "classes.txt":
                stem = path_in(file, labels)
                picture = pictures.get(stem)
                files.append((f"{stem}{picture.suffix if picture else '.png'}", file, picture))
    if not files:
        raise FormatError(f"there is no file in {str(root / 'labels')!r}; expected a YOLO dataset: labels/*.txt")
    names = _class_names(root)
    reading = Reading(folder, "this is not a YOLO dataset")
    found = []
    for index in pick([name for name, _, _ in files], image):
        name, file, picture = files[index]
        if size is None and picture is None:
            raise FormatError(
                f"there is no image for {file.name!r} in {str(root / 'images')!r}; give size=(width, height)"
            )
        width, height = picture_size(picture) if size is None and picture else checked_size(*(size or (0, 0)))
        annotations = []
        for number, line in enumerate(read_bytes(file).decode("utf-8", "replace").splitlines(), 1):
            if line.strip():
                with reading.region(f"line {number} of {file.name!r}"):
                    label, runs = _read_line(line, names, width, height)
                    annotations += reading.annotation(label, runs, (height, width))
        found.append(AnnotatedImage(tuple(annotations), (width, height), name))
    reading.finish()
    return found


def _label_folders(root: Path) -> list[Path]:
    """Return the folders of labels: `labels`, those of the splits or in `data.yaml`, or the folder itself."""
    if (root / "labels").is_dir():
        return [root / "labels"]
    if found := [root / split / "labels" for split in _SPLITS if (root / split / "labels").is_dir()]:
        return found
    if (root / "data.yaml").is_file():
        listed = [_labels_for(root, value) for value in _splits_in_yaml(root / "data.yaml")]
        if found := [folder for folder in dict.fromkeys(listed) if folder.is_dir() and any(folder.glob("*.txt"))]:
            return found
    return [root] if (root / "classes.txt").is_file() else []


def _labels_for(root: Path, images: str) -> Path:
    """Return the label folder for an image folder, like Ultralytics: the last "images" in its path becomes "labels"."""
    # Always inside the dataset: Roboflow writes "../train/images" for its "train/images".
    parts = [part for part in PurePosixPath(images.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    places = [index for index, part in enumerate(parts) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return root.joinpath(*parts)


def _pictures(labels: Path) -> dict[str, Path]:
    """Return the images for a label folder, by path without suffix; Ultralytics keeps them in `images`."""
    parts = list(labels.parts)
    places = [index for index, part in enumerate(parts) if part == "labels"]
    if places:
        parts[places[-1]] = "images"
    images = Path(*parts)
    return {path_in(path, images): path for path in sorted(images.rglob("*")) if path.suffix.lower() in _IMAGES}


def _class_names(root: Path) -> Mapping[int, str]:
    """Return the class names, from a YAML file in the folder or above a split, or from a text file of lines."""
    for path in (root / "data.yaml", root / "dataset.yaml", root.parent / "data.yaml"):
        if path.is_file():
            return _names_in_yaml(path)
    for path in (root / "classes.txt", root / "labels" / "classes.txt", root.parent / "classes.txt"):
        if path.is_file():
            lines = read_bytes(path).decode("utf-8", "replace").splitlines()
            return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    raise FormatError(f"there are no classes in {str(root)!r}; expected a data.yaml with names, or a classes.txt")


def _splits_in_yaml(path: Path) -> list[str]:
    """Return the folders of images that a YAML file lists."""
    data = _yaml(path)
    values = [data.get(split) for split in ("train", "val", "test")]
    return [value for value in values if isinstance(value, str)]


def _yaml(path: Path) -> Mapping[Any, Any]:
    yaml = import_extra("yaml", "export")
    text = read_bytes(path)
    expected = f"{str(path)!r} names no classes"
    if len(text) > _MAX_YAML:
        raise FormatError(f"{expected}: it has {len(text):,} bytes, expected {_MAX_YAML:,} at most")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # References can multiply content, and a list of classes needs none.
        aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader))
        if aliases > _MAX_ALIASES:
            raise FormatError(f"{expected}: it has {aliases} references (*name), expected a list without")
        data = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise FormatError(f"{expected}: it is not readable YAML; expected YAML with names") from error
    return data if isinstance(data, Mapping) else {}


def _names_in_yaml(path: Path) -> Mapping[int, str]:
    expected = f"{str(path)!r} names no classes"
    names = _yaml(path).get("names")
    if isinstance(names, Sequence) and not isinstance(names, str):
        names = dict(enumerate(names))
    if not isinstance(names, Mapping):
        raise FormatError(f"{expected}; expected YAML with names: [cat, dog] or names: {{0: cat, 1: dog}}")
    found = {}
    for number, name in names.items():
        if not isinstance(name, str | int | float) or not str(number).isdigit():
            raise FormatError(f"{expected}: {shown(number)} is called {shown(name)}; expected a number and a text")
        found[int(number)] = clean(str(name))
    return found


def _read_line(line: str, names: Mapping[int, str], width: int, height: int) -> tuple[str, Runs]:
    """Read a class and its polygon, filled like in Ultralytics, including the pixels under its lines."""
    expected = "expected class, x, y, x, y, ..."
    number, *fractions = line.split()
    try:
        if int(number) not in names:
            raise FormatError(f"it is not a polygon of a known class: there is no class {number[:9]}")
    except ValueError as error:
        raise FormatError(f"it is not a polygon: {clean(line[:40])!r}; {expected}") from error
    try:
        points = corners(fractions, "a polygon") * (width, height)
    except FormatError as error:
        raise FormatError(f"it is not a polygon ({error}); {expected}") from error
    points = np.round(clipped(points, height, width)).astype(np.int32)
    # Only the part of the image under the polygon is rasterised.
    left, top = points.min(axis=0, initial=2**30).clip(0, (width, height)).tolist()
    right, bottom = (points.max(axis=0, initial=-1) + 1).clip(0, (width, height)).tolist()
    if right <= left or bottom <= top:
        return names[int(number)], np.empty((0, 2), np.uint32)
    if (right - left) * (bottom - top) > MAX_PICTURE:
        raise FormatError(f"its polygon covers {right - left} x {bottom - top} pixels, expected {MAX_PICTURE} at most")
    part = np.zeros((bottom - top, right - left), np.uint8)
    import_extra("cv2", "export").fillPoly(part, [points - (left, top)], 1)
    mask = StoredMask(part.view(np.bool_))
    return names[int(number)], placed(mask, Box(left, top, right, bottom), (height, width)).runs
