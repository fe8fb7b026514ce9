"""Rendered training scenes: pure functions of their seed, with labels that nest and have no crumbs."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam_widget.learn.scenes.canvas import ALL, MAX_REGIONS, SMALLEST, Effects, Light, dissolve, relief
from sam_widget.learn.scenes.materials import COLOURS, Material, Print, material, paint
from sam_widget.learn.scenes.scenes import LEVELS, Scene, contact_sheet, render_scene
from sam_widget.learn.scenes.shapes import Pen
from sam_widget.learn.scenes.textures import FAMILIES, field, photos
from sam_widget.learn.scenes.things import BUILDERS, EXTENT

SEEDS = range(24)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_scene(seed) for seed in SEEDS]


def test_shapes_and_types(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.image.shape == (256, 256, 3)
        assert scene.image.dtype == np.uint8
        assert scene.labels.shape == (len(LEVELS), 256, 256)
        assert scene.labels.dtype == np.uint8


def test_same_seed_same_scene(scenes: list[Scene]) -> None:
    for seed in (3, 0, 3):
        again = render_scene(seed)
        assert np.array_equal(again.image, scenes[seed].image)
        assert np.array_equal(again.labels, scenes[seed].labels)


def test_same_seed_same_scene_in_another_process(scenes: list[Scene]) -> None:
    code = (
        "from sam_widget.learn.scenes.scenes import render_scene as r; s = r(5); print(s.image.sum(), s.labels.sum())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [int(v) for v in told] == [int(scenes[5].image.sum()), int(scenes[5].labels.sum())]


def test_other_seed_other_scene(scenes: list[Scene]) -> None:
    assert len({scene.image.tobytes() for scene in scenes}) == len(scenes)


@pytest.mark.parametrize("effect", [effect.name for effect in dataclasses.fields(Effects)])
def test_an_effect_that_is_left_out_is_missed_in_some_scene(scenes: list[Scene], effect: str) -> None:
    effects = dataclasses.replace(ALL, **{effect: False})
    bare = [render_scene(seed, effects=effects) for seed in SEEDS]
    assert any(not np.array_equal(one.image, other.image) for one, other in zip(bare, scenes, strict=True))
    if effect == "parts":
        assert all(np.array_equal(scene.labels[0], scene.labels[2]) for scene in bare)


def test_ids_are_consecutive(scenes: list[Scene]) -> None:
    for scene in scenes:
        for level in scene.labels:
            assert np.array_equal(np.unique(level), np.arange(int(level.max()) + 1))
            assert level.max() < MAX_REGIONS


def test_levels_nest(scenes: list[Scene]) -> None:
    for scene in scenes:
        for fine, coarse in ((0, 1), (1, 2), (0, 2)):
            pairs = np.unique(scene.labels[fine].astype(int) * 256 + scene.labels[coarse])
            owners = pairs // 256
            assert len(owners) == len(np.unique(owners)), f"a {LEVELS[fine]} lies in two {LEVELS[coarse]}s"


def test_no_piece_of_a_region_is_tiny(scenes: list[Scene]) -> None:
    for scene in scenes:
        for level in scene.labels:
            for value in range(int(level.max()) + 1):
                same = (level == value).astype(np.uint8)
                count, _pieces, stats, _centres = cv2.connectedComponentsWithStats(same, connectivity=4)
                assert stats[1:count, cv2.CC_STAT_AREA].min() >= SMALLEST


def test_dissolve_prefers_the_same_part_then_the_same_whole() -> None:
    # Leaves 0 and 1 are one whole of two parts, 2 is a second leaf of part 1, 3 another whole.
    parents = np.array([(0, 0), (1, 0), (1, 0), (2, 1)])
    leaf = np.zeros((12, 12), np.uint8)
    leaf[:, 4:] = 1
    leaf[6:, :] = 3
    leaf[3, 3] = 2  # touches 0 on three sides and its sibling 1 on one
    leaf[5, 0] = 1  # a crumb of 1 between 0 (its whole) and 3
    clean = dissolve(leaf, parents, 3)
    assert clean[3, 3] == 1
    assert clean[5, 0] == 0


def test_scenes_vary(scenes: list[Scene]) -> None:
    areas = np.concatenate([np.bincount(scene.labels[2].ravel()) for scene in scenes]) / 256**2
    assert len(np.unique(areas)) > 60
    assert (areas < 0.02).any()
    assert ((areas > 0.05) & (areas < 0.2)).any()
    assert (areas > 0.5).any()
    assert len({int(scene.labels[2].max()) for scene in scenes}) >= 5
    richer = [scene.labels[0].max() > scene.labels[1].max() > scene.labels[2].max() for scene in scenes]
    assert np.mean(richer) > 0.3


def test_pictures_use_the_range_of_a_photo(scenes: list[Scene]) -> None:
    deviations = np.array([scene.image.std() for scene in scenes])
    means = np.array([scene.image.mean() for scene in scenes])
    assert (deviations > 8).all()
    assert ((means > 15) & (means < 240)).all()


def test_neighbours_look_different_more_often_than_not(scenes: list[Scene]) -> None:
    """Across a border of wholes the picture changes more than it does inside a whole."""
    across, inside = [], []
    for scene in scenes:
        step = np.abs(np.diff(scene.image.astype(int), axis=1)).sum(2)
        border = np.diff(scene.labels[2].astype(int), axis=1) != 0
        across.append(step[border].mean())
        inside.append(step[~border].mean())
    assert np.mean(np.array(across) > np.array(inside)) > 0.75


@pytest.mark.parametrize("size", [64, 200, 512])
def test_other_sizes(size: int) -> None:
    scene = render_scene(11, size=size)
    assert scene.image.shape == (size, size, 3)
    assert scene.labels.shape == (3, size, size)


def test_sizes_show_the_same_scene() -> None:
    small, large = render_scene(2, size=128), render_scene(2, size=256)
    shrunk = cv2.resize(large.image, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.image.ravel(), shrunk.ravel())[0, 1] > 0.5


@pytest.mark.parametrize("kind", sorted(BUILDERS))
def test_every_builder_fills_about_its_extent(kind: str) -> None:
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(8):
        node = BUILDERS[kind](rng, Pen(rng, 256, (128, 128), 50))
        assert node.mask.shape == (256, 256)
        assert all(child.mask.shape == (256, 256) for child in node.children)
        shares.append((node.mask > 127).sum() / 50**2)
    assert 0.4 < np.median(shares) / EXTENT[kind] < 2.5


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_texture_families_are_standardised(family: str) -> None:
    values = field(np.random.default_rng(0), family, (200, 200), zoom=2.0)
    assert values.shape == (200, 200)
    assert np.abs(values).max() <= 3.01
    assert values.std() > 0.1


@pytest.mark.parametrize("stuff", sorted(COLOURS))
def test_materials_paint_colours(stuff: str) -> None:
    rng = np.random.default_rng(0)
    image = paint(rng, material(rng, stuff, tilt=0.5), (40, 60))
    assert image.shape == (40, 60, 3)
    assert image.dtype == np.float32
    assert np.isfinite(image).all()


def test_a_piece_of_a_photo_is_as_bright_as_its_material_and_as_rich_as_asked_for() -> None:
    base = np.array([0.2, 0.5, 0.3], np.float32)
    pieces = {}
    for contrast, own in ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (1.0, 1.0)):
        printed = Print(photo=1, zoom=1.0, angle=0.0, contrast=contrast, own=own)
        surface = Material(base, (), tint=np.zeros(3, np.float32), printed=printed)
        pieces[contrast, own] = paint(np.random.default_rng(3), surface, (120, 160))
    assert all(piece.shape == (120, 160, 3) for piece in pieces.values())
    flat, half, full, own = (piece.mean(2) for piece in pieces.values())
    assert flat.std() < 1e-3 < half.std() < full.std()
    for tone in (flat, half, full, own):
        assert abs(tone.mean() / base.mean() - 1) < 0.25
    hues = [piece / piece.sum(2, keepdims=True) for piece in pieces.values()]
    assert hues[2].std((0, 1)).max() < 1e-3 < hues[3].std((0, 1)).max(), "its own colours vary, the material's do not"


def test_photos_are_pyramids_of_colours() -> None:
    assert all(level.min() >= 0 and level.max() <= 1 for pyramid in photos() for level in pyramid)
    assert all(level.ndim == 3 for pyramid in photos() for level in pyramid)


def test_contact_sheet_from_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    command = [
        sys.executable,
        "-m",
        "sam_widget.learn.scenes.scenes",
        "--seed",
        "1",
        "--count",
        "3",
        "--size",
        "64",
        str(out),
    ]
    subprocess.run(command, check=True)
    expected = contact_sheet([render_scene(seed, size=64) for seed in (1, 2, 3)])
    assert expected.shape == (128, 512, 3)
    written = cv2.imread(str(out))
    assert written is not None
    assert np.array_equal(written[..., ::-1], expected)


def test_a_thing_that_fills_its_window_is_shaded() -> None:
    rng = np.random.default_rng(0)
    light = Light(direction=np.array([0.5, 0.5, 0.7], np.float32), ambient=0.5, shadow=0.5)
    shade = relief(rng, np.full((60, 80), 255, np.uint8), light, strength=1.0)
    assert np.isfinite(shade).all()
