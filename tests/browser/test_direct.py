"""The direct line, in a real JupyterLab: what is asked while the pointer moves leaves Jupyter's messages alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.hovering import answer_at, expect_hover, move, open_view, tag
from tests.browser.lab import Notebook
from tests.browser.view import FACE, Open, View

# How often the page hears that the kernel is busy, which it does for every message that travels with Jupyter's own.
LISTEN = """() => {
    window.busy = 0
    const {kernel} = window.jupyterapp.shell.currentWidget.sessionContext.session
    kernel.statusChanged.connect((_, status) => { busy += status === 'busy' })
}"""


def heard(page: Page) -> int:
    return int(page.evaluate("busy"))


def follow(opened: Notebook, view: View) -> None:
    """Hover from the tail to the face, and see both masks."""
    tail, face = answer_at(opened, (400, 50, 1)), answer_at(opened, (*FACE, 1))
    move(view, 380, 60)
    move(view, 400, 50)
    expect_hover(view, *tail)
    move(view, 200, 100, steps=5)
    move(view, *FACE)
    expect_hover(view, *face)


def test_hovering_leaves_the_kernels_messages_alone_and_a_click_is_an_edit_as_ever(notebook: Open) -> None:
    opened, view = open_view(notebook)
    tail, face = answer_at(opened, (400, 50, 1)), answer_at(opened, (*FACE, 1))
    opened.page.evaluate(LISTEN)
    move(view, 400, 50)
    expect_hover(view, *tail)
    move(view, *FACE, steps=10)
    expect_hover(view, *face)
    assert heard(opened.page) == 0
    view.click(*FACE)
    expect(view.candidates).to_have_count(3)
    assert heard(opened.page) > 0


def test_a_line_that_breaks_is_done_without(notebook: Open) -> None:
    opened, view = open_view(notebook)
    follow(opened, view)
    opened.run_cell("from sam_widget.widget.direct import listener\nlistener().unregister(w.model_id)")
    # What is asked next breaks the line, and has no answer.
    move(view, 300, 200)
    follow(opened, view)
    opened.page.evaluate(LISTEN)
    move(view, 250, 200)
    expect(tag(view)).to_be_visible()
    opened.page.wait_for_function("() => busy > 0")


@pytest.mark.parametrize("config", ["{}", '{"samWidgetDirect": "/sam-widget/missing"}'])
def test_without_a_line_a_mask_follows_the_pointer_all_the_same(notebook: Open, config: str) -> None:
    opened, view = open_view(notebook)
    usual = opened.page.evaluate(
        """config => {
            const script = document.getElementById('jupyter-config-data'), usual = script.textContent
            script.textContent = config
            return usual
        }""",
        config,
    )
    try:
        opened.run_cell("w")
        view = View.of(opened, 1)
        opened.page.evaluate(LISTEN)
        follow(opened, view)
        assert heard(opened.page) > 0
    finally:
        opened.page.evaluate("usual => { document.getElementById('jupyter-config-data').textContent = usual }", usual)
