"""Work that outlives its kernel, as its user sees it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.lab import Notebook
from tests.browser.view import FACE, View

SHOW = "import sam_widget as sw\nw = sw.SamWidget(sw.sample('cat'), autosave={path!r})\nw"


def test_a_killed_kernel_loses_nothing(notebook: Callable[..., Notebook], tmp_path: Path) -> None:
    path = tmp_path / "cat.sam"
    opened = notebook(SHOW.format(path=str(path)))
    opened.run_all()
    view = View.of(opened)
    expect(view.root).to_contain_text("Saved in cat.sam")
    view.click(*FACE)
    expect(view.candidates).to_have_count(3)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    opened.expect_state("ready")
    view.click(300, 40)
    expect(view.candidates).to_have_count(3)
    score = view.status.inner_text()
    pid = int(opened.run_cell("import os\nprint(os.getpid())"))
    os.kill(pid, signal.SIGKILL)

    opened.reload()
    opened.run_all()
    view = View.of(opened)
    expect(view.objects).to_have_count(1)
    expect(view.candidates).to_have_count(3)
    expect(view.status).to_have_text(score)
    view.button("Undo").click()
    expect(view.candidates).to_have_count(0)
    view.button("Undo").click()
    expect(view.objects).to_have_count(0)
