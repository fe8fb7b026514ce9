"""The widget among others in a real JupyterLab, and the notebook that is saved there."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from nbconvert import HTMLExporter
from PIL import Image
from playwright.sync_api import expect

import sam_widget as sw
from tests.browser.lab import TIMEOUT_MS, Notebook
from tests.browser.view import FACE, SHOW_CAT, Open, View
from tests.waiting import until

INTERACT = """
import ipywidgets, sam_widget as sw
w = sw.SamWidget(sw.sample('cat'))
def area(mask):
    print('no mask' if mask is None else f'{mask.sum()} pixels')
label = ipywidgets.Label()
ipywidgets.dlink((w, 'score'), (label, 'value'), lambda score: '' if score is None else f'score {score:.2f}')
display(ipywidgets.interactive(area, mask=w), label)
"""


def test_a_click_in_the_view_reaches_what_is_linked(notebook: Open) -> None:
    opened = notebook(INTERACT)
    opened.run_all()
    view = View.of(opened)
    printed = opened.page.locator(".jp-OutputArea-output")
    expect(printed.filter(has_text="no mask").last).to_be_visible(timeout=TIMEOUT_MS)
    view.click(*FACE)
    area, score = opened.run_cell("print(w.chosen.mask.sum(), f'{w.score:.2f}')").split()
    expect(opened.page.get_by_text(f"{area} pixels")).to_be_visible(timeout=TIMEOUT_MS)
    expect(opened.page.get_by_text(f"score {score}", exact=True)).to_be_visible(timeout=TIMEOUT_MS)
    view.press("Escape")
    expect(printed.filter(has_text="no mask").last).to_be_visible(timeout=TIMEOUT_MS)
    expect(opened.page.get_by_text(f"score {score}", exact=True)).to_have_count(0, timeout=TIMEOUT_MS)


def png(output: Any) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))))


def test_a_saved_notebook_shows_the_masks_without_a_kernel(notebook: Open) -> None:
    opened = notebook(
        "import sam_widget as sw\nw = sw.SamWidget(sw.sample('cat'))\nw.click(175, 130); w.accept('cat')\nw"
    )
    opened.run_all()
    view = View.of(opened)
    expect(view.objects).to_have_count(1, timeout=TIMEOUT_MS)
    picture = opened.page.locator(".jp-OutputArea-output img")
    expect(picture).to_be_hidden()
    saved = opened.save()
    first = png(saved.cells[0].outputs[-1])
    assert (first != sw.sample("cat")).any(axis=-1).mean() > 0.02
    html, _ = HTMLExporter().from_notebook_node(saved)
    opened.page.set_content(html)
    expect(picture).to_be_visible(timeout=TIMEOUT_MS)
    assert picture.evaluate("img => [img.naturalWidth, img.naturalHeight]") == [451, 300]


def test_what_is_done_in_the_view_is_in_the_saved_picture_and_the_view_stays_as_it_is(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    view.root.evaluate("root => root.dataset.mark = 'mine'")
    picture = opened.page.locator(".jp-OutputArea-output img")
    expect(picture).to_have_count(1, timeout=TIMEOUT_MS)
    before = str(picture.get_attribute("src"))
    view.click(*FACE)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    expect(picture).not_to_have_attribute("src", before, timeout=TIMEOUT_MS)
    until(lambda: has_a_mask(opened), what="the saved picture has the mask")
    expect(view.root).to_have_attribute("data-mark", "mine")
    expect(opened.page.locator(".sam-widget")).to_have_count(1)
    expect(picture).to_be_hidden()


def test_the_saved_picture_follows_after_a_reload(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    View.of(opened)
    opened.save()
    opened.reload()
    view = View.of(opened)
    view.click(*FACE)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    until(lambda: has_a_mask(opened), what="the saved picture has the mask")
    expect(opened.page.locator(".jp-OutputArea-output img")).to_be_hidden()
    expect(view.objects).to_have_count(1)


def has_a_mask(opened: Notebook) -> bool:
    """Whether the picture in the saved notebook differs from the photo."""
    output = opened.save().cells[0].outputs[-1]
    return bool((png(output) != sw.sample("cat")).any(axis=-1).mean() > 0.02)
