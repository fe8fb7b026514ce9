"""Label Studio's JSON: tasks to import, each an image with its annotations or predictions.

https://labelstud.io/guide/task_format; brush masks are packed as thi.ng/umbrella's rle-pack does it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import FormatError
from sam_widget.export.rings import one_ring, parts_from_mask
from sam_widget.export.shared import checked_size, images_of, named, read_json, write_json
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.codecs import mask_from_polygons
from sam_widget.masks.runs import Mask, StoredMask

# Bits that the length of a run or of a stretch of single words may have; each says with two bits which it is.
_COUNT_BITS = (3, 4, 8, 16)


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
    """Return, and write if a path is given, Label Studio's tasks, one an image. Overlaps stay.

    As brush masks they are lossless. As polygons, each part is one region, and a hole is tied to its outline by a
    bridge; filled by pixel centres they are lossless, too, while `tolerance` is 0.

    Args:
        source: Sessions, masks, or a dict from file names to these; see `images_of`.
        path: Of the JSON file.
        shape: "brush", for a labelling interface with `<BrushLabels>`, or "polygon", for `<PolygonLabels>`.
        kind: "annotations", or "predictions" for a person to accept.
        prefix: Goes before the file names to make the address from which Label Studio fetches the images, such as
            "/data/local-files/?d=photos/".
        from_name: Name of the tag of labels in the labelling interface.
        to_name: Name of its `<Image>`, whose value is `$image`.
        tolerance: How far, in pixels, a simplified polygon may stray.

    Raises:
        FormatError: Two images have one name, or the file cannot be written.
        MissingExtraError: scikit-image or scipy is not installed, which polygons need.
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
            for number, value in enumerate(values):
                region = item.id if number == 0 else f"{item.id}.part{number}"
                result = {**common, "id": region, "value": {**value, f"{shape}labels": [item.label]}}
                results.append(result if item.score is None else {**result, "score": round(item.score, 6)})
        answer = {"result": results} if kind == "annotations" else {"model_version": "sam_widget", "result": results}
        tasks.append({"data": {"image": prefix + name}, kind: [answer]})
    write_json(path, tasks)
    return tasks


def from_label_studio(source: Any) -> list[AnnotatedImage]:
    """Read brush masks, polygons and rectangles of Label Studio's JSON export; regions of one task are one image.

    Args:
        source: Path of the file, or what it holds. Of several answers to a task, the first is read; predictions where
            there is no annotation.

    Raises:
        FormatError: It is not Label Studio's, or a region is damaged.
    """
    data = read_json(source)
    found = []
    try:
        for task in data if isinstance(data, list) else [data]:
            answers = task.get("annotations") or task.get("predictions") or []
            results = [result for result in (answers[0]["result"] if answers else []) if "value" in result]
            regions = [result for result in results if _names(result)]
            if not regions:
                continue
            size = checked_size(regions[0]["original_width"], regions[0]["original_height"])
            masks: dict[str, tuple[Any, Mask]] = {}
            for result in regions:
                # Parts of one object, as written above, differ in how they end.
                region = re.sub(r"\.part\d+$", "", str(result.get("id") or len(masks)))
                mask = _mask(result, *size)
                if mask.any():
                    masks[region] = (result, mask | masks[region][1] if region in masks else mask)
            items = tuple(
                Annotation(_names(result)[0], StoredMask(mask), _score(result)) for result, mask in masks.values()
            )
            address = next((value for value in task.get("data", {}).values() if isinstance(value, str)), "")
            name = PurePosixPath(address.rpartition("?d=")[2]).name
            found.append(AnnotatedImage(items, size, name or None))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"this is not Label Studio's JSON ({error!r}); expected its export of tasks") from error
    if not found:
        raise FormatError("there is no region in this JSON; expected Label Studio's tasks with annotations")
    return found


def _names(result: dict[str, Any]) -> list[str]:
    value = result["value"]
    return list(value.get("brushlabels") or value.get("polygonlabels") or value.get("rectanglelabels") or [])


def _score(result: dict[str, Any]) -> float | None:
    score = result.get("score")
    return float(score) if isinstance(score, int | float) else None


def _mask(result: dict[str, Any], width: int, height: int) -> Mask:
    value = result["value"]
    if "rle" in value:
        return unpack_mask(value["rle"], height, width)
    scale = np.array((width / 100, height / 100))
    if "points" in value:
        return mask_from_polygons([np.asarray(value["points"], dtype=np.float64) * scale], height, width)
    x, y, w, h = (float(value[side]) for side in ("x", "y", "width", "height"))
    corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)])
    return mask_from_polygons([corners * scale], height, width)


# ------------------------------------------------------------------------------------------------ rle-pack


def pack_mask(mask: Mask) -> NDArray[np.uint8]:
    """Pack a mask as Label Studio's brush does: each pixel is four bytes of RGBA, all 255 inside and all 0 outside.

    Returns:
        (B,) bytes: 32 bits for the number of words, 5 for their width less one, four times 4 for the widths of counts
        less one, then runs: a 1, two bits for the width of the count, the count less one, the word.
    """
    flat = np.ascontiguousarray(mask).reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0], edges))
    lengths = np.diff(starts, append=flat.size) * 4
    header = format(flat.size * 4, "032b") + format(7, "05b") + "".join(format(bits - 1, "04b") for bits in _COUNT_BITS)
    pieces = [header]
    longest = 1 << _COUNT_BITS[-1]
    for value, length in zip(flat[starts].tolist(), lengths.tolist(), strict=True):
        word = "11111111" if value else "00000000"
        left = length
        while left:
            count = min(left, longest)
            which = next(index for index, bits in enumerate(_COUNT_BITS) if count <= 1 << bits)
            pieces.append(f"1{which:02b}{count - 1:0{_COUNT_BITS[which]}b}{word}")
            left -= count
    bits = np.frombuffer("".join(pieces).encode("ascii"), np.uint8) - ord("0")
    return np.packbits(bits)


def unpack_mask(packed: Any, height: int, width: int) -> Mask:
    """Unpack a brush mask: the pixels whose opacity is not 0.

    Raises:
        FormatError: The bytes are cut short, or make a mask of another size.
    """
    data = np.asarray(packed)
    if data.ndim != 1 or data.dtype.kind not in "iu" or (data.size and (data.min() < 0 or data.max() > 255)):
        raise FormatError("a brush mask is not a list of bytes; expected value.rle of Label Studio's JSON")
    words = np.empty(height * width * 4, np.uint8)
    position = 0
    for chunk in _unpacked(np.unpackbits(data.astype(np.uint8)).tobytes().translate(_DIGITS), words.size):
        if position + len(chunk) > words.size:
            raise FormatError(f"a brush mask goes on beyond its image of {width} x {height} pixels")
        words[position : position + len(chunk)] = chunk
        position += len(chunk)
    return np.asarray(words.reshape(height, width, 4)[..., 3] > 0)


# Bytes 0 and 1 to the digits that `int(..., 2)` reads.
_DIGITS = bytes.maketrans(b"\x00\x01", b"01")


def _unpacked(bits: bytes, expected: int) -> Iterator[NDArray[np.uint8]]:
    position = 0

    def read(count: int) -> int:
        nonlocal position
        if position + count > len(bits):
            raise FormatError("a brush mask is cut short; export it again")
        position += count
        return int(bits[position - count : position], 2)

    total = read(32)
    if total != expected:
        raise FormatError(f"a brush mask has {total} values, but its image {expected}: height x width x 4")
    word = read(5) + 1
    if word != 8:
        raise FormatError(f"a brush mask has words of {word} bits, expected 8")
    sizes = [read(4) + 1 for _ in range(4)]
    done = 0
    while done < total:
        run = read(1)
        count = 1 + read(sizes[read(2)])
        if run:
            yield np.full(min(count, total - done), read(8), np.uint8)
        else:
            yield np.array([read(8) for _ in range(min(count, total - done))], np.uint8)
        done += count
