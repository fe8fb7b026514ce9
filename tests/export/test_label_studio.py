"""Label Studio's JSON, as its own converter reads and writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_studio_converter import brush

import sam_widget as sw
from sam_widget.export.brush import pack_mask, unpack_mask
from tests.export.masks import disc, masks_of


def test_the_converter_unpacks_what_we_pack_and_we_what_it_packs(shapes: sw.AnnotatedImage) -> None:
    for item in shapes:
        bytes_of_rgba = np.repeat(item.mask.ravel() * np.uint8(255), 4)
        packed = pack_mask(item.mask)
        np.testing.assert_array_equal(brush.decode_rle(packed.tolist()), bytes_of_rgba)
        np.testing.assert_array_equal(unpack_mask(brush.encode_rle(bytes_of_rgba), 60, 80), item.mask)
        np.testing.assert_array_equal(unpack_mask(packed, 60, 80), item.mask)


def test_a_mask_longer_than_any_count() -> None:
    mask = np.ones((200, 300), bool)
    np.testing.assert_array_equal(brush.decode_rle(pack_mask(mask).tolist()), np.full(240_000, 255))
    np.testing.assert_array_equal(unpack_mask(pack_mask(mask), 200, 300), mask)


def test_stretches_of_single_words_are_read() -> None:
    # Two pixels: RGBA one by one, then a run; only opacity counts.
    bits = f"{8:032b}" + "00111" + "0010001101111111" + "0" + "00" + "011" + "".join(f"{v:08b}" for v in (9, 9, 9, 7))
    bits += "1" + "00" + "011" + "00000000"
    packed = [int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8)]
    assert brush.decode_rle(packed).tolist() == [9, 9, 9, 7, 0, 0, 0, 0]
    assert unpack_mask(packed, 1, 2).tolist() == [[True, False]]


@pytest.mark.parametrize("packed", [[], [0, 0], "x", [300], [[1]], pack_mask(np.ones((5, 5), bool)).tolist()])
def test_damaged_masks_are_refused(packed: Any) -> None:
    with pytest.raises(sw.FormatError, match="a brush mask"):
        unpack_mask(packed, 4, 4)
    with pytest.raises(sw.FormatError, match="a brush mask is cut short"):
        unpack_mask(pack_mask(disc(20, 20, 9))[:-3], 60, 80)


@pytest.mark.parametrize("shape", ["brush", "polygon"])
def test_round_trip(shapes: sw.AnnotatedImage, photo_objects: sw.Session, tmp_path: Path, shape: Any) -> None:
    path = tmp_path / "tasks.json"
    sw.export.to_label_studio([shapes, photo_objects], path, shape=shape, prefix="/data/local-files/?d=photos/")
    tasks = json.loads(path.read_bytes())
    assert [task["data"]["image"] for task in tasks] == [
        "/data/local-files/?d=photos/shapes.png",
        "/data/local-files/?d=photos/cat.jpg",
    ]
    for image, source in zip(sw.load_dataset(path), (shapes, photo_objects), strict=True):
        np.testing.assert_array_equal(masks_of(image), masks_of(source))
        found = sw.export.annotations_of(source)
        assert [item.label for item in image] == [item.label for item in found]
        np.testing.assert_allclose([item.score for item in image], [item.score for item in found], atol=1e-6)
    assert [image.name for image in sw.load_dataset(path)] == ["shapes.png", "cat.jpg"]


def test_the_converters_own_export_finds_every_layer(shapes: sw.AnnotatedImage) -> None:
    (task,) = sw.export.to_label_studio(shapes, kind="predictions", from_name="tag")
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == "sam_widget"
    # The converter works on results whose value is unfolded.
    results = [{**result, **result["value"]} for result in prediction["result"]]
    layers = brush.decode_from_annotation("tag", results)
    assert list(layers) == [
        f"tag-{label}-{n}"
        for label, n in (("rest", 0), ("cat", 0), ("ring é", 0), ("corner", 0), ("dot", 0), ("cat", 1))
    ]
    np.testing.assert_array_equal(np.array(list(layers.values())) > 0, masks_of(shapes))


def test_rectangles_and_what_is_no_region() -> None:
    common = {"original_width": 80, "original_height": 60, "to_name": "image", "from_name": "label"}
    value = {"x": 10, "y": 20, "width": 50, "height": 50, "rectanglelabels": ["box"]}
    results = [
        {**common, "id": "b-1", "value": value},
        {"id": "c", "value": {"choices": ["good"]}},
        {"type": "relation"},
    ]
    image = sw.load_masks([{"data": {"image": "s3://bucket/dog.jpg"}, "annotations": [{"result": results}]}])
    (box,) = image
    assert (image.name, image.size, box.label, box.box) == ("dog.jpg", (80, 60), "box", sw.Box(8, 12, 48, 42))


@pytest.mark.parametrize("data", [[], [{"data": {}}], [7], [{"annotations": [{}]}], {"data": {}, "annotations": "x"}])
def test_what_is_not_label_studios_is_refused(data: Any) -> None:
    with pytest.raises(sw.FormatError, match="Label Studio"):
        sw.export.from_label_studio(data)
