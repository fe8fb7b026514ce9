"""The widget in a real JupyterLab, driven as a person drives it: by roles and names, mouse and keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import ConsoleMessage, expect

from tests.browser.view import FACE, SHOW_CAT, Open, View, name_of

QUICKSTART = Path(__file__).resolve().parents[2] / "notebooks" / "01_quickstart.ipynb"


def test_the_quickstart_notebook_by_hand(notebook: Open) -> None:
    """What the README promises: Run All, click the face, box, choose, accept, reload."""
    document = nbformat.read(QUICKSTART, as_version=4)
    opened = notebook(*[cell.source for cell in document.cells if cell.cell_type == "code"][:2])
    opened.run_all()
    view = View.of(opened)

    view.click(*FACE)
    expect(view.candidates).to_have_count(3)
    for index in range(3):
        assert re.fullmatch(rf"Mask {index + 1} of 3, score -?\d\.\d\d", name_of(view.candidates.nth(index)))
    scores = [float(name_of(view.candidates.nth(k)).split()[-1]) for k in range(3)]
    expect(view.candidates.nth(scores.index(max(scores)))).to_be_checked()
    assert view.painted() > 500, "a mask is drawn over the photo"

    view.drag(90, 65, 285, 235)
    expect(view.candidates).to_have_count(3)
    prompt = opened.run_cell("[round(v) for v in w.prompt.box.corners], len(w.prompt.points)")
    assert prompt == "([90, 65, 285, 235], 1)"

    other = "2" if scores.index(max(scores)) != 1 else "1"
    checked = [view.candidates.nth(k).get_attribute("aria-checked") for k in range(3)]
    key = other if checked[int(other) - 1] != "true" else "3"
    view.press(key)
    expect(view.candidates.nth(int(key) - 1)).to_be_checked()
    assert opened.run_cell("w.candidates.index(w.chosen) + 1") == key

    view.root.get_by_role("textbox", name="Label").fill("cat")
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    expect(view.objects.first).to_contain_text("cat")
    expect(view.candidates).to_have_count(0)
    opened.expect_state("ready")
    assert opened.run_cell("[(o.label, o.mask.sum() == o.area) for o in w.objects]") == "[('cat', np.True_)]"

    view.click(400, 50)
    names = [name_of(view.candidates.nth(k)) for k in range(3)]
    drawn = view.painted()
    opened.save()
    opened.reload()
    view = View.of(opened)
    expect(view.objects).to_have_count(1)
    expect(view.candidates).to_have_count(3)
    assert [name_of(view.candidates.nth(k)) for k in range(3)] == names
    assert abs(view.painted() - drawn) < 0.02 * drawn


def test_background_points_undo_redo_and_clear(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    view.click(*FACE)
    view.click(30, 60, modifiers=["Alt"])
    view.click(420, 30, button="right")
    labels = "[p.label for p in w.prompt.points]"
    assert opened.run_cell(labels) == "[1, 0, 0]"
    view.press("Control+z")
    assert opened.run_cell(labels) == "[1, 0]"
    view.button("Undo").click()
    expect(view.button("Redo")).to_be_enabled()
    view.button("Redo").click()
    view.press("Control+Shift+z")
    assert opened.run_cell(labels) == "[1, 0, 0]"
    expect(view.button("Redo")).to_be_disabled()
    view.press("Escape")
    expect(view.candidates).to_have_count(0)
    assert opened.run_cell("w.prompt.is_empty, w.session.can_undo") == "(True, True)"


def test_the_keyboard_alone_is_enough(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    view.canvas.focus()
    for _ in range(3):
        view.canvas.press("Shift+ArrowLeft")
    view.press("Enter")
    expect(view.candidates).to_have_count(3)
    view.press("Enter")
    expect(view.objects).to_have_count(1)
    assert opened.run_cell("w.objects[0].label") == "'object 1'"
    assert opened.page.locator(".jp-Notebook .jp-CodeCell").count() == 2, "no key reached the notebook's own shortcuts"


def test_python_and_two_views_show_one_state(notebook: Open) -> None:
    opened = notebook(SHOW_CAT, "w")
    opened.run_all()
    first, second = View.of(opened, 0), View.of(opened, 1)
    first.click(*FACE)
    expect(second.candidates).to_have_count(3)
    second.button("Accept").click()
    expect(first.objects).to_have_count(1)
    opened.run_cell("w.click(300, 200)\nw.choose(1)\nw.accept('from Python')")
    for view in (first, second):
        expect(view.objects).to_have_count(2)
        expect(view.objects.nth(1)).to_contain_text("from Python")
    opened.run_cell("while w.session.can_undo:\n    w.undo()")
    for view in (first, second):
        expect(view.objects).to_have_count(0)


def test_a_wrong_url_is_told_in_the_widget_and_the_kernel_lives(notebook: Open) -> None:
    opened = notebook("import sam_widget as sw\nbad = sw.SamWidget('http://127.0.0.1:9/cat.jpg')\nbad", SHOW_CAT)
    opened.run_all()
    bad = View.of(opened, 0, state="error")
    expect(bad.root).to_contain_text("127.0.0.1:9/cat.jpg")
    good = View.of(opened, 1)
    good.click(*FACE)
    expect(good.candidates).to_have_count(3)
    assert opened.run_cell("1 + 1") == "2"


def test_a_label_with_markup_is_text(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    view.click(*FACE)
    label = "<img src=x onerror=alert(1)><b>cat</b>"
    view.root.get_by_role("textbox", name="Label").fill(label)
    view.button("Accept").click()
    expect(view.objects.first).to_contain_text(label)
    assert view.root.locator("img, b").count() == 0


def test_objects_are_renamed_and_removed(notebook: Open) -> None:
    opened = notebook(SHOW_CAT)
    opened.run_all()
    view = View.of(opened)
    view.click(*FACE)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    view.button("Rename object 1").click()
    field = view.objects.first.get_by_role("textbox")
    field.fill("whiskers")
    field.press("Enter")
    expect(view.objects.first).to_contain_text("whiskers")
    assert opened.run_cell("w.objects[0].label") == "'whiskers'"
    view.button("Remove whiskers").click()
    expect(view.objects).to_have_count(0)


@pytest.mark.parametrize(
    ("width", "theme"), [(520, "JupyterLab Light"), (520, "JupyterLab Dark"), (1280, "JupyterLab Dark")]
)
def test_nothing_overflows_at_any_width_and_theme(notebook: Open, width: int, theme: str) -> None:
    opened = notebook(SHOW_CAT)
    opened.page.set_viewport_size({"width": width, "height": 900})
    opened.execute(
        """async theme => {
            if (window.innerWidth < 600) window.jupyterapp.shell.collapseLeft()
            await window.jupyterapp.commands.execute('apputils:change-theme', {theme})
        }""",
        theme,
    )
    opened.run_all()
    view = View.of(opened)
    view.click(*FACE)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    opened.page.wait_for_function("e => e.scrollWidth <= e.clientWidth + 1", arg=view.root.element_handle())
    opened.page.wait_for_function("e => e.clientWidth >= 24", arg=view.button("Undo").element_handle())


def test_nothing_goes_wrong_unseen_in_the_page(notebook: Open) -> None:
    errors: list[str] = []
    opened = notebook(SHOW_CAT)
    opened.page.on("pageerror", lambda error: errors.append(str(error)))

    def hear(message: ConsoleMessage) -> None:
        # The view's code comes from a blob; what JupyterLab has to say of itself is not ours.
        if message.type in {"error", "warning"} and message.location["url"].startswith("blob:"):
            errors.append(message.text)

    opened.page.on("console", hear)
    opened.run_all()
    view = View.of(opened)
    view.click(*FACE)
    view.press("Escape")
    view.drawn()
    assert errors == []


def test_a_model_that_cannot_be_loaded_is_told_over_the_photo_and_no_tool_pretends_to_work(notebook: Open) -> None:
    opened = notebook(
        "import sam_widget as sw\nopen('broken.safetensors', 'w').write('no weights')\n"
        "sw.SamWidget(sw.sample('cat'), model='broken.safetensors')"
    )
    opened.run_all()
    view = View.of(opened, state="error")
    notice = view.root.locator(".sam-notice")
    expect(notice).to_contain_text("broken.safetensors")
    expect(notice).to_be_visible()
    for name in ("Point", "Box", "Brush", "Lasso", "Pick"):
        expect(view.root.get_by_role("radio", name=name)).to_be_disabled()
    expect(view.root.get_by_role("radio", name="Pan")).to_be_enabled()
    expect(view.root.get_by_role("switch", name="Hover")).to_be_disabled()
    view.canvas.click(position={"x": 50, "y": 50})
    expect(notice).to_contain_text("broken.safetensors")
