"""A kernel without torch, as in JupyterLite: the view runs the model, and Python has the masks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import sam_widget as sw
from sam_widget.masks.measures import iou
from sam_widget.predictor.predictor import Predictor
from sam_widget.session.session import Session
from tests.browser.hovering import move, switch, tag
from tests.browser.lab import Desk, Notebook
from tests.browser.view import FACE, SHOW_CAT, Open, View
from tests.without import HIDE

# How often the model was fetched, and photos were encoded.
COUNTS = "print([w._asked.count(kind) for kind in ('part', 'pixels', 'encoded')])"
COUNT = """
w._asked, receive = [], w._dispatcher.receive
def count(content, buffers=()):
    w._asked.append(content['type'])
    receive(content, buffers)
w._dispatcher.receive = count
"""


@pytest.fixture
def opened(notebook_without_torch: Open) -> Notebook:
    opened = notebook_without_torch(HIDE + SHOW_CAT.removesuffix("w") + COUNT + "w")
    opened.run_all()
    return opened


@pytest.fixture
def fresh(desk_without_torch: Desk) -> None:
    """The page has no model from an earlier test."""
    desk_without_torch.leave()


def test_what_the_view_answers_is_what_pytorch_answers_and_python_has_it(opened: Notebook, tmp_path: Path) -> None:
    view = View.of(opened)
    assert opened.run_cell("sys.modules['torch'] is None").strip() == "True"
    # What the kernel cannot do is not offered.
    expect(view.root.get_by_role("button", name="Everything")).to_have_count(0)
    expect(view.root.get_by_role("button", name="Find")).to_have_count(0)
    expected = Session(sw.sample("cat"), model=Predictor("tiny"))
    view.click(*FACE)
    expect(view.candidates).to_have_count(3)
    view.click(420, 60, modifiers=["Alt"])
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    view.root.get_by_role("radio", name="Box", exact=True).click()
    view.drag(60, 30, 300, 280)
    opened.run_cell("w.accept('cat'), w.undo(), w.redo()")
    expect(view.objects).to_have_count(2)
    area = int(opened.run_cell("print(w.objects[1].mask.sum())"))
    opened.run_cell(f"sw.export.to_coco(w, {str(tmp_path / 'cat.json')!r})")
    opened.run_cell(f"w.session.save({str(tmp_path / 'cat.sam')!r})")
    masks = list(sw.load_masks(tmp_path / "cat.json"))
    assert [mask.label for mask in masks] == ["object 1", "cat"]
    assert masks[1].area == area
    session = Session.load(tmp_path / "cat.sam")
    answered = [state for state in session.timeline if len(state.candidates) == 3]
    assert [(len(state.prompt.points), len(state.prompt.boxes)) for state in answered] == [(1, 0), (2, 0), (0, 1)]
    for state in answered:
        for ours, theirs in zip(state.candidates, expected.set_prompt(state.prompt), strict=True):
            assert iou(ours.mask, theirs.mask) >= 0.999
            assert ours.score == pytest.approx(theirs.score, abs=1e-3)
            assert ours.stability == pytest.approx(theirs.stability, abs=1e-3)
        assert state.chosen_index == expected.state.chosen_index


def test_the_view_hovers_without_asking_the_kernel(opened: Notebook) -> None:
    view = View.of(opened)
    if switch(view).get_attribute("aria-checked") == "false":
        switch(view).click()
    move(view, *FACE)
    expect(tag(view)).to_be_visible()
    assert "preview" not in opened.run_cell("print(w._asked)")


@pytest.mark.usefixtures("fresh")
def test_a_page_that_is_reloaded_gets_the_features_again(opened: Notebook) -> None:
    view = View.of(opened)
    view.click(*FACE)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    assert opened.run_cell(COUNTS).strip() == "[6, 1, 1]"
    opened.save()
    opened.reload()
    again = View.of(opened)
    expect(again.objects).to_have_count(1)
    again.click(*FACE)
    expect(again.candidates).to_have_count(3)
    # A second widget of the same page and another photo needs only that photo.
    opened.run_cell("w = sw.SamWidget(sw.sample('coffee'))" + COUNT + "w")
    other = View.of(opened, 1)
    other.click(300, 200)
    expect(other.candidates).to_have_count(3)
    assert opened.run_cell(COUNTS).strip() == "[0, 1, 1]"


def test_a_page_can_be_saved_from_there(opened: Notebook, browser: Browser, tmp_path: Path) -> None:
    view = View.of(opened)
    view.click(*FACE)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    opened.run_cell(f"w.save_page({str(tmp_path / 'cat.html')!r})")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((tmp_path / "cat.html").as_uri())
    saved = View(page, page.locator(".sam-widget"))
    expect(saved.root).to_have_attribute("data-state", "ready")
    expect(saved.objects).to_have_count(1)
    saved.click(*FACE)
    expect(saved.candidates).to_have_count(3)
    context.close()


def test_errors_say_what_is_missing_and_what_to_do(opened: Notebook) -> None:
    View.of(opened)
    code = """
import json
said = {}
for call in ("w.click(1, 1)", "w.find('cat')", "w.everything()", "sw.load_model('tiny')", "sw.Predictor"):
    try:
        eval(call)
    except sw.SamWidgetError as error:
        said[call] = str(error)
print(json.dumps(said))
"""
    said = json.loads(opened.run_cell(code))
    assert len(said) == 5
    for message in said.values():
        assert "needs torch and timm, which are not installed here" in message
        assert "click there, and continue in Python with w.candidates" in message
