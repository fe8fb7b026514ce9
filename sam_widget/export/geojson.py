"""GeoJSON in pixel coordinates, as QuPath reads and writes it. Holes and overlaps are preserved.

https://datatracker.ietf.org/doc/html/rfc7946
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import FormatError
from sam_widget.export.files import checked_size, file_size, read_json, write_json
from sam_widget.export.names import name_in_file
from sam_widget.export.reading import Reading, corners, items, member, optional, score_of, shown, text_of
from sam_widget.export.rings import parts_from_mask
from sam_widget.export.sources import image_of, written_name
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.runs import united_runs
from sam_widget.masks.scanlines import runs_from_polygons


def to_geojson(source: Any, path: str | os.PathLike[str] | None = None, *, tolerance: float = 0.0) -> dict[str, Any]:
    """Convert one image's objects to a GeoJSON FeatureCollection, and write it if a path is given.

    Coordinates are pixels, x to the right and y down, as QuPath expects, not geographic. Each object is one feature: a
    Polygon with its holes, or a MultiPolygon. Filling them by pixel centres, like rasterio, restores the masks without
    loss if `tolerance` is 0; at 1, with an IoU of 0.98 or more for a photo's objects.

    Args:
        source: A session, masks, or anything else that `images_of` reads.
        path: Path of the file.
        tolerance: Maximum deviation of a simplified outline, in pixels.

    Raises:
        FormatError: There are several images, or the file cannot be written.
        MissingExtraError: scikit-image is not installed.
    """
    image = image_of(source, "GeoJSON")
    width, height = image.size
    data = {
        "type": "FeatureCollection",
        "features": [_feature(item, tolerance) for item in image],
        # A foreign member in the standard's terms: the size of the masks.
        "image": {"width": width, "height": height, "file_name": written_name(image.name) if image.name else None},
    }
    write_json(path, data)
    return data


def _feature(item: Annotation, tolerance: float) -> dict[str, Any]:
    polygons = [
        [np.round(ring, 3).tolist() for ring in part] for part in parts_from_mask(item.mask, tolerance=tolerance)
    ]
    single = len(polygons) == 1
    return {
        "type": "Feature",
        "id": item.id,
        "geometry": {
            "type": "Polygon" if single else "MultiPolygon",
            "coordinates": polygons[0] if single else polygons,
        },
        "properties": {
            "label": item.label,
            "score": None if item.score is None else round(item.score, 6),
            "area": item.area,
            # Displayed by QuPath.
            "objectType": "annotation",
            "classification": {"name": item.label},
        },
    }


def from_geojson(source: Any, *, size: tuple[int, int] | None = None) -> list[AnnotatedImage]:
    """Read polygons in pixel coordinates, also from geometry collections and QuPath's bare list of features.

    Features without an area and damaged features are skipped with a single warning.

    Args:
        source: Path of the file, or its parsed content.
        size: Width and height of the image, if the file does not contain it.

    Raises:
        FormatError: The file is not GeoJSON, no feature in it can be read, or the size is unknown.
    """
    bytes_ = file_size(source)
    data = read_json(source)
    try:
        features = data if isinstance(data, list) else _features(data)
        if not features and isinstance(data, list):
            raise FormatError("the list is empty")
    except FormatError as error:
        raise FormatError(f"this is not GeoJSON of polygons ({error}); expected a FeatureCollection") from error
    known = optional(data, "image")
    if size is None and not isinstance(known, Mapping):
        raise FormatError("this GeoJSON does not say how large its image is; give size=(width, height)")
    width, height = checked_size(*(size or (optional(known, "width"), optional(known, "height"))))
    reading = Reading(source, "this is not GeoJSON of polygons", size=bytes_)
    objects: list[Annotation] = []
    for number, feature in enumerate(features, 1):
        with reading.region(f"feature {number}"):
            polygons = list(_polygons(member(feature, "geometry"), reading))
            if not polygons:
                continue
            # Parts in files of other programs may overlap, so each is filled separately.
            runs = united_runs([runs_from_polygons(rings, height, width) for rings in polygons], width)
            properties = optional(feature, "properties")
            label = _label(properties) or f"object {len(objects) + 1}"
            objects += reading.annotation(label, runs, (height, width), score_of(optional(properties, "score")))
    reading.finish()
    name = optional(known, "file_name")
    return [AnnotatedImage(tuple(objects), (width, height), name_in_file(name) if isinstance(name, str) else None)]


def _features(data: Any) -> Sequence[Any]:
    kind = member(data, "type")
    if kind == "FeatureCollection":
        return items(member(data, "features"), "'features'")
    # A bare geometry is valid (RFC 7946, section 3).
    return [data] if kind == "Feature" else [{"geometry": data}]


def _polygons(geometry: Any, reading: Reading, depth: int = 0) -> Iterator[list[NDArray[np.float64]]]:
    """Yield the polygons of a geometry as lists of rings; count geometries without an area."""
    if geometry is None:
        reading.pass_over("feature without a geometry", plural="features without a geometry")
        return
    kind = member(geometry, "type")
    if kind == "GeometryCollection":
        if depth > _DEEPEST:
            raise FormatError("a GeometryCollection is nested too deeply")
        for part in items(member(geometry, "geometries"), "'geometries'"):
            yield from _polygons(part, reading, depth + 1)
    elif kind in ("Polygon", "MultiPolygon"):
        found = items(member(geometry, "coordinates"), "'coordinates'")
        for rings in [found] if kind == "Polygon" else found:
            if rings := items(rings, "a polygon"):
                yield [corners(ring, "a ring") for ring in rings]
            else:
                reading.pass_over("empty polygon")
    elif kind in ("Point", "MultiPoint", "LineString", "MultiLineString"):
        reading.pass_over(f"{kind} feature")
    else:
        raise FormatError(f"its geometry is of type {shown(kind)}, expected a Polygon or MultiPolygon")


# Maximum nesting of collections, which the standard advises against.
_DEEPEST = 8


def _label(properties: Any) -> str:
    for value in (
        optional(properties, "label"),
        optional(properties, "name"),
        optional(optional(properties, "classification"), "name"),
    ):
        if text := text_of(value, "its label"):
            return text
    return ""
