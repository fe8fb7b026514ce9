"""Convert masks to and from other libraries' types: `supervision.Detections` and pandas' DataFrame."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np

from sam_widget.errors import FormatError, import_extra
from sam_widget.export.files import checked_size, file_size, read_bytes, write_bytes
from sam_widget.export.names import name_in_file, pick
from sam_widget.export.reading import Reading, score_of, text_of
from sam_widget.export.sources import image_of, images_of, named
from sam_widget.masks.annotations import AnnotatedImage, Annotation, annotations_of
from sam_widget.masks.codecs import rle_from_stored, stored_from_rle


def to_supervision(source: Any) -> Any:
    """Convert one image's objects to `supervision.Detections`: boxes, masks, scores, class numbers and names.

    Lossless, including overlaps. Classes are numbered in order of first occurrence; `confidence` is None if a score is
    unknown.

    Raises:
        FormatError: There are several images.
        MissingExtraError: supervision is not installed.
    """
    library = import_extra("supervision", "supervision")
    image = image_of(source, "supervision.Detections")
    width, height = image.size
    scores = [item.score for item in image]
    known = [score for score in scores if score is not None]
    classes = {label: number for number, label in enumerate(image.labels)}
    return library.Detections(
        xyxy=np.array([item.box.corners for item in image], np.float32).reshape(-1, 4),
        mask=np.array([item.mask for item in image], np.bool_).reshape(-1, height, width),
        confidence=np.array(known, np.float32) if len(known) == len(scores) else None,
        class_id=np.array([classes[item.label] for item in image], np.intp),
        data={"class_name": np.array([item.label for item in image], np.str_)},
    )


def from_supervision(detections: Any) -> list[AnnotatedImage]:
    """Read `supervision.Detections` with masks.

    Raises:
        MaskError: The detections have no masks.
        FormatError: There are no detections, so the size of the image is unknown.
    """
    items = annotations_of(detections)
    if not items:
        raise FormatError("these detections are empty, so the size of their image is not known")
    height, width = items[0].stored.shape
    return [AnnotatedImage(items, (width, height))]


def to_pandas(source: Any, path: str | os.PathLike[str] | None = None) -> Any:
    """Return a DataFrame with one row per object, and write it as CSV if a path is given. Lossless, including overlaps.

    Columns: `image`, `width`, `height` (of the image), `id`, `label`, `score`, `area`, `x0`, `y0`, `x1`, `y1` (of the
    box), `centroid_x`, `centroid_y`, `points` (number in the prompt), `rle` (the mask as counts of COCO's RLE).

    Args:
        source: Sessions, masks, or a dict from file names to these; see `images_of`.
        path: Path of the CSV file.

    Raises:
        FormatError: Two images have the same name, or the file cannot be written.
        MissingExtraError: pandas is not installed.
    """
    pandas = import_extra("pandas", "pandas")
    rows = []
    for name, image in named(images_of(source)):
        for item in image:
            y, x = (float(axis.mean()) + 0.5 for axis in np.nonzero(item.mask))
            box = dict(zip(("x0", "y0", "x1", "y1"), item.box.corners, strict=True))
            rows.append(
                {
                    "image": name,
                    "width": image.size[0],
                    "height": image.size[1],
                    "id": item.id,
                    "label": item.label,
                    "score": np.nan if item.score is None else item.score,
                    "area": item.area,
                    **box,
                    "centroid_x": x,
                    "centroid_y": y,
                    "points": len(item.prompt.points),
                    "rle": rle_from_stored(item.stored)["counts"],
                }
            )
    frame = pandas.DataFrame(rows, columns=_COLUMNS)
    if path is not None:
        write_bytes(path, frame.to_csv(index=False).encode())
    return frame


_COLUMNS = [
    *("image", "width", "height", "id", "label", "score", "area", "x0", "y0", "x1", "y1"),
    *("centroid_x", "centroid_y", "points", "rle"),
]


def from_pandas(source: Any, *, image: str | None = None) -> list[AnnotatedImage]:
    """Read a DataFrame or CSV file with the columns of `to_pandas`; requires `width`, `height`, `label` and `rle`.

    Damaged rows are skipped with a single warning.

    Args:
        source: The DataFrame, or the path of the CSV file.
        image: Name of the only image to read; the others are not decoded.

    Raises:
        FormatError: A column is missing, no mask can be read, or no image has this name.
        MissingExtraError: pandas is not installed.
    """
    pandas = import_extra("pandas", "pandas")
    size = file_size(source)
    if isinstance(source, str | os.PathLike):
        # Read as text, because labels and RLE may look like numbers or "NA".
        text = {"image": str, "label": str, "rle": str}
        data = read_bytes(source)
        try:
            table = pandas.read_csv(
                io.BytesIO(data),
                dtype=text,
                na_values={"score": [""]},
                keep_default_na=False,
                encoding_errors="replace",
            )
        except Exception as error:  # the parser may raise anything for malformed tables
            raise FormatError(
                f"{os.fspath(source)!r} is not a table of masks; expected CSV with the columns of to_pandas"
            ) from error
    else:
        table = source
    if missing := {"width", "height", "label", "rle"} - set(table.columns):
        raise FormatError(f"the table lacks the columns {', '.join(sorted(missing))}; expected those of to_pandas")
    rows = table.to_dict("records")
    names = [name if isinstance(name := row.get("image"), str) else "" for row in rows]
    known = list(dict.fromkeys(names))
    wanted = {known[index] for index in pick(known, image)}
    reading = Reading(source, "this is not a table of masks", size=size)
    found: dict[tuple[str, tuple[int, int]], list[Annotation]] = {}
    for number, (name, row) in enumerate(zip(names, rows, strict=True), 1):
        if name not in wanted:
            continue
        with reading.region(f"row {number}"):
            width, height = checked_size(row["width"], row["height"])
            stored = stored_from_rle({"size": [height, width], "counts": str(row["rle"])})
            score = row.get("score")
            known_score = None if score is None or score != score else score_of(score)  # noqa: PLR0124 - NaN is unknown
            found.setdefault((name, (width, height)), []).extend(
                reading.annotation(text_of(row["label"], "its label"), stored.runs, (height, width), known_score)
            )
    reading.finish()
    return [
        AnnotatedImage(tuple(annotations), size, name_in_file(name) if name else None)
        for (name, size), annotations in found.items()
    ]
