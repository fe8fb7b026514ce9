"""Find by words and examples in a real JupyterLab: typed, sifted, refused, refined and accepted."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.browser.hand import Hand
from tests.browser.view import FACE, Open, View

# The smallest instance, and a pixel of it: a click there means the smallest of those found.
SMALLEST = """
import numpy as np
def smallest(found):
    one = min(found, key=lambda one: one.area)
    rows, columns = np.nonzero(one.mask)
    middle = len(rows) // 2
    return one.id, float(columns[middle]) + 0.5, float(rows[middle]) + 0.5
"""


class Find:
    """The search in a view, as its user knows it."""

    def __init__(self, view: View) -> None:
        self.panel = view.root.get_by_role("search", name="Find")
        self.field = self.panel.get_by_role("searchbox", name="Words to find")
        self.message = self.panel.get_by_role("status")
        self.threshold = self.panel.get_by_role("slider", name="Threshold")
        self.list = self.panel.get_by_role("listbox", name="Found")
        self.options = self.list.get_by_role("option")
        self.accept_all = self.panel.get_by_role("button", name="Accept all found")

    def scores(self) -> list[float]:
        """The scores in the list, found or not."""
        names = [str(option.get_attribute("aria-label")) for option in self.options.all()]
        return [float(name.removeprefix("cat, ")) for name in names]

    def expect_found(self, count: int) -> None:
        expect(self.accept_all).to_have_text(f"Accept all {count}")


def cat_found(notebook: Open) -> tuple[Hand, Find]:
    """Type "cat" into the field, and wait for the first search of the photo."""
    hand = Hand(notebook, SMALLEST)
    find = Find(hand.view)
    hand.press("/")
    expect(find.field).to_be_focused()
    find.field.press_sequentially("cat")
    expect(find.message).to_contain_text("cat: 1")
    expect(find.field).to_be_focused()
    return hand, find


def objects_named(view: View, label: str) -> Locator:
    return view.objects.filter(has_text=label)


def test_words_are_typed_sifted_refused_and_accepted(notebook: Open) -> None:
    hand, find = cat_found(notebook)
    view = hand.view
    find.expect_found(1)
    scores = find.scores()
    assert scores == sorted(scores, reverse=True)
    assert scores[0] >= 0.5
    assert view.painted() > 10_000

    # The threshold sifts what was found already, and one drag is one edit.
    find.threshold.fill("1")
    expect(find.accept_all).to_be_hidden()
    expect(find.message).to_contain_text("shown faintly")
    expect(find.options).to_have_count(len(scores))
    find.threshold.fill("0")
    expect(find.threshold).to_have_attribute("aria-valuetext", "0.00")
    found = hand.ask("len(w.search.search.instances)")
    assert found > 2
    find.expect_found(found)
    view.press("Control+z")
    expect(find.accept_all).to_be_hidden()
    view.press("Control+Shift+z")
    find.expect_found(found)

    # A right click on an instance makes it a counter-example, and opens no menu.
    instance, x, y = hand.ask("smallest(w.search)")
    view.click(x, y, button="right")
    expect(view.page.get_by_role("menu")).to_have_count(0)
    expect(view.candidates).to_have_count(0)
    assert hand.ask("len(w.search.search.query.not_like)") == 1
    left = hand.ask("[one.id for one in w.search]")
    assert instance not in left
    expect(find.options).to_have_count(len(left))

    # By keyboard alone: down from the field into the list, and the second one is refused.
    find.field.focus()
    find.field.press("ArrowDown")
    expect(find.list).to_be_focused()
    find.list.press("ArrowDown")
    expect(find.options.nth(1)).to_have_attribute("aria-selected", "true")
    before = view.seq
    find.list.press("Delete")
    view.wait_past(before)
    assert hand.ask("len(w.search.search.query.not_like)") == 2
    view.press("Control+z")
    expect(find.options).to_have_count(len(left))
    count = int(find.accept_all.inner_text().removeprefix("Accept all "))
    hand.click(find.accept_all)
    expect(objects_named(view, "cat")).to_have_count(count)
    assert hand.ask("[o.label for o in w.objects]") == ["cat"] * count
    view.press("Control+z")
    expect(view.objects).to_have_count(0)
    find.expect_found(count)

    # The first Escape leaves the field, the second one ends the search.
    find.field.focus()
    find.field.press("Escape")
    expect(view.canvas).to_be_focused()
    expect(find.list).to_be_visible()
    view.press("Escape")
    expect(find.panel).to_be_hidden()
    assert hand.ask("w.search") is None


def test_one_is_refined_with_a_click_and_is_an_example(notebook: Open) -> None:
    hand, find = cat_found(notebook)
    view = hand.view
    view.canvas.click(position=view.position(*FACE))
    expect(find.options.first).to_have_attribute("aria-selected", "true")
    expect(view.candidates).to_have_count(0)  # The click has selected, not prompted.
    hand.click(find.panel.get_by_role("button", name="Refine with clicks"))
    expect(view.canvas).to_be_focused()
    expect(view.candidates.first).to_be_visible()
    before = hand.ask("len(w.session.prompt.points)")
    view.click(420, 40, button="right")
    assert hand.ask("len(w.session.prompt.points)") == before + 1  # Now clicks are the prompt.
    view.press("Enter")
    expect(objects_named(view, "cat")).to_have_count(1)
    view.press("Control+z")
    expect(view.objects).to_have_count(0)
    view.press("Control+z")
    assert hand.ask("len(w.session.prompt.points)") == before
    view.press("Control+z")
    expect(view.candidates).to_have_count(0)
    find.expect_found(1)

    # Enter in the list accepts one alone; an accepted object is an example, together with the words.
    find.list.focus()
    find.list.press("Enter")
    expect(objects_named(view, "cat")).to_have_count(1)
    view.root.get_by_role("button", name="Find more like cat").click()
    expect(find.panel.get_by_role("button", name="No longer find more like cat")).to_be_visible()
    expect(find.message).to_contain_text("example")
    assert hand.ask("len(w.search.search.query.like)") == 1

    # An unknown word is refused under the field, which offers known ones.
    find.field.fill("tabi")
    expect(find.message).to_contain_text("'tabi' is not one of")
    near = find.panel.get_by_role("group", name="Near words").get_by_role("button").first
    word = near.inner_text()
    near.click()
    expect(find.field).to_have_value(word)
    expect(find.message).to_contain_text(re.compile(f"'{word}'.*above|{word}: "))
    find.panel.get_by_role("button", name="End the search").click()
    expect(find.panel).to_be_hidden()
    expect(view.canvas).to_be_focused()


SAM3 = f"""
import sys, tempfile
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
from pathlib import Path
import sam_widget as sw
from tests.automatic.finding.published import models
w = sw.SamWidget(models.picture(), model=str(models.saved("sam3_video", Path(tempfile.mkdtemp()))))
w
"""


def test_words_go_together_with_a_box_where_the_model_takes_both(notebook: Open) -> None:
    """SAM 3 with random weights, which still takes all kinds of prompts."""
    opened = notebook(SAM3)
    opened.run_all()
    view = View.of(opened)
    find = Find(view)
    box = (12, 10, 44, 40)
    view.root.get_by_role("radiogroup", name="Tool").get_by_role("radio", name="Box", exact=True).click()
    view.drag(*box)
    expect(view.candidates.first).to_be_visible()
    names = [one.get_attribute("aria-label") for one in view.candidates.all()]

    view.canvas.press("/")
    find.field.press_sequentially("red cup")
    together = find.panel.get_by_role("button", name="With the box")
    before = view.seq
    together.click()
    view.wait_past(before)
    expect(together).to_be_hidden()
    remove = find.panel.get_by_role("group", name="Words of the prompt").get_by_role("button")
    expect(remove).to_have_text("red cup, with the box")
    prompt = opened.run_cell("print(w.session.prompt.words, [b.corners for b in w.session.prompt.boxes])")
    assert prompt.startswith("red cup [(")
    worded = [one.get_attribute("aria-label") for one in view.candidates.all()]
    assert worded != names

    # What was asked together is undone at once, and the words can be taken out again.
    view.press("Control+z")
    expect(remove).to_be_hidden()
    expect(together).to_be_visible()
    assert [one.get_attribute("aria-label") for one in view.candidates.all()] == names
    view.press("Control+Shift+z")
    before = view.seq
    remove.click()
    view.wait_past(before)
    expect(remove).to_be_hidden()
    assert opened.run_cell("print(repr(w.session.prompt.words))").strip() == "''"
    assert [one.get_attribute("aria-label") for one in view.candidates.all()] == names


def test_words_with_a_box_are_not_offered_by_other_models(notebook: Open) -> None:
    hand = Hand(notebook)
    find = Find(hand.view)
    hand.view.click(*FACE)
    hand.press("/")
    find.field.press_sequentially("cat")
    expect(find.message).to_contain_text("cat: 1")
    expect(find.panel.get_by_role("button", name="With the")).to_have_count(0)
