"""The frame of all panels."""

from __future__ import annotations

import base64
import io

import ipywidgets
import numpy as np
from PIL import Image

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
