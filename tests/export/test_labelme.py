"""labelme's JSON as its format says."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from tests.export.masks import disc, masks_of


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
