"""A page that shows the widget larger or smaller than it is: CSS zoom, as JupyterLab has it, and scaled slides."""

from __future__ import annotations

import ast

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Notebook
from tests.browser.view import SHOW_CAT, Open, View

STYLES = {
    "zoomed in by one step": "zoom: 1.1",
    "zoomed in by half": "zoom: 1.5",
    "scaled by a transform": "transform: scale(0.8); transform-origin: 0 0",
}


class Scaled:
    """A view inside an element that the page scales, and the mouse on it."""

    def __init__(self, opened: Notebook, style: str) -> None:
        self.view = View.of(opened)
        self.mouse = self.view.page.mouse
        self.view.root.evaluate("(root, style) => root.parentElement.setAttribute('style', style)", style)
        self.view.drawn()
        self.view.canvas.scroll_into_view_if_needed()

    def on_page(self, x: float, y: float) -> tuple[float, float]:
        """Where an image pixel is in the page."""
        here = self.view.position(x, y)
        box = self.view.canvas.bounding_box()
        assert box
        factor = box["height"] / self.view.canvas.evaluate("canvas => canvas.offsetHeight")
        return box["x"] + here["x"] * factor, box["y"] + here["y"] * factor


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_the_pointer_means_the_pixel_under_it(notebook: Open, style: str) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    width, height = ast.literal_eval(opened.run_cell("w.state['image']['width'], w.state['image']['height']"))
    scaled = Scaled(opened, style)
    view, mouse = scaled.view, scaled.mouse

    before = view.seq
    mouse.click(*scaled.on_page(150, 120))
    view.wait_past(before)
    before = view.seq
    mouse.move(*scaled.on_page(90, 65))
    mouse.down()
    mouse.move(*scaled.on_page(285, 235), steps=5)
    mouse.up()
    view.wait_past(before)

    # The ring of the brush is around the pointer.
    view.canvas.press("d")
    place = scaled.on_page(200, 150)
    mouse.move(*place)
    ring = view.root.locator(".sam-brush")
    expect(ring).to_be_visible()
    box = ring.bounding_box()
    assert box
    assert (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) == pytest.approx(place, abs=1)

    # The wheel zooms about the pointer: the pixel under it stays there.
    mouse.wheel(0, -400)
    view.page.wait_for_function("canvas => parseFloat(canvas.dataset.view) > 1.5", arg=view.canvas.element_handle())
    assert scaled.on_page(200, 150) == pytest.approx(place, abs=1.5)

    # A press in the minimap brings that part of the photo to the middle.
    minimap = view.root.locator(".sam-minimap canvas").first
    minimap.scroll_into_view_if_needed()
    small = minimap.bounding_box()
    assert small
    mouse.click(small["x"] + 0.5 * small["width"], small["y"] + 0.45 * small["height"])
    middle = scaled.on_page(0.5 * width, 0.45 * height)
    frame = view.canvas.bounding_box()
    assert frame
    assert middle == pytest.approx((frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2), abs=4)

    points = opened.run_cell("[(round(p.x), round(p.y)) for p in w.prompt.points]")
    assert ast.literal_eval(points) == [(150, 120)]
    assert ast.literal_eval(opened.run_cell("[round(v) for v in w.prompt.box.corners]")) == [90, 65, 285, 235]
