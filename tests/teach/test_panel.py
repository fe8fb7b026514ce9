"""The frame of all panels."""

from __future__ import annotations

import base64
import io

import ipywidgets
import numpy as np
from PIL import Image

import sam_widget as sw
from sam_widget.teach.panel import Line, Panel, row
from sam_widget.teach.picture import Picture


class Pair(Panel):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = Picture("left", width=20), Picture("right", width=30)
        self.left.show(np.full((10, 20, 3), (255, 0, 0), np.uint8))
        self.right.show(np.zeros((10, 30, 4), np.uint8))
        self.button = ipywidgets.Button(description="go")
        self.arrange(row([self.left, self.right]), Line("text"), self.button)


def test_a_saved_notebook_shows_a_picture_of_the_canvases() -> None:
    data, _ = Pair()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB"))
    assert tuple(sheet[12, 12]) == (255, 0, 0)
    assert tuple(sheet[12, 45]) == (255, 255, 255), "transparent on white"


def test_tab_moves_from_canvas_to_canvas_and_to_the_controls() -> None:
    pair = Pair()
    assert pair.left.before is None
    assert pair.left.after is pair.right
    assert pair.right.before is pair.left
    assert pair.right.after is pair.button


def test_lines_show_text_and_never_html() -> None:
    line = Line("a < b")
    assert "a &lt; b" in line.value
    assert line.text == "a < b"
    line.text = "<b>"
    assert "&lt;b&gt;" in line.value


def test_a_saved_picture_is_as_wide_as_a_page_and_has_views_and_images_too() -> None:
    panel = Panel()
    widths = (600, 500, 300)
    pictures = [Picture(str(width), width=width, height=10) for width in widths]
    buffer = io.BytesIO()
    Image.fromarray(np.full((7, 9, 3), (0, 255, 0), np.uint8)).save(buffer, "PNG")
    panel.arrange(
        row(pictures), ipywidgets.Image(value=buffer.getvalue()), sw.SamWidget(np.zeros((30, 50, 3), np.uint8))
    )
    sheet = panel.picture()
    assert sheet is not None
    # Two rows: 600 alone; then 500, 300, the image and the view, 30 pixels high.
    assert sheet.size == (8 + 500 + 8 + 300 + 8 + 9 + 8 + 50 + 8, 8 + 10 + 8 + 30 + 8)
    assert sheet.getpixel((8 + 500 + 8 + 300 + 8 + 4, 30)) == (0, 255, 0)


def test_a_panel_without_pictures_is_stored_as_its_text() -> None:
    panel = Panel()
    panel.arrange(Line("a line that is longer than what ipywidgets keeps of a representation: " + "x" * 100), Line("b"))
    data, _ = panel._repr_mimebundle_()
    assert "image/png" not in data
    assert data["text/plain"].endswith("x\nb")
