"""The harness itself: cells run, widgets answer, notebooks are saved and live through a reload."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.lab import CellError, Lab, Notebook

Open = Callable[..., Notebook]


def test_cells_run(notebook: Open) -> None:
    opened = notebook("x = 6 * 7", "print('x is', x)\nx")
    opened.run_all()
    assert opened.outputs() == ["", "x is 42\n42"]
    assert opened.run_cell("x + 1") == "43"
    with pytest.raises(CellError, match="ZeroDivisionError"):
        opened.run_cell("x / 0")


def test_the_page_icons_that_every_message_swaps_come_from_the_browsers_cache(notebook: Open) -> None:
    opened = notebook("print('here')")
    link = "[...document.querySelectorAll('link.favicon')].map(link => [link.href, link.classList.contains('busy')])"
    icons = opened.page.evaluate(link)
    assert {busy for _, busy in icons} == {True, False}, "JupyterLab's two icons"
    for address, _ in icons:
        assert "immutable" in opened.page.request.get(address).headers["cache-control"]


def test_a_slider_answers_and_lives_through_a_reload(notebook: Open) -> None:
    opened = notebook("import ipywidgets\nslider = ipywidgets.IntSlider(3, max=10)\nslider")
    opened.run_all()
    handle = opened.page.get_by_role("slider")
    expect(handle).to_have_attribute("aria-valuetext", "3")
    handle.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuetext", "4")
    assert opened.run_cell("slider.value") == "4"

    saved = opened.save()
    assert "application/vnd.jupyter.widget-view+json" in saved.cells[0].outputs[0].data

    opened.reload()
    expect(handle).to_have_attribute("aria-valuetext", "4")
    opened.run_cell("slider.value = 7")
    expect(handle).to_have_attribute("aria-valuetext", "7")


def test_installing_the_package_enables_its_server_extension(lab: Lab) -> None:
    assert "kernel messages are sent without delay" in lab.log
