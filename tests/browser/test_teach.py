"""Panels of the lessons in a real JupyterLab: they are hovered, clicked and painted on, and their pixels change."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import TIMEOUT_MS, Notebook
from tests.browser.view import Open, View

SETUP = "import numpy as np\nimport sam_widget as sw\nphoto = sw.sample('cat')"


def canvas(opened: Notebook, name: str) -> Locator:
    """A small canvas, by its accessible name."""
    return opened.page.get_by_title(name, exact=True)


def pixels(shown: Locator) -> str:
    """All pixels of a canvas."""
    found: str = shown.evaluate("canvas => canvas.toDataURL()")
    return found


def wait_for_change(shown: Locator, before: str) -> str:
    """Wait until a canvas shows something else, and return that."""
    shown.page.wait_for_function(
        "([canvas, before]) => canvas.toDataURL() !== before", arg=[shown.element_handle(), before], timeout=TIMEOUT_MS
    )
    return pixels(shown)


def wait_until_drawn(shown: Locator) -> str:
    """Wait until a canvas shows anything."""
    shown.page.wait_for_function(
        """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)""",
        arg=shown.element_handle(),
        timeout=TIMEOUT_MS,
    )
    return pixels(shown)


def place(shown: Locator, x: float, y: float) -> tuple[float, float]:
    """Where a fraction of a canvas is in the page."""
    shown.scroll_into_view_if_needed()
    box = shown.bounding_box()
    assert box
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def drag(page: Page, shown: Locator, *places: tuple[float, float]) -> None:
    """Drag along fractions of a canvas."""
    first, *rest = [place(shown, *one) for one in places]
    page.mouse.move(*first)
    page.mouse.down()
    for one in rest:
        page.mouse.move(*one, steps=4)
    page.mouse.up()


def test_an_expectation_is_drawn_and_then_compared(notebook: Open) -> None:
    opened = notebook(SETUP, "e = sw.teach.ExpectedMask(photo, clicks=[(200, 200), (162, 117)])\ne")
    opened.run_all()
    paper = canvas(opened, "The photo with the click: draw around what you expect")
    answer = canvas(opened, "Mask 3 of the model")
    before, dark = wait_until_drawn(paper), wait_until_drawn(answer)
    show = opened.page.get_by_role("button", name="Show the three masks")
    show.click()
    expect(opened.page.get_by_text("Draw first")).to_be_visible()
    drag(opened.page, paper, (0.2, 0.1), (0.6, 0.1), (0.6, 0.9), (0.2, 0.9), (0.2, 0.2))
    painted = wait_for_change(paper, before)
    show.click()
    wait_for_change(answer, dark)
    expect(opened.page.get_by_text(re.compile(r"Mask 3: score 0\.\d\d, IoU with yours 0\.[2-9]\d"))).to_be_visible()
    assert opened.run_cell("print(len(e.kept), 0.2 < e.drawing.mean() < 0.45)").strip() == "1 True"
    opened.page.get_by_role("button", name="Clear").click()
    wait_for_change(paper, painted)


def test_a_drawing_needs_no_mouse(notebook: Open) -> None:
    opened = notebook(SETUP, "e = sw.teach.ExpectedMask(photo, clicks=[(200, 200)])\ne")
    opened.run_all()
    paper = canvas(opened, "The photo with the click: draw around what you expect")
    shown = wait_until_drawn(paper)
    paper.focus()
    for key in ("ArrowRight", "Enter", "Shift+ArrowDown", "Enter", "Shift+ArrowLeft", "Enter"):
        opened.page.keyboard.press(key)
        shown = wait_for_change(paper, shown) if key != "Enter" else shown
    assert opened.run_cell("print(e.drawing.any())").strip() == "True"
    paper.focus()
    opened.page.keyboard.press("Tab")
    expect(paper).not_to_be_focused()


def test_clicks_everywhere_stream_and_are_looked_at(notebook: Open) -> None:
    opened = notebook(SETUP, "w = sw.teach.ClickLandscape(photo, side=12)\nw")
    opened.run_all()
    shown, mask = canvas(opened, "The click landscape"), canvas(opened, "The best mask of the click under the pointer")
    before, dark = wait_until_drawn(shown), wait_until_drawn(mask)
    opened.page.get_by_role("button", name="Click everywhere").click()
    wait_for_change(shown, before)
    expect(opened.page.get_by_text("144 clicks in")).to_be_visible()
    score = pixels(shown)
    opened.page.mouse.move(*place(shown, 0.35, 0.4))
    first = wait_for_change(mask, dark)
    opened.page.mouse.move(*place(shown, 0.95, 0.1))
    wait_for_change(mask, first)
    expect(opened.page.get_by_text(re.compile(r"Click at \(4\d\d, \d+\): mask \d is chosen"))).to_be_visible()
    opened.page.get_by_role("button", name="Agreement").click()
    wait_for_change(shown, score)
    # A page that is reloaded shows it again.
    opened.save()
    opened.reload()
    wait_until_drawn(canvas(opened, "The click landscape"))


def test_scores_are_checked_click_by_click(notebook: Open) -> None:
    opened = notebook(
        SETUP, "s = sw.teach.scene(6)\nc = sw.teach.ScoreCheck(s.image, masks=s.masks, target=7, lang='zh-TW')\nc"
    )
    opened.run_all()
    chart = canvas(opened, "圖表：橫軸是模型的預測，縱軸是真正的 IoU")
    before = wait_until_drawn(chart)
    view = View.of(opened)
    view.click(240, 180)
    first = wait_for_change(chart, before)
    expect(opened.page.get_by_text("提示數：1。")).to_be_visible()
    view.click(60, 60, modifiers=["Alt"])
    second = wait_for_change(chart, first)
    expect(opened.page.get_by_text("提示數：2。")).to_be_visible()
    opened.page.get_by_role("button", name="重新開始").click()
    wait_for_change(chart, second)
    expect(view.candidates).to_have_count(0)


def test_another_object_is_chosen_on_the_ladder(notebook: Open) -> None:
    opened = notebook(SETUP, "s = sw.teach.scene(14)\np = sw.teach.PromptLadder(s.image, masks=s.masks)\np")
    opened.run_all()
    box = canvas(opened, "A box")
    before = wait_until_drawn(box)
    opened.page.get_by_label("Segment").select_option("object 7")
    wait_for_change(box, before)
    expect(opened.page.get_by_text(re.compile(r"Two clicks: agreement 0\.\d\d"))).to_be_visible()


def test_a_guess_is_kept(notebook: Open) -> None:
    opened = notebook(SETUP, "g = sw.teach.Guesses()", "g.ask(1, 'ABC')")
    opened.run_all()
    opened.page.get_by_role("button", name="B", exact=True).click()
    opened.page.get_by_role("button", name="This is my guess").click()
    expect(opened.page.get_by_text("Kept: B.")).to_be_visible()
    assert opened.run_cell("print(g.reveal(1, 'C'))").strip() == "Question 1: you guessed B; it is C."


TRACED = "t = sw.teach.TracedImage(photo)\nt.click(162, 117)\nt"


def test_one_click_in_the_view_redraws_every_panel_that_follows_it(notebook: Open) -> None:
    opened = notebook(
        SETUP, TRACED, "k = sw.teach.PromptTokens(t)\nk", "a = sw.teach.AttentionExplorer(t)\na",
        "m = sw.teach.MaskMaker(t)\nm",
    )  # fmt: skip
    opened.run_all()
    names = (
        "How similar the position of each patch is to that of the click. Click to move it.",
        "What the token reads from each patch",
        "What each patch reads from the token",
        "Logits: red is object",
        "The mask, at the photo's size",
    )
    shown = [canvas(opened, name) for name in names]
    before = [wait_until_drawn(one) for one in shown]
    view = View.of(opened)
    view.press("Escape")
    view.click(420, 40)
    for one, old in zip(shown, before, strict=True):
        wait_for_change(one, old)

    # A click on a map moves the point, and the view shows it.
    before = [pixels(one) for one in shown]
    opened.page.mouse.click(*place(shown[0], 0.3, 0.7))
    for one, old in zip(shown, before, strict=True):
        wait_for_change(one, old)
    assert opened.run_cell("p, = t.prompt.points\nprint(abs(p.x - 135) < 3, abs(p.y - 210) < 3)").strip() == "True True"


def test_layers_heads_masks_and_thresholds_are_chosen(notebook: Open) -> None:
    opened = notebook(SETUP, TRACED, "a = sw.teach.AttentionExplorer(t)\na", "m = sw.teach.MaskMaker(t)\nm")
    opened.run_all()
    reads, writes = (
        canvas(opened, f"What {who}") for who in ("the token reads from each patch", "each patch reads from the token")
    )
    before, other = wait_until_drawn(reads), wait_until_drawn(writes)
    opened.page.get_by_role("button", name="Head 3").click()
    before = wait_for_change(reads, before)
    opened.page.get_by_label("Token", exact=True).select_option("mask token 3")
    before = wait_for_change(reads, before)
    opened.page.get_by_role("button", name="Final").click()
    wait_for_change(reads, before)
    expect(opened.page.get_by_text("one way only")).to_be_visible()
    wait_for_change(writes, other)
    mask = canvas(opened, "The mask, at the photo's size")
    before = wait_until_drawn(mask)
    opened.page.get_by_role("button", name="Mask 3 of the model").click()
    before = wait_for_change(mask, before)
    handle = opened.page.get_by_role("slider").last
    handle.press("ArrowRight")
    wait_for_change(mask, before)


def test_a_patch_under_the_pointer_is_compared_with_all_others(notebook: Open) -> None:
    opened = notebook(SETUP, "e = sw.teach.EmbeddingExplorer(photo, lang='zh-TW')\ne")
    opened.run_all()
    photo, alike = canvas(opened, "照片，與其中一塊"), canvas(opened, "減去平均後，與這一塊的餘弦相似度：越黃越像")
    before = wait_until_drawn(photo), wait_until_drawn(alike)
    opened.page.mouse.move(*place(photo, 0.36, 0.4))
    wait_for_change(photo, before[0])
    second = wait_for_change(alike, before[1])
    expect(opened.page.get_by_text("128 個數字")).to_be_visible()
    opened.page.mouse.move(*place(photo, 0.95, 0.1))
    wait_for_change(alike, second)


COFFEE = "import sam_widget as sw\nphoto = sw.sample('coffee')"


def test_words_are_typed_thresholds_slide_and_a_mask_becomes_an_example(notebook: Open) -> None:
    opened = notebook(COFFEE, "f = sw.teach.WordFinder(photo, words='cup')\nf")
    opened.run_all()
    photo = canvas(opened, "The photo: found masks in colour, others outlined. Click to select one.")
    chart = canvas(opened, "The highest scores, and the threshold")
    before, bars = wait_until_drawn(photo), wait_until_drawn(chart)
    words = opened.page.get_by_label("Words", exact=True)
    words.fill("ladle")
    words.press("Enter")
    before, bars = wait_for_change(photo, before), wait_for_change(chart, bars)
    expect(opened.page.get_by_text("Nothing found: the best score is 0.")).to_be_visible()
    opened.page.get_by_role("slider").last.press("ArrowLeft")
    bars = wait_for_change(chart, bars)
    opened.page.mouse.click(*place(photo, 0.6, 0.7))
    wait_for_change(photo, before)
    expect(opened.page.get_by_text("Selected: score 0.")).to_be_visible()
    opened.page.get_by_role("button", name="More like this").click()
    expect(opened.page.get_by_text("Examples: 1; counter-examples: 0.")).to_be_visible()
    expect(words).to_have_value("")


def test_a_mask_that_is_clicked_on_gets_names(notebook: Open) -> None:
    opened = notebook(COFFEE, "n = sw.teach.MaskNames(photo, x=580, y=30, lang='zh-TW')\nn")
    opened.run_all()
    photo = canvas(opened, "照片，與要命名的遮罩。點一下換一個。")
    shown = [canvas(opened, name) for name in ("遮罩底下，才算數的部分", "兩個裁切都同意的名稱")]
    before = [wait_until_drawn(one) for one in shown]
    opened.page.mouse.click(*place(photo, 0.45, 0.25))
    for one, old in zip(shown, before, strict=True):
        wait_for_change(one, old)
    word = opened.page.get_by_label("詞", exact=True)
    word.fill("杯子")
    word.press("Enter")
    expect(opened.page.get_by_text("是「杯子」的機率：0.9").last).to_be_visible()


def test_models_race_click_by_click(notebook: Open) -> None:
    opened = notebook(
        "import sam_widget as sw\nphoto = sw.teach.scene(6)\ndark = lambda photo, *_: photo.mean(axis=2) < 80",
        "models = {'tiny': 'tiny', 'dark': dark}\n"
        "r = sw.teach.ModelRace(photo.image, masks=photo.masks, models=models, target=7)\nr",
    )
    opened.run_all()
    names = ("Mask of tiny", "Where the masks differ", "True IoU after each click; colours as in the masks")
    shown = [canvas(opened, name) for name in names]
    before = [wait_until_drawn(one) for one in shown]
    opened.page.get_by_role("slider").last.press("ArrowRight")
    before = [wait_for_change(one, old) for one, old in zip(shown, before, strict=True)]
    opened.page.get_by_label("Segment").select_option("object 1")
    for one, old in zip(shown, before, strict=True):
        wait_for_change(one, old)
    expect(opened.page.get_by_text(re.compile(r"dark: true IoU 0\.\d\d, no score"))).to_be_visible()
