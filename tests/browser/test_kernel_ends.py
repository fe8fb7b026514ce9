"""A widget says at once that its kernel has ended, however it ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab, Notebook
from tests.browser.view import FACE, SHOW_CAT, View


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
