"""GeoJSON as shapely reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

import sam_widget as sw
from sam_widget.masks.measures import iou
from tests.export.masks import masks_of


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
