"""Pascal VOC as Pillow and supervision read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import supervision as sv
from PIL import Image

import sam_widget as sw

THINGS = ["thing 1", "thing 2", "thing 3"]


class TestVoc:
    def test_round_trip_with_the_later_object_on_top(
        self, shapes: sw.AnnotatedImage, photo_objects: sw.Session, tmp_path: Path
    ) -> None:
        sw.export.to_voc([shapes, photo_objects], tmp_path, images=True)
        cat, other = sw.load_dataset(tmp_path)
        assert (cat.name, other.name) == ("cat.png", "shapes.png")
        for found, source in ((other, shapes), (cat, photo_objects)):
            numbers, _ = sw.export.label_map(source)
            # An object that later ones cover completely has no pixel in a label map, and does not come back.
            seen = [number for number in np.unique(numbers) if number]
            expected = np.where(numbers, np.searchsorted(seen, numbers) + 1, 0)
            np.testing.assert_array_equal(sw.export.label_map(found)[0], expected)
            labels = [item.label for item in sw.export.annotations_of(source)]
            assert [item.label for item in found] == [labels[number - 1] for number in seen]
            assert len(seen) > 2

    def test_pillow_shows_numbers_and_vocs_colours(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        sw.export.to_voc(shapes, tmp_path)
        kinds = Image.open(tmp_path / "SegmentationClass" / "shapes.png")
        assert kinds.mode == "P"
        np.testing.assert_array_equal(np.array(kinds), sw.export.label_map(shapes, by="class")[0])
        # The first colours of the development kit's colour map.
        assert kinds.getpalette()[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
        assert "ring é:128,128,0::" in (tmp_path / "labelmap.txt").read_text().splitlines()

    def test_supervision_reads_the_boxes(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        sw.export.to_voc(shapes, tmp_path, images=True)
        dataset = sv.DetectionDataset.from_pascal_voc(str(tmp_path / "JPEGImages"), str(tmp_path / "Annotations"))
        ((_, _, detections),) = list(dataset)
        boxes = np.array([item.box.corners for item in shapes])
        # VOC counts from 1 and includes the last pixel, which supervision knows.
        np.testing.assert_array_equal(detections.xyxy, boxes)
        assert [dataset.classes[number] for number in detections.class_id] == [item.label for item in shapes]

    def test_vocs_own_classes_and_void(self, tmp_path: Path) -> None:
        objects, kinds = np.zeros((2, 4, 6), np.uint8)
        objects[1:3, 1:3], kinds[1:3, 1:3] = 1, 8
        objects[0], kinds[0] = 255, 255
        for name, numbers in (("SegmentationObject", objects), ("SegmentationClass", kinds)):
            (tmp_path / name).mkdir()
            Image.fromarray(numbers).save(tmp_path / name / "2007_000032.png")
        (item,) = sw.load_masks(tmp_path)
        assert (item.label, item.area) == ("cat", 4)

    def test_damaged_folders_are_refused(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        with pytest.raises(sw.FormatError, match="there is no PNG in"):
            sw.export.from_voc(tmp_path)
        sw.export.to_voc(shapes, tmp_path)
        Image.new("P", (4, 4)).save(tmp_path / "SegmentationClass" / "shapes.png")
        with pytest.raises(sw.FormatError, match="as classes"):
            sw.export.from_voc(tmp_path)
        (tmp_path / "SegmentationClass" / "shapes.png").unlink()
        with pytest.raises(sw.FormatError, match="cannot read"):
            sw.export.from_voc(tmp_path)
