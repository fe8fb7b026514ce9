"""Masks as shapes: GeoJSON and SVG. Holes stay holes, overlaps stay, nothing is lost while nothing is simplified."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from sam_widget.errors import FormatError, MaskError, import_extra
from sam_widget.export.rings import Ring, parts_from_mask
from sam_widget.export.shared import checked_size, image_of, png_bytes, read_json, write_bytes, write_json
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.codecs import mask_from_polygons
from sam_widget.masks.palette import object_color
from sam_widget.masks.runs import StoredMask

# ------------------------------------------------------------------------------------------------ GeoJSON


def to_geojson(source: Any, path: str | os.PathLike[str] | None = None, *, tolerance: float = 0.0) -> dict[str, Any]:
    """Return, and write if a path is given, one image's objects as a GeoJSON FeatureCollection.

    Coordinates are pixels, x to the right and y down, as QuPath takes them; no geographic ones. Each object is one
    feature: a Polygon with its holes, or a MultiPolygon. Filled by pixel centres, as rasterio does, they give the masks
    back without loss while `tolerance` is 0; at 1, with an IoU of 0.98 or more for a photo's objects.

    Args:
        source: A session, masks, or whatever else `images_of` reads.
        path: Of the file.
        tolerance: How far, in pixels, a simplified outline may stray.

    Raises:
        FormatError: There are several images, or the file cannot be written.
        MissingExtraError: scikit-image is not installed.
    """
    image = image_of(source, "GeoJSON")
    width, height = image.size
    data = {
        "type": "FeatureCollection",
        "features": [_feature(item, tolerance) for item in image],
        # A foreign member, as the standard calls it: what the size of the masks is.
        "image": {"width": width, "height": height, "file_name": image.name},
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
            # What QuPath shows.
            "objectType": "annotation",
            "classification": {"name": item.label},
        },
    }


def from_geojson(source: Any, *, size: tuple[int, int] | None = None) -> list[AnnotatedImage]:
    """Read polygons in pixel coordinates; features of other kinds are passed over.

    Args:
        source: Path of the file, or what it holds.
        size: Width and height of the image, where the file does not say.

    Raises:
        FormatError: It is no FeatureCollection of polygons, or the size is not known.
    """
    data = read_json(source)
    try:
        features = data["features"] if data["type"] == "FeatureCollection" else [data]
        known = data.get("image") or {}
        if size is None and not known:
            raise FormatError("this GeoJSON does not say how large its image is; give size=(width, height)")
        width, height = checked_size(*(size or (known["width"], known["height"])))
        items: list[Annotation] = []
        for feature in features:
            geometry, properties = feature["geometry"], feature.get("properties") or {}
            polygons = {"Polygon": lambda c: [c], "MultiPolygon": list}.get(geometry["type"], lambda _: [])(
                geometry["coordinates"]
            )
            # Parts may overlap where they come from elsewhere: each is filled by itself.
            mask = np.zeros((height, width), np.bool_)
            for rings in polygons:
                mask |= mask_from_polygons([np.asarray(ring, dtype=np.float64)[:, :2] for ring in rings], height, width)
            classification = properties.get("classification") or {}
            label = str(properties.get("label") or properties.get("name") or classification.get("name") or "")
            score = properties.get("score")
            if mask.any():
                label = label or f"object {len(items) + 1}"
                items.append(Annotation(label, StoredMask(mask), None if score is None else float(score)))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"this is no GeoJSON of polygons ({error!r}); expected a FeatureCollection") from error
    name = known.get("file_name")
    return [AnnotatedImage(tuple(items), (width, height), name if isinstance(name, str) else None)]


# ------------------------------------------------------------------------------------------------ SVG


def to_svg(
    source: Any, path: str | os.PathLike[str] | None = None, *, tolerance: float = 0.0, photo: bool = False
) -> str:
    """Return, and write if a path is given, one image's objects as an SVG drawing, one path an object.

    The drawing has the image's size in pixels. Filled by pixel centres the paths give the masks back without loss while
    `tolerance` is 0; drawing programs smooth their edges.

    Args:
        source: A session, masks, or whatever else `images_of` reads.
        path: Of the file.
        tolerance: How far, in pixels, a simplified outline may stray.
        photo: Put the photo below the paths, inside the file.

    Raises:
        FormatError: There are several images, the photo is wanted and not known, or the file cannot be written.
        MissingExtraError: scikit-image is not installed.
    """
    image = image_of(source, "SVG")
    width, height = image.size
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    lines = [f'<svg {space} width="{width}" height="{height}" viewBox="0 0 {width} {height}">']
    if photo:
        if image.pixels is None:
            raise FormatError("the photo is not known, only its masks; give a session, or photo=False")
        picture = base64.b64encode(png_bytes(image.pixels)).decode("ascii")
        lines.append(f'<image width="{width}" height="{height}" xlink:href="data:image/png;base64,{picture}"/>')
    for number, item in enumerate(image):
        rings = [ring for part in parts_from_mask(item.mask, tolerance=tolerance) for ring in part]
        score = "" if item.score is None else f' data-score="{item.score:.6g}"'
        lines.append(
            f'<path id="object-{number + 1}" data-label={quoteattr(_printable(item.label))}{score} '
            f'fill="{object_color(number)}" fill-opacity="0.5" fill-rule="evenodd" d="{_path(rings)}">'
            f"<title>{escape(_printable(item.label))}</title></path>"
        )
    text = "\n".join([*lines, "</svg>\n"])
    if path is not None:
        write_bytes(path, text.encode())
    return text


def _printable(text: str) -> str:
    """Return a text without the control characters that XML cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def _path(rings: Iterable[Ring]) -> str:
    return "".join("M" + "L".join(f"{x:g},{y:g}" for x, y in np.round(ring[:-1], 3)) + "Z" for ring in rings)


def from_svg(path: str | os.PathLike[str], *, samples: int = 16) -> list[AnnotatedImage]:
    """Read the filled shapes of a drawing, each as one mask, in pixels of its view box or, without one, its size.

    Args:
        path: Of the file.
        samples: Straight lines that a curve is read as.

    Raises:
        FormatError: It is no SVG.
        MissingExtraError: svgelements is not installed.
    """
    svg = import_extra("svgelements", "export")
    try:
        drawing = svg.SVG.parse(os.path.expanduser(path), reify=True, ppi=96)  # noqa: PTH111 - it takes no Path
        box = drawing.viewbox
        width, height = (drawing.width, drawing.height) if box is None else (box.width, box.height)
        # Shapes come in units of the drawing's size on a page; masks are in those of its view box.
        scale = (width / drawing.width, height / drawing.height)
        width, height = checked_size(round(width), round(height))
        items: list[Annotation] = []
        for shape in drawing.elements(lambda element: isinstance(element, svg.Shape)):
            outline = abs(svg.Path(shape))
            rings = [_flattened(svg, sub, samples) * scale for sub in map(svg.Path, outline.as_subpaths())]
            mask = mask_from_polygons([ring for ring in rings if len(ring) > 2], height, width)
            values = shape.values.get("attributes", {})
            label = values.get("data-label") or values.get("{http://www.inkscape.org/namespaces/inkscape}label")
            score = values.get("data-score")
            if mask.any():
                label = str(label or shape.id or f"object {len(items) + 1}")
                items.append(Annotation(label, StoredMask(mask), None if score is None else float(score)))
    except OSError as error:
        raise FormatError(f"cannot read {os.fspath(path)!r} ({error.strerror or error}); check the path") from error
    except Exception as error:  # of any type: what malformed drawings make the parser trip over
        if isinstance(error, FormatError | MaskError):
            raise
        raise FormatError(f"{os.fspath(path)!r} is no SVG that can be read ({error!r}); save it anew") from error
    return [AnnotatedImage(tuple(items), (width, height))]


def _flattened(svg: Any, outline: Any, samples: int) -> Ring:
    """Return the corners of a path, curves as straight lines."""
    points: list[tuple[float, float]] = []
    for segment in outline:
        if isinstance(segment, svg.Move | svg.Line | svg.Close):
            ends = [segment.end]
        else:
            ends = [segment.point(step / samples) for step in range(1, samples + 1)]
        points += [(end.x, end.y) for end in ends if end is not None]
    return np.array(points, dtype=np.float64).reshape(-1, 2)
