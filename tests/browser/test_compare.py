"""Models side by side in a real JupyterLab."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.view import FACE, Open, View

CODE = "import sam_widget as sw\nc = sw.Compare(sw.sample('cat'), models=['tiny', sw.Predictor('tiny')])\nc"


def test_a_click_in_one_view_is_answered_in_both_and_compared(notebook: Open) -> None:
    opened = notebook(CODE)
    opened.run_all()
    first, second = View.of(opened), View.of(opened, 1)
    first.click(*FACE)
    expect(second.candidates).to_have_count(3)
    score = opened.run_cell("print(f'{c.table()[1].score:.2f}')").strip()
    expect(opened.page.locator(".widget-label").get_by_text(score, exact=True)).to_have_count(2)
    second.press("Escape")
    expect(first.candidates).to_have_count(0)
