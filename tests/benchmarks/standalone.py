"""Measure a page without a kernel in a real Chromium: opening, hovering, and its memory over 2,000 clicks.

Where there is a Firefox, opening and hovering in that, too.

The decode is compared with PyTorch's on one thread of the same machine, in turn. A click adds about 5 kB, which are its
history.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from playwright.sync_api import Browser, Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sam_widget as sw
from sam_widget.page.page import write_page
from sam_widget.predictor.predictor import Predictor
from sam_widget.session.session import Session
from tests.browser import chromium, firefox
from tests.browser.test_firefox import CANDIDATES, STATE
from tests.browser.test_firefox import Page as FirefoxPage
from tests.browser.view import FACE, View
from tests.waiting import until

ARGUMENTS = ["--disable-dev-shm-usage", "--js-flags=--expose-gc"]
CLICKS = 2000
EVERY = 500
# Clicks of one prompt, which takes at most 256 points.
IN_A_PROMPT = 5


def native() -> float:
    """Milliseconds of a click in PyTorch, on one thread: the least of 40."""
    torch.set_num_threads(1)
    predictor = Predictor("tiny")
    embedding = predictor.embed(sw.sample("cat"))
    times = []
    for _ in range(40):
        start = time.perf_counter()
        predictor.predict(embedding, points=[FACE])
        times.append(1000 * (time.perf_counter() - start))
    return min(times)


# Milliseconds from asking for a preview to its mask, of 40 pointer positions, after some to warm up.
HOVER = """async () => {
    const times = []
    const worker = window.workers[0]
    for (let i = 0; i < 60; i++) {
        const prompt = {points: [{x: 150 + i, y: 130, label: 1}], boxes: [], strokes: [], mask: null}
        const start = performance.now()
        await new Promise(done => {
            const listen = ({data}) => {
                if (data.message?.client !== 'bench') return
                worker.removeEventListener('message', listen)
                done()
            }
            worker.addEventListener('message', listen)
            worker.postMessage({request: {type: 'preview', client: 'bench', seq: i, prompt}})
        })
        if (i >= 20) times.push(performance.now() - start)
    }
    return times.join(' ')
}"""
KEEP_WORKERS = """() => {
    window.workers = []
    const W = Worker
    window.Worker = class extends W { constructor(...a) { super(...a); workers.push(this) } }
}"""


def milliseconds(joined: str) -> list[float]:
    """The times that `HOVER` has found."""
    return [float(each) for each in joined.split()]


def in_firefox(file: Path, folder: Path) -> None:
    """Print what a stock Firefox takes, to the view's clock of 1 ms."""
    path = firefox.find()
    if path is None:
        print(firefox.ADVICE)
        return
    with firefox.running(path, folder, folder) as browser:
        browser.before(KEEP_WORKERS)
        opening, hover = [], []
        for _ in range(3):
            start = time.perf_counter()
            browser.open(file.as_uri())
            until(lambda: browser.evaluate(STATE) == "ready", what="the page is ready")
            page = FirefoxPage(browser, folder)
            browser.click(*page.at(*FACE))
            page.count(CANDIDATES, 3)
            opening.append(time.perf_counter() - start)
            hover.append(milliseconds(browser.evaluate(f"({HOVER})()")))
        print(f"Firefox: first answer {min(opening):.2f} s after opening")
        print(f"Firefox: hover {min(map(min, hover)):.1f} ms, median {min(map(statistics.median, hover)):.1f} ms")


def memory(browser: Browser, page: Page) -> float:
    """Resident megabytes of the pages' processes, once page and worker have collected their garbage."""
    for each in (page, *page.workers):
        each.evaluate("async () => { for (let i = 0; i < 4; i++) { gc(); await new Promise(r => setTimeout(r, 50)) } }")
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    pages = [process["id"] for process in processes if process["type"] == "renderer"]
    lines = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in pages)
    return sum(int(pages) * 4096 for pages in lines) / 1e6


def main() -> None:
    """Measure, and print."""
    path = chromium.find()
    session = Session(sw.sample("cat"), model="tiny")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = write_page(session, Path(folder) / "cat.html")
        print(f"the page has {file.stat().st_size / 1e6:.1f} MB")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_page()
        page.add_init_script(f"({KEEP_WORKERS})()")
        opening = []
        for _ in range(3):
            start = time.perf_counter()
            page.goto(file.as_uri())
            root = page.locator(".sam-widget")
            expect(root).to_have_attribute("data-state", "ready", timeout=60_000)
            view = View(page, root)
            view.click(*FACE)
            opening.append(time.perf_counter() - start)
        print(f"first answer {min(opening):.2f} s after opening (with a click by Playwright)")
        rounds = [(min(milliseconds(page.evaluate(HOVER))), native()) for _ in range(3)]
        here, torch_ms = (min(values) for values in zip(*rounds, strict=True))
        print(f"hover: {here:.1f} ms in the page, {torch_ms:.1f} ms in PyTorch, {here / torch_ms:.2f} times")
        print(f"median of hover {statistics.median(milliseconds(page.evaluate(HOVER))):.1f} ms")
        for click in range(CLICKS + 1):
            if click % EVERY == 0:
                print(f"after {click} clicks: {memory(browser, page):.0f} MB", flush=True)
            if click % IN_A_PROMPT == 0:
                view.press("Escape")
            # Far from the points before, which a press would move, and from the buttons in the corner.
            view.click(30 + 67 * click % 300, 20 + 83 * click % 190)
        browser.close()
        in_firefox(file, Path(folder))


if __name__ == "__main__":
    main()
