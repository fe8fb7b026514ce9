"""The frame of all panels."""

from __future__ import annotations

import base64
import io

import ipywidgets
import numpy as np
from PIL import Image

import sam_widget as sw
from sam_widget.teach.drawing import SERIES
from sam_widget.teach.panel import Legend, Line, Panel, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.training_race import TrainingRace


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


def test_a_legend_names_the_curves_in_any_script_next_to_the_chart() -> None:
    legend = Legend()
    assert legend.picture() is None
    legend.show([("從 MAE 開始 <b>", "mae", (0, 114, 178)), ("從零開始", "scratch", (213, 94, 0))])
    assert legend.text == "從 MAE 開始 <b>, 從零開始"
    assert "<b>" not in legend.value
    assert "rgb(213,94,0)" in legend.value
    picture = legend.picture()
    assert picture is not None
    assert (213, 94, 0) in {colour for _, colour in picture.getcolors(10_000) or ()}
    legend.text = ""
    assert legend.text == ""


def test_the_curves_of_a_race_are_named_below_it() -> None:
    race = TrainingRace(["everything", "no_dice"], seconds=1, lang="zh-TW")
    assert race.legend.text == ""
    race.run()
    assert [name for name, _, _ in race.legend.names] == [check.description for check in race.checks.values()]
    assert all(plain.isascii() for _, plain, _ in race.legend.names)
    race.checks["everything"].value = False
    race.run()
    ((_, plain, colour),) = race.legend.names
    assert (plain, colour) == ("no_dice", SERIES[1])
    race.close()
