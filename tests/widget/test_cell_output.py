"""What a cell shows of a widget: the live view, and after it what a saved notebook shows."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.masks.overlay import overlay
from sam_widget.widget import cell_output
from sam_widget.widget.cell_output import SENTENCE, CellOutput
from sam_widget.widget.sam_widget import SamWidget
from tests.waiting import until

VIEW = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "a widget"}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What is displayed: data and options, in order."""
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    monkeypatch.setattr(cell_output, "_display", lambda data, **options: found.append((data, options)))
    monkeypatch.setattr(cell_output, "SECONDS", 0.02)
    return found


def pixels(data: dict[str, Any]) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))


def test_a_cell_shows_the_view_then_the_sentence_then_the_picture(photo: np.ndarray, shown: list[Any]) -> None:
    output = CellOutput(lambda: sw.Session(photo))
    output.show(VIEW)
    view, note, picture = (data for data, _ in shown)
    assert view == VIEW
    assert note["text/plain"] == SENTENCE
    np.testing.assert_array_equal(pixels(picture), photo)
    assert shown[2][1]["display_id"] == shown[2][1]["metadata"]["sam_widget"]


def test_the_pictures_of_all_cells_follow_what_is_done_and_only_that(photo: np.ndarray, shown: list[Any]) -> None:
    session = sw.Session(photo)
    output = CellOutput(lambda: session)
    output.follow()
    assert output._later._timer is None, "nothing is shown, so nothing is drawn"
    output.show(VIEW)
    output.show(VIEW)
    names = [options["display_id"] for _, options in shown if options]
    assert len(set(names)) == 2
    shown.clear()
    session.click(150, 120)
    session.accept("cat")
    for _ in range(9):
        output.follow()
    until(lambda: len(shown) == 2, seconds=30, what="both pictures are replaced")
    until(lambda: output._later._timer is None, seconds=30, what="the throttle has acted")
    assert [(options["display_id"], options["update"]) for _, options in shown] == [(name, True) for name in names]
    np.testing.assert_array_equal(pixels(shown[0][0]), overlay(photo, session.objects))
    output.follow()
    until(lambda: output._later._timer is None, seconds=30, what="the throttle has acted again")
    assert len(shown) == 2, "nothing has changed"
    output.close()
    session.undo()
    output.follow()
    assert output._later._timer is None


def test_an_edit_of_a_widget_reaches_its_picture(
    photo: np.ndarray, shown: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    widget = SamWidget(photo)
    with pytest.raises(NotImplementedError):
        widget._ipython_display_()
    for name in ("/home/me/cat-jvsc-7d1c.ipynb", ""):
        monkeypatch.setenv("JPY_SESSION_NAME", name)
        with pytest.raises(NotImplementedError):
            widget._ipython_display_()
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/cat.ipynb")
    widget._ipython_display_()
    assert [set(data) for data, _ in shown] == [set(VIEW), {"text/html", "text/plain"}, {"image/png"}]
    shown.clear()
    widget.click(150, 120)
    until(lambda: shown, seconds=60, what="the picture is replaced")
    widget.close()


def test_a_photo_that_is_not_there_yet_is_drawn_when_it_is(photo: np.ndarray, shown: list[Any]) -> None:
    there: list[sw.Session] = []
    output = CellOutput(lambda: there[0] if there else None)
    output.show(VIEW)
    assert shown[-1][0] == {"text/plain": ""}
    there.append(sw.Session(photo))
    output.follow()
    until(lambda: "image/png" in shown[-1][0], seconds=30, what="the photo is drawn")


def test_the_last_picture_is_drawn_when_the_widget_closes(photo: np.ndarray, shown: list[Any]) -> None:
    session = sw.Session(photo)
    opened: list[sw.Session] = []
    output = CellOutput(lambda: opened[0] if opened else None)
    output.show(VIEW)
    opened.append(session)
    session.click(150, 120)
    session.accept("cat")
    shown.clear()
    output.follow()
    output.close()
    ((data, options),) = shown
    np.testing.assert_array_equal(pixels(data), overlay(photo, session.objects))
    assert options["update"]
    output.close()
    assert len(shown) == 1, "what is shown is not drawn again"


def test_a_widget_that_no_cell_shows_draws_nothing_when_it_closes(photo: np.ndarray, shown: list[Any]) -> None:
    CellOutput(lambda: sw.Session(photo)).close()
    assert not shown
