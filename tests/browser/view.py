"""The widget in a page, as its user knows it: found by roles and names, driven by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import Notebook
from tests.waiting import at_most

Open = Callable[..., Notebook]
SHOW_CAT = "import sam_widget as sw\nw = sw.SamWidget(sw.sample('cat'))\nw"
FACE = (175, 130)


@dataclass
class View:
    """A view of the widget as its user knows it."""

    page: Page
    root: Locator

    @classmethod
    def of(cls, opened: Notebook, index: int = 0, *, state: str = "ready") -> View:
        """Wait until a view is there and in a state."""
        opened.expect_state(state, view=index)
        return cls(opened.page, opened.widget.nth(index))

    @property
    def canvas(self) -> Locator:
        return self.root.get_by_role("application", name="Image")

    @property
    def candidates(self) -> Locator:
        return self.root.get_by_role("radiogroup", name="Candidates").get_by_role("radio")

    @property
    def objects(self) -> Locator:
        return self.root.get_by_role("list", name="Objects").get_by_role("listitem")

    @property
    def status(self) -> Locator:
        return self.root.get_by_role("status")

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def look(self) -> tuple[float, float, float]:
        """Scale and offset of the visible part, once the last change is drawn."""
        self.drawn()
        scale, left, top = (float(value) for value in (self.canvas.get_attribute("data-view") or "").split())
        return scale, left, top

    def drawn(self) -> None:
        """Wait for the frame after the next: elements follow a change in a microtask, canvases in a frame."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def position(self, x: float, y: float) -> dict[str, float]:
        """Where an image pixel is in the canvas, for Playwright's `position`."""
        scale, left, top = self.look()
        return {"x": left + x * scale, "y": top + y * scale}

    def on_page(self, x: float, y: float) -> tuple[float, float]:
        """Where an image pixel is in the page, for the mouse."""
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        assert box
        here = self.position(x, y)
        return box["x"] + here["x"], box["y"] + here["y"]

    def click(self, x: float, y: float, **options: object) -> None:
        """Click an image pixel and wait for the answer."""
        before = self.seq
        self.canvas.click(position=self.position(x, y), **options)  # type: ignore[arg-type]
        self.wait_past(before)

    def drag(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Drag between two image pixels and wait for the answer."""
        before = self.seq
        mouse = self.page.mouse
        start, end = self.on_page(x0, y0), self.on_page(x1, y1)
        mouse.move(*start)
        mouse.down()
        mouse.move(*end, steps=5)
        mouse.up()
        self.wait_past(before)

    def press(self, key: str) -> None:
        """Press a key that asks something of the kernel, with the canvas focused, and wait for the answer."""
        before = self.seq
        self.canvas.press(key)
        self.wait_past(before)

    @property
    def seq(self) -> int:
        return int(self.root.get_attribute("data-seq") or 0)

    def wait_past(self, seq: int) -> None:
        self.page.wait_for_function(
            "([root, seq]) => Number(root.dataset.seq) > seq && root.dataset.state === 'ready'",
            arg=[self.root.element_handle(), seq],
        )

    def painted(self) -> int:
        """How many pixels differ between the view as it is and the photo alone: is anything drawn on it?"""
        self.drawn()
        return int(
            self.root.evaluate(
                """root => [...root.querySelectorAll('canvas')].slice(1).reduce((sum, canvas) => {
                    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
                    let drawn = 0
                    for (let i = 3; i < data.length; i += 4) drawn += data[i] > 0
                    return sum + drawn
                }, 0)"""
            )
        )


def name_of(radio: Locator) -> str:
    return radio.evaluate("e => e.getAttribute('aria-label') || e.textContent")


def pixel(view: View, layer: str, x: float, y: float) -> list[int]:
    """Red, green, blue and alpha of a layer where it shows an image pixel."""
    at = view.position(x, y)
    found: list[int] = view.root.evaluate(
        """(root, [name, x, y]) => {
            const canvas = root.querySelector(`[data-layer=${name}]`), ratio = window.devicePixelRatio
            return [...canvas.getContext('2d').getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data]
        }""",
        [layer, at["x"], at["y"]],
    )
    return found


def zoom_to(view: View, scale: float, x: float, y: float) -> None:
    """Turn the wheel over an image pixel until it is at least so large."""
    view.canvas.focus()
    view.page.mouse.move(*view.on_page(x, y))
    for _ in at_most(60, lambda: view.look()[0] < scale):
        before = view.canvas.get_attribute("data-view")
        view.page.mouse.wheel(0, -400)
        expect(view.canvas).not_to_have_attribute("data-view", str(before))
