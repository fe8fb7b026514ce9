"""SVG drawings, one path per object. Holes and overlaps are preserved."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from sam_widget.errors import FormatError, import_extra
from sam_widget.export.files import checked_size, png_bytes, read_bytes, write_bytes
from sam_widget.export.reading import Reading, score_of
from sam_widget.export.rings import Ring, parts_from_mask
from sam_widget.export.sources import image_of
from sam_widget.export.svg_cost import check_cost
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.palette import object_color
from sam_widget.masks.scanlines import runs_from_polygons
from sam_widget.text import clean


def to_svg(
    source: Any, path: str | os.PathLike[str] | None = None, *, tolerance: float = 0.0, photo: bool = False
) -> str:
    """Convert one image's objects to an SVG drawing, one path per object, and write it if a path is given.

    The drawing has the image's size in pixels. Filling the paths by pixel centres restores the masks without loss if
    `tolerance` is 0; drawing programs smooth their edges.

    Args:
        source: A session, masks, or anything else that `images_of` reads.
        path: Path of the file.
        tolerance: Maximum deviation of a simplified outline, in pixels.
        photo: Embed the photo below the paths.

    Raises:
        FormatError: There are several images, the photo to embed is unknown, or the file cannot be written.
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
            f'<path id="object-{number + 1}" data-label={quoteattr(printable(item.label))}{score} '
            f'fill="{object_color(number)}" fill-opacity="0.5" fill-rule="evenodd" d="{_path(rings)}">'
            f"<title>{escape(printable(item.label))}</title></path>"
        )
    text = "\n".join([*lines, "</svg>\n"])
    if path is not None:
        write_bytes(path, text.encode())
    return text


def printable(text: str) -> str:
    """Return a text without control characters, which XML does not allow."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def _path(rings: Iterable[Ring]) -> str:
    return "".join("M" + "L".join(f"{x:g},{y:g}" for x, y in np.round(ring[:-1], 3)) + "Z" for ring in rings)


def from_svg(path: str | os.PathLike[str], *, samples: int = 16) -> list[AnnotatedImage]:
    """Read the filled shapes of a drawing, each as one mask, in pixels of its view box or, without one, its size.

    Args:
        path: Path of the file.
        samples: Number of straight lines that approximate a curve.

    Raises:
        FormatError: The file is not SVG, or references (`<use>`) multiply its elements too much.
        MissingExtraError: svgelements is not installed.
    """
    svg = import_extra("svgelements", "export")
    text = read_bytes(path)
    check_cost(text, repr(os.fspath(path)))
    try:
        drawing = svg.SVG.parse(io.BytesIO(text), reify=True, ppi=96)
        box = drawing.viewbox
        width, height = (drawing.width, drawing.height) if box is None else (box.width, box.height)
        # The parser scales shapes to the drawing's size on a page; masks use the units of its view box.
        scale = (width / drawing.width, height / drawing.height)
        width, height = checked_size(round(width), round(height))
        shapes = list(drawing.elements(lambda element: isinstance(element, svg.Shape)))
    except FormatError:
        raise
    except Exception as error:  # the parser may raise anything for malformed drawings
        raise _unreadable(path) from error
    reading = Reading(path, "this is not an SVG drawing", size=len(text))
    objects: list[Annotation] = []
    for number, shape in enumerate(shapes, 1):
        with reading.region(f"shape {number}"):
            try:
                outline = abs(svg.Path(shape))
                rings = [_flattened(svg, sub, samples) * scale for sub in map(svg.Path, outline.as_subpaths())]
            except Exception as error:
                raise FormatError("its outline cannot be read") from error
            values = shape.values.get("attributes", {})
            label = values.get("data-label") or values.get("{http://www.inkscape.org/namespaces/inkscape}label")
            runs = runs_from_polygons([ring for ring in rings if len(ring) > 2], height, width)
            name = clean(str(label or shape.id or f"object {len(objects) + 1}"))
            objects += reading.annotation(name, runs, (height, width), score_of(values.get("data-score")))
    reading.finish()
    return [AnnotatedImage(tuple(objects), (width, height))]


def _unreadable(path: str | os.PathLike[str]) -> FormatError:
    return FormatError(f"{os.fspath(path)!r} is not an SVG that can be read; save it again, or export paths only")


def _flattened(svg: Any, outline: Any, samples: int) -> Ring:
    """Return the corners of a path, with curves approximated by straight lines."""
    points: list[tuple[float, float]] = []
    for segment in outline:
        if isinstance(segment, svg.Move | svg.Line | svg.Close):
            ends = [segment.end]
        else:
            ends = [segment.point(step / samples) for step in range(1, samples + 1)]
        points += [(end.x, end.y) for end in ends if end is not None]
    return np.array(points, dtype=np.float64).reshape(-1, 2)
