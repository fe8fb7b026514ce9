"""The widget among others in a real JupyterLab, and the notebook that is saved there."""

from __future__ import annotations

import base64
import io

import numpy as np
from nbconvert import HTMLExporter
from PIL import Image
from playwright.sync_api import expect

import sam_widget as sw
from tests.browser.lab import TIMEOUT_MS
from tests.browser.view import FACE, Open, View

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


def test_a_saved_notebook_shows_the_masks_without_a_kernel(notebook: Open) -> None:
    opened = notebook(
        "import sam_widget as sw\nw = sw.SamWidget(sw.sample('cat'))\nw.click(175, 130); w.accept('cat')\nw"
    )
    opened.run_all()
    view = View.of(opened)
    expect(view.objects).to_have_count(1, timeout=TIMEOUT_MS)
    expect(opened.page.locator(".jp-OutputArea-output img")).to_have_count(0)
    saved = opened.save()
    data = saved.cells[0].outputs[-1].data
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    assert (picture != sw.sample("cat")).any(axis=-1).mean() > 0.02
    html, _ = HTMLExporter().from_notebook_node(saved)
    opened.page.set_content(html)
    shown = opened.page.locator(".jp-OutputArea-output img")
    expect(shown).to_be_visible(timeout=TIMEOUT_MS)
    assert shown.evaluate("img => [img.naturalWidth, img.naturalHeight]") == [451, 300]
