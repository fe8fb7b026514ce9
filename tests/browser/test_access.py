"""Accessibility: keyboard, screen reader, forced colours and reduced motion."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.lab import ARTIFACTS
from tests.browser.view import FACE, SHOW_CAT, Open, View

JS = Path(__file__).resolve().parents[2] / "js"
AXE = JS / "node_modules/axe-core/axe.min.js"
KEYBOARD = JS / "src/input/keyboard.ts"


def violations(view: View) -> list[str]:
    """What axe-core finds wrong with the widget as it is now, every rule it has."""
    page = view.page
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = view.root.evaluate(
        "async root => (await axe.run(root, {resultTypes: ['violations']})).violations"
    )
    return [f"{rule['id']}: {node['html']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing_in_any_state(notebook: Open, theme: str) -> None:
    opened = notebook(SHOW_CAT)
    opened.execute("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    opened.run_all()
    view = View.of(opened)
    found = {"empty": violations(view)}
    view.click(*FACE)
    expect(view.candidates).to_have_count(3)
    found["candidates"] = violations(view)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    found["object"] = violations(view)
    view.button("Rename object 1").click()
    found["renaming"] = violations(view)
    view.page.keyboard.press("Escape")
    view.canvas.press("/")
    view.page.keyboard.type("tabby, dog")
    expect(view.root.get_by_role("listbox", name="Found")).to_be_visible()
    view.root.get_by_role("listbox", name="Found").focus()
    found["find"] = violations(view)
    view.root.get_by_role("searchbox").fill("tabi")
    expect(view.root.get_by_role("group", name="Near words")).to_be_visible()
    found["unknown word"] = violations(view)
    view.button("End the search").click()
    view.canvas.press("?")
    expect(view.root.get_by_role("dialog")).to_be_visible()
    found["help"] = violations(view)
    view.canvas.press("?")
    view.button("View options").click()
    found["options"] = violations(view)
    view.canvas.press("Escape")
    opened.run_cell("w._stage.say('error', 'The model is on strike.')")
    expect(view.status).to_contain_text("strike")
    found["error"] = violations(view)
    view.root.locator(".sam-notice").evaluate(
        "notice => { notice.hidden = false; notice.dataset.error = ''; notice.textContent = 'The photo is missing.' }"
    )
    found["no photo"] = violations(view)
    assert {state: rules for state, rules in found.items() if rules} == {}


def test_everything_is_done_and_heard_without_a_mouse(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    view.page.evaluate(
        """() => {
            window.heard = []
            for (const live of document.querySelectorAll('.sam-widget [aria-live]'))
                new MutationObserver(() => window.heard.push(live.textContent))
                    .observe(live, {childList: true, characterData: true, subtree: true})
        }"""
    )
    canvas = view.canvas
    canvas.focus()
    # The cursor begins in the middle, 225.5, 150.5.
    for key in [*["Shift+ArrowLeft"] * 5, *["ArrowRight"] * 2, *["Shift+ArrowUp"] * 2, "ArrowDown"]:
        canvas.press(key)
    view.press("Enter")
    expect(view.candidates).to_have_count(3)
    assert opened.run_cell("[(p.x, p.y, p.label) for p in w.prompt.points]") == "[(177.5, 131.5, 1)]"
    canvas.focus()
    for _ in range(12):
        canvas.press("Shift+ArrowLeft")
    view.press("Shift+Enter")
    assert opened.run_cell("[p.label for p in w.prompt.points]") == "[1, 0]"

    # Candidates are one tab stop, with arrows between them.
    view.candidates.and_(view.root.locator("[tabindex='0']")).focus()
    before = view.seq
    view.page.keyboard.press("ArrowRight")
    view.wait_past(before)
    expect(view.candidates.and_(view.root.locator(":focus"))).to_be_checked()
    before = view.seq
    view.page.keyboard.press("Enter")
    view.wait_past(before)
    expect(view.objects).to_have_count(1)

    # A box: B, first corner, second corner.
    canvas.focus()
    canvas.press("b")
    expect(view.root.get_by_role("radio", name="Box")).to_be_checked()
    canvas.press("Shift+ArrowDown")
    canvas.press("Enter")
    for _ in range(8):
        canvas.press("Shift+ArrowRight")
        canvas.press("Shift+ArrowDown")
    view.press("Enter")
    x0, y0, x1, y1 = map(float, opened.run_cell("print(*w.prompt.boxes[0].corners)").split())
    assert (x1 - x0, y1 - y0) == (80, 80)
    view.press("Escape")
    view.press("Control+z")
    view.press("Control+z")
    expect(view.objects).to_have_count(1)

    for words in ("Cursor at 177, 131", "Mask", "score 0.", "1 object"):
        view.page.wait_for_function("words => window.heard.some(heard => heard.includes(words))", arg=words)


def test_the_help_lists_every_shortcut_that_is_bound(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    view.canvas.press("?")
    dialog = view.root.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("definition")).to_have_count(8)
    dialog.get_by_text("All gestures and keys").click()
    # What the table binds, but for the keys of a gallery.
    table = KEYBOARD.read_text(encoding="utf-8").split("export const SHORTCUTS", 1)[1].split("\n];", 1)[0]
    bound = [re.search(r'help: "([^"]+)"', entry) for entry in table.split("keys: [") if "gallery: true" not in entry]
    texts = [found[1] for found in bound if found]
    assert len(texts) > 30
    for text in texts:
        expect(dialog.get_by_role("definition").get_by_text(text, exact=True)).to_have_count(1)
    expect(dialog).not_to_contain_text("Next image")
    # A notebook's own rules for lists would break after every word.
    narrowest = "dialog => Math.min(...[...dialog.querySelectorAll('dt')].map(term => term.clientWidth))"
    assert dialog.evaluate(narrowest) > 100
    view.canvas.press("Escape")
    expect(dialog).to_be_hidden()


def test_reduced_motion_stops_what_moves_and_forced_colours_keep_what_is_chosen(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.page.emulate_media(reduced_motion="reduce", forced_colors="active")
    opened.run_all()
    view = View.of(opened)
    view.click(*FACE)
    expect(view.candidates).to_have_count(3)
    moving = view.root.evaluate(
        "root => root.getAnimations({subtree: true}).filter(a => a.playState === 'running').length"
    )
    assert moving == 0
    progress = "root => getComputedStyle(root.querySelector('.sam-progress'), '::after').animationName"
    assert view.root.evaluate(progress) == "none"
    width = "element => getComputedStyle(element).borderTopWidth"
    chosen = view.root.locator(".sam-candidate[aria-checked=true]").evaluate(width)
    other = view.root.locator(".sam-candidate[aria-checked=false]").first.evaluate(width)
    assert (chosen, other) == ("2px", "1px")
    assert view.painted() > 500
    ARTIFACTS.mkdir(exist_ok=True)
    opened.page.screenshot(path=ARTIFACTS / "forced_colours.png")
