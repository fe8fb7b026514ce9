"""`make picture`: record the widget in a real JupyterLab as animated WebP files, light and dark.

The pointer of a headless browser is invisible, so an arrow that follows it is drawn over the page.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, ViewportSize, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.browser import chromium  # noqa: E402
from tests.browser.lab import TIMEOUT_MS, Lab, Notebook  # noqa: E402
from tests.browser.view import View  # noqa: E402

PICTURES = Path(__file__).parent / "pictures"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
VIEWPORT: ViewportSize = {"width": 1000, "height": 760}
CELL = 'import sam_widget as sw\n\nw = sw.SamWidget(sw.sample("coffee"))\nw'
# Milliseconds of a frame while the pointer moves, and of one to be read.
MOVING, RESTING = 70, 1100
POINTER = """() => {
    const arrow = document.createElement('div')
    arrow.id = 'picture-pointer'
    arrow.style.cssText = 'position:fixed;z-index:99999;pointer-events:none;left:0;top:0'
    arrow.innerHTML = '<svg width="22" height="26" viewBox="0 0 22 26"><path d="M2 1v20l5-5 4 8 4-2-4-8h7z"' +
        ' fill="white" stroke="black" stroke-width="1.6" stroke-linejoin="round"/></svg>'
    document.body.append(arrow)
    addEventListener('pointermove', event => {
        arrow.style.transform = `translate(${event.clientX}px,${event.clientY}px)`
    }, true)
}"""


class Recorder:
    """Frames of one element, and how long each is shown."""

    def __init__(self, page: Page, element: Locator) -> None:
        self.page, self._element = page, element
        self.frames: list[Image.Image] = []
        self.durations: list[int] = []

    def shoot(self, milliseconds: int) -> None:
        """Add a frame."""
        box = self._element.bounding_box()
        if box is None:
            raise RuntimeError("the widget is not displayed")
        clip = {"x": box["x"] - 6, "y": box["y"] - 6, "width": box["width"] + 12, "height": box["height"] + 12}
        shot = self.page.screenshot(clip=clip)  # type: ignore[arg-type]
        self.frames.append(Image.open(io.BytesIO(shot)).convert("RGB"))
        self.durations.append(milliseconds)

    def save(self, path: Path) -> None:
        """Write an animated WebP that loops."""
        path.parent.mkdir(exist_ok=True)
        first, *rest = self.frames
        first.save(
            path,
            save_all=True,
            append_images=rest,
            duration=self.durations,
            loop=0,
            quality=70,
            method=6,
            minimize_size=True,
        )


def move(
    view: View, recorder: Recorder, start: tuple[float, float], end: tuple[float, float], *, steps: int
) -> tuple[float, float]:
    """Move the pointer between two pixels of the photo, at a person's speed: the mask follows as it can."""
    for step in range(1, steps + 1):
        x, y = (a + (b - a) * step / steps for a, b in zip(start, end, strict=True))
        recorder.page.mouse.move(*view.on_page(x, y))
        recorder.page.wait_for_timeout(MOVING)
        recorder.shoot(MOVING)
    return end


def play(view: View, recorder: Recorder) -> None:
    """A word, then a click with its three masks."""
    page = recorder.page
    recorder.shoot(RESTING)
    view.canvas.focus()
    page.keyboard.press("/")
    panel = view.root.get_by_role("search", name="Find")
    for letter in "cup":
        page.keyboard.type(letter)
        view.drawn()
        recorder.shoot(220)
    expect(panel).to_contain_text("cup: 1", timeout=TIMEOUT_MS)
    view.drawn()
    recorder.shoot(2 * RESTING)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    at = move(view, recorder, (430, 60), (520, 330), steps=9)
    at = move(view, recorder, at, (250, 300), steps=9)
    at = move(view, recorder, at, (255, 180), steps=7)
    view.click(*at)
    view.drawn()
    recorder.shoot(RESTING)
    for key in "123":
        page.keyboard.press(key)
        expect(view.candidates.nth(int(key) - 1)).to_be_checked()
        view.drawn()
        recorder.shoot(RESTING)
    # The spoon is missing.
    at = move(view, recorder, at, (375, 285), steps=8)
    view.click(*at)
    view.drawn()
    recorder.shoot(2 * RESTING)
    page.keyboard.press("t")
    for letter in "cup":
        page.keyboard.type(letter)
        recorder.shoot(150)
    page.keyboard.press("Enter")
    expect(view.objects).to_have_count(1)
    view.drawn()
    recorder.shoot(2 * RESTING)


def record(theme: str, page: Page, lab: Lab) -> Recorder:
    """Open the widget in a theme, and play."""
    notebook = Notebook.of(page, lab, f"{theme}.ipynb", [CELL])
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", THEMES[theme])
    page.evaluate("window.jupyterapp.shell.collapseLeft()")
    notebook.run_all()
    view = View.of(notebook)
    # Found once beforehand, so that the recording shows what a second search takes.
    notebook.run_silently("sw.Session(sw.sample('coffee')).find('cup')")
    page.evaluate(POINTER)
    view.root.scroll_into_view_if_needed()
    page.mouse.move(*view.on_page(430, 60))
    recorder = Recorder(page, view.root)
    play(view, recorder)
    return recorder


def main() -> None:
    """Record both themes."""
    path = chromium.find()
    if path is None:
        sys.exit(chromium.ADVICE)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-first-run"])
        lab = Lab(Path(folder))
        try:
            for theme in THEMES:
                page = browser.new_context(viewport=VIEWPORT).new_page()
                page.set_default_timeout(TIMEOUT_MS)
                recorder = record(theme, page, lab)
                target = PICTURES / f"widget-{theme}.webp"
                recorder.save(target)
                print(
                    f"{target.relative_to(ROOT)}: {len(recorder.frames)} frames, {target.stat().st_size / 1e6:.1f} MB"
                )
                page.context.close()
        finally:
            lab.close()
            browser.close()


if __name__ == "__main__":
    main()
