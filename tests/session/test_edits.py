"""The tools of a session beyond clicking."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.masks.cleanup import TIDY, MaskSettings
from sam_widget.masks.measures import iou, stability_score
from sam_widget.prompts.geometry import BrushStroke

LASSO = [(95, 60), (290, 60), (290, 240), (95, 240)]


@pytest.fixture
def session(photo: np.ndarray, predictor: sw.Predictor) -> sw.Session:
    return sw.Session(photo, model=predictor)


def accept_at(session: sw.Session, x: float, y: float, label: str = "") -> sw.SegmentedObject:
    session.click(x, y)
    return session.accept(label)


def test_every_candidate_has_a_stability_score(session: sw.Session, predictor: sw.Predictor) -> None:
    for candidate in (*session.click(175, 130), *session.drag(90, 65, 285, 235)):
        assert candidate.logits is not None
        assert candidate.stability == stability_score(predictor.unpad(candidate.logits, (300, 451)))
    assert 0 < session.chosen.stability < 1  # type: ignore[union-attr, operator]


def test_several_boxes_a_lasso_and_a_scribble_are_one_prompt(session: sw.Session) -> None:
    session.drag(10, 10, 90, 90)
    session.drag(100, 100, 150, 150, add=True)
    session.lasso(LASSO)
    session.scribble(np.array([(20, 250), (60, 260)]), label=0)
    prompt = session.prompt
    assert prompt.boxes == (sw.Box(10, 10, 90, 90), sw.Box(100, 100, 150, 150))
    assert [(len(s.vertices), s.label, s.closed) for s in prompt.strokes] == [(4, 1, True), (2, 0, False)]
    assert len(session.candidates) == 3
    session.drag(5, 5, 50, 50)
    assert session.prompt.boxes == (sw.Box(5, 5, 50, 50),)


def test_what_was_drawn_is_moved_and_removed(session: sw.Session) -> None:
    session.click(100, 100)
    session.click(30, 30, label=0)
    session.drag(10, 10, 200, 200)
    session.scribble([(50, 50), (60, 60)])
    session.move_point(1, 40, 35)
    session.move_box(0, 210, 220, 15, 5)
    assert session.prompt.points == (sw.Point(100, 100), sw.Point(40, 35, 0))
    assert session.prompt.box == sw.Box(15, 5, 210, 220)
    session.remove_stroke(0)
    session.remove_point(0)
    session.remove_box(0)
    assert session.prompt == sw.Prompt((sw.Point(40, 35, 0),))
    session.remove_point(0)
    assert session.prompt.is_empty
    assert session.candidates == ()
    for _ in range(6):
        session.undo()
    assert session.prompt.points == (sw.Point(100, 100), sw.Point(30, 30, 0))


def test_paint_changes_the_mask_and_stays_when_the_prompt_changes(session: sw.Session) -> None:
    session.click(175, 130)
    assert not session.chosen.mask[10, 10]  # type: ignore[union-attr]
    painted = session.brush([(10, 10), (30, 10)], radius=5)
    assert painted is session.chosen
    assert painted.mask[10, 10:30].all()
    erased = session.brush([(175, 130)], 8, label=0)
    assert not erased.mask[125:135, 170:180].any()
    session.click(200, 150)
    assert all(c.mask[10, 20] and not c.mask[130, 175] for c in session.candidates)
    session.choose((session.state.chosen_index + 1) % 3)  # type: ignore[operator]
    painted_object = session.accept("painted")
    assert painted_object.mask[10, 20]
    session.click(175, 130)
    assert not any(c.mask[10, 20] for c in session.candidates), "the next object starts without paint"


def test_refine_asks_again_with_the_mask_as_painted(session: sw.Session) -> None:
    session.click(175, 130)
    first = session.chosen
    assert first is not None
    session.refine()
    np.testing.assert_array_equal(session.prompt.mask, first.logits)
    session.undo()
    session.brush([(320, 200), (360, 200)], 15)
    painted = session.chosen.mask  # type: ignore[union-attr]
    session.refine()
    assert session.state.strokes == ()
    logits = session.prompt.mask
    assert logits is not None
    (back,) = session.predictor.binarize(logits[None], (300, 451))
    assert back[195:205, 325:355].all()
    assert iou(back, painted) > 0.9


def test_settings_shape_the_masks_and_are_undone_as_one_gesture(session: sw.Session) -> None:
    session.click(175, 130)
    before = session.state
    for threshold in (0.5, 1.0, 1.5):
        session.adjust(threshold=threshold, gesture="slider")
    assert session.state.settings == MaskSettings(threshold=1.5, specks=True)
    for old, new in zip(before.candidates, session.candidates, strict=True):
        assert new.mask.sum() < old.mask.sum()
        assert not (new.mask & ~old.mask).any()
    assert session.chosen.stability != before.chosen.stability  # type: ignore[union-attr]
    session.adjust(smoothing=3, gesture="another")
    smooth = session.chosen
    session.brush([(10, 10)], 3)
    session.adjust(islands=5000, holes=5000)
    assert session.chosen.mask[10, 10], "what is painted is not tidied away"  # type: ignore[union-attr]
    session.undo()
    session.undo()
    assert session.chosen is smooth
    session.undo()
    session.undo()
    assert session.state is before
    assert session.adjust(threshold=0) == TIDY
    assert session.state is before, "nothing changed, so there is nothing to undo"


def test_settings_hold_for_the_next_prompt_and_for_its_preview(session: sw.Session) -> None:
    session.adjust(threshold=1.0, smoothing=2)
    raw = session.predictor.answer(session.embedding, sw.Prompt().with_point(175, 130))
    preview = session.preview(sw.Prompt().with_point(175, 130))
    session.click(175, 130)
    for k, candidate in enumerate(session.candidates):
        assert candidate.mask.sum() < raw.masks[k].sum()
        np.testing.assert_array_equal(candidate.mask, preview.candidates[k].mask)
    session.accept()
    assert session.state.settings == MaskSettings(threshold=1.0, smoothing=2, specks=True)


def test_an_accepted_object_is_edited_and_replaced(session: sw.Session) -> None:
    first = accept_at(session, 400, 50, "first")
    session.adjust(smoothing=1)
    session.click(175, 130)
    session.brush([(10, 10)], 5)
    cat = session.accept("cat")
    session.adjust(smoothing=0)
    session.edit(cat.id)
    state = session.state
    assert (state.editing, state.prompt, state.strokes) == (cat.id, cat.prompt, cat.strokes)
    assert state.settings.smoothing == 1
    np.testing.assert_array_equal(state.chosen.mask, cat.mask)  # type: ignore[union-attr]
    assert session.objects == (first, cat)
    session.click(200, 150)
    assert session.chosen.mask[10, 10]  # type: ignore[union-attr]
    better = session.accept()
    assert session.objects == (first, better)
    assert (better.id, better.label, better.color) == (cat.id, "cat", cat.color)
    assert len(better.prompt.points) == 2
    assert session.state.editing is None
    session.undo()
    assert session.state.editing == cat.id
    session.clear()
    assert session.state.editing is None
    assert session.objects == (first, cat)


def test_an_edit_goes_on_as_a_new_object_when_its_object_is_removed(session: sw.Session) -> None:
    cat = accept_at(session, 175, 130, "cat")
    session.edit(cat.id)
    session.remove(cat.id)
    assert session.state.editing is None
    again = session.accept("again")
    assert session.objects == (again,)
    assert again.id != cat.id


def test_objects_are_merged_and_subtracted(session: sw.Session) -> None:
    face, tail, third = (accept_at(session, *xy) for xy in ((175, 130), (400, 50), (60, 260)))
    merged = session.merge([tail.id, face.id])
    assert session.objects == (merged, third)
    np.testing.assert_array_equal(merged.mask, face.mask | tail.mask)
    assert (merged.id, merged.label, merged.color) == (tail.id, tail.label, tail.color)
    assert merged.prompt.points == (sw.Point(400, 50), sw.Point(175, 130))
    assert merged.score is None
    session.edit(merged.id)
    np.testing.assert_array_equal(session.chosen.mask, merged.mask)  # type: ignore[union-attr]
    session.adjust(smoothing=2, threshold=1)
    assert iou(session.chosen.mask, merged.mask) > 0.9  # type: ignore[union-attr]
    session.refine()
    session.clear()
    session.undo()
    for _ in range(4):
        session.undo()
    assert session.objects == (face, tail, third)

    session.drag(100, 100, 250, 200)
    part = session.accept("part")
    left = session.subtract(face.id, part.id)
    np.testing.assert_array_equal(left.mask, face.mask & ~part.mask)
    assert left.area < face.area
    assert session.objects == (left, tail, third, part)


def test_an_object_gets_another_colour(session: sw.Session) -> None:
    cat = accept_at(session, 175, 130)
    assert session.recolor(cat.id, 5).color == 5
    assert session.objects[0].id == cat.id
    assert accept_at(session, 400, 50).color == 0


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s.brush([(1, 1)], 3), "mask to paint on"),
        (lambda s: s.refine(), "mask to refine"),
        (lambda s: s.lasso([(1, 1), (2, 2)]), "2 vertices"),
        (lambda s: s.lasso([(-9, -9), (-8, -9), (-8, -8)]), "lasso .* outside the image"),
        (lambda s: s.scribble([]), "0 vertices"),
        (lambda s: s.scribble([(1, 2, 3)]), "vertices"),
        (lambda s: s.move_point(0, 5, 5), "point 0"),
        (lambda s: s.move_box(-1, 1, 1, 2, 2), "box -1"),
        (lambda s: s.remove_point(0), "point 0"),
        (lambda s: s.remove_box(0), "box 0"),
        (lambda s: s.remove_stroke(0), "stroke 0"),
        (lambda s: s.adjust(holes=-1), "holes.* -1"),
        (lambda s: s.adjust(threshold=float("nan")), "threshold.* nan"),
        (lambda s: s.edit("nothing"), "object 'nothing'"),
        (lambda s: s.merge([s.objects[0].id]), "objects? to merge"),
        (lambda s: s.merge([s.objects[0].id, s.objects[0].id]), "objects? to merge"),
        (lambda s: s.merge([s.objects[0].id, "nothing"]), "object 'nothing'"),
        (lambda s: s.subtract(s.objects[0].id, s.objects[0].id), "subtracted from itself"),
        (lambda s: s.recolor(s.objects[0].id, -1), "colour -1"),
        (lambda s: s.recolor("nothing", 1), "object 'nothing'"),
    ],
)
def test_a_bad_edit_raises_and_changes_nothing(
    session: sw.Session, edit: Callable[[sw.Session], object], message: str
) -> None:
    accept_at(session, 175, 130)
    before = session.state
    with pytest.raises(sw.SamWidgetError, match=message):
        edit(session)
    assert session.state is before


def test_a_bad_stroke_changes_nothing_on_a_mask_either(session: sw.Session) -> None:
    session.click(175, 130)
    before = session.state
    for vertices, radius, message in (
        ([(1, 1)], 0, "radius.* 0"),
        ([], 3, "0 vertices"),
        ([(1, float("inf"))], 3, "y of a vertex.* inf"),
    ):
        with pytest.raises(sw.PromptError, match=message):
            session.brush(vertices, radius)
    assert session.state is before


def test_nothing_is_subtracted_whole(session: sw.Session) -> None:
    cat = accept_at(session, 175, 130)
    session.edit(cat.id)
    session.brush([(175, 130)], 400)
    cover = session.accept()
    session.click(175, 130)
    small = session.accept()
    with pytest.raises(sw.SessionError, match="nothing of"):
        session.subtract(small.id, cover.id)


def test_strokes_are_kept_as_plain_numbers(session: sw.Session) -> None:
    session.click(175, 130)
    session.brush(np.array([[10, 10], [20, 10]], np.int16), np.float32(4), label=0)
    assert session.state.strokes == (BrushStroke(((10.0, 10.0), (20.0, 10.0)), 4.0, 0),)


def test_every_edit_can_be_undone_and_redone(session: sw.Session) -> None:
    other = accept_at(session, 400, 50)
    seen = [session.state]
    edits: list[Callable[[], object]] = [
        lambda: session.click(175, 130),
        lambda: session.drag(90, 65, 285, 235),
        lambda: session.drag(10, 10, 40, 40, add=True),
        lambda: session.lasso(LASSO),
        lambda: session.scribble([(20, 250), (60, 260)], label=0),
        lambda: session.move_point(0, 180, 135),
        lambda: session.move_box(1, 12, 12, 44, 44),
        lambda: session.remove_stroke(1),
        lambda: session.remove_box(1),
        lambda: session.brush([(430, 280)], 6),
        lambda: session.adjust(threshold=0.3, smoothing=1),
        session.refine,
        lambda: session.choose((session.state.chosen_index + 1) % 3),  # type: ignore[operator]
        lambda: session.accept("cat"),
        lambda: session.recolor(other.id, 4),
        lambda: session.rename(other.id, "other"),
        lambda: session.edit(other.id),
        lambda: session.brush([(20, 280)], 6),
        session.accept,
        lambda: session.subtract(other.id, session.objects[1].id),
        lambda: session.merge([o.id for o in session.objects]),
        lambda: session.remove(session.objects[0].id),
    ]
    for edit in edits:
        edit()
        seen.append(session.state)
    for state in reversed(seen[:-1]):
        session.undo()
        assert session.state is state
    for state in seen[1:]:
        session.redo()
        assert session.state is state
    assert not session.can_redo


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("threshold", [1e308, 1e39, -1e39, -1e308])
def test_a_threshold_beyond_every_logit_gives_nothing_or_everything(
    photo: np.ndarray, predictor: sw.Predictor, threshold: float
) -> None:
    session = sw.Session(photo, model=predictor)
    session.click(150, 120)
    session.adjust(threshold=threshold)
    session.click(160, 130)
    whole = photo.shape[0] * photo.shape[1] if threshold < 0 else 0
    assert [candidate.stored.area for candidate in session.candidates] == [whole] * 3
    assert [candidate.stability for candidate in session.candidates] == [float(threshold < 0)] * 3
    assert predictor.binarize(session.candidates[0].logits[None], (451, 300), threshold=threshold).sum() == whole
    session.adjust(threshold=0)
    assert 0 < session.candidates[0].stored.area < photo.shape[0] * photo.shape[1]
