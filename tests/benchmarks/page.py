"""Shared by the benchmarks of the live view: a real Chromium with a real JupyterLab, and its lower limits.

An answer cannot be quicker than a decode and the floor: what an empty message takes to the kernel and back.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.browser import chromium
from tests.browser.lab import Lab, Notebook

# Options for a JupyterLab without the package's server extension.
STOCK = ('--ServerApp.jpserver_extensions={"sam_widget.widget.server_extension": False}',)
CODE = """import numpy as np
import sam_widget as sw
from PIL import Image
photo = np.array(Image.fromarray(sw.sample("coffee")).resize({size}))
w = sw.SamWidget(photo, model={model!r})
get_ipython().kernel.comm_manager.register_target("echo", lambda comm, _: comm.on_msg(lambda _: comm.send({{}})))
w"""
# As the widget asks the model, in a thread of its own; in milliseconds.
DECODE = """
import statistics, threading, time
from sam_widget.widget.threads import one_core_left
times = []
def ask():
    with one_core_left():
        for k in range(25):
            x, y = photo.shape[1] * (0.2 + 0.025 * k), photo.shape[0] * (0.65 - 0.013 * k)
            prompt, start = sw.Prompt().with_point(x, y), time.perf_counter()
            w.session.predictor.answer(w.session.embedding, prompt)
            times.append(1000 * (time.perf_counter() - start))
thread = threading.Thread(target=ask)
thread.start()
thread.join()
print(statistics.median(times[5:]))
"""
# Empty messages to the kernel and back, one after the other: the time of each, in milliseconds.
FLOOR = """async count => {
    const comm = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.createComm('echo')
    comm.open()
    const times = []
    for (let i = 0; i < count; i++) {
        const answered = new Promise(resolve => { comm.onMsg = resolve })
        const start = performance.now()
        comm.send({})
        await answered
        times.push(performance.now() - start)
    }
    comm.close()
    return times
}"""


@dataclass(frozen=True)
class Opened:
    """A widget on a photo, ready."""

    page: Page
    notebook: Notebook

    def hover(self, *, on: bool) -> None:
        """Switch hovering on or off."""
        switch = self.notebook.widget.get_by_role("switch", name="Hover")
        if switch.get_attribute("aria-checked") != str(on).lower():
            switch.click()

    def floor(self) -> float:
        """Median round trip of fifty empty messages to the kernel, in milliseconds."""
        return statistics.median(self.page.evaluate(FLOOR, 60)[10:])

    def decode(self) -> float:
        """Median of twenty decodes by the model, in milliseconds."""
        return float(self.notebook.run_cell(DECODE))


@contextmanager
def opened(
    options: Sequence[str], *, model: str, script: str = "", size: tuple[int, int] = (1024, 768)
) -> Iterator[Opened]:
    """Show a widget in a fresh JupyterLab with these options.

    Args:
        options: Of the server.
        model: The widget's.
        script: What the page runs before everything else.
        size: Width and height of the photo, in pixels.
    """
    executable = chromium.find()  # Before Playwright starts: it asks Playwright too.
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder), *options)
        try:
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-first-run"])
            page = browser.new_page(viewport={"width": 1280, "height": 960})
            page.set_default_timeout(120_000)
            page.add_init_script(script)
            notebook = Notebook.of(page, lab, "live.ipynb", [CODE.format(model=model, size=size)])
            notebook.run_all()
            notebook.expect_state("ready")
            yield Opened(page, notebook)
            browser.close()
        finally:
            lab.close()
