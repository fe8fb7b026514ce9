"""Previews: what a prompt would give, requested at every move of the pointer and never recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sam_widget as sw
from sam_widget.predictor.predictor import Predictor
from sam_widget.widget.sam_widget import SamWidget
from sam_widget.widget.stage import HOVER_MS, REMEMBERED, decode_ms
from tests.widget.test_sam_widget import View, prompt, wait_for


@pytest.fixture
def widget(photo: np.ndarray) -> Iterator[SamWidget]:
    widget = SamWidget(photo)
    wait_for(widget, lambda state: state["status"] == "ready")
    yield widget
    widget.close()


@pytest.fixture
def decodes(widget: SamWidget, monkeypatch: pytest.MonkeyPatch) -> list[sw.Prompt]:
    """The prompts that the model has answered."""
    answer = widget.session.predictor.answer
    asked: list[sw.Prompt] = []

    def counted(embedding: sw.Embedding, asked_for: sw.Prompt) -> Any:
        asked.append(asked_for)
        return answer(embedding, asked_for)

    monkeypatch.setattr(widget.session.predictor, "answer", counted)
    return asked


def previews(view: View) -> list[dict[str, Any]]:
    return [message for message in view.messages if message["type"] == "preview_mask"]


def test_a_preview_is_the_mask_that_the_prompt_would_choose(widget: SamWidget) -> None:
    view = View(widget)
    assert view.ask("preview", prompt=prompt((150, 120)))["outcome"] == "done"
    (found,) = previews(view)
    chosen = sw.Session(widget.session.image, model=widget.session.predictor).preview(sw.Prompt().with_point(150, 120))
    assert chosen.chosen is not None
    assert (found["client"], found["seq"], found["score"]) == ("view", view.seq, round(chosen.chosen.score, 4))
    assert (found["width"], found["height"]) == (451, 300)
    np.testing.assert_array_equal(view.masks[f"preview {view.seq}"], chosen.chosen.mask)


def test_it_leaves_no_trace_in_session_state_or_traits(widget: SamWidget) -> None:
    widget.click(150, 120)
    widget.undo()
    view, session = View(widget), widget.session
    before, seen, traits = session.state, widget.state, dict(widget.trait_values())
    changes: list[object] = []
    session.on_change(lambda: changes.append(None))
    widget.observe(changes.append)
    answers = [view.ask("preview", prompt=prompt((x, 120), box=box)) for x in (90, 150) for box in (None, BOX)]
    assert {answer["outcome"] for answer in answers} == {"done"}
    assert session.state is before
    assert (session.can_undo, session.can_redo) == (False, True)
    assert changes == []
    assert widget.trait_values() == traits
    assert widget.state is seen


BOX = {"x0": 40.0, "y0": 40.0, "x1": 300.0, "y1": 250.0}


def test_a_burst_of_previews_has_one_answer_each_and_ends_with_the_newest(
    widget: SamWidget, decodes: list[sw.Prompt]
) -> None:
    view = View(widget)
    with widget.session._history.editing:  # The worker waits, so that previews pile up.
        numbers = [view.post("preview", prompt=prompt((50 + k, 120))) for k in range(200)]
    outcomes = [view.answer(seq)["outcome"] for seq in numbers]  # `answer` fails if there are two.
    assert outcomes[-1] == "done"
    assert outcomes.count("superseded") >= 198
    assert previews(view)[-1]["seq"] == numbers[-1]
    assert len(decodes) <= 2
    assert widget.prompt.is_empty


def test_an_edit_goes_before_a_waiting_preview(widget: SamWidget, decodes: list[sw.Prompt]) -> None:
    view, held, go = View(widget), threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert go.wait(60)

    stop = widget.session.on_change(hold)
    first = view.post("predict", prompt=prompt((150, 120)))
    assert held.wait(60)
    stop()
    waiting = view.post("preview", prompt=prompt((20, 20)))
    edit = view.post("choose", index=1)
    assert view.answer(waiting)["outcome"] == "superseded"
    last = view.post("preview", prompt=prompt((30, 30)))
    go.set()
    assert [view.answer(seq)["outcome"] for seq in (first, edit, last)] == ["done"] * 3
    assert [p.points[-1].x for p in decodes] == [150, 30]
    assert widget.state["chosen"] == 1


def test_a_click_on_what_was_previewed_needs_no_second_decode(widget: SamWidget, decodes: list[sw.Prompt]) -> None:
    view = View(widget)
    view.ask("preview", prompt=prompt((150, 120)))
    view.ask("predict", prompt=prompt((150, 120)))
    assert len(decodes) == 1
    assert widget.score is not None
    assert previews(view)[0]["score"] == round(widget.score, 4)
    assert len(widget.candidates) == 3
    view.ask("predict", prompt=prompt((150, 120), (60, 50)))
    assert len(decodes) == 2


def test_what_was_accepted_since_is_not_lost_to_an_older_preview(widget: SamWidget, decodes: list[sw.Prompt]) -> None:
    view = View(widget)
    view.ask("preview", prompt=prompt((150, 120)))
    view.ask("predict", prompt=prompt((150, 120)))
    view.ask("accept", label="cat")
    view.ask("predict", prompt=prompt((150, 120)))
    assert [item.label for item in widget.objects] == ["cat"]
    assert len(decodes) == 1


def test_each_view_is_told_of_its_own_previews(widget: SamWidget) -> None:
    one, two = View(widget, "one"), View(widget, "two")
    one.ask("preview", prompt=prompt((150, 120)))
    assert [message["client"] for message in previews(two)] == ["one"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"prompt": prompt((5000, 1))}, "outside the image"),
        ({"prompt": 7}, "preview.prompt cannot be read: Expected `object`, got `int`"),
        ({}, "preview cannot be read: Object missing required field `prompt`"),
        ({"prompt": prompt((1, 1)), "label": 1}, "preview cannot be read: Object contains unknown field `label`"),
    ],
)
def test_a_bad_preview_is_answered_with_an_error(widget: SamWidget, fields: dict[str, Any], text: str) -> None:
    view = View(widget)
    answer = view.ask("preview", **fields)
    assert answer["outcome"] == "error"
    assert text in answer["error"]
    assert previews(view) == []


def test_a_preview_of_nothing_has_an_answer_and_no_mask(widget: SamWidget) -> None:
    view = View(widget)
    assert view.ask("preview", prompt=prompt())["outcome"] == "done"
    assert previews(view) == []


def test_a_preview_that_fails_in_the_model_leaves_the_worker_alive(
    widget: SamWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    view = View(widget)
    with monkeypatch.context() as patch:
        patch.setattr(widget.session.predictor.model, "decode", fail)
        assert "out of memory" in view.ask("preview", prompt=prompt((150, 120)))["error"]
    assert view.ask("preview", prompt=prompt((150, 120)))["outcome"] == "done"


def test_a_preview_before_there_is_an_image_is_an_error() -> None:
    widget = SamWidget("http://127.0.0.1:9/photo.jpg")
    view = View(widget)
    assert view.ask("preview", prompt=prompt((1, 1)))["outcome"] == "error"
    assert widget.state["decode_ms"] is None
    widget.close()


def test_the_state_says_how_long_an_answer_takes(widget: SamWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    assert widget.state["decode_ms"] > 0
    clock = iter([0.0, 9.0, 10.0, 10.02, 11.0, 11.03])
    monkeypatch.setattr("sam_widget.widget.stage.time.perf_counter", lambda: next(clock))
    assert decode_ms(widget.session) == 20.0, "what is longer waited for something else"


class Slow:
    """A model whose answers take 100 ms more while `slow` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slow, answer = True, Predictor.answer
        pause = threading.Event()

        def answered(*arguments: Any, **options: Any) -> Any:
            if self.slow:
                pause.wait(0.1)
            return answer(*arguments, **options)

        monkeypatch.setattr(Predictor, "answer", answered)


def hovers(state: dict[str, Any]) -> bool:
    return state["decode_ms"] is not None and state["decode_ms"] <= HOVER_MS


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(monkeypatch)


def opened(photo: np.ndarray) -> SamWidget:
    widget = SamWidget(photo)
    assert not hovers(wait_for(widget, lambda state: state["status"] == "ready"))
    return widget


@pytest.mark.parametrize("asks", ["predict", "preview"])
def test_one_fast_answer_puts_an_opening_among_others_right(photo: np.ndarray, slow: Slow, asks: str) -> None:
    widget = opened(photo)
    view = View(widget)
    view.ask(asks, prompt=prompt((150, 120)))
    assert not hovers(widget.state)
    slow.slow = False
    view.ask(asks, prompt=prompt((90, 120)))
    wait_for(widget, hovers)
    view.wait_until(lambda: hovers(view.state))
    widget.close()


def test_a_slow_opening_is_measured_again_with_nothing_asked(
    photo: np.ndarray, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_widget.widget.stage.AGAIN_SECONDS", (0.01, 0.3))
    widget = opened(photo)
    slow.slow = False
    wait_for(widget, hovers)
    widget.close()


def test_answers_that_become_slow_for_good_end_hovering(widget: SamWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    view = View(widget)
    widget._stage._timed(1.0)
    wait_for(widget, hovers)
    Slow(monkeypatch)
    for x in range(REMEMBERED):
        assert hovers(widget.state)
        view.ask("preview", prompt=prompt((90 + 5 * x, 120)))
    wait_for(widget, lambda state: not hovers(state))


def test_the_view_has_the_same_limit() -> None:
    source = (Path(__file__).parents[2] / "js/src/preview/hover.ts").read_text(encoding="utf-8")
    assert f"const FAST = {HOVER_MS};" in source


def test_how_long_an_answer_takes_is_measured_as_answers_are_made(
    widget: SamWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On all cores of a busy machine a decode takes a hundred times as long, and hovering would be off.
    seen = []
    answer = widget.session.predictor.answer
    monkeypatch.setattr(
        widget.session.predictor, "answer", lambda *a, **k: (seen.append(torch.get_num_threads()), answer(*a, **k))[1]
    )
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        decode_ms(widget.session)
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {3}


def test_previews_and_edits_from_many_threads_end_in_one_right_state(widget: SamWidget) -> None:
    views = [View(widget, f"view {k}") for k in range(3)]

    def work(view: View) -> None:
        for k in range(20):
            view.post("preview", prompt=prompt((40 + k, 60)))
            if k % 5 == 4:
                view.ask("predict", prompt=prompt((40 + k, 120)))

    run_all(lambda view=view: work(view) for view in views)
    for view in views:
        for seq in range(1, view.seq + 1):
            assert view.answer(seq)["outcome"] in {"done", "superseded"}
    assert widget.prompt.points[0].y == 120
    assert widget.candidates == widget.session.candidates


def run_all(jobs: Iterator[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
