"""A cell runs for a long time, and the user keeps clicking."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import TimeoutError, expect  # noqa: A004  Playwright's own

from tests.browser.hovering import move, switch, tag
from tests.browser.lab import TIMEOUT_MS, Desk, Lab
from tests.browser.view import FACE, SHOW_CAT, Open, View


@pytest.mark.parametrize(
    "waiting", ["import time\nwhile not w.objects: time.sleep(0.05)", "n = 0\nwhile not w.objects: n += 1"]
)
def test_hover_clicks_and_edits_go_on(notebook: Open, waiting: str) -> None:
    """JupyterLab hands widget messages to a kernel subshell; the model has a thread of its own."""
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    switch_on(view)
    opened.start_cell(f"{waiting}\nprint('ended by', w.objects[0].label)")
    expect_hover_goes_on(view)
    view.click(*FACE)
    expect(view.candidates).to_have_count(3)
    view.click(30, 60, modifiers=["Alt"])
    output = opened.page.locator(".jp-OutputArea-output")
    expect(output.last).not_to_contain_text("ended by")
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    expect(output.last).to_contain_text("ended by object 1", timeout=TIMEOUT_MS)


def switch_on(view: View) -> None:
    if switch(view).get_attribute("aria-checked") == "false":
        switch(view).click()


def expect_hover_goes_on(view: View) -> None:
    # The page may still scroll to the new cell, and away from under the pointer.
    for x in range(300, 330):
        move(view, x, 200)
        with contextlib.suppress(TimeoutError):
            tag(view).wait_for(state="visible", timeout=4000)
            break
    expect(tag(view)).to_be_visible()


@pytest.fixture
def without_subshells(lab: Lab, desk: Desk) -> Iterator[None]:
    """As in hosts whose kernels know no subshells: what a view says waits for the cell."""
    settings = lab.root.parent / "settings/@jupyterlab/apputils-extension/kernels-settings.jupyterlab-settings"
    settings.write_text(json.dumps({"commsOverSubshells": "disabled"}), encoding="utf-8")
    desk.leave()
    yield
    settings.unlink()
    desk.leave()


@pytest.mark.usefixtures("without_subshells")
def test_without_subshells_clicks_wait_and_none_is_lost(notebook: Open, lab: Lab) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    switch_on(view)
    opened.start_cell("import time, pathlib\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)")
    # What is asked while the pointer moves has a line of its own.
    expect_hover_goes_on(view)
    view.canvas.click(position=view.position(*FACE))
    expect(view.status).to_contain_text("Kernel busy", timeout=TIMEOUT_MS)
    view.canvas.click(position=view.position(30, 60), modifiers=["Alt"])
    view.canvas.click(position=view.position(200, 200))
    expect(view.root).to_have_attribute("data-state", "predicting")
    assert view.candidates.count() == 0
    (lab.root / "go").touch()
    expect(view.candidates).to_have_count(3, timeout=TIMEOUT_MS)
    opened.expect_state("ready")
    expect(view.status).to_contain_text("Mask")
    assert opened.run_cell("[p.label for p in w.prompt.points]") == "[1, 0, 1]"
