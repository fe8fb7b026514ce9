"""Hovering in a view: the switch, the tag, the mask under the pointer, and what the model was asked for it."""

from __future__ import annotations

import json

from playwright.sync_api import Locator

from tests.browser.lab import Notebook
from tests.browser.view import SHOW_CAT, Open, View

# Counts what the model is asked from here on.
COUNT = """
import copy
shared, decodes = w.session.predictor, []
counted = w.session._decoder._predictor = copy.copy(shared)
counted.answer = lambda *a: (decodes.append(a[1]), shared.answer(*a))[1]
"""


def open_view(notebook: Open) -> tuple[Notebook, View]:
    """A view that hovers, whatever this machine's speed says, and the prompts that it makes the model answer."""
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    opened.run_cell(COUNT)
    if switch(view).get_attribute("aria-checked") == "false":
        switch(view).click()
    return opened, view


def switch(view: View) -> Locator:
    return view.root.get_by_role("switch", name="Hover")


def tag(view: View) -> Locator:
    return view.root.locator(".sam-tag")


def move(view: View, x: float, y: float, steps: int = 1) -> None:
    """Move the pointer to an image pixel."""
    view.page.mouse.move(*view.on_page(x, y), steps=steps)


def hovered(view: View) -> int:
    """How many pixels the hover has painted."""
    view.drawn()
    return int(
        view.root.evaluate(
            """root => {
                const canvas = root.querySelector('[data-layer=hover]')
                const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
                let drawn = 0
                for (let i = 3; i < data.length; i += 4) drawn += data[i] > 0
                return drawn
            }"""
        )
    )


def answer_at(opened: Notebook, *points: tuple[float, float, int]) -> tuple[float, int]:
    """Score and area of the mask that a prompt of these points would choose; this decode is not counted."""
    prompt = f"sw.Prompt.from_arrays({[p[:2] for p in points]}, {[p[2] for p in points]})"
    code = f"c = w.session.preview({prompt}).chosen\ndecodes.clear()\nprint([round(c.score, 4), int(c.mask.sum())])"
    score, area = json.loads(opened.run_cell(code))
    return score, area


def expect_hover(view: View, score: float, area: int) -> None:
    """Wait until a mask of this score and area is what is shown."""
    scale, *_ = view.look()
    view.page.wait_for_function(
        "([tag, score]) => !tag.hidden && Math.abs(Number(tag.textContent) - score) < 0.011",
        arg=[tag(view).element_handle(), score],
    )
    # Its outline lies half outside of it.
    assert 0.9 * area * scale**2 < hovered(view) < 1.5 * area * scale**2 + 2000
