"""YOLO as supervision and OpenCV read it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision as sv
import yaml
from PIL import Image

import sam_widget as sw
from sam_widget.masks.measures import iou
from tests.export.masks import masks_of


def truncated(folder: Path, name: str, width: int, height: int) -> np.ndarray:
    """The masks of a label file as Ultralytics makes them: polygons cut off to pixels, then `cv2.fillPoly`."""
    masks = []
    for line in (folder / "labels" / f"{name}.txt").read_text().splitlines():
        points = np.array(line.split()[1:], np.float32).reshape(-1, 2) * np.float32((width, height))
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [points.astype(np.int32)], 1)
        masks.append(mask.astype(bool))
    return np.array(masks)


THINGS = ["thing 1", "thing 2", "thing 3"]


class TestYolo:
    def test_one_part_with_holes_is_lossless(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        sw.export.to_yolo(shapes, tmp_path, images=True)
        for masks in (truncated(tmp_path, "shapes", 80, 60), masks_of(sw.load_masks(tmp_path))):
            # Those left out are in parts, which bridges join.
            np.testing.assert_array_equal(masks[[1, 3, 4, 5]], masks_of(shapes)[[1, 3, 4, 5]])
            assert iou(masks, masks_of(shapes)).min() > 0.98

    def test_supervision_reads_it(self, photo_objects: sw.Session, tmp_path: Path) -> None:
        written = sw.export.to_yolo(photo_objects, tmp_path, images=True)
        assert [str(path.relative_to(tmp_path)) for path in written] == [
            "images/cat.png",
            "labels/cat.txt",
            "data.yaml",
        ]
        dataset = sv.DetectionDataset.from_yolo(
            str(tmp_path / "images"), str(tmp_path / "labels"), str(tmp_path / "data.yaml")
        )
        ((_, picture, detections),) = list(dataset)
        assert iou(detections.mask, masks_of(photo_objects)).min() >= 0.98
        np.testing.assert_array_equal(picture[..., ::-1], photo_objects.image)
        assert [dataset.classes[number] for number in detections.class_id] == [o.label for o in photo_objects.objects]

    def test_several_images_share_the_classes(
        self, shapes: sw.AnnotatedImage, photo_objects: sw.Session, tmp_path: Path
    ) -> None:
        sw.export.to_yolo([shapes, photo_objects], tmp_path, classes=["thing 0", *shapes.labels, *"xyz", *THINGS])
        assert yaml.safe_load((tmp_path / "data.yaml").read_text())["names"][3] == "ring é"
        with pytest.raises(sw.FormatError, match="there is no image for 'cat.txt'"):
            sw.load_dataset(tmp_path)
        (tmp_path / "images").mkdir()
        # On its side, as cameras store a portrait.
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (300, 451)).save(tmp_path / "images" / "cat.jpg", exif=exif)
        Image.new("RGB", (80, 60)).save(tmp_path / "images" / "shapes.jpg")
        cat, other = sw.load_dataset(tmp_path)
        assert (cat.name, cat.size, other.name, other.size) == ("cat.jpg", (451, 300), "shapes.jpg", (80, 60))
        assert [item.label for item in other] == [item.label for item in shapes]

    def test_what_is_no_dataset_is_refused(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        sw.export.to_yolo(shapes, tmp_path)
        for line in ("0 0.1 0.2 0.3 0.4", "9 0 0 1 0 1 1", "x", "0 0 0 1 0 nan 1", "0 0 0 1 0 1"):
            (tmp_path / "labels" / "shapes.txt").write_text(line)
            with pytest.raises(sw.FormatError, match="not a polygon"):
                sw.load_masks(tmp_path, size=(80, 60))
        (tmp_path / "data.yaml").write_text("!!python/object/apply:os.system ['true']")
        with pytest.raises(sw.FormatError, match="names no classes"):
            sw.load_masks(tmp_path, size=(80, 60))
        with pytest.raises(sw.FormatError, match="pixels of 'image_1' are not known"):
            sw.export.to_yolo(masks_of(shapes), tmp_path, images=True)
