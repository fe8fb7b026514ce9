from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

from sam_widget.engine.generic import PACK, REGIONS, generic_photos, generic_sides
from sam_widget.learn.generic import build
from sam_widget.model.config import TINY, VIT_B


def test_scenes_come_with_the_package_and_have_regions() -> None:
    photos = generic_photos()
    assert len(photos) == 24
    for photo in photos:
        pixels = photo.read()
        assert 3 <= len(photo.masks) <= REGIONS
        assert all(mask.stored.shape == pixels.shape[:2] for mask in photo.masks)


def test_no_scene_is_both_learned_from_and_judged_by() -> None:
    learned, judged = generic_sides(TINY)
    assert len(learned) == len(judged) == 12
    assert not {photo.name for photo in learned} & {photo.name for photo in judged}
    assert len(generic_sides(VIT_B)[0]) == 4
    assert generic_sides(TINY, learned[:1]) == (learned[:1], learned[:1])


def test_the_pack_is_what_its_command_builds(tmp_path: Path) -> None:

    target = tmp_path / "generic.zip"
    build(target, count=1)
    with ZipFile(target) as built, ZipFile(PACK) as shipped:
        assert built.read("00.png") == shipped.read("00.png")
