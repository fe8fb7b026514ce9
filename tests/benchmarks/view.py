"""From frame to frame while a photo is panned and zoomed, in a real Chromium: does a large photo move like a small one?

Measured inside the page, with a mask on the photo. Tiles arrive while it moves. A frame at 60 Hz takes 16.7 ms.
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

CODE = """import numpy as np
import sam_widget as sw
coffee = sw.sample("coffee")
photo = np.tile(coffee, (25, 17, 1))[:10000, :10000] if {large} else coffee
w = sw.SamWidget(photo)
w.drag(*({large} and (2000, 2000, 8000, 8000) or (100, 60, 500, 350)))
w"""
# Does a step a frame, and returns the time from each frame to the next, in milliseconds.
MEASURE = """async kind => {
    const canvas = document.querySelector('.sam-widget [role=application]')
    const box = canvas.getBoundingClientRect()
    const at = (x, y) => ({clientX: box.x + x, clientY: box.y + y, bubbles: true, cancelable: true, pointerId: 1,
                           pointerType: 'mouse', isPrimary: true})
    const frame = () => new Promise(resolve => requestAnimationFrame(resolve))
    canvas.setPointerCapture = () => {}
    canvas.focus()
    const fire = (type, x, y, extra) => canvas.dispatchEvent(new PointerEvent(type, {...at(x, y), ...extra}))
    const wheel = delta => canvas.dispatchEvent(new WheelEvent('wheel', {...at(300, 200), deltaY: delta}))
    const times = []
    if (kind === 'pan') fire('pointerdown', 400, 200, {button: 1, buttons: 4})
    let before = await frame()
    for (let i = 0; i < 180; i++) {
        const [x, y] = [400 - 1500 * Math.sin(i / 30), 200 - 900 * Math.sin(i / 45)]
        if (kind === 'pan') fire('pointermove', x, y, {buttons: 4})
        else wheel(i < 90 ? -45 : 45)
        const now = await frame()
        times.push(now - before)
        before = now
    }
    if (kind === 'pan') fire('pointerup', 400, 200, {button: 1})
    return times
}"""


def main() -> None:
    """Measure a small photo and one of 100 megapixels, and print medians, 95th percentiles and their ratios."""
    executable = chromium.find()  # Before Playwright starts: it asks Playwright too.
    medians: dict[tuple[str, bool], float] = {}
    print(f"{'from frame to frame':<44}{'median':>13}{'95%':>13}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        try:
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-first-run"])
            for large in (False, True):
                page = browser.new_page(viewport={"width": 1280, "height": 960})
                page.set_default_timeout(120_000)
                notebook = Notebook.of(page, lab, f"view{large}.ipynb", [CODE.format(large=large)])
                notebook.run_all()
                notebook.expect_state("ready")
                for kind in ("zoom", "pan"):
                    canvas = page.get_by_role("application", name="Image")
                    canvas.press("z" if kind == "pan" else "0")
                    times = sorted(page.evaluate(MEASURE, kind))
                    medians[kind, large] = statistics.median(times)
                    name = f"{kind}, {'10,000 x 10,000' if large else '600 x 400'}"
                    print(f"{name:<44}{medians[kind, large]:>10.1f} ms{times[int(len(times) * 0.95)]:>10.1f} ms")
                page.close()
            for kind in ("zoom", "pan"):
                print(f"{kind}, large to small: {medians[kind, True] / medians[kind, False]:.2f}")
        finally:
            lab.close()


if __name__ == "__main__":
    main()
