"""Comfort of long labelling sessions: labels, panels, a stable height, other keyboard layouts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.view import FACE, SHOW_CAT, Open, View


def box_of(part: Locator) -> tuple[float, float, float, float]:
    box = part.bounding_box()
    assert box
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def covers(one: Locator, other: Locator) -> bool:
    """Whether two elements overlap."""
    (a0, b0, a1, b1), (c0, d0, c1, d1) = box_of(one), box_of(other)
    return a0 < c1 and c0 < a1 and b0 < d1 and d0 < b1


def set_width(view: View, width: str) -> None:
    view.root.evaluate("(root, width) => { root.parentElement.style.width = width }", width)
    view.drawn()


def test_labels_without_the_mouse(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    label = view.root.get_by_role("textbox", name="Label", exact=True)
    view.click(*FACE)
    view.canvas.press("t")
    expect(label).to_be_focused()
    view.page.keyboard.type("cat")
    view.page.keyboard.press("Enter")
    expect(view.objects).to_have_count(1)
    expect(view.canvas).to_be_focused()

    # The label stays for the next one; typing replaces it.
    view.click(300, 200)
    expect(label).to_have_value("cat")
    view.canvas.press("t")
    view.page.keyboard.type("wall")
    view.page.keyboard.press("Enter")
    expect(view.objects).to_have_count(2)
    expect(view.objects.nth(1)).to_contain_text("wall")

    chips = view.root.get_by_role("group", name="Recent labels").get_by_role("button")
    expect(chips).to_have_text(["4cat", "5wall"])
    view.click(60, 250)
    view.canvas.press("4")
    expect(label).to_have_value("cat")
    expect(chips.first).to_have_attribute("aria-pressed", "true")
    chips.nth(1).click()
    expect(label).to_have_value("wall")


@pytest.mark.parametrize("width", ["", "420px"])
def test_view_options_are_in_nothing_s_way_and_close_by_themselves(notebook: Open, width: str) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    set_width(view, width)
    panel, button = view.root.get_by_role("dialog", name="View options"), view.button("View options")
    button.click()
    expect(panel).to_be_visible()
    assert not covers(panel, view.button("Accept"))
    assert not covers(panel, button)
    view.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    button.click()
    view.root.get_by_role("textbox", name="Label", exact=True).click()
    expect(panel).to_be_hidden()
    button.click()
    expect(panel).to_be_visible()
    button.click()
    expect(panel).to_be_hidden()
    button.click()
    view.root.get_by_role("radio", name="Box", exact=True).click()
    expect(panel).to_be_hidden()
    button.click()
    expect(panel).to_be_visible()
    # Without a pointer: only the tool changes.
    view.canvas.press("b")
    expect(panel).to_be_hidden()


def test_help_starts_with_eight_essentials(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    view.canvas.press("?")
    rows = view.root.get_by_role("dialog", name="Keyboard and mouse").locator("dt").filter(visible=True)
    expect(rows).to_have_count(8)
    expect(rows.first).to_have_text("Click")
    expect(rows.last).to_have_text("Esc")
    view.root.get_by_text("All gestures and keys").click()
    expect(rows.nth(30)).to_be_visible()


def test_names_on_the_photo_can_be_switched_and_a_click_on_a_row_selects_its_object(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    opened.run_cell("for x, label in ((175, 'cat'), (60, 'wall')):\n    w.click(x, 130)\n    w.accept(label)")
    view = View.of(opened)
    expect(view.objects).to_have_count(2)
    view.button("View options").click()
    switch = view.root.get_by_role("switch", name="Names")
    expect(switch).to_have_attribute("aria-checked", "true")
    named = view.painted()
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert view.painted() < named - 300
    view.page.keyboard.press("Escape")

    marks = view.root.get_by_role("list", name="Objects").get_by_role("checkbox")
    expect(marks).to_have_count(2)
    view.objects.nth(1).get_by_text("wall").click()
    expect(marks.nth(1)).to_be_checked()
    expect(marks.nth(0)).not_to_be_checked()
    view.objects.nth(0).get_by_text("cat").click()
    expect(marks.nth(0)).to_be_checked()
    expect(marks.nth(1)).not_to_be_checked()


@pytest.mark.parametrize("width", ["", "420px"])
def test_the_height_of_the_widget_stays(notebook: Open, width: str) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    set_width(view, width)
    height = view.root.evaluate("root => root.offsetHeight")
    for x in range(40, 440, 40):
        view.click(x, 150)
        view.button("Accept").click()
    expect(view.objects).to_have_count(10)
    assert view.root.evaluate("root => root.offsetHeight") == height
    view.canvas.press("k")
    view.canvas.press("Control+a")
    expect(view.root.get_by_text("Picked: 10 objects")).to_be_visible()
    view.root.get_by_role("button", name="Mask settings").click()
    assert view.root.evaluate("root => root.offsetHeight") == height
    # In full screen the list has the room that is there.
    objects = view.root.get_by_role("list", name="Objects")
    view.root.get_by_role("button", name="Mask settings").click()
    view.canvas.press("Escape")
    before = objects.evaluate("list => list.clientHeight")
    set_width(view, "")
    view.canvas.press("f")
    view.page.wait_for_function(
        "([list, before]) => list.clientHeight > before", arg=[objects.element_handle(), before]
    )
    view.canvas.press("f")


def test_the_zoom_buttons_are_not_on_a_small_photo(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    zoom_in = view.button("Zoom in")
    assert covers(view.canvas, zoom_in)
    set_width(view, "420px")
    view.page.wait_for_function(
        "([canvas, button]) => button.getBoundingClientRect().top >= canvas.getBoundingClientRect().bottom",
        arg=[view.canvas.element_handle(), zoom_in.element_handle()],
    )


def test_a_row_shows_its_object_and_a_cyrillic_keyboard_undoes(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    view.click(*FACE)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    for _ in range(6):
        view.canvas.press("+")
    view.canvas.evaluate("canvas => canvas.focus()")
    for _ in range(20):
        view.canvas.press("Shift+ArrowRight")
    before = view.look()
    view.objects.first.locator(".sam-facts").click()
    expect(view.objects.first.get_by_role("checkbox")).to_be_checked()
    assert view.look() != before
    view.canvas.evaluate(
        """canvas => canvas.dispatchEvent(
            new KeyboardEvent('keydown', {key: 'я', code: 'KeyZ', ctrlKey: true, bubbles: true, cancelable: true}))"""
    )
    expect(view.objects).to_have_count(0)
