"""Everything mode in a real JupyterLab: found, stopped, picked, merged, named, thrown away, and taken along."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

import sam_widget as sw
from tests.browser.hand import Hand
from tests.browser.view import Open

MASKS = """import numpy as np
masks = np.zeros((3, *w.session.image.shape[:2]), bool)
masks[0, 20:280, 20:200], masks[1, 60:120, 60:140], masks[2, 60:120, 250:400] = True, True, True
w.add_objects(masks, labels=['whole', 'part', 'other']);"""


def test_everything_is_found_and_stopped(notebook: Open) -> None:
    hand = Hand(notebook)
    view = hand.view
    view.root.get_by_role("combobox", name="Grid").select_option("64")
    view.button("Everything").click()
    progress = view.root.get_by_role("progressbar", name="Everything")
    expect(progress).to_have_attribute("aria-valuenow", re.compile("[1-9]"))
    expect(view.status).to_contain_text("Finding everything")
    view.click(175, 130)
    expect(view.candidates).to_have_count(3)  # A click is answered meanwhile.
    expect(progress).to_be_visible()
    view.press("Escape")
    expect(progress).to_be_hidden()
    expect(view.button("Everything")).to_be_enabled()
    expect(view.candidates).to_have_count(3)  # Escape stops the search, and nothing else.
    found = hand.ask("len(w.objects)")
    assert view.objects.count() == found
    hand.press("a")
    expect(view.button("Stop")).to_be_visible()
    view.button("Stop").click()
    expect(view.button("Everything")).to_be_focused()


def test_objects_are_picked_on_the_photo_and_exported(notebook: Open, tmp_path: Path) -> None:
    hand = Hand(notebook, MASKS)
    view = hand.view
    expect(view.objects).to_have_count(3)
    hand.press("k")

    def pick(x: float, y: float, *keys: str) -> None:
        view.canvas.click(position=view.position(x, y), modifiers=list(keys))  # type: ignore[arg-type]

    pick(100, 90)
    expect(view.root.get_by_text("Picked: part")).to_be_visible()
    pick(100, 90)
    expect(view.root.get_by_text("Picked: whole")).to_be_visible()
    pick(300, 90, "Shift")
    field = view.root.get_by_role("textbox", name="Label for 2 objects")
    field.fill("leaf")
    field.press("Enter")
    expect(view.objects.filter(has_text="leaf")).to_have_count(2)
    hand.press("j")
    expect(view.objects).to_have_count(2)
    assert hand.ask("[(o.label, o.area) for o in w.objects]") == [("leaf", 260 * 180 + 60 * 150), ("part", 4800)]
    pick(100, 90)
    hand.click(view.button("Keep only part"))
    expect(view.objects).to_have_count(1)
    view.press("Control+z")
    expect(view.objects).to_have_count(2)

    # The same by keyboard: the next object, and away with it.
    hand.press("n")
    hand.press("n")
    view.press("Delete")
    expect(view.objects).to_have_count(1)
    view.root.get_by_role("combobox", name="Format").select_option(label="Label map (.png)")
    with view.page.expect_download() as download:
        view.button("Export").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    (kept,) = sw.load_masks(path)
    assert (kept.label, kept.area) in hand.ask("[(o.label, o.area) for o in w.objects]")
