"""SVG as svgelements reads it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import svgelements
from PIL import Image

import sam_widget as sw
from sam_widget.masks.codecs import mask_from_polygons
from sam_widget.masks.measures import iou
from tests.export.masks import disc, masks_of


class TestSvg:
    def test_round_trip(self, shapes: sw.AnnotatedImage, photo_objects: sw.Session, tmp_path: Path) -> None:
        for source in (shapes, photo_objects):
            sw.export.to_svg(source, tmp_path / "masks.svg")
            back = sw.load_masks(tmp_path / "masks.svg")
            np.testing.assert_array_equal(masks_of(back), masks_of(source))
            assert [item.label for item in back] == [item.label for item in sw.export.annotations_of(source)]
        assert back.size == (451, 300)

    def test_svgelements_reads_a_path_an_object(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        text = sw.export.to_svg(shapes, tmp_path / "masks.svg", photo=True)
        drawing = svgelements.SVG.parse(str(tmp_path / "masks.svg"))
        paths = list(drawing.elements(lambda element: isinstance(element, svgelements.Path)))
        rings = [
            [np.array([(p.x, p.y) for p in sub.as_points()]) for sub in map(svgelements.Path, path.as_subpaths())]
            for path in paths
        ]
        np.testing.assert_array_equal([mask_from_polygons(part, 60, 80) for part in rings], masks_of(shapes))
        picture = ET.fromstring(text).find("{http://www.w3.org/2000/svg}image")  # noqa: S314 - our own
        assert picture is not None
        data = picture.get("{http://www.w3.org/1999/xlink}href", "").partition(",")[2]
        np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(base64.b64decode(data)))), shapes.pixels)

    def test_labels_are_text(self, tmp_path: Path) -> None:
        label = '"/><script>alert(1)</script>\x00'
        sw.export.to_svg(sw.export.annotations_of(disc(20, 20, 9), labels=label), tmp_path / "masks.svg")
        assert not ET.parse(tmp_path / "masks.svg").findall(".//{*}script")  # noqa: S314 - our own
        assert sw.load_masks(tmp_path / "masks.svg").labels == (label[:-1],)

    def test_a_drawing_by_hand(self, tmp_path: Path) -> None:
        (tmp_path / "drawing.svg").write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" width="160" height="120" viewBox="0 0 80 60">'
            '<g transform="translate(10 0)"><circle id="moon" cx="20" cy="30" r="12"/></g>'
            '<rect x="2" y="3" width="4" height="5"/></svg>'
        )
        moon, box = sw.load_masks(tmp_path / "drawing.svg")
        assert (moon.label, box.area) == ("moon", 20)
        assert iou(moon.mask, disc(30, 30, 12)) > 0.97

    def test_what_is_none_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "text.svg").write_text("no drawing")
        for name in ("text.svg", "missing.svg"):
            with pytest.raises(sw.FormatError, match="cannot read|not an SVG"):
                sw.load_masks(tmp_path / name)
        with pytest.raises(sw.FormatError, match="photo is not known"):
            sw.export.to_svg(disc(20, 20, 9), photo=True)
