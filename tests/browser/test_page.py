"""A page without a kernel: opened from a file, with no network, it answers as the kernel does, and loses nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Download, expect

import sam_widget as sw
from sam_widget.export.coco import from_coco
from sam_widget.export.pngs import from_png
from sam_widget.masks.measures import iou
from sam_widget.page.page import write_page
from sam_widget.session.session import Session
from tests.browser.hand import touch
from tests.browser.hovering import hovered, move, switch, tag
from tests.browser.lab import TIMEOUT_MS, VIEWPORT
from tests.browser.view import FACE, View, name_of

LABEL = "<img src=x onerror=alert(1)>"
# A chin, and what is behind the cat.
CHIN, WALL = (230, 250), (420, 60)
Open = Callable[[Path], View]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """No network."""
    context = browser.new_context(viewport=VIEWPORT, offline=True, accept_downloads=True)
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


@pytest.fixture
def opened(context: BrowserContext) -> Open:
    """Open a page from its file, and wait until it answers; whatever goes wrong in it fails the test."""

    def open_page(path: Path) -> View:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: pytest.fail(f"{path.name}: {error}"))
        page.goto(path.as_uri())
        root = page.locator(".sam-widget")
        expect(root).to_have_attribute("data-state", "ready")
        assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
        return View(page, root)

    return open_page


@pytest.fixture(scope="module")
def cat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of the cat whose session has an object and a prompt, and something to redo."""
    session = Session(sw.sample("cat"), model="tiny")
    session.click(*FACE)
    session.accept(LABEL)
    session.drag(20, 20, 200, 200)
    session.undo()
    return write_page(session, tmp_path_factory.mktemp("page") / "cat.html")


def downloaded(view: View, button: str) -> Download:
    with view.page.expect_download() as download:
        view.page.get_by_role("button", name=button).click()
    return download.value


def continued(view: View, path: Path) -> Session:
    """The session that a page saves, opened with its history."""
    downloaded(view, "Continue in Jupyter").save_as(path)
    return Session.load(path)


def test_a_page_goes_on_with_its_session_and_jupyter_with_the_pages(cat: Path, opened: Open, tmp_path: Path) -> None:
    view = opened(cat)
    expect(view.objects).to_have_count(1)
    expect(view.objects.first).to_contain_text(LABEL)
    assert view.page.locator("img").count() == 0
    view.press("Control+y")
    expect(view.candidates).to_have_count(3)
    view.click(*WALL, modifiers=["Alt"])
    view.button("Accept").click()
    expect(view.objects).to_have_count(2)
    view.click(*CHIN)
    view.press("1")
    view.press("Enter")
    view.press("Control+z")
    expect(view.objects).to_have_count(2)
    session = continued(view, tmp_path / "cat.sam")
    assert [item.label for item in session.objects] == [LABEL, "object 1"]
    assert [len(state.prompt.points) for state in session.timeline] == [0, 1, 0, 0, 1, 0, 1, 1, 0]
    assert session.position == 7
    assert session.chosen is session.candidates[0]
    session.redo()
    assert len(session.objects) == 3
    session.rename(session.objects[2].id, "chin")
    # And back.
    again = opened(write_page(session, tmp_path / "again.html"))
    expect(again.objects).to_have_count(3)
    expect(again.objects.nth(2)).to_contain_text("chin")
    for _ in range(session.position):
        again.press("Control+z")
    expect(again.objects).to_have_count(0)
    expect(again.button("Undo")).to_be_disabled()
    back = continued(again, tmp_path / "again.sam")
    assert [state.objects for state in back.timeline] != []
    assert len(back.timeline) == len(session.timeline)
    assert back.position == 0


def test_a_page_answers_what_pytorch_answers(cat: Path, opened: Open, tmp_path: Path) -> None:
    """Masks of the photo's size, cleaned up, in three kinds of prompts: IoU 0.9999, scores within 0.001."""
    view = opened(cat)
    view.click(*CHIN)
    view.click(*WALL, modifiers=["Alt"])
    view.press("Escape")
    view.click(*FACE)
    view.root.get_by_role("radio", name="Box", exact=True).click()
    view.drag(60, 30, 300, 280)
    session = continued(view, tmp_path / "cat.sam")
    reference = Session(sw.sample("cat"), model="tiny")
    answered = [state for state in session.timeline if state.candidates and len(state.candidates) == 3]
    assert len(answered) >= 5
    for state in answered:
        expected = reference.set_prompt(state.prompt)
        assert state.chosen_index == reference.state.chosen_index
        for ours, theirs in zip(state.candidates, expected, strict=True):
            assert iou(ours.mask, theirs.mask) >= 0.9999
            assert iou(ours.base.array, theirs.base.array) >= 0.9999
            assert ours.score == pytest.approx(theirs.score, abs=1e-3)
            assert ours.stability == pytest.approx(theirs.stability, abs=1e-3)


def test_the_mask_under_the_pointer_is_that_of_the_kernel(cat: Path, opened: Open) -> None:
    view = opened(cat)
    if switch(view).get_attribute("aria-checked") == "false":
        switch(view).click()
    assert hovered(view) == 0
    move(view, *FACE)
    expect(tag(view)).to_be_visible()
    best = max(candidate.score or 0 for candidate in Session(sw.sample("cat"), model="tiny").click(*FACE))
    expect(tag(view)).to_contain_text(f"{best:.2f}")
    assert hovered(view) > 1000


def test_a_page_exports_what_python_reads(cat: Path, opened: Open, tmp_path: Path) -> None:
    view = opened(cat)
    expected = Session(sw.sample("cat"), model="tiny")
    expected.click(*FACE)
    mask = expected.accept(LABEL).mask
    coco, png = tmp_path / "cat.json", tmp_path / "cat.png"
    downloaded(view, "Export").save_as(coco)
    view.root.get_by_role("combobox", name="Format").select_option("indexed_png")
    downloaded(view, "Export").save_as(png)
    for read in (from_coco(coco), from_png(png)):
        ((item,),) = read
        assert (item.label, item.stored.shape) == (LABEL, mask.shape)
        assert np.array_equal(item.stored.array, mask)
    assert json.loads(coco.read_text("utf-8"))["images"][0]["width"] == mask.shape[1]


def test_objects_are_changed_as_in_the_kernel(cat: Path, opened: Open, tmp_path: Path) -> None:
    view = opened(cat)
    view.click(*CHIN)
    view.root.get_by_role("textbox", name="Label").fill("chin")
    view.button("Accept").click()
    expect(view.objects).to_have_count(2)
    view.objects.nth(1).get_by_role("button", name="Edit").click()
    expect(view.candidates).to_have_count(1)
    view.press("Escape")
    view.objects.nth(0).get_by_role("button", name="Remove").click()
    expect(view.objects).to_have_count(1)
    session = continued(view, tmp_path / "cat.sam")
    assert [item.label for item in session.objects] == ["chin"]
    assert session.objects[0].area == np.count_nonzero(session.objects[0].mask)


def test_what_a_page_cannot_do_is_not_offered_and_told_in_a_sentence(cat: Path, opened: Open) -> None:
    view = opened(cat)
    tools = view.root.get_by_role("radiogroup", name="Tool").get_by_role("radio")
    assert [name_of(tool) for tool in tools.all()] == ["Point", "Box", "Pick", "Pan"]
    for name in ("Find by words", "Sharpen here", "Segment everything", "Refine"):
        expect(view.button(name)).to_have_count(0)
    tools.nth(1).press("ArrowRight")
    expect(tools.nth(2)).to_be_focused()
    tools.nth(2).press("Home")
    formats = view.root.get_by_role("combobox", name="Format").locator("option")
    assert [option.get_attribute("value") for option in formats.all()] == ["coco", "indexed_png"]
    view.button("View options").click()
    options = view.root.get_by_role("dialog", name="View options")
    expect(options.get_by_role("slider")).to_have_count(1)
    expect(options.get_by_role("switch")).to_have_count(2)
    view.button("Close view options").click()
    view.canvas.press("a")
    expect(view.status).to_contain_text("continue in Jupyter", ignore_case=True)
    view.click(*CHIN)
    expect(view.candidates).to_have_count(3)


def test_the_page_cannot_send_anything(cat: Path, opened: Open) -> None:
    view = opened(cat)
    for attempt in ("fetch('https://example.org')", "import('https://example.org/x.js')"):
        blocked = view.page.evaluate(
            f"""async () => {{
                const seen = new Promise(done =>
                    document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective)))
                try {{ await {attempt} }} catch {{ }}
                return await seen
            }}"""
        )
        assert blocked in ("connect-src", "script-src-elem"), attempt


def test_a_phone_clicks_drags_pinches_and_pans_with_fingers(cat: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, offline=True)
    try:
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.goto(cat.as_uri())
        root = page.locator(".sam-widget")
        expect(root).to_have_attribute("data-state", "ready")
        view = View(page, root)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.touchscreen.tap(*view.on_page(*CHIN))
        expect(view.candidates).to_have_count(3)
        view.button("Accept").tap()
        expect(view.objects).to_have_count(2)
        # Two fingers zoom and pan; the pixel between them stays there.
        session = context.new_cdp_session(page)
        (x, y), scale, answered = view.on_page(225, 150), view.look()[0], view.seq
        touch(session, "touchStart", (x - 40, y))
        touch(session, "touchStart", (x - 40, y), (x + 40, y))
        for spread in (60, 90, 120):
            touch(session, "touchMove", (x - spread, y), (x + spread, y))
        assert abs(view.look()[0] / scale - 3) < 0.1
        assert abs(view.on_page(225, 150)[0] - x) < 2
        touch(session, "touchMove", (x - 90, y + 20), (x + 150, y + 20))
        assert abs(view.on_page(225, 150)[0] - x - 30) < 2
        touch(session, "touchEnd")
        assert view.seq == answered, "two fingers prompt nothing"
        assert page.evaluate("visualViewport.scale") == 1, "the photo is zoomed, not the page"
        # One finger drags a box, of the pixels below it.
        root.get_by_role("radio", name="Box", exact=True).tap()
        touch(session, "touchStart", (x - 60, y - 50))
        touch(session, "touchMove", (x, y))
        touch(session, "touchMove", (x + 60, y + 50))
        touch(session, "touchEnd")
        expect(view.candidates).to_have_count(3)
        expect(view.status).to_contain_text("Mask")
    finally:
        context.close()


def test_several_photos_are_a_gallery_whose_sessions_go_on_in_jupyter(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("cat", "coffee", "rocket"):
        Image.fromarray(sw.sample(name)).save(folder / f"{name}.png")
    gallery = sw.Gallery(folder)
    gallery.click(*FACE)
    gallery.accept(LABEL)
    page = gallery.save_page(tmp_path / "class.html")
    gallery.close()
    view = opened(page)
    expect(view.objects).to_have_count(1)
    images = view.root.get_by_role("group", name="Gallery")
    expect(images).to_contain_text("1 / 3")
    view.button("Next image").click()
    expect(images).to_contain_text("coffee.png")
    expect(view.objects).to_have_count(0)
    expect(view.root).to_have_attribute("data-state", "ready")
    view.click(300, 200)
    expect(view.candidates).to_have_count(3)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    images.get_by_role("switch", name="Done").click()
    expect(images).to_contain_text("1 of 3 done")
    # The first photo's decoder answers again, and its own history is undone.
    view.button("Previous image").click()
    expect(view.objects.first).to_contain_text(LABEL)
    view.click(*CHIN)
    expect(view.candidates).to_have_count(3)
    reference = Session(sw.sample("cat"), model="tiny")
    best = max(candidate.score or 0 for candidate in reference.click(*CHIN))
    expect(view.root.get_by_role("radiogroup", name="Candidates")).to_contain_text(f"{best:.2f}")
    view.press("Escape")
    view.root.get_by_role("button", name="Images:").click()
    for name in ("cat.png, 1 object", "coffee.png, 1 object, done", "rocket.png"):
        expect(images.get_by_role("button", name=name, exact=True)).to_be_visible()
    downloaded(view, "Continue in Jupyter").save_as(tmp_path / "sessions.zip")
    with zipfile.ZipFile(tmp_path / "sessions.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "sessions")
    again = sw.Gallery(folder, sessions=tmp_path / "sessions")
    assert again.name == "cat.png"
    assert [(item.label, item.mask.shape) for item in again.session.objects] == [(LABEL, sw.sample("cat").shape[:2])]
    again.go("coffee.png")
    assert [(row.name, row.objects, row.done) for row in again.overview] == [
        ("cat.png", 1, False),
        ("coffee.png", 1, True),
        ("rocket.png", 0, False),
    ]
    reference = Session(sw.sample("coffee"), model="tiny")
    reference.click(300, 200)
    assert iou(again.session.objects[0].mask, reference.accept("cup").mask) >= 0.9999
    again.close()


def test_a_page_in_a_frame_answers_without_a_heading(cat: Path, context: BrowserContext, tmp_path: Path) -> None:
    outer = tmp_path / "outer.html"
    frame = f'<iframe src="{cat.as_uri()}" title="demo" style="width: 100%; height: 600px; border: 0"></iframe>'
    outer.write_text(f"<!doctype html><h1>Around</h1>{frame}", "utf-8")
    page = context.new_page()
    page.goto(outer.as_uri())
    inside = page.frame_locator("iframe")
    root = inside.locator(".sam-widget")
    expect(root).to_have_attribute("data-state", "ready")
    assert (inside.locator(".sam-page-head").bounding_box() or {"height": 9})["height"] <= 1
    canvas = root.get_by_role("application", name="Image")
    canvas.click(position={"x": 150, "y": 130})
    expect(root.get_by_role("radiogroup", name="Candidates").get_by_role("radio")).to_have_count(3)


def test_a_large_photo_is_shown_as_jpeg_and_cut_into_tiles(opened: Open, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    photo = np.kron(sw.sample("cat"), np.ones((5, 5, 1), np.uint8))
    photo = np.clip(photo + rng.integers(-9, 10, photo.shape), 0, 255).astype(np.uint8)
    path = write_page(Session(photo, model="tiny"), tmp_path / "large.html")
    assert path.stat().st_size <= 10e6
    view = opened(path)
    view.click(FACE[0] * 5, FACE[1] * 5)
    expect(view.candidates).to_have_count(3)
    downloaded(view, "Continue in Jupyter").save_as(tmp_path / "large.sam")
    session = Session.load(tmp_path / "large.sam", image=photo)
    assert session.chosen is not None
    assert session.chosen.mask[FACE[1] * 5, FACE[0] * 5]
