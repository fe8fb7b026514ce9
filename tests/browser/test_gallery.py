"""A folder labelled by hand in a real JupyterLab: Next and Previous, what is done, the list of images."""

from __future__ import annotations

import json
import re

from playwright.sync_api import expect

from tests.browser.view import FACE, Open, View

FOLDER = """
import pathlib, tempfile
from PIL import Image
import sam_widget as sw
folder = pathlib.Path(tempfile.mkdtemp())
for number, name in enumerate(["cat", "coffee", "rocket"]):
    Image.fromarray(sw.sample(name)).save(folder / f"{number} {name}.png")
(folder / "1b broken.jpg").write_bytes(b"broken")
g = sw.Gallery(folder, store=folder / "store")
g
"""


def test_a_folder_is_labelled_by_hand(notebook: Open) -> None:
    opened = notebook(FOLDER)
    opened.run_all()
    view = View.of(opened)
    bar = view.root.get_by_role("group", name="Gallery")
    following, previous = (bar.get_by_role("button", name=f"{which} image") for which in ("Next", "Previous"))
    images = bar.get_by_role("button", name=re.compile("^Images: "))

    def at(name: str, number: int) -> None:
        expect(images).to_have_attribute("aria-label", f"Images: {number} of 4, {name}")
        opened.expect_state("ready")

    at("0 cat.png", 1)
    expect(previous).to_be_disabled()
    view.click(*FACE)
    view.root.get_by_role("textbox", name="Label").fill("cat")
    view.press("Enter")
    expect(view.objects).to_have_count(1)
    bar.get_by_role("switch", name="Done").click()
    expect(bar.get_by_role("switch", name="Done")).to_be_checked()
    expect(bar).to_contain_text("1 of 4 done")

    following.click()
    at("1 coffee.png", 2)
    expect(view.objects).to_have_count(0)
    expect(bar.get_by_role("switch", name="Done")).not_to_be_checked()
    view.click(300, 200)
    view.press("Enter")
    view.click(100, 100)

    # By keys alone: over the broken file to the last, and back; what was being worked on is still there.
    view.canvas.press(".")
    opened.expect_state("error")
    expect(view.status).to_contain_text("1b broken.jpg is not in an image format")
    view.root.get_by_role("button", name="Next image").press(".")
    at("2 rocket.png", 4)
    expect(following).to_be_disabled()
    view.canvas.press("PageUp")
    opened.expect_state("error")
    following.press(",")
    at("1 coffee.png", 2)
    expect(view.objects).to_have_count(1)
    expect(view.candidates).to_have_count(3)

    images.click()
    listed = bar.get_by_role("list", name="Images").get_by_role("button")
    assert [listed.nth(n).get_attribute("aria-label") for n in range(4)] == [
        "0 cat.png, 1 object, done",
        "1 coffee.png, 1 object",
        "1b broken.jpg, cannot be opened",
        "2 rocket.png",
    ]
    expect(listed.nth(3).get_by_text("2 rocket.png")).to_be_visible()
    listed.nth(0).click()
    at("0 cat.png", 1)
    expect(view.objects).to_have_text([re.compile("cat")])

    said = json.loads(
        opened.run_cell("import json; print(json.dumps([(r.name, r.objects, r.done) for r in g.overview]))")
    )
    assert said == [
        ["0 cat.png", 1, True],
        ["1 coffee.png", 1, False],
        ["1b broken.jpg", 0, False],
        ["2 rocket.png", 0, False],
    ]
    opened.run_cell("g.go('2 rocket.png')")
    at("2 rocket.png", 4)

    opened.save()
    opened.reload()
    view = View.of(opened)
    at("2 rocket.png", 4)
    view.canvas.press("PageUp")
    expect(view.status).to_contain_text("1b broken.jpg")


def test_a_widget_of_one_image_has_no_gallery(notebook: Open) -> None:
    opened = notebook("import sam_widget as sw\nw = sw.SamWidget(sw.sample('cat'))\nw")
    opened.run_all()
    view = View.of(opened)
    expect(view.root.get_by_role("group", name="Gallery", include_hidden=True)).to_be_hidden()
    view.canvas.press("?")
    expect(view.root.get_by_role("dialog")).not_to_contain_text("Next image")


CATS = """
import pathlib, tempfile
import numpy as np
from PIL import Image
import sam_widget as sw
folder = pathlib.Path(tempfile.mkdtemp())
photos = {"0 cat": sw.sample("cat"), "1 rocket": sw.sample("rocket"), "2 mirrored": sw.sample("cat")[:, ::-1]}
for name, photo in photos.items():
    Image.fromarray(np.ascontiguousarray(photo)).save(folder / f"{name}.png")
g = sw.Gallery(folder, store=folder / "store")
g
"""


def test_an_object_is_found_in_all_photos(notebook: Open) -> None:
    opened = notebook(CATS)
    opened.run_all()
    view = View.of(opened)
    view.click(*FACE)
    view.root.get_by_role("radio", name=re.compile("^Mask 3")).click()
    view.root.get_by_role("textbox", name="Label").fill("Tom")
    view.press("Enter")
    expect(view.objects).to_have_count(1)

    # While the photos are searched, the view answers.
    view.button("Find more like Tom in all images").click()
    in_all = view.root.get_by_role("group", name="Find in all images")
    expect(in_all.get_by_role("progressbar", name="Images searched")).to_be_visible()
    expect(in_all.get_by_role("status")).to_have_text(re.compile("^Searching [0-3] of 3 images: like Tom$"))
    expect(in_all.get_by_role("button", name="Cancel")).to_be_visible()
    view.click(300, 60)
    expect(view.candidates.first).to_be_visible()
    view.press("Escape")
    expect(in_all.get_by_role("status")).to_contain_text("like Tom: 1 found in 1 of 3 images.")
    expect(in_all.get_by_role("progressbar", include_hidden=True)).to_be_hidden()

    # The best photo is opened from the list, and offers what was found, under the label of the example.
    found = in_all.get_by_role("list", name="Found in").get_by_role("button")
    expect(found).to_have_attribute("aria-label", re.compile(r"^2 mirrored.png, 1 found, best 0\.[5-9]\d$"))
    found.click()
    bar = view.root.get_by_role("group", name="Gallery")
    expect(bar.get_by_role("button", name=re.compile("^Images: 3 of 3"))).to_be_visible()
    opened.expect_state("ready")
    expect(found).to_have_attribute("aria-current", "true")
    panel = view.root.get_by_role("search", name="Find")
    panel.get_by_role("button", name="Accept all found").click()
    expect(view.objects).to_have_text([re.compile("Tom")])
    area = json.loads(opened.run_cell("print(g.objects[0].area)"))
    assert area > 0.2 * 451 * 300, "the whole cat"
    view.press("Control+z")
    expect(view.objects).to_have_count(0)

    # Words, and Cancel; the first photo shows them next to what is an object already.
    view.canvas.press("/")
    panel.get_by_role("searchbox", name="Words to find").fill("rocket")
    panel.get_by_role("button", name="Find in all images").click()
    expect(in_all.get_by_role("status")).to_contain_text(re.compile("^rocket: "))
    in_all.get_by_role("button", name="Close the list").click()
    expect(in_all).to_be_hidden()
