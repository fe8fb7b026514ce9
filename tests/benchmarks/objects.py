"""A click with 300 objects compared with a click with one, in a real Chromium with JupyterLab: expected at most 1.1.

    python tests/benchmarks/objects.py [OBJECTS]

Two widgets on the same photo are open in one page, and are clicked in turn, so that other load affects both. A click is
timed inside the page, from the press to the frame after its answer.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.page import opened

CLICKS, WARM_UP = 20, 5
# Small disks all over the photo.
OBJECTS = """
def objects(count):
    height, width = photo.shape[:2]
    found, (rows, columns) = np.zeros((height, width), int), np.mgrid[:height, :width]
    across = int(np.ceil((1.5 * count) ** 0.5))
    for k in range(count):
        row, column = divmod(k, across)
        y, x = (row + 0.5) * width / across, (column + 0.5) * width / across
        found[(rows - y) ** 2 + (columns - x) ** 2 < (min(60, width / across) * 0.4) ** 2] = k + 1
    return found
"""
# A click in one of the widgets; resolves with the milliseconds to the frame after its answer.
CLICK = """async ([index, step]) => {
    const root = document.querySelectorAll('.sam-widget')[index], canvas = root.querySelector('[role=application]')
    const box = canvas.getBoundingClientRect()
    canvas.setPointerCapture = () => {}
    const before = Number(root.dataset.seq), start = performance.now()
    const at = {clientX: box.x + box.width * (0.2 + 0.1 * (step % 6)),
                clientY: box.y + box.height * (0.2 + 0.1 * (step % 5)),
                bubbles: true, cancelable: true, pointerId: 1, pointerType: 'mouse', isPrimary: true, button: 0}
    canvas.dispatchEvent(new PointerEvent('pointerdown', {...at, buttons: 1}))
    canvas.dispatchEvent(new PointerEvent('pointerup', {...at, buttons: 0}))
    while (!(Number(root.dataset.seq) > before && root.dataset.state === 'ready')) {
        if (performance.now() - start > 60000) throw new Error('no answer')
        await new Promise(resolve => setTimeout(resolve, 1))
    }
    await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))
    return performance.now() - start
}"""


def main(objects: int = 300) -> None:
    """Print the median of both, and their ratio."""
    with opened((), model="tiny", size=(600, 400)) as view:
        page, notebook = view.page, view.notebook
        page.set_viewport_size({"width": 1280, "height": 2400})  # Both widgets are visible.
        notebook.run_cell(f"{OBJECTS}\n_ = w.session.add_objects(objects(1))")
        notebook.run_cell(f"v = sw.SamWidget(photo)\n_ = v.session.add_objects(objects({objects}))\nv")
        times: tuple[list[float], list[float]] = ([], [])
        for index in (0, 1):
            notebook.expect_state("ready", view=index)
            switch = notebook.widget.nth(index).get_by_role("switch", name="Hover")
            if switch.get_attribute("aria-checked") == "true":
                switch.click()
        for step in range(CLICKS + WARM_UP):
            for index in (0, 1):
                times[index].append(page.evaluate(CLICK, [index, step]))
        few, many = (statistics.median(one[WARM_UP:]) for one in times)
        print(f"a click with 1 object {few:.1f} ms, with {objects} {many:.1f} ms, ratio {many / few:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
