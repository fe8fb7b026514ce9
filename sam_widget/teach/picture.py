"""A small canvas that Python draws: an array of pixels, with an accessible name, for mouse, touch and keyboard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import numpy as np
import traitlets
from ipycanvas import Canvas, canvas, hold_canvas
from PIL import Image, ImageDraw

# Called with a position in the shown array's own pixels, x and y.
Pointed = Callable[[float, float], object]
CURSOR = (230, 159, 0)
# All canvases share one queue of commands, and panels also draw from other threads.
DRAWING = threading.Lock()
QUEUE = canvas._CANVAS_MANAGER  # noqa: SLF001  ipycanvas has no public name for it
_STEPS = {"ArrowLeft": (-1, 0), "ArrowRight": (1, 0), "ArrowUp": (0, -1), "ArrowDown": (0, 1)}


def forget_canvas() -> None:
    """Let the queue name the canvas that it draws on once more, as it does only when that changes."""
    QUEUE._current_canvas = None  # noqa: SLF001  as above


class Picture(Canvas):  # type: ignore[misc]
    """A canvas that shows one array, scaled to its width.

    Pixels are drawn with `put_image_data`, and again for each page that opens. The arrow keys move a cursor, which acts
    as the pointer; Enter and Space click. Tab moves to `after`, because a canvas of ipycanvas keeps all keys.

    >>> picture = Picture("The photo", width=320)
    >>> picture.show(photo)
    """

    width: int
    height: int
    # ipywidgets makes a tooltip the accessible name of views without a description, and fails without this trait.
    description = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        name: str,
        *,
        width: int,
        height: int | None = None,
        on_hover: Pointed | None = None,
        on_press: Pointed | None = None,
        on_drag: Pointed | None = None,
        on_release: Callable[[], object] | None = None,
    ) -> None:
        """Make an empty canvas.

        Args:
            name: What a screen reader says.
            width: In CSS pixels; narrower pages scale it down.
            height: In CSS pixels; None for that of each array that is shown.
            on_hover: Called while the pointer moves.
            on_press: Called when a button or a finger is pressed.
            on_drag: Called while a button or a finger is held and moves.
            on_release: Called when it is released.
        """
        # `max_width` with an automatic height keeps the proportions; ipycanvas scales the coordinates of events.
        layout = ipywidgets.Layout(max_width="100%", height="auto", flex="0 0 auto")
        if QUEUE.comm is None:
            # `Widget.close_all` closes the queue.
            forget_canvas()
            QUEUE.open()
        super().__init__(width=width, height=height or width, tooltip=name, layout=layout)
        self._fixed = height is not None
        self.after: ipywidgets.DOMWidget | None = None
        self.before: ipywidgets.DOMWidget | None = None
        # (H, W, 3) or (H, W, 4) uint8 of the canvas: what is drawn.
        self.pixels = np.zeros((self.height, self.width, 3), np.uint8)
        self._size = (width, self.height)  # of the array
        self._held = False
        self._cursor: tuple[float, float] | None = None
        self._on_hover, self._on_press, self._on_drag, self._on_release = on_hover, on_press, on_drag, on_release
        self.on_client_ready(self._draw_for_new_page)
        if on_hover or on_press or on_drag:
            self.on_mouse_down(self._press)
            self.on_mouse_move(self._move)
            self.on_mouse_up(self._release)
            self.on_touch_start(lambda touches: self._touch(self._press, touches))
            self.on_touch_move(lambda touches: self._touch(self._move, touches))
            self.on_touch_end(lambda _touches: self._release())
            self.on_touch_cancel(lambda _touches: self._release())
        self.on_key_down(self._key)

    def show(
        self,
        array: np.ndarray,
        *,
        smooth: bool = True,
        draw: Callable[[ImageDraw.ImageDraw, float], object] | None = None,
    ) -> None:
        """Show an array (h, w, 3) or (h, w, 4) uint8.

        Args:
            array: The pixels.
            smooth: Interpolate between pixels; False shows them as squares.
            draw: Draws on the scaled picture; called with it and its scale, in canvas pixels per array pixel.
        """
        height, width = array.shape[:2]
        self._size = (width, height)
        if not self._fixed:
            self.height = max(1, round(self.width * height / width))
        method = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
        picture = Image.fromarray(array).resize((self.width, self.height), method)
        if draw is not None:
            draw(ImageDraw.Draw(picture), self.width / width)
        self.pixels = np.asarray(picture)
        self._draw()

    def trail(self, x0: float, y0: float, x1: float, y1: float, colour: tuple[int, int, int]) -> None:
        """Draw a line between two positions in the array, without sending the whole picture again."""
        scale = self.width / self._size[0]
        ends = [(x0 * scale, y0 * scale), (x1 * scale, y1 * scale)]
        picture = Image.fromarray(self.pixels)
        ImageDraw.Draw(picture).line(ends, fill=colour, width=3)
        self.pixels = np.asarray(picture)
        with DRAWING, hold_canvas():
            self.stroke_style, self.line_width = "rgb({}, {}, {})".format(*colour), 3
            self.stroke_line(*ends[0], *ends[1])

    def _draw_for_new_page(self) -> None:
        # A new page does not know which canvas the queue draws on.
        forget_canvas()
        self._draw()

    def _draw(self) -> None:
        pixels = self.pixels
        if self._cursor is not None:
            picture = Image.fromarray(pixels)
            x, y = self._cursor
            pen = ImageDraw.Draw(picture)
            pen.line([(x - 8, y), (x + 8, y)], fill=CURSOR, width=2)
            pen.line([(x, y - 8), (x, y + 8)], fill=CURSOR, width=2)
            pixels = np.asarray(picture)
        with DRAWING, hold_canvas():
            self.clear()
            self.put_image_data(pixels)

    def _in_array(self, x: float, y: float) -> tuple[float, float]:
        width, height = self._size
        return (
            float(np.clip(x * width / self.width, 0, np.nextafter(width, 0))),
            float(np.clip(y * height / self.height, 0, np.nextafter(height, 0))),
        )

    def _press(self, x: float, y: float) -> None:
        self._held, self._cursor = True, None
        if self._on_press is not None:
            self._on_press(*self._in_array(x, y))

    def _move(self, x: float, y: float) -> None:
        if self._held and self._on_drag is not None:
            self._on_drag(*self._in_array(x, y))
        elif self._on_hover is not None:
            self._on_hover(*self._in_array(x, y))

    def _release(self, *_position: float) -> None:
        held, self._held = self._held, False
        if held and self._on_release is not None:
            self._on_release()

    def _touch(self, act: Callable[[float, float], None], touches: Sequence[Any]) -> None:
        if touches:
            act(*touches[0])

    def _key(self, key: str, shift: bool, *_modifiers: bool) -> None:  # noqa: FBT001  ipycanvas's own
        if key == "Tab":
            self._cursor = None
            leave = self.before if shift else self.after
            self.blur() if leave is None else leave.focus()
        elif key in _STEPS:
            x, y = self._cursor or (self.width / 2, self.height / 2)
            step = 16 if shift else 4
            dx, dy = _STEPS[key]
            x, y = (float(np.clip(x + step * dx, 0, self.width - 1)), float(np.clip(y + step * dy, 0, self.height - 1)))
            self._cursor = (x, y)
            if self._on_hover is not None:
                self._on_hover(*self._in_array(x, y))
        elif key in ("Enter", " ") and self._cursor is not None and self._on_press is not None:
            self._on_press(*self._in_array(*self._cursor))
        else:
            return
        self._draw()
