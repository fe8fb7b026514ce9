"""Frames while a photo is panned and zoomed, in a real Chromium: a small photo, a large one, 1,000 objects.

Measured inside the page, with a mask on the photo. Tiles arrive while it moves. A frame at 60 Hz takes 16.7 ms. Then a
click is timed, to its answer and the next frame, with 1 object and with 1,000.
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
w.session.add_objects(objects({objects})) if {objects} else None
w.drag(*({large} and (2000, 2000, 8000, 8000) or (100, 60, 500, 350)))
w"""
# Disks all over the photo: a label map.
OBJECTS = """import numpy as np
def objects(count):
    found, (rows, columns) = np.zeros((400, 600), int), np.mgrid[:400, :600]
    across = int(np.ceil((1.5 * count) ** 0.5))
    for k in range(count):
        row, column = divmod(k, across)
        y, x = (row + 0.5) * 600 / across, (column + 0.5) * 600 / across
        found[(rows - y) ** 2 + (columns - x) ** 2 < (260 / across) ** 2] = k + 1
    return found
"""
SCENES = {"600 x 400": (False, 0), "10,000 x 10,000": (True, 0), "1,000 objects": (False, 1000)}
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


# Clicks here and there, and returns the time to each answer on the screen, in milliseconds.
CLICKS = """async () => {
    const root = document.querySelector('.sam-widget'), canvas = root.querySelector('[role=application]')
    const box = canvas.getBoundingClientRect(), times = []
    canvas.setPointerCapture = () => {}
    for (let i = 0; i < 30; i++) {
        const before = Number(root.dataset.seq), start = performance.now()
        const at = {clientX: box.x + 60 + 70 * (i % 6), clientY: box.y + 60 + 50 * Math.floor(i / 6),
                    bubbles: true, cancelable: true, pointerId: 1, pointerType: 'mouse', isPrimary: true, button: 0}
        canvas.dispatchEvent(new PointerEvent('pointerdown', {...at, buttons: 1}))
        canvas.dispatchEvent(new PointerEvent('pointerup', {...at, buttons: 0}))
        while (!(Number(root.dataset.seq) > before && root.dataset.state === 'ready')) {
            if (performance.now() - start > 60000) throw new Error('no answer')
            await new Promise(resolve => setTimeout(resolve, 1))
        }
        await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))
        times.push(performance.now() - start)
    }
    return times.slice(10)
}"""


def main() -> None:
    """Print medians, 95th percentiles, and what a large photo and many objects cost."""
    executable = chromium.find()  # Before Playwright starts: it asks Playwright too.
    medians: dict[tuple[str, str], float] = {}
    print(f"{'from frame to frame':<44}{'median':>13}{'95%':>13}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        try:
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-first-run"])
            for number, (scene, (large, objects)) in enumerate(SCENES.items()):
                page = browser.new_page(viewport={"width": 1280, "height": 960})
                page.set_default_timeout(120_000)
                cells = [OBJECTS, CODE.format(large=large, objects=objects)]
                notebook = Notebook.of(page, lab, f"view{number}.ipynb", cells)
                notebook.run_all()
                notebook.expect_state("ready")
                canvas = page.get_by_role("application", name="Image")
                for kind in ("zoom", "pan", "click"):
                    canvas.press("z" if kind == "pan" else "0")
                    if kind == "click":
                        canvas.press("Escape")
                        notebook.expect_state("ready")
                    times = sorted(page.evaluate(CLICKS) if kind == "click" else page.evaluate(MEASURE, kind))
                    medians[kind, scene] = statistics.median(times)
                    worst = times[int(len(times) * 0.95)]
                    print(f"{f'{kind}, {scene}':<44}{medians[kind, scene]:>10.1f} ms{worst:>10.1f} ms", flush=True)
                page.close()
            first, *others = SCENES
            for scene in others:
                ratios = (
                    f"{kind} {medians[kind, scene] / medians[kind, first]:.2f}" for kind in ("zoom", "pan", "click")
                )
                print(f"{scene} to {first}: {', '.join(ratios)}")
        finally:
            lab.close()


if __name__ == "__main__":
    main()
