"""From pointer-up to painted mask, in a real Chromium on a real JupyterLab: what a person waits for a click.

Measured inside the page, with and without the Jupyter server extension that sends small replies at once.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.browser import chromium
from tests.browser.lab import Lab, Notebook

CLICKS = 40
CODE = """import numpy as np
import sam_widget as sw
from PIL import Image
photo = np.array(Image.fromarray(sw.sample("coffee")).resize((1024, 768)))
w = sw.SamWidget(photo, model={model!r})
w"""
# Dispatches a click, and resolves once the answer's state has been drawn: two frames after data-seq has moved on.
MEASURE = """async ([x, y]) => {
    const root = document.querySelector('.sam-widget'), canvas = root.querySelector('[role=application]')
    const box = canvas.getBoundingClientRect(), before = Number(root.dataset.seq)
    const at = {clientX: box.x + x * box.width, clientY: box.y + y * box.height, bubbles: true, composed: true,
                pointerId: 1, isPrimary: true, pointerType: 'mouse', button: 0}
    const answered = new Promise(resolve => {
        const observer = new MutationObserver(() => {
            if (Number(root.dataset.seq) > before) { observer.disconnect(); resolve() }
        })
        observer.observe(root, {attributes: true, attributeFilter: ['data-seq']})
    })
    canvas.dispatchEvent(new PointerEvent('pointerdown', {...at, buttons: 1}))
    const start = performance.now()
    canvas.dispatchEvent(new PointerEvent('pointerup', {...at, buttons: 0}))
    await answered
    await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))
    return performance.now() - start
}"""


def measure(name: str, options: tuple[str, ...], *, model: str) -> None:
    """Click around in a fresh JupyterLab, and print the median and the 95th percentile."""
    executable = chromium.find()  # Before Playwright starts: it asks Playwright too.
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder), *options)
        try:
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-first-run"])
            page = browser.new_page(viewport={"width": 1280, "height": 960})
            page.set_default_timeout(120_000)
            notebook = Notebook.of(page, lab, "clicks.ipynb", [CODE.format(model=model)])
            notebook.run_all()
            notebook.expect_state("ready")
            times = []
            for k in range(CLICKS + 5):
                times.append(page.evaluate(MEASURE, [0.15 + 0.7 * (k * 0.618 % 1), 0.15 + 0.7 * (k * 0.324 % 1)]))
                notebook.expect_state("ready")
                if k % 5 == 4:
                    notebook.widget.get_by_role("button", name="Clear").click()
                    notebook.expect_state("ready")
            times = sorted(times[5:])
            print(f"{name:<44}{statistics.median(times):>10.1f} ms{times[int(len(times) * 0.95)]:>10.1f} ms")
            browser.close()
        finally:
            lab.close()


def main() -> None:
    """Measure both ways, in one run."""
    model = sys.argv[1] if len(sys.argv) > 1 else "tiny"
    print(f"{'pointer-up to painted mask, 1024 x 768':<44}{'median':>13}{'95%':>13}")
    off = '--ServerApp.jpserver_extensions={"sam_widget.widget.server_extension": False}'
    measure("stock server", (off,), model=model)
    measure("with the server extension", (), model=model)


if __name__ == "__main__":
    main()
