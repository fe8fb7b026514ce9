"""Check that memory does not grow in a long session of clicks, objects and widgets, in a real Chromium with JupyterLab.

2,000 clicks, of which 300 become objects. Then 50 widgets are shown and closed, in four quarters, and in the same way
50 anywidgets of one line and 50 `ipywidgets.Image` of the same photo: what remains of those is Jupyter's own. Memory is
read after garbage collection, and a click is timed at the first objects and at the last.

- "kernel" is the resident memory, "in use" what the C library has given out. The difference is freed memory in the
  arenas that glibc keeps for threads, which levels off: there are at most eight per core.
- "page" is the heap, "data" are pictures and other buffers. DOM nodes and listeners grow with each executed cell.

    python tests/benchmarks/soak.py [CLICKS [OBJECTS [WIDGETS]]]

The full size takes about ten minutes on a quiet machine.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
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
# Resident megabytes of the kernel, and those that its C library has given out: arenas less what is free in them, and
# large blocks.
MEMORY = """
import ctypes, gc, re, tempfile
gc.collect()
in_use = 0
try:
    libc = ctypes.CDLL("libc.so.6")
    libc.malloc_trim(0)
    with tempfile.NamedTemporaryFile("r") as report:
        libc.fopen.restype, libc.fopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p] * 2
        libc.fclose.argtypes, libc.malloc_info.argtypes = [ctypes.c_void_p], [ctypes.c_int, ctypes.c_void_p]
        stream = libc.fopen(report.name.encode(), b"w")
        libc.malloc_info(0, stream)
        libc.fclose(stream)
        total = report.read().rpartition("</heap>")[2]
    sizes = dict(re.findall(r'<\\w+ type="(\\w+)"[^>]* size="(\\d+)"', total))
    in_use = int(sizes["current"]) - int(sizes["fast"]) - int(sizes["rest"]) + int(sizes["mmap"])
except (OSError, AttributeError):
    pass
rss = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(rss / 1024, in_use / 2**20)
"""
# Widgets shown and closed in one cell: a cell must not take longer than the limit on waiting for it.
AT_ONCE = 10
WIDGETS = """
import gc, weakref
from IPython.display import display, clear_output
alive = []
for k in range({count}):
    one = make(k)
    display(one)
    use(one)
    alive.append(weakref.ref(one))
    one.close()
    clear_output()
del one
gc.collect()
print(sum(ref() is not None for ref in alive))
"""
OURS = """
def make(k):
    return sw.SamWidget(photo.copy())

def use(one):
    one.click(photo.shape[1] // 2, photo.shape[0] // 2)
    one.accept()
"""
TRIVIAL = """
import anywidget

class Trivial(anywidget.AnyWidget):
    _esm = "export default { render({ el }) { el.textContent = 'x' } }"

make, use = lambda k: Trivial(), lambda one: None
"""
PICTURES = """
import io, ipywidgets
from PIL import Image

file = io.BytesIO()
Image.fromarray(photo).save(file, "PNG")
make, use = lambda k: ipywidgets.Image(value=file.getvalue() + bytes([k % 256])), lambda one: None
"""
KINDS = {"SamWidget": OURS, "trivial anywidget": TRIVIAL, "ipywidgets.Image": PICTURES}
QUARTERS = 4


@dataclass(frozen=True)
class Held:
    """What kernel and page hold after garbage collection, in megabytes."""

    kernel: float
    in_use: float
    heap: float
    data: float
    nodes: int
    listeners: int

    @classmethod
    def now(cls, view: Opened, session: CDPSession) -> Held:
        kernel, in_use = map(float, view.notebook.run_cell(MEMORY).split()[-2:])
        for _ in range(2):
            session.send("HeapProfiler.collectGarbage")
        usage: dict[str, Any] = session.send("Runtime.getHeapUsage")
        counters: dict[str, Any] = session.send("Memory.getDOMCounters")
        heap, data = usage["usedSize"] / 1e6, usage.get("backingStorageSize", 0) / 1e6
        return cls(kernel, in_use, heap, data, counters["nodes"], counters["jsEventListeners"])

    def report(self, name: str) -> None:
        sizes = f"{self.kernel:>8.0f} MB {self.in_use:>8.1f} MB {self.heap:>8.1f} MB {self.data:>8.1f} MB"
        print(f"{name:<36}{sizes} {self.nodes:>8} {self.listeners:>8}", flush=True)

    def growth(self, before: Held) -> str:
        changes = {
            "kernel": self.kernel - before.kernel,
            "in use": self.in_use - before.in_use,
            "page": self.heap - before.heap,
            "data": self.data - before.data,
        }
        return ", ".join(f"{name} {change:+.1f}" for name, change in changes.items())


def click(view: Opened, session: CDPSession, *, clicks: int, objects: int) -> None:
    """Click and accept; print what is held after each part."""
    every = max(1, clicks // objects)
    times: list[float] = []
    held: list[Held] = []
    start = time.monotonic()
    for step in range(clicks):
        times.append(view.page.evaluate(CLICK, step))
        if step % every == every - 1:
            # The places of clicks repeat, and a click on an earlier one is not another.
            name = "Accept" if step // every < objects else "Clear"
            view.notebook.widget.get_by_role("button", name=name, exact=True).click()
            view.notebook.expect_state("ready")
        if step + 1 in (min(100, clicks // 4), clicks // 2, clicks):
            held.append(Held.now(view, session))
            held[-1].report(f"after {step + 1} clicks")
    head, tail = statistics.median(times[: clicks // 10]), statistics.median(times[-(clicks // 10) :])
    seconds = time.monotonic() - start
    print(f"{clicks} clicks in {seconds:.0f} s; one took {head:.0f} ms at first, {tail:.0f} ms at the end")
    print(f"growth from the first line to the last, in MB: {held[-1].growth(held[0])}")


def show_and_close(view: Opened, session: CDPSession, kind: str, *, widgets: int) -> list[Held]:
    """Show and close widgets of a kind in four quarters; return what is held before and after each."""
    view.notebook.run_cell(KINDS[kind])
    view.notebook.run_cell(WIDGETS.format(count=1))  # Its growth is what is made once.
    held = [Held.now(view, session)]
    held[0].report(kind)
    shown = alive = 0
    for quarter in range(1, QUARTERS + 1):
        while shown < widgets * quarter // QUARTERS:
            count = min(AT_ONCE, widgets * quarter // QUARTERS - shown)
            alive += int(view.notebook.run_cell(WIDGETS.format(count=count)).split()[-1])
            shown += count
        held.append(Held.now(view, session))
        held[-1].report(f"  {shown} shown and closed, {alive} alive")
    return held


def main(clicks: int = 2000, objects: int = 300, widgets: int = 50) -> None:
    """Click, accept, open and close; print what kernel and page hold after each part."""
    with opened((), model="tiny") as view:
        session = view.page.context.new_cdp_session(view.page)
        names = f"{'kernel':>11} {'in use':>11} {'page':>11} {'data':>11} {'nodes':>8} {'listen.':>8}"
        print(f"{'':<36}{names}")
        view.hover(on=False)
        click(view, session, clicks=clicks, objects=objects)
        held = {kind: show_and_close(view, session, kind, widgets=widgets) for kind in KINDS}
        print(f"growth from {widgets} widgets shown and closed, in MB:")
        for kind, lines in held.items():
            print(f"  {kind + ':':<20}{lines[-1].growth(lines[0])}; last quarter: {lines[-1].growth(lines[-2])}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
