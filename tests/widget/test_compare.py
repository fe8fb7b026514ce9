"""Several models on one photo: one prompt, and how the answers differ."""

from __future__ import annotations

import base64
import gc
import io
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.masks.measures import iou
from sam_widget.widget import compare as module
from tests.waiting import until


class Opposite(sw.Predictor):
    """A model whose masks are those of another one, reversed, and whose scores are lower."""

    def answer(self, *arguments: Any, **options: Any) -> sw.Prediction:
        found = super().answer(*arguments, **options)
        exact = -found._exact
        return replace(found, logits=-found.logits, scores=found.scores * 0.5, _exact=exact, _stored={})


@pytest.fixture
def compare(photo: np.ndarray, predictor: sw.Predictor) -> Iterator[sw.Compare]:
    compare = sw.Compare(photo, models=[predictor, Opposite(predictor.model)])
    yield compare
    compare.close()


def test_one_prompt_has_an_answer_of_each_model(compare: sw.Compare) -> None:
    assert [row.score for row in compare.table()] == [None, None]
    table = compare.click(150, 120)
    first, second = compare.masks
    assert first is not None
    assert second is not None
    alone = sw.Session(compare.sessions[0].image, model=compare.sessions[0].predictor)
    alone.click(150, 120)
    assert alone.chosen is not None
    np.testing.assert_array_equal(first, alone.chosen.mask)
    assert [row.area for row in table] == [first.sum(), second.sum()]
    assert [row.iou for row in table] == [1.0, float(iou(first, second))]
    assert table[1].score is not None
    assert table[0].score == alone.chosen.score
    assert table[1].score < table[0].score
    assert all(row.ms is not None and 0 < row.ms < 60_000 for row in table)
    np.testing.assert_array_equal(compare.difference, first.astype(np.uint8) + second)
    assert repr(table).splitlines()[0].split()[:2] == ["model", "score"]
    assert len(repr(table).splitlines()) == 3


def test_the_difference_is_seen(compare: sw.Compare) -> None:
    plain = compare.picture()
    compare.drag(60, 60, 300, 250)
    drawn = compare.picture()
    assert drawn.shape == plain.shape == (300, 451, 3)
    np.testing.assert_array_equal((drawn != plain).any(axis=-1), compare.difference > 0)
    both, some = drawn[compare.difference == 2].astype(int), drawn[compare.difference == 1].astype(int)
    assert len(some)
    assert (some[:, 0] > some[:, 2]).all()
    assert (both[:, 0] < both[:, 2]).all()
    compare.clear()
    assert not compare.difference.any()


def test_the_models_share_the_photo(compare: sw.Compare) -> None:
    one, two = compare.sessions
    assert one.source is two.source
    assert one.image is two.image
    assert all(widget.session.source is one.source for widget in compare.widgets)


def test_a_prompt_in_a_view_or_a_session_is_one_in_all(compare: sw.Compare) -> None:
    from tests.widget.test_sam_widget import View, prompt

    first, second = compare.widgets
    for widget in (first, second):
        _ = widget.session
    view = View(second)
    assert view.ask("predict", prompt=prompt((150, 120)))["outcome"] == "done"
    until(lambda: compare.sessions[0].prompt == second.prompt, what="the first model has the second view's prompt")
    assert compare.prompt == sw.Prompt().with_point(150, 120)
    compare.sessions[0].click(60, 60)
    until(lambda: len(compare.sessions[1].prompt.points) == 2, what="the second model has the script's prompt")
    compare.sessions[1].undo()
    until(lambda: len(compare.sessions[0].prompt.points) == 1, what="undo reaches the first model")


def test_a_mask_prompt_stays_with_its_model(compare: sw.Compare) -> None:
    compare.click(150, 120)
    compare.sessions[0].refine()
    assert compare.sessions[0].prompt.mask is not None
    compare.sessions[0].click(200, 100)
    until(lambda: len(compare.sessions[1].prompt.points) == 2, what="the second model has the point")
    assert compare.sessions[1].prompt.mask is None


def test_the_panel_follows(compare: sw.Compare) -> None:
    views, table, _, picture = compare.panel.children
    assert views.children == compare.widgets
    assert [label.value for label in table.children[6:12]][1:4] == ["-", "-", "-"]
    before = picture.value
    compare.click(150, 120)
    score = compare.table()[0].score
    assert score is not None
    until(lambda: table.children[7].value == f"{score:.2f}", what="the table has the score")
    until(lambda: picture.value != before, what="the difference is drawn")
    assert "application/vnd.jupyter.widget-view+json" in compare._repr_mimebundle_()[0]


def test_a_saved_notebook_shows_the_table_and_the_differences(compare: sw.Compare) -> None:
    table = compare.click(150, 120)
    data, _ = compare._repr_mimebundle_()
    assert repr(table) in data["text/plain"]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    assert (shown == compare.picture()).all()


def test_bad_arguments_change_nothing(compare: sw.Compare, photo: np.ndarray) -> None:
    compare.click(150, 120)
    before = compare.prompt
    with pytest.raises(sw.PromptError, match="outside the image"):
        compare.click(9000, 1)
    assert compare.prompt == before
    for models in ("tiny", ["tiny"], []):
        with pytest.raises(sw.ModelError, match="at least two"):
            sw.Compare(photo, models=models)
    with pytest.raises(sw.ModelError, match="did you mean 'vit_b'"):
        sw.Compare(photo, models=["tiny", "vitb"])


@pytest.fixture
def may_load(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Only the first session opens before this is set."""
    event, opened = threading.Event(), []

    def session(*arguments: Any, **options: Any) -> sw.Session:
        opened.append(arguments)
        assert len(opened) == 1 or event.wait(60)
        return sw.Session(*arguments, **options)

    monkeypatch.setattr(module, "Session", session)
    yield event
    event.set()


def test_models_load_in_the_background(photo: np.ndarray, predictor: sw.Predictor, may_load: threading.Event) -> None:
    from tests.widget.test_sam_widget import View, prompt

    compare = sw.Compare(photo, models=[predictor, predictor])
    *_, says, picture = compare.panel.children
    first, second = compare.widgets
    until(lambda: first.state["status"] == "ready", what="the first model is there")
    assert View(first).ask("predict", prompt=prompt((150, 120)))["outcome"] == "done"
    until(lambda: second.state.get("image"), what="the photo is shown without the model")
    assert second.state["status"] == "loading"
    assert "Loading tiny" in says.value
    assert picture.value == b""
    may_load.set()
    until(lambda: len(second.candidates) == 3, what="the second model answers the prompt of the first")
    until(lambda: second.state["status"] == "ready", what="its view is ready")
    until(lambda: "Orange" in says.value and picture.value, what="they are compared")
    assert [row.iou for row in compare.table()] == [1.0, 1.0]
    compare.close()


def test_a_model_that_cannot_be_loaded_is_told_in_its_view(
    photo: np.ndarray, predictor: sw.Predictor, tmp_path: Path
) -> None:
    from tests.widget.test_sam_widget import View, prompt

    (tmp_path / "broken.pth").write_bytes(b"no checkpoint")
    compare = sw.Compare(photo, models=[predictor, tmp_path / "broken.pth"])
    says = compare.panel.children[2]
    first, second = compare.widgets
    until(lambda: second.state["status"] == "error", what="the view shows the error")
    assert "broken.pth" in second.state["message"]
    until(lambda: "Nothing to compare" in says.value and "broken.pth" in says.value, what="the table says so")
    assert View(first).ask("predict", prompt=prompt((150, 120)))["outcome"] == "done"
    with pytest.raises(sw.ModelError, match="broken.pth"):
        compare.click(150, 120)
    compare.close()


def test_closing_stops_loading(photo: np.ndarray, predictor: sw.Predictor, may_load: threading.Event) -> None:
    compare = sw.Compare(photo, models=[predictor, predictor, predictor])
    compare.close()
    may_load.set()
    with pytest.raises(sw.ModelError, match="closed before"):
        _ = compare.sessions


def test_a_closed_comparison_is_freed(photo: np.ndarray, predictor: sw.Predictor) -> None:
    compare = sw.Compare(photo.copy(), models=[predictor, predictor])
    compare.click(150, 120)
    assert all(widget.session.embedding for widget in compare.widgets)
    left = [weakref.ref(session) for session in compare.sessions]
    compare.close()
    del compare

    def gone() -> bool:
        gc.collect()
        return not any(ref() for ref in left)

    until(gone, what="the sessions are freed")
