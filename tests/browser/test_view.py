"""How a view shows photo and masks, in a real JupyterLab: zoom, touch, display options, values, large photos."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.hand import touch
from tests.browser.lab import Desk, Notebook
from tests.browser.view import FACE, SHOW_CAT, Open, View, pixel, zoom_to

# Five channels of 12 bits, and a photo of 100 megapixels in which every block of 100 x 100 has a colour of its own.
SHOW_CELLS = """
import numpy as np
y, x = np.ogrid[:600, :800]
values = np.stack([500 * k + x + 0 * y for k in range(5)]).astype(np.uint16)
m = sw.SamWidget(values)
m"""
SHOW_LARGE = """
i, j = np.mgrid[:100, :100].astype(np.uint8)
blocks = np.stack([2 * i + 20, 2 * j + 20, 255 - i - j], axis=-1)
large = blocks.repeat(100, axis=0).repeat(100, axis=1)
large[5000:5050, 5000:5050] = np.random.default_rng(0).integers(0, 256, (50, 50, 3))
b = sw.SamWidget(large)
b"""


@pytest.fixture
def opened(desk: Desk, notebook: Open) -> Notebook:  # noqa: ARG001  whose end cleans up after a failure
    """One notebook with three widgets, for all tests here: each leaves the prompt and the view as it found them."""
    return desk.open_once(SHOW_CAT, SHOW_CELLS, SHOW_LARGE)


@pytest.fixture
def cat(opened: Notebook) -> Iterator[View]:
    view = View.of(opened, 0)
    yield view
    view.canvas.press("Escape")
    view.canvas.press("0")


def expect_pixel(view: View, layer: str, x: float, y: float, rgb: list[int], *, tolerance: int = 0) -> None:
    """Wait until a layer shows an image pixel in a colour."""
    at = view.position(x, y)
    view.page.wait_for_function(
        """([root, name, x, y, rgb, tolerance]) => {
            const pen = root.querySelector(`[data-layer=${name}]`).getContext('2d'), ratio = window.devicePixelRatio
            window.seenPixel = [...pen.getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data]
            return rgb.every((value, k) => Math.abs(value - window.seenPixel[k]) <= tolerance)
        }""",
        arg=[view.root.element_handle(), layer, at["x"], at["y"], rgb, tolerance],
    )


def test_the_wheel_zooms_to_forty_with_crisp_pixels_and_a_map_says_where(opened: Notebook, cat: View) -> None:
    minimap = cat.root.locator(".sam-minimap")
    expect(minimap).to_be_hidden()
    zoom_to(cat, 40, 200.5, 150.5)
    expect(minimap).to_be_visible()
    wanted = json.loads(opened.run_cell("print(w.session.image[149:152, 199:202].tolist())"))
    for row in range(3):
        for column in range(3):
            for corner in (0.06, 0.94):
                seen = pixel(cat, "photo", 199 + column + corner, 149 + row + corner)
                assert seen == [*wanted[row][column], 255], "one colour from edge to edge"

    # A cell that was run is where the notebook has scrolled to.
    cat.canvas.scroll_into_view_if_needed()
    box = minimap.bounding_box()
    assert box
    scale = cat.look()[0]
    before = str(cat.canvas.get_attribute("data-view"))
    cat.page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    expect(cat.canvas).not_to_have_attribute("data-view", before)
    assert cat.look()[0] == scale
    middle = cat.canvas.bounding_box()
    assert middle
    _, x, y = cat.look()
    assert abs((middle["width"] / 2 - x) / scale - 451 / 4) < 4
    assert abs((middle["height"] / 2 - y) / scale - 300 / 4) < 4

    cat.canvas.press("0")
    expect(minimap).to_be_hidden()
    cat.canvas.press("z")
    expect(cat.root.get_by_role("button", name="100 %, show actual size")).to_be_visible()
    assert cat.look()[0] == 1
    cat.button("Zoom in").click()
    expect(cat.canvas).not_to_have_attribute("data-view", re.compile("^1 "))
    cat.button("Show the whole photo").click()
    assert abs(cat.look()[0] * 451 - middle["width"]) < 451 * 0.7, "fitted in width or height"


def test_one_finger_prompts_and_two_pan_and_zoom(opened: Notebook, cat: View) -> None:
    session = opened.page.context.new_cdp_session(opened.page)
    face = cat.on_page(*FACE)
    before = cat.seq
    touch(session, "touchStart", face)
    touch(session, "touchEnd")
    cat.wait_past(before)
    expect(cat.candidates).to_have_count(3)

    before = cat.seq
    touch(session, "touchStart", cat.on_page(90, 65))
    touch(session, "touchMove", cat.on_page(200, 150))
    touch(session, "touchMove", cat.on_page(285, 235))
    touch(session, "touchEnd")
    cat.wait_past(before)
    said = "[round(v) for v in w.prompt.boxes[0].corners], len(w.prompt.points)"
    assert opened.run_cell(said) == "([90, 65, 285, 235], 1)"

    answered, (scale, *_) = cat.seq, cat.look()
    (x, y) = cat.on_page(225, 150)
    touch(session, "touchStart", (x - 50, y))
    touch(session, "touchStart", (x - 50, y), (x + 50, y))
    for spread in (80, 110, 150):
        touch(session, "touchMove", (x - spread, y), (x + spread, y))
    held = cat.on_page(225, 150)
    assert abs(cat.look()[0] / scale - 3) < 0.05, "three times as far apart"
    assert abs(held[0] - x) < 2, "what was between the fingers still is"
    touch(session, "touchMove", (x - 110, y + 30), (x + 190, y + 30))
    assert abs(cat.on_page(225, 150)[0] - x - 40) < 2
    touch(session, "touchEnd", (x - 110, y + 30))
    touch(session, "touchMove", (x - 10, y + 90))
    touch(session, "touchEnd")
    assert cat.seq == answered, "two fingers prompt nothing, nor does the one that is lifted last"
    session.detach()


def test_the_mouse_pans_and_a_trackpad_pinches(opened: Notebook, cat: View) -> None:
    mouse, answered = opened.page.mouse, cat.seq
    zoom_to(cat, 4, 225, 150)
    for hold, let_go in (
        (lambda: cat.page.keyboard.down("Space"), lambda: cat.page.keyboard.up("Space")),
        (lambda: cat.canvas.press("h"), lambda: cat.canvas.press("p")),
    ):
        hold()
        x, y = cat.on_page(225, 150)
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + 60, y - 35, steps=4)
        mouse.up()
        moved = cat.on_page(225, 150)
        assert abs(moved[0] - x - 60) < 1
        assert abs(moved[1] - y + 35) < 1
        let_go()
    # A pinch arrives as small steps of the wheel with Ctrl, and zooms whether or not the photo has the focus.
    scale, (x, y) = cat.look()[0], cat.on_page(225, 150)
    cat.button("Undo").evaluate("button => document.activeElement.blur()")
    mouse.move(x, y)
    cat.page.keyboard.down("Control")
    for _ in range(5):
        mouse.wheel(0, -10)
    cat.page.keyboard.up("Control")
    cat.page.wait_for_function(
        "([canvas, scale]) => Number(canvas.dataset.view.split(' ')[0]) > 1.5 * scale",
        arg=[cat.canvas.element_handle(), scale],
    )
    held = cat.on_page(225, 150)
    assert abs(held[0] - x) + abs(held[1] - y) < 2, "what is under the pointer stays there"
    assert cat.seq == answered, "nothing of it prompts"


def test_masks_are_filled_outlined_or_cut_out_and_the_photo_goes(cat: View) -> None:
    cat.click(*FACE)
    inside, outside = FACE, (440, 290)
    assert pixel(cat, "masks", *inside)[3] == round(0.4 * 255)
    assert pixel(cat, "masks", *outside)[3] == 0
    cat.button("View options").click()
    panel = cat.root.get_by_role("dialog", name="View options")
    opacity = panel.get_by_label("Opacity")
    opacity.fill("0.8")
    expect_pixel(cat, "masks", *inside, [*pixel(cat, "masks", *inside)[:3], round(0.8 * 255)], tolerance=2)
    panel.get_by_role("radio", name="Outline").click()
    expect_pixel(cat, "masks", *inside, [0, 0, 0, 0])
    assert cat.painted() > 500
    panel.get_by_role("radio", name="Cut-out").click()
    expect(opacity).to_be_disabled()
    expect_pixel(cat, "masks", *inside, [0, 0, 0, 0])
    assert pixel(cat, "masks", *outside)[3] == 255
    photo = cat.root.locator("[data-layer=photo]")
    panel.get_by_role("switch", name="Photo").click()
    expect(photo).to_be_hidden()
    cat.canvas.press("i")
    expect(photo).to_be_visible()
    cat.canvas.press("m")
    expect(panel.get_by_role("radio", name="Filled")).to_be_checked()
    opacity.fill("0.4")
    opacity.press("Escape")
    expect(panel).to_be_hidden()
    expect(cat.canvas).to_be_focused()


def test_a_hover_repaints_one_layer(opened: Notebook, cat: View) -> None:
    cat.click(*FACE)
    if cat.root.get_by_role("switch", name="Hover").get_attribute("aria-checked") == "false":
        cat.canvas.press("v")
    cat.drawn()
    cat.root.evaluate(
        """root => {
            window.repainted = new Set()
            const clear = window.cleared ??= CanvasRenderingContext2D.prototype.clearRect
            CanvasRenderingContext2D.prototype.clearRect = function (...args) {
                window.repainted.add(this.canvas.dataset.layer)
                clear.apply(this, args)
            }
        }"""
    )
    try:
        opened.page.mouse.move(*cat.on_page(400, 50))
        expect(cat.root.locator(".sam-tag")).to_be_visible()
        opened.page.mouse.move(*cat.on_page(300, 200), steps=5)
        opened.page.wait_for_function("() => window.repainted.has('hover')")
        assert opened.page.evaluate("[...window.repainted]") == ["hover"]
    finally:
        opened.page.evaluate("() => { CanvasRenderingContext2D.prototype.clearRect = window.cleared }")
        opened.page.mouse.move(2, 2)


def test_values_channels_and_gamma_are_rendered_anew_and_the_model_may_see_them(opened: Notebook) -> None:
    view = View.of(opened, 1)
    view.canvas.scroll_into_view_if_needed()

    def shown(value: float) -> int:
        return round(min(max(value, 0), 1) * 255)

    # The usual: channels 1 to 3 as red, green and blue, from the smallest to the largest of their values.
    at = (400.5, 300.5)
    expect_pixel(view, "photo", *at, [shown((400 + 500 * k) / 1799) for k in range(3)], tolerance=1)
    view.button("View options").click()
    panel = view.root.get_by_role("dialog", name="View options")
    panel.get_by_label("Channels").select_option(label="Only 5")
    panel.get_by_label("Black").fill("2000")
    panel.get_by_label("White").fill("2700")
    expect_pixel(view, "photo", *at, [shown(400 / 700)] * 3, tolerance=1)
    panel.get_by_label("Gamma").fill("1")
    expect(panel.get_by_text("2.00")).to_be_visible()
    expect_pixel(view, "photo", *at, [shown((400 / 700) ** 0.5)] * 3, tolerance=1)
    panel.get_by_label("Channels").select_option(label="Mixed…")
    panel.get_by_label("Red channel").select_option(label="5")
    panel.get_by_label("Green channel").select_option(index=0)
    panel.get_by_label("Blue channel").select_option(label="4")
    expect_pixel(view, "photo", *at, [shown((400 / 700) ** 0.5), 0, 0], tolerance=1)
    assert opened.run_cell("m.session.state.rendering.channels") == "()", "so far only this view shows it so"

    before = view.seq
    panel.get_by_role("button", name="Let the model see this").click()
    view.wait_past(before)
    expect(panel).to_contain_text("The model sees the photo like this.")
    seen = "r = m.session.state.rendering\nr.channels, r.black, r.white, r.gamma"
    assert opened.run_cell(seen) == "((4, -1, 3), 2000.0, 2700.0, 2.0)"
    panel.get_by_role("button", name="Close view options").click()


def test_the_layout_follows_the_cell_and_fills_the_screen(opened: Notebook, cat: View) -> None:
    page = opened.page

    def width() -> float:
        box = cat.canvas.bounding_box()
        assert box
        return box["width"]

    wide = width()
    page.set_viewport_size({"width": 900, "height": 960})
    page.wait_for_function(
        "([canvas, wide]) => canvas.clientWidth < wide - 50"
        " && canvas.querySelector('canvas').clientWidth === canvas.clientWidth",
        arg=[cat.canvas.element_handle(), wide],
    )
    scale, *_ = cat.look()
    assert abs(scale * 451 - width()) < 2, "fitted again"
    page.set_viewport_size({"width": 1280, "height": 960})
    page.wait_for_function("([canvas, wide]) => canvas.clientWidth === wide", arg=[cat.canvas.element_handle(), wide])

    cat.button("Full screen").click()
    page.wait_for_function("root => document.fullscreenElement === root", arg=cat.root.element_handle())
    page.wait_for_function(
        "canvas => canvas.clientHeight > 700 && canvas.clientWidth > 850", arg=cat.canvas.element_handle()
    )
    cat.click(*FACE)
    expect(cat.candidates).to_have_count(3)
    cat.canvas.press("f")
    page.wait_for_function("() => document.fullscreenElement === null")
    page.wait_for_function("([canvas, wide]) => canvas.clientWidth === wide", arg=[cat.canvas.element_handle(), wide])
    # Where a page may not fill the screen, it fills the window.
    page.evaluate("Object.defineProperty(document, 'fullscreenEnabled', {value: false, configurable: true})")
    cat.button("Full screen").click()
    page.wait_for_function("canvas => canvas.clientHeight > 700", arg=cat.canvas.element_handle())
    cat.button("Full screen").click()
    page.wait_for_function("([canvas, wide]) => canvas.clientWidth === wide", arg=[cat.canvas.element_handle(), wide])
    page.evaluate("delete document.fullscreenEnabled")


def bitmaps(page: Page) -> dict[str, int]:
    found: dict[str, int] = page.evaluate("window.bitmaps")
    return found


def test_a_hundred_megapixels_are_held_in_tiles_and_never_whole(opened: Notebook) -> None:
    view = View.of(opened, 2)
    page = opened.page
    page.evaluate("Object.assign(window.bitmaps, {most: bitmaps.live, largest: 0})")
    view.canvas.scroll_into_view_if_needed()

    def colour(x: int, y: int) -> list[int]:
        i, j = y // 100, x // 100
        return [2 * i + 20, 2 * j + 20, 255 - i - j]

    expect_pixel(view, "photo", 5550, 2550, colour(5550, 2550), tolerance=12)
    zoom_to(view, 1, 5000, 5000)
    noise = json.loads(opened.run_cell("print(large[5003, 5007].tolist())"))
    zoom_to(view, 30, 5007.5, 5003.5)
    expect_pixel(view, "photo", 5007.5, 5003.5, noise)
    view.canvas.press("z")
    # Wander over the photo at full detail, and wait for the details at every stop.
    for row in range(4):
        for column in range(12):
            x, y = 450 + 800 * column + 37, 450 + 500 * row + 37
            box = view.root.locator(".sam-minimap").bounding_box()
            assert box
            page.mouse.click(box["x"] + box["width"] * x / 10000, box["y"] + box["height"] * y / 10000)
        scale, left, top = view.look()
        middle = (200 - left) / scale // 100 * 100 + 50, (200 - top) / scale // 100 * 100 + 50
        expect_pixel(view, "photo", *middle, colour(int(middle[0]), int(middle[1])))
    held = bitmaps(page)
    assert held["most"] <= 3 + 96 + 8, "two small photos, a bound on the tiles of the large one, and some under way"
    assert held["largest"] <= 2_000_000

    view.canvas.press("0")
    view.click(5550, 5550)
    expect(view.candidates).to_have_count(3)
    assert view.painted() > 500
    canvas = view.canvas.bounding_box()
    assert canvas
    largest = view.root.evaluate(
        "root => Math.max(...[...root.querySelectorAll('canvas')].map(c => c.width * c.height))"
    )
    assert largest <= canvas["width"] * canvas["height"] + 1, "masks, too, are painted only where they are visible"
    view.canvas.press("Escape")


def usage(session: CDPSession) -> dict[str, Any]:
    """What the page holds once garbage is collected."""
    session.send("HeapProfiler.collectGarbage")
    counters = session.send("Memory.getDOMCounters")
    heap = session.send("Runtime.getHeapUsage")
    return {"nodes": counters["nodes"], "listeners": counters["jsEventListeners"], "heap": heap["usedSize"]}


def growth(session: CDPSession, before: dict[str, Any], most: dict[str, float]) -> dict[str, Any]:
    """By how much the page holds more than before, once that is no more than this, or else after a while.

    What is garbage is not always found to be so at once: tasks and frames that are still to come hold on to it.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        after = usage(session)
        grown = {name: after[name] - before[name] for name in most}
        if all(grown[name] <= most[name] for name in most) or time.monotonic() > deadline:
            return grown


SETTLE_SECONDS = 20
VIEWS = 45
SHOW_AGAIN = """async times => {
    const {commands, shell} = window.jupyterapp
    const notebook = shell.currentWidget.content
    window.closedViews ??= []
    notebook.activeCellIndex = 0
    for (let i = 0; i < times; i++) {
        const old = notebook.widgets[0].node.querySelector('.sam-widget')
        if (old) window.closedViews.push(new WeakRef(old))
        await commands.execute('notebook:run-cell')
        await new Promise(resolve => {
            const look = () => {
                const view = notebook.widgets[0].node.querySelector('.sam-widget')
                if (view && view !== old && view.dataset.state === 'ready') resolve()
                else setTimeout(look, 10)
            }
            look()
        })
    }
}"""


def test_views_that_close_leave_nothing_behind(notebook: Open) -> None:
    opened = notebook("w", SHOW_CAT)
    page = opened.page
    page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1")
    opened.command("notebook:run-cell")
    opened.expect_state("ready")
    opened.execute(SHOW_AGAIN, 5)
    session = page.context.new_cdp_session(page)
    # A view has some hundred elements and listeners; JupyterLab itself keeps two elements a run.
    most = {"nodes": 5 * VIEWS, "listeners": VIEWS, "heap": 5e6}
    # What JupyterLab loads late grows once; what a view leaves behind grows every time.
    for _ in range(3):
        before = usage(session)
        opened.execute(SHOW_AGAIN, VIEWS)
        grown = growth(session, before, most)
        if all(grown[name] <= most[name] for name in most):
            break
    assert all(grown[name] <= most[name] for name in most), (grown, most)
    # The page may still hold the one that was closed last.
    alive = "window.closedViews.filter(view => view.deref()).length"
    deadline = time.monotonic() + SETTLE_SECONDS
    while page.evaluate(alive) > 1 and time.monotonic() < deadline:
        session.send("HeapProfiler.collectGarbage")
    assert page.evaluate(alive) <= 1
    assert bitmaps(page)["live"] <= 2
    session.detach()


PART = 100
PLAY = """async ({clicks, moves}) => {
    const root = document.querySelector('.sam-widget'), canvas = root.querySelector('[role=application]')
    const box = canvas.getBoundingClientRect()
    const frame = () => new Promise(resolve => requestAnimationFrame(resolve))
    const fire = (type, i, extra) => canvas.dispatchEvent(new PointerEvent(type, {
        clientX: box.x + box.width * (0.1 + 0.8 * ((i * 0.618) % 1)), pointerId: 1, pointerType: 'mouse',
        clientY: box.y + box.height * (0.1 + 0.8 * ((i * 0.382) % 1)), bubbles: true, composed: true, isPrimary: true,
        button: 0, ...extra}))
    const escape = () => canvas.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))
    canvas.setPointerCapture = () => {}
    for (let i = 0; i < moves; i++) {
        fire('pointermove', i, {buttons: 0})
        if (i % 4 === 0) await frame()
    }
    for (let i = 0; i < clicks; i++) {
        fire('pointerdown', i, {buttons: 1})
        fire('pointerup', i, {buttons: 0})
        if (i % 10 === 9) {
            escape()
            await frame()
        }
    }
    // A click on a point that is still there selects it, and Escape then takes back no more than that.
    for (;;) {
        while (root.dataset.state !== 'ready') await frame()
        if (!root.querySelector('.sam-candidate')) return
        escape()
        await frame()
    }
}"""


def test_clicks_and_hovers_do_not_pile_up(notebook: Open) -> None:
    memory = "import psutil, gc\ngc.collect()\nprint(psutil.Process().memory_info().rss)"
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    switch = view.root.get_by_role("switch", name="Hover")
    if switch.get_attribute("aria-checked") == "false":
        switch.click()
    kernel = int(opened.run_cell(memory))
    session = opened.page.context.new_cdp_session(opened.page)
    opened.execute(PLAY, {"clicks": PART, "moves": PART})
    most = {"nodes": PART, "listeners": PART, "heap": 5e6}
    # In parts, each of which has the time that any state has.
    for play, parts in (({"clicks": 0, "moves": PART}, 3), ({"clicks": PART, "moves": 0}, 10)):
        before = usage(session)
        for _ in range(parts):
            opened.execute(PLAY, play)
        grown = growth(session, before, most)
        assert all(grown[name] <= most[name] for name in most), (play, grown, most)
    session.detach()
    held = int(opened.run_cell(memory)) - kernel
    # The history is kept, all of it, and little more: an edit holds three masks as runs, and their logits.
    edits = int(opened.run_cell("w.session.position"))
    assert held < 80e6 + 200e3 * edits


def test_the_buttons_of_the_toolbar_do_not_overlap_at_any_width(cat: View) -> None:
    widths = range(360, 901, 20)
    try:
        for width in widths:
            cat.root.evaluate("(root, width) => { root.style.width = `${width}px` }", width)
            boxes = cat.root.locator(".sam-toolbar").evaluate(
                """bar => [bar, ...bar.querySelectorAll('button')].map(node => node.getBoundingClientRect())
                    .filter(box => box.width).map(({left, top, right, bottom}) => [left, top, right, bottom])"""
            )
            (left, top, right, bottom), *buttons = boxes
            assert len(buttons) >= 10
            for k, one in enumerate(buttons):
                inside = one[0] >= left and one[1] >= top and one[2] <= right and one[3] <= bottom
                assert inside, f"button {k} leaves the toolbar at {width} px"
                for other in buttons[:k]:
                    apart = one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
                    assert apart, f"buttons overlap at {width} px"
            texts = cat.root.locator(".sam-toolbar").evaluate(
                """bar => [...bar.querySelectorAll('button')]
                    .filter(node => node.scrollWidth > node.clientWidth + 1).length"""
            )
            assert texts == 0, f"a label leaves its button at {width} px"
    finally:
        cat.root.evaluate("root => { root.style.width = '' }")
