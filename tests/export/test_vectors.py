"""GeoJSON as shapely reads it, SVG as svgelements and a browserless eye do, labelme's JSON as its format says."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import shapely
import svgelements
from PIL import Image

import sam_widget as sw
from sam_widget.masks.codecs import mask_from_polygons
from sam_widget.masks.measures import iou
from tests.export.masks import disc, masks_of


class TestGeoJson:
    def test_shapely_finds_valid_polygons_that_hold_the_masks_pixels(self, shapes: sw.AnnotatedImage) -> None:
        data = json.loads(json.dumps(sw.export.to_geojson(shapes)))
        rows, columns = np.indices((60, 80)) + 0.5
        for feature, item in zip(data["features"], shapes, strict=True):
            outline = shapely.geometry.shape(feature["geometry"])
            assert outline.is_valid
            np.testing.assert_array_equal(shapely.contains_xy(outline, columns, rows), item.mask)
            assert feature["properties"]["label"] == item.label
        kinds = [feature["geometry"]["type"] for feature in data["features"]]
        assert kinds == ["MultiPolygon", "Polygon", "MultiPolygon", "MultiPolygon", "Polygon", "Polygon"]

    def test_round_trip(self, shapes: sw.AnnotatedImage, photo_objects: sw.Session, tmp_path: Path) -> None:
        for source in (shapes, photo_objects):
            sw.export.to_geojson(source, tmp_path / "masks.geojson")
            back = sw.load_masks(tmp_path / "masks.geojson")
            np.testing.assert_array_equal(masks_of(back), masks_of(source))
        assert (back.name, back.size) == ("cat.jpg", (451, 300))
        sw.export.to_geojson(photo_objects, tmp_path / "masks.geojson", tolerance=1)
        assert iou(masks_of(sw.load_masks(tmp_path / "masks.geojson")), masks_of(photo_objects)).min() >= 0.95

    def test_other_peoples(self) -> None:
        square = [[[2, 2], [6, 2], [6, 6], [2, 6], [2, 2]]]
        data = {
            "type": "FeatureCollection",
            "features": [
                {
                    "geometry": {"type": "Polygon", "coordinates": square},
                    "properties": {"classification": {"name": "a"}},
                },
                {"geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": None},
                {"geometry": {"type": "MultiPolygon", "coordinates": [square, square]}},
            ],
        }
        with pytest.raises(sw.FormatError, match="give size="):
            sw.export.from_geojson(data)
        first, second = sw.load_masks(data, size=(9, 8))
        assert (first.label, first.area, second.label, second.area) == ("a", 16, "object 2", 16)

    @pytest.mark.parametrize(
        "data", [[], {"type": "FeatureCollection"}, {"features": [{}], "type": "FeatureCollection"}]
    )
    def test_what_is_none_is_refused(self, data: Any) -> None:
        with pytest.raises(sw.FormatError, match="not GeoJSON"):
            sw.export.from_geojson(data, size=(9, 9))


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


class TestLabelme:
    def test_masks_lie_where_the_format_says(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        sw.export.to_labelme(shapes, tmp_path / "shapes.json")
        data = json.loads((tmp_path / "shapes.json").read_bytes())
        assert (data["imagePath"], data["imageData"], data["imageHeight"], data["imageWidth"]) == (
            "shapes.png",
            None,
            60,
            80,
        )
        for shape, item in zip(data["shapes"], shapes, strict=True):
            assert (shape["shape_type"], shape["label"], shape["flags"]) == ("mask", item.label, {})
            crop = np.array(Image.open(io.BytesIO(base64.b64decode(shape["mask"])))).astype(bool)
            mask = np.zeros((60, 80), bool)
            # labelme's corners include the last row and column.
            (x0, y0), (x1, y1) = shape["points"]
            mask[y0 : y1 + 1, x0 : x1 + 1] = crop
            np.testing.assert_array_equal(mask, item.mask)
        np.testing.assert_array_equal(masks_of(sw.load_masks(tmp_path / "shapes.json")), masks_of(shapes))

    def test_polygons_are_exact_but_for_holes(self, shapes: sw.AnnotatedImage) -> None:
        back = sw.load_masks(sw.export.to_labelme(shapes, shape="polygon"))
        assert [item.label for item in back] == [item.label for item in shapes]
        same = [0, 1, 3, 4, 5]
        np.testing.assert_array_equal(masks_of(back)[same[1:]], masks_of(shapes)[same[1:]])
        np.testing.assert_array_equal(masks_of(back)[2], disc(50, 30, 20))

    def test_a_photo_without_a_name_comes_along(self, shapes: sw.AnnotatedImage) -> None:
        nameless = sw.AnnotatedImage(shapes.annotations, shapes.size, None, shapes.pixels)
        data = sw.export.to_labelme(nameless)
        np.testing.assert_array_equal(
            np.array(Image.open(io.BytesIO(base64.b64decode(data["imageData"])))), shapes.pixels
        )
        with pytest.raises(sw.FormatError, match="photo is not known"):
            sw.export.to_labelme(disc(20, 20, 9), photo=True)

    def test_shapes_by_hand(self) -> None:
        def shape(kind: str, points: list[list[float]], group: int | None = None) -> dict[str, Any]:
            return {"label": "a", "shape_type": kind, "points": points, "group_id": group}

        data = {
            "imagePath": "..\\photos\\dog.jpg",
            "imageWidth": 80,
            "imageHeight": 60,
            "shapes": [
                shape("rectangle", [[6, 8], [2, 3]]),
                shape("circle", [[30, 30], [42, 30]]),
                shape("line", [[0, 0], [5, 5]]),
                shape("polygon", [[0, 0], [4, 0], [4, 4], [0, 4]], 1),
                shape("polygon", [[10, 0], [14, 0], [14, 4], [10, 4]], 1),
            ],
        }
        image = sw.load_masks(data)
        assert (image.name, [item.area for item in image]) == ("dog.jpg", [20, int(disc(30, 30, 12).sum()), 32])

    @pytest.mark.parametrize(
        "shape",
        [
            {"label": "a", "shape_type": "mask", "points": [[70, 50], [90, 70]], "mask": None},
            {"label": "a", "shape_type": "mask", "points": [[0, 0], [1, 1]], "mask": "no PNG"},
            {"label": "a", "shape_type": "polygon", "points": [["x", 1], [2, 3], [4, 5]]},
            {"shape_type": "polygon", "points": []},
        ],
    )
    def test_damaged_shapes_are_refused(self, shape: dict[str, Any]) -> None:
        if shape.get("mask", "") is None:
            buffer = io.BytesIO()
            Image.new("1", (21, 21), 1).save(buffer, "PNG")
            shape["mask"] = base64.b64encode(buffer.getvalue()).decode()
        with pytest.raises(sw.FormatError, match="not labelme's JSON|does not lie in the image"):
            sw.export.from_labelme({"imageWidth": 80, "imageHeight": 60, "shapes": [shape]})
