"""Check that memory does not grow in a long session of clicks, objects and widgets, in a real Chromium with JupyterLab.

2,000 clicks, of which 300 become objects, then 50 widgets shown and closed. The kernel's memory and the page's heap are
read after garbage collection, and a click is timed at the first objects and at the last. The last line is their growth.

    python tests/benchmarks/soak.py [CLICKS [OBJECTS [WIDGETS]]]

The full size takes about ten minutes on a quiet machine.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from playwright.sync_api import CDPSession

from tests.benchmarks.page import Opened, opened

# A click in the middle of the canvas and a bit around it; resolves with the milliseconds to its answer.
CLICK = """async step => {
    const root = document.querySelector('.sam-widget')
    const canvas = root.querySelector('[role=application]')
    const box = canvas.getBoundingClientRect()
    const [x, y] = [box.x + box.width * (0.3 + 0.4 * (step % 7) / 7), box.y + box.height * (0.3 + 0.4 * (step % 5) / 5)]
    const init = {clientX: x, clientY: y, bubbles: true, cancelable: true, pointerId: 1, pointerType: 'mouse',
                  isPrimary: true, button: 0}
    canvas.setPointerCapture = () => {}
    const before = Number(root.dataset.seq ?? 0), start = performance.now()
    canvas.dispatchEvent(new PointerEvent('pointerdown', {...init, buttons: 1}))
    canvas.dispatchEvent(new PointerEvent('pointerup', {...init, buttons: 0}))
    await new Promise((resolve, reject) => {
        const look = () => {
            if (Number(root.dataset.seq ?? 0) > before && root.dataset.state === 'ready') resolve()
            else if (performance.now() - start > 60000) reject(new Error('no answer'))
            else setTimeout(look, 1)
        }
        look()
    })
    return performance.now() - start
}"""
RSS = """
import gc, ctypes
gc.collect()
try:
    ctypes.CDLL("libc.so.6").malloc_trim(0)
except (OSError, AttributeError):
    pass
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) // 1024)
"""
# Widgets shown and closed in one cell: a cell must not take longer than the limit on waiting for it.
AT_ONCE = 10
WIDGETS = """
import gc, weakref, numpy as np
from IPython.display import display, clear_output
alive = []
for k in range({count}):
    one = sw.SamWidget(photo.copy())
    display(one)
    one.click(photo.shape[1] // 2, photo.shape[0] // 2)
    one.accept()
    alive.append(weakref.ref(one))
    one.close()
    clear_output()
del one
gc.collect()
print(sum(ref() is not None for ref in alive))
"""


def kernel_memory(view: Opened) -> int:
    """The kernel's memory after garbage collection, in megabytes."""
    return int(view.notebook.run_cell(RSS).split()[-1])


def page_memory(session: CDPSession) -> dict[str, float]:
    """The page's megabytes of heap, nodes and listeners after garbage collection."""
    session.send("HeapProfiler.collectGarbage")
    counters: dict[str, Any] = session.send("Memory.getDOMCounters")
    heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    return {"heap": heap, "nodes": counters["nodes"], "listeners": counters["jsEventListeners"]}


def report(name: str, kernel: int, page: dict[str, float]) -> None:
    print(f"{name:<44}{kernel:>8} MB {page['heap']:>8.1f} MB {page['nodes']:>8} {page['listeners']:>8}", flush=True)


def main(clicks: int = 2000, objects: int = 300, widgets: int = 50) -> None:
    """Click, accept, open and close; print what kernel and page hold after each part."""
    with opened((), model="tiny") as view:
        session = view.page.context.new_cdp_session(view.page)
        print(f"{'':<44}{'kernel':>11} {'page':>11} {'nodes':>8} {'listen.':>8}")
        view.hover(on=False)
        every = max(1, clicks // objects)
        times: list[float] = []
        kernels, pages = [], []

        def hold(name: str) -> None:
            kernel, page = kernel_memory(view), page_memory(session)
            kernels.append(kernel)
            pages.append(page["heap"])
            report(name, kernel, page)

        start = time.monotonic()
        for step in range(clicks):
            times.append(view.page.evaluate(CLICK, step))
            if step % every == every - 1:
                # The places of clicks repeat, and a click on an earlier one is not another.
                name = "Accept" if step // every < objects else "Clear"
                view.notebook.widget.get_by_role("button", name=name, exact=True).click()
                view.notebook.expect_state("ready")
            if step + 1 in (min(100, clicks // 4), clicks // 2, clicks):
                hold(f"after {step + 1} clicks")
        head, tail = statistics.median(times[: clicks // 10]), statistics.median(times[-(clicks // 10) :])
        seconds = time.monotonic() - start
        print(f"{clicks} clicks in {seconds:.0f} s; one took {head:.0f} ms at first, {tail:.0f} ms at the end")
        alive = 0
        for first in range(0, widgets, AT_ONCE):
            count = min(AT_ONCE, widgets - first)
            alive += int(view.notebook.run_cell(WIDGETS.format(count=count)).split()[-1])
        hold(f"{widgets} widgets shown and closed, {alive} alive")
        kernel, page = kernels[-1] - kernels[0], pages[-1] - pages[0]
        print(f"growth from the first line to the last: kernel {kernel:+d} MB, page {page:+.1f} MB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
