"""Photos with human masks are read from clones of repositories, whatever format those have them in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from sam_widget.errors import SamWidgetError
from sam_widget.learn.__main__ import main
from sam_widget.learn.gather import Source, gather, labelled
from sam_widget.learn.photo_masks import PhotoMasks

SQUARE = [[8, 8], [40, 8], [40, 32], [8, 32]]


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((48, 64, 3), 90, np.uint8)
    image[8:32, 8:40] = (30, 160, 220)
    cv2.imwrite(str(path), image)


def coco(clone: Path) -> None:
    picture(clone / "train/one.jpg")
    flat = [float(value) for corner in SQUARE for value in corner]
    content = {
        "images": [{"id": 1, "file_name": "one.jpg", "height": 48, "width": 64}],
        "annotations": [
            {"image_id": 1, "category_id": 3, "segmentation": [flat], "iscrowd": 0},
            {"image_id": 1, "category_id": 3, "segmentation": {"size": [48, 64], "counts": [3072]}, "iscrowd": 1},
        ],
        "categories": [{"id": 3, "name": "cat"}],
    }
    (clone / "train/_annotations.coco.json").write_text(json.dumps(content))


def yolo(clone: Path) -> None:
    picture(clone / "images/train/one.jpg")
    (clone / "labels/train").mkdir(parents=True)
    line = " ".join(f"{x / 64} {y / 48}" for x, y in SQUARE)
    (clone / "labels/train/one.txt").write_text(f"0 {line}\n0 0.5 0.5 0.2 0.2\n")


def via(clone: Path) -> None:
    picture(clone / "train/one.jpg")
    shape = {"all_points_x": [x for x, _ in SQUARE], "all_points_y": [y for _, y in SQUARE]}
    region = {"shape_attributes": shape, "region_attributes": {"name": "house"}}
    content = {"one.jpg123": {"filename": "one.jpg", "regions": [region]}}
    (clone / "train/via_region_data.json").write_text(json.dumps(content))


def label_maps(clone: Path) -> None:
    picture(clone / "photos/one.jpg")
    labels = np.zeros((48, 64), np.uint8)
    labels[8:32, 8:40] = 5
    (clone / "annotations/pixel-level").mkdir(parents=True)
    savemat(clone / "annotations/pixel-level/one.mat", {"groundtruth": labels})


def mask_files(clone: Path) -> None:
    picture(clone / "stage1/one/images/one.png")
    (clone / "stage1/one/masks").mkdir()
    mask = np.zeros((48, 64), np.uint8)
    mask[8:32, 8:40] = 255
    cv2.imwrite(str(clone / "stage1/one/masks/a.png"), mask)


@pytest.mark.parametrize("write", [coco, yolo, via, label_maps, mask_files])
def test_every_format_gives_the_same_mask(write: Callable[[Path], None], tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    write(clone)
    found = list(labelled(clone))
    assert len(found) == 1
    path, regions = found[0]
    assert path.stem == "one"
    assert regions
    for _, mask in regions:
        assert mask.shape == (48, 64)
        wanted = np.zeros((48, 64), bool)
        wanted[8:32, 8:40] = True
        assert (mask & wanted).sum() / (mask | wanted).sum() > 0.9


def test_a_pack_is_what_training_reads(tmp_path: Path) -> None:
    for number in range(20):
        clone = tmp_path / "clones/things"
        mask_files(clone / f"{number}")
        folder = clone / f"{number}/stage1/one/images"
        (folder / "one.png").rename(folder / f"{number}.png")
    sources = (Source("things", ("somebody/things",), "CC0", 1.0, 32), Source("absent", ("somebody/absent",), "", 1.0))
    assert gather(tmp_path / "clones", tmp_path / "pack", sources=sources) == {"things": (20, 20)}
    assert len(PhotoMasks(tmp_path / "pack/val")) == 2
    image, labels = PhotoMasks(tmp_path / "pack/train")[0]
    assert image.shape == (24, 32, 3)
    assert (labels[2] > 0).mean() == pytest.approx(0.25, abs=0.03)
    assert labels[:2].max() == 0


def test_a_folder_without_clones_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SamWidgetError, match="holds none of the repositories"):
        gather(tmp_path, tmp_path / "pack")
    assert main(["gather", str(tmp_path), str(tmp_path / "pack")]) == 1
    assert "gather.SOURCES" in capsys.readouterr().err
