from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

from sam_widget.engine.generic import PACK, REGIONS, generic_photos, generic_views
from sam_widget.learn.generic import build
from sam_widget.predictor.predictor import Predictor


def test_scenes_come_with_the_package_and_have_regions() -> None:
    photos = generic_photos()
    assert len(photos) == 24
    for photo in photos:
        pixels = photo.read()
        assert 3 <= len(photo.masks) <= REGIONS
        assert all(mask.stored.shape == pixels.shape[:2] for mask in photo.masks)


def test_no_scene_is_both_learned_from_and_judged_by() -> None:
    learned, judged = generic_views(Predictor("tiny"))
    assert len(learned) == len(judged) == 12
    assert not {view.embedding.image_hash for view in learned} & {view.embedding.image_hash for view in judged}


def test_the_pack_is_what_its_command_builds(tmp_path: Path) -> None:

    target = tmp_path / "generic.zip"
    build(target, count=1)
    with ZipFile(target) as built, ZipFile(PACK) as shipped:
        assert built.read("00.png") == shipped.read("00.png")
