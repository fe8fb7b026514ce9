"""The mask under the pointer, in a real JupyterLab and with a real pointer."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.hovering import answer_at, expect_hover, hovered, move, open_view, switch, tag
from tests.browser.view import FACE, Open, View
from tests.waiting import until


def test_a_mask_follows_the_pointer_and_goes_when_it_leaves(notebook: Open) -> None:
    opened, view = open_view(notebook)
    face, tail = answer_at(opened, (*FACE, 1)), answer_at(opened, (400, 50, 1))
    said = view.status.inner_text()
    move(view, *FACE)
    expect_hover(view, *face)
    expect(tag(view)).to_have_text(re.compile(r"^\d\.\d\d$"))
    move(view, 400, 50)
    expect_hover(view, *tail)
    assert view.status.inner_text() == said, "a screen reader hears nothing of it"
    assert tag(view).get_attribute("aria-hidden") == "true"
    expect(view.candidates).to_have_count(0)
    view.page.mouse.move(2, 2)
    expect(tag(view)).to_be_hidden()
    assert hovered(view) == 0
    assert opened.run_cell("w.prompt.is_empty, w.session.can_undo") == "(True, False)"


def test_a_click_takes_what_is_shown_without_another_decode_and_without_a_flash(notebook: Open) -> None:
    opened, view = open_view(notebook)
    face = answer_at(opened, (*FACE, 1))
    move(view, 30, 60)
    expect(tag(view)).to_be_visible()
    move(view, *FACE)
    expect_hover(view, *face)
    position = view.position(*FACE)
    # Is the mask to be seen under the pointer, frame by frame?
    view.root.evaluate(
        """(root, {x, y}) => {
            const [masks, hover] = ['masks', 'hover'].map(name => root.querySelector(`[data-layer=${name}]`))
            window.seen = []
            const look = () => {
                const alpha = [masks, hover].map(c =>
                    c.getContext('2d').getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data[3])
                window.seen.push(alpha[0] + alpha[1] > 0)
                if (!window.seenEnough) requestAnimationFrame(look)
            }
            requestAnimationFrame(look)
        }""",
        position,
    )
    before = view.seq
    view.page.mouse.down()
    view.page.mouse.up()
    view.wait_past(before)
    expect(view.candidates).to_have_count(3)
    expect(tag(view)).to_be_hidden()
    seen = view.page.evaluate("window.seenEnough = true, window.seen")
    assert len(seen) > 2
    assert all(seen)
    assert hovered(view) == 0
    again = "decodes.count(w.prompt), len(w.prompt.points), round(w.score, 2)"
    assert opened.run_cell(again) == f"(1, 1, {round(face[0], 2)})"


# The session answers no prompt before it may.
HOLD = """
import threading
go, answer = threading.Event(), w.session.set_prompt
w.session.set_prompt = lambda prompt: (go.wait(60), answer(prompt))[1]
"""
# Waits until the model has been asked.
ASKED = """
import time
while not decodes:
    time.sleep(0.01)
"""


def picture(view: View) -> str:
    """The masks of prompt and objects, as they are painted."""
    view.drawn()
    canvas = view.root.locator("[data-layer=masks]")
    return str(canvas.evaluate("canvas => canvas.toDataURL()"))


@pytest.mark.parametrize("hovers", [True, False])
def test_a_click_is_painted_before_the_session_has_answered_and_then_the_same(notebook: Open, *, hovers: bool) -> None:
    opened, view = open_view(notebook)
    opened.run_cell(HOLD)
    if not hovers:
        switch(view).click()
    nothing = picture(view)
    move(view, *FACE)
    if hovers:
        expect(tag(view)).to_be_visible()
    assert picture(view) == nothing
    view.page.mouse.down()
    opened.run_silently(ASKED)
    view.page.mouse.up()
    view.page.wait_for_function(
        "([canvas, nothing]) => canvas.toDataURL() !== nothing",
        arg=[view.root.locator("[data-layer=masks]").element_handle(), nothing],
    )
    painted = picture(view)
    opened.expect_state("predicting")
    expect(view.candidates).to_have_count(0)
    assert hovered(view) == 0
    opened.run_cell("go.set()")
    expect(view.candidates).to_have_count(3)
    assert picture(view) == painted
    assert opened.run_cell("decodes.count(w.prompt), len(w.prompt.points)") == "(1, 1)"


def test_alt_shows_what_a_background_point_would_give(notebook: Open) -> None:
    opened, view = open_view(notebook)
    view.click(*FACE)
    chosen = "(p.x, p.y, p.label) for p in w.prompt.points"
    x, y, label = json.loads(opened.run_cell(f"print([*next({chosen})])"))
    without = answer_at(opened, (x, y, label), (150, 200, 0))
    move(view, 150, 190)
    view.page.keyboard.down("Alt")
    move(view, 150, 200)
    expect_hover(view, *without)
    view.page.keyboard.up("Alt")
    view.canvas.press("Space")
    move(view, 2, 2)


def test_switched_off_it_asks_nothing(notebook: Open) -> None:
    opened, view = open_view(notebook)
    switch(view).click()
    expect(switch(view)).not_to_be_checked()
    move(view, *FACE, steps=20)
    move(view, 300, 200, steps=20)
    assert opened.run_cell("decodes") == "[]"
    expect(tag(view)).to_be_hidden()
    view.canvas.press("v")
    expect(switch(view)).to_be_checked()
    move(view, *FACE)
    expect(tag(view)).to_be_visible()
    view.canvas.press("v")
    expect(tag(view)).to_be_hidden()


def test_nothing_is_shown_while_the_photo_moves_or_another_tool_is_used_and_a_box_has_its_mask(notebook: Open) -> None:
    _, view = open_view(notebook)
    view.canvas.focus()

    def show(x: float) -> None:
        move(view, x, 120)
        expect(tag(view)).to_be_visible()

    show(150)
    view.page.mouse.wheel(0, -200)
    expect(tag(view)).to_be_hidden()
    show(170)
    view.page.keyboard.down("Space")
    expect(tag(view)).to_be_hidden()
    view.page.keyboard.up("Space")
    show(190)
    view.canvas.press("h")
    expect(tag(view)).to_be_hidden()
    move(view, 200, 130)
    view.canvas.press("b")
    show(210)
    view.page.mouse.down()
    expect(tag(view)).to_be_hidden()
    view.page.mouse.up()
    move(view, 250, 160)
    until(lambda: hovered(view), what="the mask of the box that is being drawn")
    expect(tag(view)).to_be_hidden()


# All within one task, as after a page has been held up: moves, and among them clicks here and there.
BURST = """([moves, clicks]) => {
    const canvas = document.querySelector('.sam-widget [role=application]'), box = canvas.getBoundingClientRect()
    const fire = (type, [x, y], more) => canvas.dispatchEvent(new PointerEvent(type, {clientX: box.x + x, pointerId: 1,
        clientY: box.y + y, pointerType: 'mouse', bubbles: true, composed: true, isPrimary: true, button: -1, ...more}))
    canvas.setPointerCapture = () => {}
    const every = Math.ceil(moves / clicks.length)
    for (let i = 0; i < moves; i++) {
        fire('pointermove', [box.width * ((i * 0.618) % 1), box.height * ((i * 0.324) % 1)])
        if (i % every !== every - 1) continue
        const at = clicks[Math.floor(i / every)]
        fire('pointerdown', at, {button: 0, buttons: 1})
        fire('pointerup', at, {button: 0, buttons: 0})
    }
    delete canvas.setPointerCapture
}"""
CLICKED = (FACE, (400, 50), (250, 280))


def test_six_thousand_events_at_once_lose_no_click_and_keep_the_kernel_free(notebook: Open) -> None:
    opened, view = open_view(notebook)
    view.canvas.focus()
    places = [view.position(*at) for at in CLICKED]
    before = view.seq
    view.page.evaluate(BURST, [5994, [[at["x"], at["y"]] for at in places]])
    view.wait_past(before)
    expect(view.candidates).to_have_count(3)
    asked = json.loads(opened.run_cell("print([[round(p.x), round(p.y), p.label] for p in w.prompt.points])"))
    assert asked == [[x, y, 1] for x, y in CLICKED]
    assert int(opened.run_cell("len(decodes)")) <= 2 * len(CLICKED) + 2, "skipped places are not requested"


def test_a_burst_of_moves_ends_with_the_right_mask_and_a_kernel_that_lives(notebook: Open) -> None:
    opened, view = open_view(notebook)
    face = answer_at(opened, (*FACE, 1))
    for x, y in ((20, 20), (430, 280), (20, 280), (430, 20), FACE):
        move(view, x, y, steps=100)
    expect_hover(view, *face)
    view.page.mouse.move(2, 2)
    count, last = json.loads(opened.run_cell("print([len(decodes), list(decodes[-1].to_arrays()[0][0].tolist())])"))
    assert count < 500, "the newest position made older ones worthless"
    assert abs(last[0] - FACE[0]) < 1
    assert abs(last[1] - FACE[1]) < 1
    view.click(*FACE)
    expect(view.candidates).to_have_count(3)
