"""A page without a kernel in a stock Firefox, from a file, without a network: hover, click, box, accept, continue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sam_widget as sw
from sam_widget.masks.measures import iou
from sam_widget.page.page import write_page
from sam_widget.session.session import Session
from tests.browser import firefox
from tests.browser.firefox import Firefox
from tests.browser.view import FACE
from tests.waiting import until

STATE = "document.querySelector('.sam-widget')?.dataset.state ?? document.body.innerText"
CANDIDATES = "document.querySelectorAll('[role=radiogroup][aria-label=Candidates] [role=radio]').length"
OBJECTS = "document.querySelectorAll('ul[aria-label=Objects] > li').length"
BOX = "[...document.querySelectorAll('[role=radio]')].find(each => each.textContent.trim() === 'Box').click()"
HOVERED = """(() => {
    const canvas = document.querySelector('[data-layer=hover]')
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    return data.filter((value, i) => i % 4 === 3 && value > 0).length
})()"""
# Scale and offset of the photo in the page, after a frame.
LOOK = """new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
    const canvas = document.querySelector('[role=application][aria-label=Image]')
    canvas.scrollIntoView()
    const {left, top} = canvas.getBoundingClientRect()
    done([left, top, canvas.dataset.view].join(' '))
})))"""


class Page:
    """A page as its user knows it, in pixels of the photo."""

    def __init__(self, browser: Firefox, downloads: Path) -> None:
        self.browser, self.downloads = browser, downloads

    def at(self, x: float, y: float) -> tuple[float, float]:
        left, top, scale, across, down = map(float, self.browser.evaluate(LOOK).split())
        return left + across + x * scale, top + down + y * scale

    def count(self, expression: str, number: int) -> None:
        until(lambda: self.browser.evaluate(expression) == number, what=f"{number} of {expression}")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = firefox.find()
    if path is None:
        pytest.skip(firefox.ADVICE)
    file = write_page(Session(sw.sample("cat"), model="tiny"), tmp_path_factory.mktemp("page") / "cat.html")
    downloads = tmp_path_factory.mktemp("downloads")
    with firefox.running(path, tmp_path_factory.mktemp("profile"), downloads) as browser:
        browser.open(file.as_uri())
        until(lambda: browser.evaluate(STATE) == "ready", what="the page is ready")
        yield Page(browser, downloads)


def test_a_page_hovers_answers_and_is_continued(opened: Page) -> None:
    browser = opened.browser
    if browser.evaluate("document.querySelector('[role=switch][aria-label=Hover]').ariaChecked") == "false":
        browser.evaluate("document.querySelector('[role=switch][aria-label=Hover]').click()")
    browser.move(*opened.at(*FACE))
    until(lambda: browser.evaluate(HOVERED) > 1000, what="a mask is under the pointer")
    browser.click(*opened.at(*FACE))
    opened.count(CANDIDATES, 3)
    browser.evaluate("document.querySelector('[title=\"Accept (Enter)\"]').click()")
    opened.count(OBJECTS, 1)
    browser.evaluate(BOX)
    browser.drag(*opened.at(60, 30), *opened.at(300, 280))
    opened.count(CANDIDATES, 3)
    browser.evaluate("document.getElementById('sam-continue').click()")
    file = opened.downloads / "image.sam"
    until(
        lambda: file.is_file() and file.stat().st_size > 0 and not list(opened.downloads.glob("*.part")), what="a file"
    )
    session = Session.load(file)
    assert len(session.objects) == 1
    reference = Session(sw.sample("cat"), model="tiny")
    answered = [state for state in session.timeline if len(state.candidates) == 3]
    assert len(answered) == 2
    for state in answered:
        expected = reference.set_prompt(state.prompt)
        assert state.chosen_index == reference.state.chosen_index
        for ours, theirs in zip(state.candidates, expected, strict=True):
            assert iou(ours.mask, theirs.mask) >= 0.9999
            assert ours.score == pytest.approx(theirs.score, abs=1e-3)


def test_a_lesson_traces_a_click(tmp_path: Path) -> None:
    path = firefox.find()
    if path is None:
        pytest.skip(firefox.ADVICE)
    file = sw.save_lesson(tmp_path / "04.html", lesson="04")
    traced = sw.teach.TracedImage(sw.sample("cat"))
    traced.click(162, 117)
    expected = repr(sw.teach.AttentionExplorer(traced)).splitlines()
    traced.close()
    profile = tmp_path / "profile"
    profile.mkdir()
    with firefox.running(path, profile, tmp_path) as browser:
        browser.open(file.as_uri())
        until(lambda: browser.evaluate("document.documentElement.dataset.state") == "ready", what="the lesson is ready")
        said = "[...document.querySelectorAll('[data-kind=AttentionExplorer] p')].map(each => each.innerText).join('|')"
        until(lambda: browser.evaluate(said).split("|") == expected, what=f"the panel says {expected}")
