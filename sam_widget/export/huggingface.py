"""Convert masks to and from Hugging Face's `datasets.Dataset`: a row per image, as training scripts expect it."""

from __future__ import annotations

from typing import Any

from sam_widget.errors import FormatError, import_extra
from sam_widget.export.files import checked_size, png_bytes
from sam_widget.export.names import name_in_file
from sam_widget.export.reading import Reading, items, member, optional, score_of, text_of
from sam_widget.export.sources import images_of, named
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.codecs import rle_from_stored, stored_from_rle

# Columns that are read back.
_READ = {"image_name", "width", "height", "objects"}


def to_datasets(source: Any) -> Any:
    """Return a `datasets.Dataset` with one row per image. Lossless, including overlaps; prompts are dropped.

    Columns: `image` (pixels, None if unknown), `image_name`, `width`, `height`, and `objects`, a list of `id`,
    `category`, `bbox` (XYWH, as in COCO), `area`, `score` and `rle` (the mask as counts of COCO's RLE).

    Args:
        source: Sessions, masks, or a dict from file names to these; see `images_of`.

    Raises:
        FormatError: Two images have the same name.
        MissingExtraError: datasets is not installed.
    """
    library = import_extra("datasets", "datasets")
    text, number, real = (library.Value(kind) for kind in ("string", "int64", "float64"))
    features = library.Features(
        {
            "image": library.Image(),
            "image_name": text,
            "width": number,
            "height": number,
            "objects": library.List(
                {
                    "id": text,
                    "category": text,
                    "bbox": library.List(real, length=4),
                    "area": number,
                    "score": real,
                    "rle": text,
                }
            ),
        }
    )
    rows = [
        {
            "image": None if image.pixels is None else {"bytes": png_bytes(image.pixels), "path": None},
            "image_name": name,
            "width": image.size[0],
            "height": image.size[1],
            "objects": [_object(item) for item in image],
        }
        for name, image in named(images_of(source))
    ]
    return library.Dataset.from_list(rows, features=features)


def from_datasets(dataset: Any) -> list[AnnotatedImage]:
    """Read a `datasets.Dataset` with the columns of `to_datasets`; the pixels are not decoded.

    Damaged objects are skipped with a single warning.

    Raises:
        FormatError: A column is missing, or no mask can be read.
    """
    if missing := {"width", "height", "objects"} - set(dataset.column_names):
        raise FormatError(f"the dataset lacks the columns {', '.join(sorted(missing))}; expected those of to_datasets")
    plain = dataset.remove_columns([name for name in dataset.column_names if name not in _READ])
    reading = Reading(dataset, "this is not a dataset of masks")
    images = []
    for number, row in enumerate(plain, 1):
        name, found = row.get("image_name"), []
        width, height = checked_size(row["width"], row["height"])
        for index, item in enumerate(items(row["objects"] or [], "objects"), 1):
            with reading.region(f"object {index} of image {number}"):
                stored = stored_from_rle({"size": [height, width], "counts": str(member(item, "rle"))})
                score = optional(item, "score")
                found += reading.annotation(
                    text_of(member(item, "category"), "its category"),
                    stored.runs,
                    (height, width),
                    None if score is None else score_of(score),
                )
        images.append(AnnotatedImage(tuple(found), (width, height), name_in_file(name) if name else None))
    reading.finish()
    return images


def _object(item: Annotation) -> dict[str, Any]:
    x, y, width, height = item.stored.bounds
    return {
        "id": item.id,
        "category": item.label,
        "bbox": [x, y, width, height],
        "area": item.area,
        "score": item.score,
        "rle": rle_from_stored(item.stored)["counts"],
    }
