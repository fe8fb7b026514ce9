"""A session without a browser."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.predictor.upsampling import Upscaling
from sam_widget.session.session import SessionState
from tests.waiting import at_most


@pytest.fixture
def session(photo: np.ndarray, predictor: sw.Predictor) -> sw.Session:
    return sw.Session(photo, model=predictor)


def test_a_click_offers_three_scored_masks_and_chooses_the_best(session: sw.Session) -> None:
    candidates = session.click(150, 120)
    assert session.candidates is candidates
    assert len(candidates) == 3
    assert session.chosen is max(candidates, key=lambda c: c.score)
    assert all(c.mask.shape == (300, 451) and c.mask.dtype == bool for c in candidates)
    assert [(p.x, p.y, p.label) for p in session.prompt.points] == [(150, 120, 1)]


def test_clicks_and_a_box_make_one_prompt(session: sw.Session) -> None:
    session.click(150, 120)
    session.click(20, 20, label=0)
    session.drag(300, 250, 50, 10)
    assert [p.label for p in session.prompt.points] == [1, 0]
    assert session.prompt.box == sw.Box(50, 10, 300, 250)
    session.drag(0, 0, 100, 100)
    assert session.prompt.box == sw.Box(0, 0, 100, 100)


def test_accept_makes_an_object_of_the_chosen_mask(session: sw.Session) -> None:
    session.click(150, 120)
    chosen = session.choose(1)
    dog = session.accept("dog")
    assert session.objects == (dog,)
    assert (dog.label, dog.score) == ("dog", chosen.score)
    np.testing.assert_array_equal(dog.mask, chosen.mask)
    assert dog.area == chosen.mask.sum()
    assert dog.prompt.points == (sw.Point(150, 120),)
    rows, columns = np.nonzero(chosen.mask)
    assert dog.box == sw.Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert session.prompt.is_empty
    assert session.candidates == ()
    assert session.chosen is None


def test_objects_are_named_renamed_and_removed(session: sw.Session) -> None:
    for x in (100, 150, 200):
        session.click(x, 120)
        session.accept()
    assert [o.label for o in session.objects] == ["object 1", "object 2", "object 3"]
    assert len({o.color for o in session.objects}) == 3
    session.remove(session.objects[0].id)
    renamed = session.rename(session.objects[0].id, " ear ")
    assert [o.label for o in session.objects] == ["ear", "object 3"]
    session.click(100, 120)
    fresh = session.accept()
    assert fresh.label == "object 1"
    assert fresh.color not in {renamed.color, session.objects[1].color}


def test_everything_can_be_undone_and_redone(session: sw.Session) -> None:
    seen: list[SessionState] = [session.state]
    for edit in (
        lambda: session.click(150, 120),
        lambda: session.choose((session.state.chosen_index or 0) - 1 if session.state.chosen_index else 1),
        lambda: session.accept("cat"),
        lambda: session.drag(10, 10, 90, 90),
        session.clear,
        lambda: session.rename(session.objects[0].id, "kitten"),
        lambda: session.remove(session.objects[0].id),
    ):
        edit()
        seen.append(session.state)
    for state in reversed(seen[:-1]):
        session.undo()
        assert session.state is state
    assert not session.can_undo
    for state in seen[1:]:
        session.redo()
        assert session.state is state
    assert not session.can_redo


def test_an_edit_after_undo_forgets_what_was_undone(session: sw.Session) -> None:
    session.click(150, 120)
    session.undo()
    session.click(200, 120)
    assert not session.can_redo


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s.click(1000, 5), r"\(1000, 5\).* outside the image"),
        (lambda s: s.click(5, 5, label=3), "label of a point.* 3"),
        (lambda s: s.drag(5, 5, 5, 5), r"box \(5.*x1 > x0"),
        (lambda s: s.choose(3), "candidate 3"),
        (lambda s: s.choose(-1), "candidate -1"),
        (lambda s: s.remove("nothing"), "object 'nothing'"),
        (lambda s: s.rename("nothing", "x"), "object 'nothing'"),
        (lambda s: s.redo(), "nothing to redo"),
    ],
)
def test_a_bad_edit_raises_and_changes_nothing(session: sw.Session, edit: object, message: str) -> None:
    session.click(150, 120)
    before = session.state
    with pytest.raises(sw.SamWidgetError, match=message):
        edit(session)  # type: ignore[operator]
    assert session.state is before
    session.undo()
    assert not session.can_undo


def test_nothing_to_accept_or_undo(session: sw.Session) -> None:
    with pytest.raises(sw.SessionError, match="click on the image"):
        session.accept()
    with pytest.raises(sw.SessionError, match="nothing to undo"):
        session.undo()


def test_results_cannot_be_changed_behind_the_history(session: sw.Session) -> None:
    session.click(150, 120)
    with pytest.raises(ValueError, match="read-only"):
        session.candidates[0].mask[0, 0] = True


def test_listeners_hear_of_every_edit_until_they_leave(session: sw.Session) -> None:
    heard: list[int] = []
    leave = session.on_change(lambda: heard.append(len(session.prompt.points)))
    session.click(150, 120)
    session.click(160, 120)
    session.undo()
    leave()
    session.clear()
    assert heard == [1, 2, 1]


def test_edits_from_several_threads_are_all_kept(session: sw.Session) -> None:
    def click_and_accept(x: int) -> None:
        for _ in range(3):
            session.set_prompt(sw.Prompt.from_arrays([(x, 100)]))

    threads = [threading.Thread(target=click_and_accept, args=(x,)) for x in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    undone = 0
    while session.can_undo:
        session.undo()
        undone += 1
        assert undone <= 9
    assert undone == 9


def test_a_preview_is_what_set_prompt_leads_to_and_changes_nothing(session: sw.Session) -> None:
    session.click(150, 120)
    session.accept("cat")
    before = session.state
    prompt = sw.Prompt().with_point(60, 50)
    preview = session.preview(prompt)
    assert session.state is before
    assert (preview.prompt, preview.objects, len(preview.candidates)) == (prompt, before.objects, 3)
    assert session.set_prompt(prompt) is preview.candidates
    assert session.chosen is preview.chosen
    with pytest.raises(sw.PromptError, match="outside the image"):
        session.preview(sw.Prompt().with_point(1, 5000))
    assert session.preview(sw.Prompt()).chosen is None
    assert session.chosen is preview.chosen


def test_predict_best_is_the_candidate_that_would_be_chosen_and_makes_no_other(
    session: sw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    cut = Upscaling.stored
    monkeypatch.setattr(Upscaling, "stored", lambda *given: (made.append(given), cut(*given))[1])
    before, prompt = session.state, sw.Prompt().with_point(60, 50)
    best = session.predict_best(prompt)
    assert (session.state is before, len(made)) == (True, 1)
    session.set_prompt(prompt)
    assert session.chosen is best
    assert len(made) == 3
    assert session.predict_best(sw.Prompt()) is None
    with pytest.raises(sw.PromptError, match="outside the image"):
        session.predict_best(sw.Prompt().with_point(1, 5000))


def test_a_long_history_of_a_large_photo_stays_small(predictor: sw.Predictor) -> None:
    import tracemalloc

    photo = np.zeros((1500, 2000, 3), np.uint8)
    photo[400:900, 500:1500] = 200
    session = sw.Session(photo, model=predictor)
    session.click(1000, 600)
    tracemalloc.start()
    for x in range(600, 620):
        session.set_prompt(sw.Prompt.from_arrays([(x, 600)]))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 20 * 1_000_000, "twenty states of three masks of 3 MB each"


def test_what_the_model_sees_is_an_edit_that_stays_until_it_is_undone(session: sw.Session) -> None:
    usual = session.click(150, 120)
    dark = sw.Rendering(black=100, gamma=0.5)
    assert session.set_rendering(dark) is session.candidates
    assert len(session.candidates) == 3
    assert [c.score for c in session.candidates] != [c.score for c in usual]
    assert session.prompt.points[0].x == 150
    session.accept("cat")
    session.click(30, 60)
    session.clear()
    assert session.state.rendering == dark
    session.edit(session.objects[0].id)
    assert session.state.rendering == dark
    assert session.set_rendering(dark) is session.candidates, "nothing to change"
    with pytest.raises(sw.ImageError, match="channels"):
        session.set_rendering(sw.Rendering((9,)))
    assert session.state.rendering == dark
    for _ in at_most(10, lambda: session.state.rendering == dark):
        session.undo()
    assert session.candidates is usual
    assert session.embedding.image_hash == session.image_hash
