"""Masks as NumPy files. Files are read without executing code, and masks are unpacked one at a time."""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import FormatError, ImageError, SamWidgetError
from sam_widget.export.files import checked_size, write_bytes
from sam_widget.export.label_maps import By, label_map
from sam_widget.export.reading import Reading
from sam_widget.export.sources import image_of
from sam_widget.image.npy import read_header
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.runs import in_bands, runs_by_number

# Maximum unpacked size of the arrays in an archive, a second of work; an archive of 1 MB can contain a gigabyte.
MAX_BYTES = 2**28
# Number of bytes unpacked at a time.
_BAND = 2**22
# Maximum number of masks in one array: each has a cost, even if it has only one pixel.
_MOST = 2**14
# Maximum unpacked size of its names and scores.
_MAX_TEXT = 2**26


def to_npz(source: Any, path: str | os.PathLike[str] | None = None) -> dict[str, NDArray[Any]]:
    """Convert one image's objects to a NumPy archive, and write it if a path is given. Lossless, including overlaps.

    It contains `masks` (N, H, W) bool, `labels` (N,) str, `scores` (N,) float32 (NaN where unknown), `boxes` (N, 4) of
    x0, y0, x1, y1, and `label_map` (H, W) uint16, in which later objects lie on top of earlier ones.

    Raises:
        FormatError: There are several images, or the file cannot be written.
    """
    image = image_of(source, "a NumPy archive")
    width, height = image.size
    scores = [np.nan if item.score is None else item.score for item in image]
    arrays: dict[str, NDArray[Any]] = {
        "masks": np.array([item.mask for item in image], np.bool_).reshape(-1, height, width),
        "labels": np.array([item.label for item in image], np.str_),
        "scores": np.array(scores, np.float32),
        "boxes": np.array([item.box.corners for item in image], np.float64).reshape(-1, 4),
        "label_map": label_map(image)[0],
    }
    if path is not None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        write_bytes(path, buffer.getvalue())
    return arrays


def to_npy(source: Any, path: str | os.PathLike[str] | None = None, *, by: By = "object") -> NDArray[np.uint16]:
    """Convert one image's objects to a label map, without names, and write it if a path is given; see `label_map`.

    Raises:
        FormatError: There are several images, or the file cannot be written.
    """
    numbers, _ = label_map(source, by=by)
    if path is not None:
        buffer = io.BytesIO()
        np.save(buffer, numbers, allow_pickle=False)
        write_bytes(path, buffer.getvalue())
    return numbers


def from_npz(
    path: str | os.PathLike[str], *, threshold: float | None = None, max_bytes: int = MAX_BYTES
) -> list[AnnotatedImage]:
    """Read a NumPy file: an archive with `masks` or `label_map`, or a single array of either kind. Executes no code.

    Args:
        path: Path of the file.
        threshold: For soft masks of floating-point numbers, the value above which a pixel belongs to the mask.
        max_bytes: Maximum unpacked size of an archive.

    Raises:
        FormatError: The file is neither, unpacks to more than `max_bytes`, or has soft masks and no threshold is given.
    """
    file = Path(path).expanduser()
    name = repr(os.fspath(path))
    reading = Reading(path, "this is not a NumPy file of masks")
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return _from_archive(archive, name, threshold, reading, max_bytes)
        # Memory-mapped, so that an array is neither copied nor, in a truncated file, allocated.
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        kind = "masks" if array.dtype == np.bool_ or (array.dtype.kind == "f" and array.ndim == 3) else "label_map"
        planes = (in_bands(plane) for plane in (array if array.ndim == 3 else [array]))
        return _image(kind, array.shape, array.dtype, planes, threshold=threshold, reading=reading)
    except SamWidgetError:
        raise
    except FileNotFoundError as error:
        raise FormatError(f"cannot read {name} ({error.strerror}); check the path") from error
    # NumPy and zipfile raise many types for malformed files.
    except Exception as error:
        raise FormatError(
            f"{name} is not a NumPy file that can be read safely; save it with np.savez or np.save"
        ) from error


def _from_archive(
    archive: zipfile.ZipFile, name: str, threshold: float | None, reading: Reading, max_bytes: int
) -> list[AnnotatedImage]:
    held = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    kind = "masks" if "masks" in held else "label_map"
    if kind not in held:
        raise FormatError(f"{name} holds {', '.join(held) or 'nothing'}; expected masks or a label_map")
    wanted = [held[key] for key in (kind, "labels", "scores") if key in held]
    if (total := sum(entry.file_size for entry in wanted)) > max_bytes:
        raise FormatError(
            f"{name} unpacks to {total / 1e6:,.0f} MB, expected {max_bytes / 1e6:,.0f} MB at most; if you trust it, "
            f"load_masks(..., max_bytes={total})"
        )
    labels, scores = (
        _small(archive, held[key], name) if kind == "masks" and key in held else None for key in ("labels", "scores")
    )
    with archive.open(held[kind]) as stream:
        shape, dtype = _header(stream, held[kind], name)
        planes = (_bands(stream, shape[-2:], dtype, name) for _ in range(math.prod(shape[:-2])))
        return _image(kind, shape, dtype, planes, threshold=threshold, reading=reading, labels=labels, scores=scores)


def _header(stream: IO[bytes], entry: zipfile.ZipInfo, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header of an array in an archive, and check it against the array's actual size."""
    try:
        return read_header(stream, entry.file_size)
    except ImageError as error:
        raise FormatError(
            f"{name} is not a NumPy file that can be read safely: {entry.filename} is not a plain array, {error}"
        ) from error


def _bands(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> Iterator[NDArray[Any]]:
    """Yield a plane (H, W) from top to bottom, a few rows at a time, to limit memory."""
    height, width = shape
    row = width * dtype.itemsize
    step = max(1, _BAND // row)
    for top in range(0, height, step):
        size = min(step, height - top) * row
        data = stream.read(size)
        if len(data) < size:
            raise FormatError(f"{name} is cut short; save it again")
        yield np.frombuffer(data, dtype).reshape(-1, width)


def _small(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    if entry.file_size > _MAX_TEXT:
        raise FormatError(f"{name} has {entry.file_size >> 20} MiB of {entry.filename}, expected {_MAX_TEXT >> 20}")
    with archive.open(entry) as stream:
        shape, dtype = _header(stream, entry, name)
        return np.frombuffer(stream.read(), dtype).reshape(shape)


def _image(
    kind: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    planes: Iterator[Iterator[NDArray[Any]]],
    *,
    threshold: float | None,
    reading: Reading,
    labels: NDArray[Any] | None = None,
    scores: NDArray[Any] | None = None,
) -> list[AnnotatedImage]:
    if len(shape) not in (2, 3) or (kind == "label_map" and len(shape) == 3):
        raise FormatError(
            f"an array of masks has shape {shape}, expected masks of (N, H, W) bool or a label_map of (H, W) integers"
        )
    if not math.prod(shape):
        return [AnnotatedImage((), checked_size(shape[-1], shape[-2]))]
    width, height = checked_size(shape[-1], shape[-2])
    cut = _cut(kind, dtype, threshold)
    count = shape[0] if len(shape) == 3 else 1
    if count > _MOST:
        raise FormatError(f"an array holds {count:,} masks, expected {_MOST:,} at most; save a label map")
    if labels is not None and (labels.shape != (count,) or labels.dtype.kind not in "USiuf"):
        reading.drop_part("array of labels that does not fit")
        labels = None
    if scores is not None and (scores.shape != (count,) or scores.dtype.kind not in "iuf"):
        reading.drop_part("array of scores that does not fit")
        scores = None
    found: list[Annotation] = []
    for index, plane in enumerate(planes):
        runs_of = runs_by_number(map(cut, plane), width)
        if kind == "masks" and not runs_of:
            runs_of = {1: np.empty((0, 2), np.uint32)}
        for number, runs in runs_of.items():
            label = str(number) if kind == "label_map" else f"object {index + 1}"
            score = None if scores is None or np.isnan(scores[index]) else float(scores[index])
            with reading.region(f"mask {index + 1}"):
                given = "" if labels is None else _text(labels[index])
                found += reading.annotation(given or label, runs, (height, width), score)
    reading.finish()
    return [AnnotatedImage(tuple(found), (width, height))]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _cut(kind: str, dtype: np.dtype[Any], threshold: float | None) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a function that converts a band of an array to integers, of which 0 is the background."""
    if dtype.kind == "f":
        if threshold is None:
            raise FormatError("these masks are soft, of floating-point numbers; say where to cut them: threshold=0.5")
        return lambda band: band > threshold
    if dtype.kind not in "biu":
        raise FormatError(f"an array of masks is of type {dtype}, expected bool or whole numbers")
    return (lambda band: band != 0) if kind == "masks" else (lambda band: band)
