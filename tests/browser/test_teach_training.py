"""Panels about masked autoencoders and training in a real JupyterLab: painted on, trained, stopped."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.test_teach import SETUP, canvas, drag, pixels, place, wait_for_change, wait_until_drawn
from tests.browser.view import Open

SEES = "What the encoder sees: paint to hide or show"
# Fewer scenes than a lesson has: the tests need no good model.
FEW = "from sam_widget.teach import mae_training, training\nfor m in (mae_training, training): m.SCENES = 4"


def test_patches_are_hidden_with_the_mouse_the_keyboard_and_a_slider(notebook: Open) -> None:
    opened = notebook(SETUP, "h = sw.teach.HiddenPatches(photo)\nh")
    opened.run_all()
    sees, painted = canvas(opened, SEES), canvas(opened, "Reconstruction")
    before, reconstructed = wait_until_drawn(sees), wait_until_drawn(painted)
    opened.page.get_by_role("button", name="Blocks").click()
    before, reconstructed = wait_for_change(sees, before), wait_for_change(painted, reconstructed)
    opened.page.get_by_role("slider").first.press("ArrowLeft")
    expect(opened.page.get_by_text(re.compile("^180 hidden patches"))).to_be_visible()
    before, reconstructed = pixels(sees), pixels(painted)
    drag(opened.page, sees, (0.02, 0.03), (0.98, 0.03))
    wait_for_change(sees, before)
    wait_for_change(painted, reconstructed)
    expect(opened.page.get_by_role("button", name="By hand")).to_have_class(re.compile("mod-active"))
    first = "print(len(set(h.mask[0].tolist())), h.pattern.value)"
    assert opened.run_cell(first).strip() == "1 hand", "the whole row is hidden, or shown"

    # The cursor begins in the middle, and Enter acts on the patch below it.
    opened.run_cell("import numpy as np\nh.set_mask(np.eye(16, dtype=bool))")
    before = pixels(sees)
    sees.focus()
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("Enter")
    wait_for_change(sees, before)
    expect(opened.page.get_by_text(re.compile("^15 hidden patches"))).to_be_visible()

    opened.page.mouse.move(*place(painted, 0.02, 0.02))
    expect(opened.page.get_by_text(re.compile(r"^Row 0, column 0: error \d"))).to_be_visible()


def test_a_training_is_watched_and_stopped_while_the_kernel_answers(notebook: Open) -> None:
    opened = notebook(SETUP, FEW, "t = sw.teach.MaeTraining(photo, seconds=100, lang='zh-TW')\nt")
    opened.run_all()
    chart, painted = canvas(opened, "圖表：每一步的數值，經過平滑"), canvas(opened, "重建")
    before = wait_until_drawn(painted)
    opened.page.get_by_role("button", name="訓練", exact=True).click()
    wait_for_change(painted, before)
    wait_until_drawn(chart)
    # The kernel is free meanwhile.
    assert opened.run_cell("print(t.running, t.steps > 0)").strip() == "True True"
    opened.page.get_by_role("button", name="停止").click()
    expect(opened.page.get_by_text(re.compile(r"^\d+ 步，共 \d+ 秒"))).to_be_visible()
    assert opened.run_cell("t.wait()\nprint(t.running, t.trained < 100)").strip() == "False True"
    after = pixels(painted)
    opened.page.get_by_role("button", name="從頭開始").click()
    wait_for_change(painted, after)
    expect(opened.page.get_by_text("還沒訓練。")).to_be_visible()


def test_runs_are_compared_and_one_is_switched_off(notebook: Open) -> None:
    opened = notebook(SETUP, FEW, "r = sw.teach.TrainingRace(['mae', 'scratch'], seconds=1)\nr")
    opened.run_all()
    first, second = (canvas(opened, f"Answer of the run: from {name}") for name in ("MAE", "scratch"))
    before, other = wait_until_drawn(first), wait_until_drawn(second)
    opened.page.get_by_label("from MAE", exact=True).uncheck()
    opened.page.get_by_role("button", name="Train", exact=True).click()
    wait_for_change(second, other)
    expect(opened.page.get_by_text(re.compile(r"^from scratch: one click 0\.\d\d, three clicks"))).to_be_visible()
    assert pixels(first) == before
    assert opened.run_cell("print([one.name for one in r.results])").strip() == "['scratch']"
