"""Sharpening: a part of a large image, embedded on its own, answers the prompts in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.masks import windows
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.geometry import Box
from sam_widget.session import crops

WIDTH, HEIGHT = 2400, 1600
# Where small things are, and which part of the image a person would zoom to.
PLACES = ((500, 400), (1500, 500), (1900, 1200), (800, 1100))
REGION = (700, 1030, 900, 1170)


@pytest.fixture(scope="module")
def things() -> tuple[np.ndarray, list[np.ndarray]]:
    """A large photo with small gears on it: (H, W, 3) uint8, and the mask of each, (H, W) bool."""
    photo = Image.fromarray(sw.sample("coffee")).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    image = np.array(photo)
    y, x = np.mgrid[-50:50, -50:50] + 0.5
    masks = []
    for number, (left, top) in enumerate(PLACES):
        radius = 36 + 8 * np.cos((5 + number) * np.arctan2(y, x))
        mask = np.zeros((HEIGHT, WIDTH), np.bool_)
        mask[top - 50 : top + 50, left - 50 : left + 50] = np.hypot(x, y) < radius
        image[mask] = [(40, 60, 200), (30, 160, 60), (220, 220, 60), (30, 30, 30)][number]
        masks.append(mask)
    return image, masks


@pytest.fixture
def session(things: tuple[np.ndarray, list[np.ndarray]], predictor: sw.Predictor) -> sw.Session:
    return sw.Session(things[0], model=predictor)


def test_a_small_thing_in_a_large_photo_gets_its_true_edges(
    things: tuple[np.ndarray, list[np.ndarray]], session: sw.Session
) -> None:
    before, after = [], []
    for (x, y), truth in zip(PLACES, things[1], strict=True):
        session.drag(x - 46, y - 46, x + 46, y + 46)
        assert session.chosen is not None
        assert session.chosen.crop is None
        before.append(float(iou(session.chosen.mask, truth)))
        session.sharpen((x - 100, y - 70, x + 100, y + 70))
        assert session.chosen.crop == session.state.crop
        after.append(float(iou(session.chosen.mask, truth)))
        session.clear()
        session.sharpen(None)
    # 0.48 and 0.78 with the weights that come with the package.
    assert np.mean(after) > np.mean(before) + 0.15, (before, after)
    assert np.mean(after) > 0.7, (before, after)


def test_what_is_embedded_is_the_images_own_pixels(session: sw.Session) -> None:
    session.sharpen(REGION)
    crop = session.state.crop
    assert crop is not None
    assert crop.width == crop.height == 300  # A square about the region, a quarter more on each side.
    assert (crop.x0 + crop.x1, crop.y0 + crop.y1) == (1600, 2200)
    embedded = session._decoder.crop(session.state.rendering, crop)
    assert embedded.image_hash == sw.Session(session.image[950:1250, 650:950], model=session.predictor).image_hash
    session.sharpen((10, 20, 400, 300), margin=0)
    assert session.state.crop == Box(10, 20, 400, 300)


def test_a_prompt_that_is_partly_outside_is_answered_by_the_image(session: sw.Session) -> None:
    session.sharpen(REGION)
    session.click(800, 1100)
    assert session.chosen is not None
    assert session.chosen.crop is not None
    session.click(1500, 500, label=0)
    assert session.chosen.crop is None
    alone = sw.Session(session.image, model=session.predictor)
    alone.click(800, 1100)
    alone.click(1500, 500, label=0)
    assert alone.chosen is not None
    assert np.array_equal(session.chosen.mask, alone.chosen.mask)


def test_sharpening_is_undone_and_redone(session: sw.Session) -> None:
    session.click(800, 1100)
    first = session.chosen
    session.sharpen(REGION)
    second, crop = session.chosen, session.state.crop
    assert second is not first
    session.sharpen(REGION)  # The same again is not an edit.
    session.undo()
    assert (session.chosen, session.state.crop) == (first, None)
    session.redo()
    assert (session.chosen, session.state.crop) == (second, crop)
    session.sharpen(None)
    assert session.chosen is not None
    assert session.chosen.crop is None
    assert first is not None
    assert np.array_equal(session.chosen.mask, first.mask)


def test_sharpening_for_later_changes_no_mask_and_loses_no_history(session: sw.Session) -> None:
    session.click(800, 1100)
    session.click(820, 1100)
    session.undo()
    before = session.chosen
    session.sharpen(REGION, later=True)
    assert session.chosen is before
    assert session.can_redo
    assert session.position == 1
    session.click(790, 1100)
    assert session.chosen is not None
    assert session.chosen.crop == session.state.crop


def test_a_mask_chosen_by_hand_stays_chosen(session: sw.Session) -> None:
    session.click(800, 1100)
    best = session.state.chosen_index
    assert best is not None
    session.sharpen(REGION)
    assert session.chosen is max(session.candidates, key=lambda candidate: candidate.score)
    session.undo()
    session.choose((best + 1) % 3)
    session.sharpen(REGION)
    assert session.state.chosen_index == (best + 1) % 3


def test_everything_done_to_a_sharp_mask_works(session: sw.Session) -> None:
    session.sharpen(REGION)
    session.drag(754, 1054, 846, 1146)
    crop = session.state.crop
    assert session.chosen is not None
    wide = session.chosen.stored.area
    session.adjust(threshold=2)
    assert session.chosen.stored.area < wide
    assert session.chosen.crop == crop
    session.adjust(threshold=0)
    assert session.chosen.stored.area == wide
    session.brush([(800, 1100)], 60)
    assert session.chosen.mask[1100, 750]
    session.refine()
    assert session.prompt.mask_crop == crop
    assert session.chosen.crop == crop
    session.click(810, 1100)
    session.click(1900, 1200, label=0)  # The mask prompt is brought to the image as a whole.
    assert session.chosen.crop is None
    item = session.accept("gear")
    session.sharpen(None)
    assert session.edit(item.id) is item


def test_editing_again_brings_its_crop_back(session: sw.Session) -> None:
    session.sharpen(REGION)
    crop = session.state.crop
    session.click(800, 1100)
    item = session.accept()
    assert session.state.crop == crop
    session.sharpen((450, 350, 550, 450))
    session.edit(item.id)
    assert session.state.crop == crop
    session.click(790, 1090)
    assert session.chosen is not None
    assert session.chosen.crop == crop


def test_it_comes_back_from_a_file_and_is_replayed(session: sw.Session, tmp_path: Path) -> None:
    session.sharpen(REGION)
    session.drag(754, 1054, 846, 1146)
    session.refine()
    session.accept("gear")
    session.click(1500, 500)
    session.accept("another")
    session.sharpen((1450, 450, 1550, 550))
    session.click(1500, 500)
    path = tmp_path / "gears.sam"
    session.save(path)
    again = sw.Session.load(path, model=session.predictor)
    assert again.state.crop == session.state.crop
    assert [item.candidate and item.candidate.crop for item in again.objects] == [Box(650, 950, 950, 1250), None]
    assert again.objects[0].prompt.mask_crop == Box(650, 950, 950, 1250)
    assert again.objects[0].candidate is not None
    assert again.objects[0].candidate.logits is not None
    replayed = sw.replay(path, model=session.predictor)
    assert [row.iou for row in replayed.rows] == [1, 1, 1]
    # On the image at another size, the crop is where the thing is.
    half = np.array(Image.fromarray(session.image).resize((WIDTH // 2, HEIGHT // 2)))
    smaller = sw.replay(path, model=session.predictor, image=half)
    assert smaller.rows[0].iou is not None
    assert smaller.rows[0].iou > 0.7


def test_its_code_leads_to_the_same(session: sw.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(session.image).save("gears.png")
    session.sharpen(REGION)
    session.click(800, 1100)
    session.accept("gear")
    session.click(1500, 500)
    session.sharpen((450, 350, 550, 450), later=True)
    names: dict[str, sw.Session] = {}
    exec(session.to_code(image="gears.png"), names)  # noqa: S102  it is our own
    again = names["s"]
    assert again.state.crop == session.state.crop
    assert [item.label for item in again.objects] == ["gear"]
    assert np.array_equal(again.objects[0].mask, session.objects[0].mask)
    assert again.chosen is not None
    assert session.chosen is not None
    assert np.array_equal(again.chosen.mask, session.chosen.mask)


def test_a_rendered_image_is_sharpened_as_it_is_rendered(predictor: sw.Predictor) -> None:
    values = (np.arange(600)[:, None] * 60 + np.arange(900)).astype(np.uint16)
    session = sw.Session(values, model=predictor)
    session.set_rendering(sw.Rendering(black=1000, white=9000, gamma=0.5))
    session.sharpen((100, 100, 300, 300), margin=0)
    crop = session.state.crop
    assert crop is not None
    seen = session.source.crop(session.state.rendering, windows.pixels(crop))
    assert np.array_equal(seen, session.source.render(session.state.rendering)[100:300, 100:300])


def test_a_small_image_can_be_sharpened_whatever_the_models_input() -> None:
    crop = crops.around(Box(100, 100, 110, 110), (300, 200), margin=0.25, model_side=1024)
    assert (crop.width, crop.height) == (150, 150)


@pytest.mark.parametrize(
    ("region", "margin", "message"),
    [
        ((0, 0, WIDTH, HEIGHT), 0.25, "as the image"),
        ((3000, 10, 3100, 100), 0.25, r"\(3000.* outside the image"),
        ((10, 10, 12, 100), 0, "too small"),
        ((10, 10, 100), 0.25, r"\(3,\)"),
        ([(10, 10, 100, 100), (20, 20, 30, 30)], 0.25, "region .*four numbers"),
        ("here", 0.25, "'here'"),
        ((10, 10, 200, 200), -1, "margin.* -1"),
        ((10, 10, 200, 200), float("nan"), "margin.* nan"),
    ],
)
def test_a_bad_region_is_refused_and_changes_nothing(
    session: sw.Session, region: object, margin: float, message: str
) -> None:
    before = session.state
    with pytest.raises(sw.PromptError, match=message):
        session.sharpen(region, margin=margin)  # type: ignore[arg-type]
    assert session.state is before


def test_a_mask_of_a_crop_is_placed_without_decoding() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((30, 40)) < 0.5
    whole = np.zeros((100, 90), np.bool_)
    whole[20:50, 50:90] = mask
    placed = windows.placed(StoredMask(mask), Box(50, 20, 90, 50), (100, 90))
    assert np.array_equal(placed.runs, StoredMask(whole).runs)
    assert windows.is_cut(mask, Box(50, 20, 90, 50), (100, 90))
    # Nothing continues beyond the image's own edge.
    edge = np.zeros((30, 40), np.bool_)
    edge[10, 39] = True
    assert not windows.is_cut(edge, Box(50, 20, 90, 50), (100, 90))
    assert windows.is_cut(edge, Box(40, 20, 80, 50), (100, 90))


def test_a_mask_that_the_crop_cuts_off_goes_on_where_the_image_agrees(
    predictor: sw.Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Image.fromarray(sw.sample("coffee")).resize((1200, 800))
    session = sw.Session(photo, model=predictor)
    session.adjust(specks=False)
    session.sharpen((850, 450, 1050, 750), margin=0)
    session.click(1000, 600)
    assert session.chosen is not None
    whole = session.chosen.mask
    assert whole[:, 1050:].any()
    monkeypatch.setattr("sam_widget.session.decoding.AGREES", 2)  # Nothing does.
    alone = sw.Session(photo, model=predictor)
    alone.adjust(specks=False)
    alone.sharpen((850, 450, 1050, 750), margin=0)
    alone.click(1000, 600)
    assert alone.chosen is not None
    assert alone.chosen.stored.bounds[0] >= 850
    assert np.array_equal(alone.chosen.mask[450:750, 850:1050], whole[450:750, 850:1050])
    assert not alone.chosen.mask[:, 1050:].any()
    # Another threshold is the crop's affair; what is outside stays.
    session.adjust(threshold=1)
    assert np.array_equal(session.chosen.mask[:, 1050:], whole[:, 1050:])
    assert session.chosen.stored.area < np.count_nonzero(whole)
