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
    wait_until_drawn(first)
    other = wait_until_drawn(second)
    opened.page.get_by_label("from MAE", exact=True).uncheck()
    expect(first).to_be_hidden()
    opened.page.get_by_role("button", name="Train", exact=True).click()
    wait_for_change(second, other)
    expect(opened.page.get_by_text(re.compile(r"^from scratch: one click 0\.\d\d, three clicks"))).to_be_visible()
    assert opened.run_cell("print([one.name for one in r.results])").strip() == "['scratch']"


def test_losses_follow_the_sliders(notebook: Open) -> None:
    opened = notebook(SETUP, "c = sw.teach.scene(16)\np = sw.teach.LossTerms(c.image, masks=c.masks, target=5)\np")
    opened.run_all()
    names = ("The answer in blue, the true mask in orange", "Focal loss of each pixel")
    shown, heat = (canvas(opened, name) for name in names)
    before, other = wait_until_drawn(shown), wait_until_drawn(heat)
    opened.page.get_by_role("button", name="Empty mask").click()
    before, other = wait_for_change(shown, before), wait_for_change(heat, other)
    expect(opened.page.get_by_text(re.compile(r"^20 x focal 0\.\d\d \+ dice 0\.9"))).to_be_visible()
    opened.page.get_by_label("Segment").select_option("object 1")
    before, other = wait_for_change(shown, before), wait_for_change(heat, other)
    opened.page.get_by_role("slider").nth(1).press("ArrowRight")
    wait_for_change(shown, before)
    wait_for_change(heat, other)


def test_rounds_are_walked_through(notebook: Open) -> None:
    opened = notebook(
        SETUP, "c = sw.teach.scene(6)\np = sw.teach.CorrectionRounds(c.image, masks=c.masks, target=7)\np"
    )
    opened.run_all()
    answer = canvas(opened, "The answer of this round, and all clicks so far")
    before = wait_until_drawn(answer)
    opened.page.get_by_role("slider").press("ArrowRight")
    before = wait_for_change(answer, before)
    expect(opened.page.get_by_text(re.compile(r"^Round 2: score \d"))).to_be_visible()
    opened.page.get_by_label("The last mask is a prompt, too").uncheck()
    wait_for_change(answer, before)


def test_a_model_answers_clicks_while_it_is_trained(notebook: Open) -> None:
    opened = notebook(SETUP, FEW, "t = sw.teach.PromptTraining(seconds=100)\nt")
    opened.run_all()
    view = canvas(opened, "A scene that is never trained on: click in it to ask the model")
    mask, chart = canvas(opened, "Mask 1 of the model"), canvas(opened, "Chart: figures of each step, smoothed")
    seen, dark = wait_until_drawn(view), wait_until_drawn(mask)
    opened.page.get_by_role("button", name="Train", exact=True).click()
    before = wait_for_change(mask, dark)
    wait_until_drawn(chart)
    opened.page.mouse.click(*place(view, 0.8, 0.9))
    wait_for_change(view, seen)
    wait_for_change(mask, before)
    opened.page.get_by_role("button", name="Stop").click()
    expect(opened.page.get_by_text(re.compile(r"^\d+ steps in \d+ s"))).to_be_visible()
    assert opened.run_cell("t.wait()\nprint(t.running, t.steps == len(t.losses) > 0)").strip() == "False True"
