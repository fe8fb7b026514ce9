"""Photos with human masks: nesting makes levels, unlabelled pixels are unknown, and masks stay on their things."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam_widget.errors import SamWidgetError
from sam_widget.learn.data import SceneCache, TrainingSet
from sam_widget.learn.photo_masks import PhotoMasks, depths, paint_levels
from sam_widget.learn.photo_views import cut, fit, paste, view, whole_thing

WHOLE, PART, SUBPART = (10, 10, 70, 90), (20, 20, 60, 50), (30, 30, 40, 40)


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((80, 120), bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    from pycocotools import mask as coco_mask

    (tmp_path / "pack/things").mkdir(parents=True)
    images = []
    for number in range(3):
        image = np.full((80, 120, 3), 200, np.uint8)
        masks = []
        for box, colour in ((WHOLE, (0, 0, 255)), (PART, (0, 255, 0)), (SUBPART, (255, 0, 0))):
            mask = rectangle(*box)
            image[mask] = colour
            runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            masks.append({"size": runs["size"], "counts": runs["counts"].decode()})
        cv2.imwrite(str(tmp_path / f"pack/things/{number}.png"), image)
        images.append({"file": f"things/{number}.png", "width": 120, "height": 80, "masks": masks[: number + 1]})
    content = {"source": "things", "weight": 1.0, "images": images}
    (tmp_path / "pack/things.json").write_text(json.dumps(content))
    return tmp_path / "pack"


def test_a_mask_inside_another_is_a_part_of_it() -> None:
    masks = [rectangle(*WHOLE), rectangle(*PART), rectangle(*SUBPART), rectangle(60, 80, 78, 110)]
    assert depths(sorted(masks, key=lambda mask: -int(mask.sum()))) == [0, 1, 0, 2]
    labels = paint_levels(masks, (80, 120))
    whole, part, subpart = labels[2, 15, 15], labels[1, 22, 22], labels[0, 35, 35]
    assert len({whole, part, subpart, labels[2, 70, 100]}) == 4
    assert labels[2, 35, 35] == whole
    assert labels[1, 35, 35] == part
    assert labels[:2, 15, 15].tolist() == [0, 0]  # Nothing is said about parts there.
    assert labels[:, 75, 5].tolist() == [0, 0, 0]


def test_labels_are_kept_and_read_again(pack: Path, tmp_path: Path) -> None:
    image, labels = PhotoMasks(pack, cache=tmp_path / "labels")[2]
    assert image[35, 35].tolist() == [0, 0, 255]  # RGB
    kept = list((tmp_path / "labels").glob("*.png"))
    assert len(kept) == 1
    again = PhotoMasks(pack, cache=tmp_path / "labels")
    np.testing.assert_array_equal(again[2][1], labels)
    cv2.imwrite(str(kept[0]), np.zeros((80, 120, 3), np.uint8))
    assert again[2][1].max() == 0  # It is read, and not painted once more.


def test_a_coco_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images/a.png"), np.zeros((80, 120, 3), np.uint8))
    annotations = [
        {"image_id": 7, "segmentation": [[10, 10, 90, 10, 90, 70, 10, 70]]},
        {"image_id": 7, "segmentation": {"size": [80, 120], "counts": [0, 9600]}, "iscrowd": 1},
    ]
    content = {"images": [{"id": 7, "file_name": "a.png", "height": 80, "width": 120}], "annotations": annotations}
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps(content))
    _, labels = PhotoMasks(file)[0]
    assert labels[2, 40, 50] > 0
    assert labels[2, 5, 5] == 0
    content["images"][0]["file_name"] = "b.png"
    file.write_text(json.dumps(content))
    with pytest.raises(SamWidgetError, match=r"names b\.png"):
        PhotoMasks(file)


@pytest.mark.parametrize("content", ["[", "[]", "{}", '{"images": [], "annotations": []}'])
def test_what_is_no_list_of_photos_is_a_clear_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(SamWidgetError, match=r"a\.json"):
        PhotoMasks(tmp_path / "a.json")


def test_cuts_hold_the_thing_and_pictures_keep_their_labels(pack: Path) -> None:
    photos = PhotoMasks(pack)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        image, labels = fit(*cut(*photos[2], rng), size=96)
        assert max(labels.shape[1:]) == 96
        # The thing is red, green and blue; what is around it is grey.
        coloured = np.ptp(image.astype(int), axis=2) > 60
        assert ((labels[2] > 0) == coloured).mean() > 0.97
        assert len(np.unique(labels[0])) == 2


def test_a_thing_is_pasted_with_its_parts_under_ids_of_their_own(pack: Path) -> None:
    photos, rng = PhotoMasks(pack), np.random.default_rng(0)
    thing = next(found for _ in range(50) if (found := whole_thing(photos, rng)) and found[1][1].any())
    blank, known = np.full((200, 200, 3), 128, np.uint8), np.full((3, 200, 200), 7, np.uint8)
    image, labels = paste(blank, known, thing, rng)
    pasted = labels[2] != 7
    assert pasted.any()
    assert len(np.unique(labels[2])) == 2
    assert len({*np.unique(labels[1][pasted]), *np.unique(labels[2])} - {0, 7}) >= 2, "a part has another id"
    assert (np.ptp(image.astype(int), axis=2)[pasted] > 40).mean() > 0.9
    assert (labels[1][pasted] != 7).all()  # What was there before is not part of it.
    full = np.full((3, 200, 200), 250, np.uint8)
    assert paste(blank, full, thing, rng)[1] is full  # A byte has no ids left.


def test_views_and_scenes_are_the_same_at_every_visit(pack: Path, cache: Path) -> None:
    photos = PhotoMasks(pack)
    scenes = SceneCache(cache, count=12, size=64, seed=0)

    def items(*, length: int, start: int = 0) -> TrainingSet:
        shares = {"photo_share": 0.5, "paste_share": 0.8}
        return TrainingSet(scenes, image_size=64, seed=0, length=length, start=start, photos=photos, **shares)

    first, later = items(length=16), items(length=8, start=8)
    for k in range(8):
        for a, b in zip(first[8 + k], later[k], strict=True):
            np.testing.assert_array_equal(a, b)
    known = [bool((labels[0] > 0)[valid].mean() > 0.8) for _, labels, valid in (first[k] for k in range(16))]
    assert 3 <= sum(known) <= 13  # Scenes know all levels, photos do not.
    for pixels, labels, valid in (first[k] for k in range(16)):
        assert (labels[:, ~valid] == 0).all()
        assert (pixels[:, ~valid] == 0).all()
    assert view(photos, np.random.default_rng(1), size=64, paste_share=1.0)[1].max() > 0
