"""A widget says at once that its kernel has ended, however it ended; a notebook without one shows the saved picture."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import TIMEOUT_MS, Lab, Notebook
from tests.browser.view import FACE, SHOW_CAT, View

# The notebook says that it is for a kernel that this machine does not have.
FOREIGN = """async () => {
    const {model} = window.jupyterapp.shell.currentWidget.context
    model.setMetadata('kernelspec', {name: 'elsewhere', display_name: 'Elsewhere', language: 'elsewhere'})
    model.setMetadata('language_info', {name: 'elsewhere'})
}"""
TOGGLE_STATE = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"


def shut_down(opened: Notebook, _lab: Lab) -> None:
    opened.execute("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")


def shut_down_elsewhere(opened: Notebook, lab: Lab) -> None:
    lab.shut_down_kernels(opened.path.name)


def restart(opened: Notebook, _lab: Lab) -> None:
    opened.execute("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")


def kill(opened: Notebook, _lab: Lab) -> None:
    os.kill(int(opened.run_cell("import os\nprint(os.getpid())")), signal.SIGKILL)


@pytest.mark.parametrize("end", [shut_down, shut_down_elsewhere, restart, kill])
def test_a_kernel_that_ends_is_reported_at_once(
    notebook: Callable[..., Notebook], lab: Lab, end: Callable[[Notebook, Lab], None]
) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    view.click(*FACE)
    end(opened, lab)
    expect(view.status).to_have_text("The kernel that ran this widget is gone. Run the cell again to continue.")
    expect(view.root).to_have_attribute("data-state", "error")
    expect(view.candidates).to_have_count(3)

    opened.reload()
    opened.run_all()
    View.of(opened).click(*FACE)


def open_without_kernel(opened: Notebook, lab: Lab) -> None:
    """Show a notebook as on a machine that does not have its kernel: JupyterLab asks for one, and gets none."""
    lab.shut_down_kernels(opened.path.name)
    opened.load()
    opened.page.get_by_role("dialog").get_by_role("button", name="No Kernel").click()


@pytest.mark.parametrize("keeps_state", [False, True], ids=["without the widget's state", "with the widget's state"])
def test_a_notebook_without_a_kernel_shows_the_saved_picture_and_how_to_continue(
    page: Page, lab: Lab, keeps_state: bool
) -> None:
    opened = Notebook.of(page, lab, f"kept-{keeps_state}.ipynb", [SHOW_CAT])
    opened.run_all()
    View.of(opened).click(*FACE)
    picture = page.locator(".jp-OutputArea-output img")
    expect(picture).to_be_hidden()
    opened.execute(FOREIGN)
    if keeps_state:
        opened.command(TOGGLE_STATE)
    try:
        saved = opened.save()
    finally:
        if keeps_state:
            opened.command(TOGGLE_STATE)
    assert ("widgets" in saved.metadata) == keeps_state
    open_without_kernel(opened, lab)
    expect(picture).to_be_visible(timeout=TIMEOUT_MS)
    expect(page.get_by_text(re.compile("Loading widget|model not found")).filter(visible=True)).to_have_count(0)
    expect(page.get_by_text(re.compile("Run the cell again to continue")).filter(visible=True)).not_to_have_count(0)


def test_a_notebook_that_met_another_kernel_shows_the_saved_picture_until_the_cell_is_run(page: Page, lab: Lab) -> None:
    opened = Notebook.of(page, lab, "met.ipynb", [SHOW_CAT])
    opened.run_all()
    View.of(opened).click(*FACE)
    opened.save()
    lab.shut_down_kernels(opened.path.name)
    opened.reload()
    picture = page.locator(".jp-OutputArea-output img")
    expect(picture).to_be_visible(timeout=TIMEOUT_MS)
    expect(page.get_by_text("model not found")).to_be_hidden()
    expect(page.get_by_text("Run the cell again to continue.")).to_be_visible()
    opened.run_all()
    View.of(opened).click(*FACE)
    expect(picture).to_be_hidden()
    expect(page.get_by_text("Run the cell again to continue.")).to_be_hidden()
