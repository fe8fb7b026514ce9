"""Sharpening the visible part as users do: by button, by keyboard, and automatically."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, expect

from tests.browser.lab import TIMEOUT_MS, Notebook
from tests.browser.view import View, pixel, zoom_to

# A large photo with a small blue gear, and where it is.
SHOW = """
import numpy as np
from PIL import Image
import sam_widget as sw
image = np.array(Image.fromarray(sw.sample("coffee")).resize((2400, 1600)))
y, x = np.mgrid[-50:50, -50:50]
gear = np.hypot(x, y) < 36 + 8 * np.cos(5 * np.arctan2(y, x))
image[1050:1150, 750:850][gear] = 40, 60, 200
truth = np.zeros(image.shape[:2], bool)
truth[1050:1150, 750:850] = gear
w = sw.SamWidget(image)
w"""
GEAR = (800, 1100)
IOU = "print((w.chosen.mask & truth).sum() / (w.chosen.mask | truth).sum())"


def state(opened: Notebook) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(opened.run_cell("import json; print(json.dumps(w.state))"))
    return found


def says(status: Locator, text: str | re.Pattern[str]) -> None:
    """Wait until the status line says something: an embedding may take its time here."""
    expect(status).to_contain_text(text, timeout=TIMEOUT_MS)


def says_no_more(status: Locator, text: str) -> None:
    expect(status).not_to_contain_text(text, timeout=TIMEOUT_MS)


def test_what_is_seen_is_sharpened_by_button_by_key_and_by_itself(notebook: Callable[..., Notebook]) -> None:
    opened = notebook(SHOW)
    opened.run_all()
    opened.expect_state("ready")
    view = View.of(opened, 0)
    button = view.root.get_by_role("button", name="Sharpen here")
    status = view.root.get_by_role("status")
    expect(button).to_be_disabled(timeout=TIMEOUT_MS)  # The whole photo is seen.

    # With the hover on, as it is at first: a click on a small thing, and the same place sharpened.
    zoom_to(view, 2, *GEAR)
    view.click(*GEAR)
    says(status, "score")
    coarse = float(opened.run_cell(IOU))
    expect(button).to_be_enabled(timeout=TIMEOUT_MS)
    button.click()
    says(status, re.compile(r"sharpened in \d+ . \d+ px at \d+, \d+"))
    opened.expect_state("ready")
    assert float(opened.run_cell(IOU)) > coarse + 0.1
    crop = state(opened)["crop"]
    assert crop["x0"] < 700
    assert crop["y1"] > 1200
    # Its outline is drawn, on a layer of its own, once all of it is visible.
    view.canvas.press("-")
    view.canvas.press("-")
    opened.page.wait_for_function(
        """root => {
            const layer = root.querySelector('[data-layer=crop]')
            return layer.getContext('2d').getImageData(0, 0, layer.width, layer.height).data.some(value => value > 0)
        }""",
        arg=view.root.element_handle(),
    )
    assert pixel(view, "crop", *GEAR) == [0, 0, 0, 0]

    # Undone and redone like any other edit.
    view.canvas.press("Control+z")
    says_no_more(status, "sharpened")
    view.canvas.press("Control+Shift+z")
    says(status, "sharpened")

    # By the keyboard alone: with all of the photo in view, R gives it up.
    view.canvas.press("0")
    expect(view.root.get_by_role("button", name="Stop sharpening")).to_be_enabled(timeout=TIMEOUT_MS)
    view.canvas.press("r")
    says_no_more(status, "sharpened")
    view.canvas.press("Escape")
    expect(button).to_be_disabled(timeout=TIMEOUT_MS)

    # By itself, once the view rests; the prompt that comes then is answered by it.
    view.canvas.press("Shift+r")
    expect(view.root.get_by_text("Sharpens automatically").first).to_be_attached(timeout=TIMEOUT_MS)
    zoom_to(view, 3, *GEAR)
    says(status, "Sharpened in")
    assert view.look()[0] >= 3
    view.click(*GEAR)
    says(status, "sharpened")
    assert float(opened.run_cell(IOU)) > coarse + 0.1
    assert opened.page.evaluate("() => document.querySelectorAll('.sam-status[data-error]').length") == 0

    # A kernel that is gone sharpens nothing.
    expect(button).to_be_enabled()
    opened.execute(
        "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart() }"
    )
    says(status, "is gone")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("title", re.compile("needs a kernel"))
