"""Closed widgets leave nothing in the page besides what Jupyter itself keeps of any widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import CDPSession

from tests.browser.lab import Notebook
from tests.browser.view import SHOW_CAT, View
from tests.waiting import until

COUNT = 8
# Shown and closed one after the other, as by a cell that is run again and again.
ONE_BY_ONE = f"""
from IPython.display import clear_output, display
for _ in range({COUNT}):
    one = make()
    display(one)
    use(one)
    one.close()
    clear_output()
"""
# Closed while a cell still shows them.
TOGETHER = f"""
from IPython.display import display
several = [make() for _ in range({COUNT})]
for one in several:
    display(one)
    use(one)
"""
CLOSE = """
while several:
    several.pop().close()
"""
TRIVIAL = """
import anywidget

class Trivial(anywidget.AnyWidget):
    _esm = "export default { render({ el }) { el.textContent = 'x' } }"

make, use = Trivial, lambda one: None
"""
OURS = """
photo = sw.sample("cat")

def make():
    return sw.SamWidget(photo.copy())

def use(one):
    one.click(150, 120)
    one.accept("cat")
"""
# Bytes of a script above which it is a front end, and bytes of heap per widget that are not one.
FRONT_END = 50_000
SMALL = 300_000
# Prototypes are found too, and throw when they are asked.
COUNT_IF = "function () { return [...this].filter(it => { try { return %s } catch { return false } }).length }"


class Heap:
    """What the page holds after garbage collection."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    def count(self, kind: str, condition: str = "true") -> int:
        """Number of the living objects of a class for which a condition on `it` is true."""
        prototype = self._session.send("Runtime.evaluate", {"expression": f"{kind}.prototype"})
        identity = {"prototypeObjectId": prototype["result"]["objectId"], "objectGroup": "counted"}
        found = self._session.send("Runtime.queryObjects", identity)
        function = COUNT_IF % condition
        call = {"objectId": found["objects"]["objectId"], "functionDeclaration": function, "returnByValue": True}
        count: int = self._session.send("Runtime.callFunctionOn", call)["result"]["value"]
        self._session.send("Runtime.releaseObjectGroup", {"objectGroup": "counted"})
        return count

    def used(self) -> int:
        """Bytes of the heap."""
        self._session.send("HeapProfiler.collectGarbage")
        return int(self._session.send("Runtime.getHeapUsage")["usedSize"])

    def front_ends(self) -> int:
        """Number of loaded scripts from memory that are as large as a front end."""
        scripts: list[dict[str, Any]] = []

        def collect(script: dict[str, Any]) -> None:
            scripts.append(script)

        self._session.on("Debugger.scriptParsed", collect)
        self._session.send("Debugger.enable")
        self._session.send("Debugger.disable")
        self._session.remove_listener("Debugger.scriptParsed", collect)
        return sum(script["url"].startswith("blob:") and script["length"] > FRONT_END for script in scripts)

    def counts(self) -> dict[str, int]:
        for _ in range(3):
            self._session.send("HeapProfiler.collectGarbage")
        return {
            "views": self.count("HTMLElement", "it.classList.contains('sam-widget')"),
            "detached canvases": self.count("HTMLCanvasElement", "it.width > 0 && !it.isConnected"),
            "bitmaps": self.count("ImageBitmap", "it.width > 0"),
            "abort controllers": self.count("AbortController"),
            "observers": self.count("ResizeObserver"),
            "front ends": self.front_ends(),
        }


@pytest.mark.parametrize("cells", [(ONE_BY_ONE,), (TOGETHER, CLOSE)], ids=["one by one", "together"])
def test_closed_widgets_leave_no_more_than_trivial_ones(notebook: Callable[..., Notebook], cells: tuple[str]) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    View.of(opened)
    heap = Heap(opened.page.context.new_cdp_session(opened.page))

    def run(kind: str) -> None:
        for cell in (kind, *cells):
            opened.run_cell(cell)
        opened.wait_until_idle()

    # The first of a kind also leaves what is made once.
    run(TRIVIAL)
    run(OURS)
    counts, used = heap.counts(), heap.used()
    run(TRIVIAL)
    allowed, used_by_others = {name: more - counts[name] for name, more in heap.counts().items()}, heap.used()
    expected = {name: count + 2 * allowed[name] for name, count in counts.items()}
    run(OURS)
    # A collection may miss what another one finds.
    until(lambda: heap.counts() == expected, what=f"the page holds {expected}")
    assert heap.used() - used_by_others < used_by_others - used + COUNT * SMALL
    assert expected["front ends"] == 1
