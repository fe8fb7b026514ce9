"""Small canvases: what they show, and where the pointer and the keys are in it."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.teach.picture import CURSOR, Picture


def event(picture: Picture, name: str, **content: object) -> None:
    picture._handle_frontend_event(picture, {"event": name, **content}, [])


def key(picture: Picture, name: str, *, shift: bool = False) -> None:
    event(picture, "key_down", key=name, shift_key=shift, ctrl_key=False, meta_key=False)


def test_an_array_is_scaled_to_the_width() -> None:
    picture = Picture("a picture", width=40)
    array = np.zeros((10, 20, 3), np.uint8)
    array[:, 10:] = 200
    picture.show(array, smooth=False)
    assert (picture.width, picture.height) == (40, 20)
    assert (picture.pixels[:, :20] == 0).all()
    assert (picture.pixels[:, 20:] == 200).all()
    assert picture.tooltip == "a picture"
    assert {"tooltip", "description"} <= set(picture.keys), "the view needs both for an accessible name"
    assert not picture.sync_image_data


def test_pointers_and_fingers_are_where_they_are_in_the_array() -> None:
    seen: list[tuple[str, float, float]] = []
    picture = Picture(
        "",
        width=40,
        on_hover=lambda x, y: seen.append(("hover", x, y)),
        on_press=lambda x, y: seen.append(("press", x, y)),
        on_drag=lambda x, y: seen.append(("drag", x, y)),
        on_release=lambda: seen.append(("release", 0, 0)),
    )
    picture.show(np.zeros((10, 20, 3), np.uint8))
    event(picture, "mouse_move", x=4, y=6)
    event(picture, "mouse_down", x=4, y=6)
    event(picture, "mouse_move", x=400, y=-3)
    event(picture, "mouse_up", x=400, y=-3)
    event(picture, "mouse_up", x=400, y=-3)
    event(picture, "touch_start", touches=[{"x": 8, "y": 8}])
    event(picture, "touch_move", touches=[{"x": 10, "y": 8}])
    event(picture, "touch_end", touches=[])
    assert [name for name, *_ in seen] == ["hover", "press", "drag", "release", "press", "drag", "release"]
    assert seen[0][1:] == (2, 3)
    assert seen[2][1:] == (pytest.approx(20), 0)
    assert seen[2][1] < 20
    assert seen[5][1:] == (5, 4)


def test_arrow_keys_move_a_cursor_that_is_drawn_and_clicks() -> None:
    seen: list[tuple[str, float, float]] = []
    picture = Picture(
        "",
        width=40,
        on_hover=lambda x, y: seen.append(("hover", x, y)),
        on_press=lambda x, y: seen.append(("press", x, y)),
    )
    sent: list[np.ndarray] = []
    picture.put_image_data = sent.append
    picture.show(np.zeros((20, 20, 3), np.uint8))
    key(picture, "Enter")
    assert not seen, "without a cursor there is nothing to click on"
    key(picture, "ArrowRight")
    key(picture, "ArrowUp", shift=True)
    key(picture, "Enter")
    assert seen == [("hover", 12, 10), ("hover", 12, 2), ("press", 12, 2)]
    assert tuple(sent[-1][4, 24]) == CURSOR
    assert not picture.pixels.any(), "the cursor is not part of what is shown"


def test_tab_leaves_the_canvas() -> None:
    picture, other = Picture("", width=10), Picture("", width=10)
    told: list[object] = []
    other.focus = lambda: told.append("focus")
    picture.blur = lambda: told.append("blur")
    key(picture, "Tab")
    picture.after = other
    key(picture, "Tab")
    assert told == ["blur", "focus"]


def test_a_page_that_opens_later_sees_what_is_drawn() -> None:
    picture = Picture("", width=10)
    picture.show(np.full((10, 10, 3), 7, np.uint8))
    sent: list[np.ndarray] = []
    picture.put_image_data = sent.append
    assert picture._canvas_manager._current_canvas is picture
    event(picture, "client_ready")
    assert (sent[0] == 7).all()


def test_a_trail_is_part_of_the_picture() -> None:
    picture = Picture("", width=20)
    picture.show(np.zeros((10, 10, 3), np.uint8))
    picture.trail(1, 5, 8, 5, (255, 0, 0))
    assert tuple(picture.pixels[10, 10]) == (255, 0, 0)


def test_canvases_draw_after_all_widgets_were_closed() -> None:
    Picture("", width=10)._canvas_manager.close()
    picture = Picture("", width=10)
    assert picture._canvas_manager.comm is not None
    picture.show(np.zeros((10, 10, 3), np.uint8))


def test_a_page_that_opens_later_is_told_which_canvas_is_drawn_on() -> None:
    picture = Picture("", width=10)
    picture.show(np.full((10, 10, 3), 7, np.uint8))
    commands: list[object] = []
    queue = picture._canvas_manager
    queue._send_custom, before = (lambda command, _buffers=(): commands.append(command)), queue._send_custom
    try:
        event(picture, "client_ready")
    finally:
        queue._send_custom = before
    assert f"IPY_MODEL_{picture.model_id}" in str(commands)
