"""Segment everything: the same masks as Meta's generator on the same weights, and what it adds to it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import segment_anything
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label

import sam_widget as sw
from sam_widget.automatic.automatic import image_and_model
from sam_widget.automatic.options import OUTPUT_MODES
from sam_widget.masks.cleanup import without_small_regions
from sam_widget.masks.codecs import mask_from_rle
from sam_widget.masks.runs import StoredMask, runs_from_mask
from sam_widget.model.checkpoint import recognise
from sam_widget.model.efficient_sam import EfficientSam
from sam_widget.model.hq_sam import HqSam
from sam_widget.model.mobile_sam import MobileSam
from sam_widget.model.sam import Sam
from sam_widget.model.sam2 import Sam2
from sam_widget.predictor.predictor import EmbeddingCache, Predictor
from tests.masks.examples import masks
from tests.model.bumps import Bumps, MetaBumps
from tests.model.references import (
    SMALL,
    SMALL_EFFICIENT,
    SMALL_MOBILE,
    SMALL_SAM2,
    meta_sam,
    seeded,
)
from tests.waiting import at_most

# Of a decoder made by hand.
LOOSE = {"pred_iou_thresh": 0.55, "stability_score_thresh": 0.7, "stability_score_offset": 0.5}
OPTIONS: dict[str, Any] = {**LOOSE, "points_per_side": 8}


class Both(NamedTuple):
    ours: Predictor
    reference: Any


@pytest.fixture(scope="module")
def both() -> Both:
    """Our model and Meta's, with the same weights."""
    reference, model = meta_sam(), Sam(SMALL)
    model.load_state_dict(recognise(reference.state_dict(), Path("published.pth")))
    model.mask_decoder = Bumps(model)  # type: ignore[assignment]
    reference.mask_decoder = MetaBumps(model.mask_decoder)
    return Both(Predictor(model.eval(), cache=EmbeddingCache()), reference)


@pytest.fixture(scope="module")
def predictor(both: Both) -> Predictor:
    return both.ours


@pytest.fixture(scope="module")
def reference(both: Both) -> Any:
    return both.reference


@pytest.fixture(scope="module")
def picture(photo: np.ndarray) -> np.ndarray:
    """(180, 250, 3) uint8."""
    return np.ascontiguousarray(photo[40:220, 60:310])


def ious(a: list[np.ndarray], b: list[np.ndarray]) -> np.ndarray:
    """IoUs of all pairs."""
    first, second = (np.array(masks, dtype=np.float32).reshape(len(masks), -1) for masks in (a, b))
    shared = first @ second.T
    return shared / (first.sum(1)[:, None] + second.sum(1) - shared)


@pytest.mark.parametrize(
    "options",
    [
        {"points_per_side": 9},
        {"points_per_side": 9, "points_per_batch": 7, "box_nms_thresh": 0.5, "pred_iou_thresh": 0.6},
        {"points_per_side": 8, "crop_n_layers": 1},
        {"points_per_side": 8, "crop_n_layers": 2, "crop_n_points_downscale_factor": 2, "crop_overlap_ratio": 0.5},
        {"points_per_side": 8, "crop_n_layers": 1, "min_mask_region_area": 40, "crop_nms_thresh": 0.5},
    ],
    ids=["grid", "batches", "crops", "crops of crops", "tidied"],
)
def test_the_same_masks_as_the_reference(
    predictor: Predictor, reference: Any, picture: np.ndarray, options: dict[str, Any]
) -> None:
    options = {**LOOSE, **options}
    theirs = segment_anything.SamAutomaticMaskGenerator(reference, **options).generate(picture)
    ours = sw.segment_everything(picture, predictor, **options)
    overlap = ious([record["segmentation"] for record in theirs], [record.segmentation for record in ours])
    assert len(theirs) > 12, "masks worth comparing"
    areas = np.array([record["area"] for record in theirs])
    assert areas.max() > 3 * areas.min()
    assert (overlap.max(axis=1) >= 0.99).mean() >= 0.98
    assert (overlap.max(axis=0) >= 0.99).mean() >= 0.98
    for record, row in zip(theirs, overlap, strict=True):
        same = ours[int(row.argmax())]
        if row.max() < 0.99:
            continue
        assert same.predicted_iou == pytest.approx(record["predicted_iou"], abs=1e-3)
        assert same.area == pytest.approx(record["area"], rel=0.01, abs=2)
        assert same.bbox == pytest.approx(np.add(record["bbox"], [0, 0, 1, 1]), abs=2)
        assert list(same.crop_box) == record["crop_box"]
        assert np.allclose(same.point_coords, record["point_coords"], atol=1e-6)
        assert same.stability_score == pytest.approx(record["stability_score"], abs=0.01)


@pytest.mark.parametrize("mode", OUTPUT_MODES)
def test_forms_of_a_mask(predictor: Predictor, picture: np.ndarray, mode: Any) -> None:
    (record, *_) = sw.segment_everything(predictor, picture, **LOOSE, points_per_side=6, output_mode=mode)
    mask, form = record.mask, record["segmentation"]
    assert mask.shape == picture.shape[:2]
    assert record.area == mask.sum() > 0
    rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
    assert record.bbox == (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)
    if mode == "binary_mask":
        assert (form == mask).all()
    elif mode == "polygons":
        assert all(ring.shape[1] == 2 for ring in form)
        assert min(ring.min() for ring in form) >= 0
    else:
        assert isinstance(form["counts"], str if mode == "coco_rle" else list)
        assert (mask_from_rle(form) == mask).all()
    assert set(dict(record)) == {  # type: ignore[call-overload]
        *("segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box")
    }


@pytest.mark.parametrize(
    "model",
    [
        *(lambda: seeded(Sam(SMALL)), lambda: seeded(HqSam(SMALL)), lambda: seeded(MobileSam(SMALL_MOBILE))),
        *(
            lambda: seeded(EfficientSam(SMALL_EFFICIENT)),
            lambda: seeded(Sam2(SMALL_SAM2)),
            lambda: sw.load_model("tiny"),
        ),
    ],
    ids=["sam", "hq_sam", "mobile_sam", "efficient_sam", "sam2", "tiny"],
)
def test_every_family_and_what_a_click_there_gives(
    model: Any, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record is the mask that a click on its point gives, and where they agree, of each kind of upscaling.

    `tiny` looks twice at a click, but only once at each of very many.
    """
    predictor = Predictor(model(), cache=EmbeddingCache())
    monkeypatch.setattr(predictor.model, "decode", partial(predictor.model.decode, again=False))
    loose = {"pred_iou_thresh": -9.0, "stability_score_thresh": 0.0, "stability_score_offset": 0.01}
    records = sw.segment_everything(predictor, photo, points_per_side=3, **loose)
    assert records
    embedding = predictor.embed(photo)
    for record in records:
        answer = predictor.predict(embedding, points=record.point_coords)
        index = int(np.abs(answer.scores - record.predicted_iou).argmin())
        assert answer.scores[index] == pytest.approx(record.predicted_iou, abs=1e-3)
        assert ious([record.mask], [answer.masks[index]])[0, 0] > 0.995
        assert record.crop_box == (0, 0, 451, 300)


def test_the_embedded_model_finds_things_as_it_is(photo: np.ndarray) -> None:
    records = sw.segment_everything(photo, model="tiny", points_per_side=8)
    assert len(records) >= 3


def test_masks_stream_in_and_may_be_cancelled(predictor: Predictor, picture: np.ndarray) -> None:
    options = {**LOOSE, "points_per_side": 8, "crop_n_layers": 1}
    steps = list(sw.iter_everything(predictor, picture, **options))
    assert [step.done for step in steps] == sorted({step.done for step in steps})
    assert steps[-1].done == steps[-1].total == 5 * 64
    assert steps[2].records
    final = sw.segment_everything(predictor, picture, **options)
    assert [r.area for r in steps[-1].records] == [r.area for r in final]
    early, later = steps[3].records, steps[4].records
    assert {id(r) for r in early} & {id(r) for r in later}, "what stands stays the same object"

    seen: list[sw.EverythingStep] = []
    partial = sw.segment_everything(
        predictor, picture, **options, progress=seen.append, cancelled=lambda: len(seen) == 3
    )
    assert len(seen) == 3
    assert partial == list(seen[-1].records)


@pytest.mark.parametrize(
    "wrong",
    [
        {"points_per_side": 0},
        {"points_per_side": None},
        {"point_grids": [np.zeros((1, 2))]},
        {"points_per_side": None, "point_grids": [np.full((1, 2), 7.0)]},
        {"points_per_side": None, "point_grids": [np.zeros((1, 2))], "crop_n_layers": 1},
        {"box_nms_thresh": 1.5},
        {"mask_nms_thresh": -0.1},
        {"min_mask_share": float("nan")},
        {"pred_iou_thresh": float("nan")},
        {"output_mode": "png"},
        {"crop_n_layers": -1},
        {"points_per_batch": True},
    ],
    ids=str,
)
def test_wrong_options_are_refused(predictor: Predictor, picture: np.ndarray, wrong: dict[str, Any]) -> None:
    with pytest.raises(sw.PromptError, match="expected|give"):
        sw.segment_everything(predictor, picture, **wrong)
    with pytest.raises(sw.PromptError, match="known options"):
        sw.iter_everything(predictor, picture, points_per_line=3)


def test_near_duplicates_and_scraps_are_dropped(predictor: Predictor, picture: np.ndarray) -> None:
    options = {**LOOSE, "points_per_side": 9, "box_nms_thresh": 1.0, "pred_iou_thresh": 0.3}
    every = sw.segment_everything(picture, predictor, **options, mask_nms_thresh=1.0)
    overlap = np.triu(ious([record.mask for record in every], [record.mask for record in every]), 1)
    assert (overlap > 0.5).any(), "there are near-duplicates to drop"
    # What greedy suppression keeps, of masks compared at full size.
    kept: list[int] = []
    for i in range(len(every)):
        if not (overlap[kept, i] > 0.5).any():
            kept.append(i)
    assert 5 < len(kept) < len(every)
    found = sw.segment_everything(picture, predictor, **options, mask_nms_thresh=0.5)
    assert [(r.area, r.point_coords) for r in found] == [(every[i].area, every[i].point_coords) for i in kept]
    areas = sorted(record.area for record in found)
    share = areas[len(areas) // 2] / picture[..., 0].size
    large = sw.segment_everything(picture, predictor, **options, mask_nms_thresh=0.5, min_mask_share=share)
    assert 1 < len(large) < len(found)
    assert min(record.area for record in large) == areas[len(areas) // 2]
    steps = list(sw.iter_everything(picture, predictor, **options, mask_nms_thresh=0.5))
    assert [r.area for r in steps[-1].records] == [r.area for r in found]


def test_models_have_defaults_of_their_own(photo: np.ndarray) -> None:
    """Those of SAM are the reference's; with its settings, `tiny` would offer near-duplicates."""
    for config in (SMALL, SMALL_MOBILE, SMALL_SAM2):
        assert (config.box_nms_thresh, config.mask_nms_thresh, config.min_mask_share) == (0.7, 1, 0)
    model = Predictor("tiny", cache=EmbeddingCache())
    advised = {name: getattr(model.config, name) for name in ("box_nms_thresh", "mask_nms_thresh", "min_mask_share")}
    found = sw.segment_everything(photo, model, points_per_side=8)
    masks = [record.mask for record in found]
    assert len(masks) > 3
    assert np.triu(ious(masks, masks), 1).max() <= advised["mask_nms_thresh"] < 1
    assert min(record.area for record in found) >= advised["min_mask_share"] * photo[..., 0].size > 0
    same = sw.segment_everything(photo, model, points_per_side=8, **advised)
    assert [r.area for r in same] == [r.area for r in found]


def test_points_of_ones_own(predictor: Predictor, picture: np.ndarray) -> None:
    grid = np.array([[0.5, 0.5]])
    records = sw.segment_everything(
        predictor, picture, points_per_side=None, point_grids=[grid], pred_iou_thresh=0.0, stability_score_thresh=0.0
    )
    assert {record.point_coords for record in records} == {((125.0, 90.0),)}


def test_small_regions() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2:12, 2:12] = True
    mask[5, 5] = False
    mask[15, 15:18] = True
    filled = without_small_regions(StoredMask(mask), 4, holes=True)
    assert filled.array[5, 5]
    cleaned = without_small_regions(filled, 4, holes=False)
    assert cleaned.area == 100
    assert without_small_regions(cleaned, 4, holes=False) is cleaned
    tiny = np.zeros((9, 9), bool)
    tiny[1, 1] = tiny[4, 4:6] = True
    largest = without_small_regions(StoredMask(tiny), 4, holes=False)
    assert largest.area == 2


@given(mask=masks(), area=st.integers(1, 8), holes=st.booleans())
def test_small_regions_of_runs_are_those_of_pixels(mask: np.ndarray, area: int, holes: bool) -> None:
    numbers, count = label(mask != holes, structure=np.ones((3, 3)))
    small = np.bincount(numbers.ravel(), minlength=count + 1) < area
    small[0] = False
    if not holes and count and small[1:].all():
        small[1 + np.bincount(numbers.ravel())[1:].argmax()] = False
    expected = mask ^ small[numbers]
    stored = without_small_regions(StoredMask(mask), area, holes=holes)
    np.testing.assert_array_equal(stored.array, expected)
    np.testing.assert_array_equal(stored.runs, runs_from_mask(expected))


@pytest.fixture
def session(predictor: Predictor, picture: np.ndarray) -> sw.Session:
    return sw.Session(picture, model=predictor)


def test_in_a_session_one_undo_takes_it_all_back(session: sw.Session) -> None:
    session.click(60, 60)
    session.choose(0)
    mine = session.accept("mine")
    counts: list[int] = []
    session.on_change(lambda: counts.append(len(session.under_way.objects) if session.under_way else -1))
    found = session.everything(**OPTIONS)
    assert len(found) > 5
    assert session.objects == (mine, *found)
    assert max(counts) > 1, "they show while they are found"
    assert counts[-1] == -1
    assert session.under_way is None
    assert len({item.label for item in session.objects}) == len(session.objects)
    assert len({item.color for item in session.objects}) == len(session.objects)
    assert all(ious([mine.mask], [item.mask])[0, 0] < 0.7 for item in found), "what is there is not found again"
    assert all(item.mask.any() and item.prompt.points for item in found)
    session.undo()
    assert session.objects == (mine,)
    session.redo()
    assert session.objects == (mine, *found)

    before = session.state
    assert session.everything(**OPTIONS) == (), "all of it is there"
    assert session.state is before
    with pytest.raises(sw.PromptError, match="points_per_side.* -1"):
        session.everything(points_per_side=-1)
    with pytest.raises(ZeroDivisionError):
        session.everything(**OPTIONS, progress=lambda _: 1 / 0)
    assert session.state is before
    assert session.under_way is None, "and it can be begun again"


def test_everything_that_is_cancelled_keeps_what_it_has_found(session: sw.Session) -> None:
    seen: list[sw.EverythingStep] = []
    found = session.everything(**OPTIONS, progress=seen.append, cancelled=lambda: len(seen) == 2)
    assert len(seen) == 2
    assert 0 < len(found) == len(session.objects) == len(seen[-1].records)
    session.undo()
    assert session.objects == ()
    session.cancel()  # Nothing is under way, so nothing happens.
    search = session.begin_everything(**OPTIONS)
    session.cancel()
    assert not search.advance(), "before anything was found"
    assert session.objects == ()
    assert session.can_redo, "nothing has been done"


def test_all_else_goes_on_beside_everything(session: sw.Session) -> None:
    search = session.begin_everything(**OPTIONS)
    with pytest.raises(sw.SessionError, match="already"):
        session.everything(**OPTIONS)
    assert search.advance()
    assert search.advance()
    (wanted, *_) = session.under_way.objects  # type: ignore[union-attr]
    session.click(60, 60)
    session.add_objects([wanted.mask], labels=["object 2"])
    session.undo()
    session.redo()
    for _ in at_most(10_000, search.advance):
        pass
    mine, *found = session.objects
    assert mine.label == "object 2"
    assert len(found) > 5
    assert len({item.label for item in session.objects}) == len({item.color for item in session.objects})
    assert all(ious([mine.mask], [item.mask])[0, 0] < 0.7 for item in found), "it was accepted meanwhile"
    assert session.prompt.points, "the prompt that is worked on stays"
    session.undo()
    assert session.objects == (mine,), "one edit, after the others"


def test_closing_ends_everything_and_keeps_it(predictor: Predictor, picture: np.ndarray, tmp_path: Path) -> None:
    session = sw.Session(picture, model=predictor, autosave=tmp_path / "all.sam")
    search = session.begin_everything(**OPTIONS)
    assert search.advance()
    assert search.advance()
    session.close()
    assert not search.advance()
    assert len(session.objects) > 1
    again = sw.Session.load(tmp_path / "all.sam", model=predictor)
    assert [item.id for item in again.objects] == [item.id for item in session.objects]
    again.undo()
    assert again.objects == ()


def test_of_everything_keep_some_and_name_them_at_once(session: sw.Session) -> None:
    a, b, c, *others = (item.id for item in session.everything(**OPTIONS))
    session.remove(*others)
    assert [item.id for item in session.objects] == [a, b, c]
    assert [item.label for item in session.relabel([b, a], " leaf ")] == ["leaf", "leaf"]
    session.keep(b, c)
    assert [item.id for item in session.objects] == [b, c]
    for refused, message in (
        (lambda: session.remove(b, "nothing"), "object 'nothing'"),
        (lambda: session.keep("nothing"), "object 'nothing'"),
        (lambda: session.relabel([b, "nothing"], "x"), "object 'nothing'"),
        (lambda: session.relabel([b], " "), "label .*blank"),
    ):
        before = session.state
        with pytest.raises(sw.SessionError, match=message):
            refused()
        assert session.state is before
    for count in (3, 3, len(others) + 3, 0):
        session.undo()
        assert len(session.objects) == count


class TestOrder:
    """The image comes first, as everywhere else; scripts that give the model first still run."""

    @pytest.mark.parametrize(
        ("first", "second"),
        [("cat.jpg", "vit_b"), ("cat.jpg", "weights.PTH"), (b"JPEG", "tiny"), ("tiny.jpg", "tiny")],
    )
    def test_of_names(self, first: Any, second: Any) -> None:
        assert image_and_model(first, second) == (first, second)
        assert image_and_model(second, first) == (first, second)

    def test_of_objects(self, predictor: sw.Predictor, photo: np.ndarray) -> None:
        for model in (predictor, predictor.model, "tiny", Path("mine")):
            for order in ((photo, model), (model, photo)):
                image, found = image_and_model(*order)
                assert image is photo
                assert found is model
        assert image_and_model(photo, None)[1] == "tiny"

    @pytest.mark.parametrize("given", [("cat.jpg", "dog.jpg"), ("tiny", "vit_b"), (b"", b""), (np.zeros(3), b"")])
    def test_two_images_or_two_models_are_refused(self, given: tuple[Any, Any]) -> None:
        with pytest.raises(sw.PromptError, match=r"cannot tell the image from the model"):
            image_and_model(*given)

    def test_a_model_alone_is_refused(self, predictor: sw.Predictor) -> None:
        with pytest.raises(sw.PromptError, match="there is a model but no image"):
            sw.segment_everything(predictor)
