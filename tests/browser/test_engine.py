"""A folder annotated together with a model in a real JupyterLab: the three stages of the data engine."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from playwright.sync_api import expect

from tests.browser.lab import Notebook
from tests.browser.view import Open, View
from tests.engine import shapes

PHOTOS = 7
# A round of tuning on two busy cores takes minutes.
PATIENT_MS = 300_000
# Three photos are annotated by a script; what a person does in stage 1 is done on the fourth.
FOLDER = """
import numpy as np, sam_widget as sw
import sam_widget.widget.engine_jobs
sam_widget.widget.engine_jobs.low_priority = lambda: None  # On a busy machine, its thread would hardly run.
truth = np.load({truth!r})
e = sw.Engine({folder!r}, store={folder!r} + "/store", budget_s=2, points_per_side=9)
for _ in range(3):
    for mask in truth[e.name]:
        e.add_objects(mask)
    e.mark()
    e.next()
e
"""


def test_a_folder_is_annotated_with_a_model_that_learns(notebook: Open, tmp_path: Path) -> None:
    truth = shapes.folder(tmp_path / "photos", PHOTOS)
    np.savez(tmp_path / "truth.npz", **{name: np.stack(masks) for name, masks in truth.items()})  # type: ignore[arg-type]
    opened = notebook(FOLDER.format(truth=str(tmp_path / "truth.npz"), folder=str(tmp_path / "photos")))
    opened.run_all()
    view = View.of(opened)
    panel = view.root.get_by_role("group", name="Data engine")
    stages = panel.get_by_role("radiogroup", name="Stage")
    advice = panel.get_by_role("status", name="Advice")
    images = view.root.get_by_role("button", name=re.compile("^Images: "))

    def press(name: str) -> None:
        panel.get_by_role("button", name=name, exact=True).click()

    def photo() -> str:
        return (images.get_attribute("aria-label") or "").rpartition(", ")[2]

    def leave(act: str) -> None:
        before = photo()
        press(act)
        expect(images).not_to_have_attribute("aria-label", re.compile(re.escape(before)))
        opened.expect_state("ready")

    # Stage 1: what to do is said; the second stage cannot begin before a photo more is done.
    expect(stages.get_by_role("radio", name="Assisted-manual")).to_be_checked()
    expect(stages.get_by_role("radio", name="Fully automatic")).to_be_enabled()
    expect(advice).to_contain_text("The first round of tuning needs 1 more")
    for mask in truth[photo()]:
        view.click(*middle(mask))
        view.press("Enter")
    expect(view.objects).to_have_count(5)
    panel.get_by_text("Progress", exact=True).click()
    expect(panel.get_by_role("img", name=re.compile("^Clicks a mask: 1.0"))).to_be_visible()

    # A round begins by itself, and its result is shown with a reason.
    leave("Done")
    expect(panel.get_by_role("progressbar")).to_have_attribute("aria-label", re.compile("Tuning|Learning|Looking"))
    rounds = panel.get_by_role("list", name="Rounds of tuning").get_by_role("listitem")
    expect(rounds).to_have_text([re.compile("^Round 1.*(adopted|refused)$")], timeout=PATIENT_MS)
    expect(rounds).to_have_attribute("title", re.compile("clicks"))
    expect(panel.get_by_role("button", name="Cancel", exact=True)).to_be_hidden(timeout=PATIENT_MS)

    # Stage 2: masks are filled in; X removes one, and what is missing is added.
    stages.get_by_role("radio", name="Semi-automatic").click()
    expect(stages.get_by_role("radio", name="Semi-automatic")).to_be_checked(timeout=PATIENT_MS)
    expect(view.objects).not_to_have_count(0, timeout=PATIENT_MS)
    expect(panel.get_by_role("button", name="Cancel", exact=True)).to_be_hidden(timeout=PATIENT_MS)
    wanted, filled = truth[photo()], view.objects.count()
    there = next(mask for mask in wanted if labelled(opened, mask))
    view.canvas.hover(position=view.position(*middle(there)))
    view.canvas.press("x")
    expect(view.objects).to_have_count(filled - 1)
    view.click(*middle(there))
    view.press("Enter")
    expect(view.objects).to_have_count(filled)
    leave("Done")

    # Stage 3: the others are segmented, and masks drawn at random are confirmed.
    stages.get_by_role("radio", name="Fully automatic").click()
    expect(stages.get_by_role("radio", name="Fully automatic")).to_be_checked(timeout=PATIENT_MS)
    press("Run")
    expect(panel.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    expect(panel.get_by_role("button", name="Check", exact=True)).to_be_visible()
    expect(panel.get_by_role("button", name="Cancel", exact=True)).to_be_hidden(timeout=PATIENT_MS)
    opened.run_cell("e.check(2)")
    right = panel.get_by_role("button", name="Right as it is")
    expect(advice).to_contain_text("(0 done)")
    right.click()
    expect(advice).to_contain_text("(1 done)")
    right.click()
    expect(right).to_be_hidden()
    expect(panel).to_contain_text("Blind check: 100% of 2 masks above IoU 0.90")


def middle(mask: np.ndarray) -> tuple[float, float]:
    """The middle of a disc, in image pixels."""
    y, x = np.nonzero(mask)
    return float(x.mean()) + 0.5, float(y.mean()) + 0.5


def labelled(opened: Notebook, mask: np.ndarray) -> bool:
    """Whether an object of the kernel's covers the middle of a mask."""
    x, y = middle(mask)
    code = f"print(any(item.mask[{int(y)}, {int(x)}] for item in e.objects))"
    return opened.run_cell(code).strip() == "True"
