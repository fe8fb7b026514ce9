"""JupyterLab's file browser and launcher open images and folders in the widget."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

import sam_widget as sw
from tests.browser.lab import TIMEOUT_MS, Lab


@pytest.fixture
def folder(lab: Lab, tmp_path: Path) -> Path:
    """A folder of the server with a photo of an odd name, a text, and a folder of photos."""
    folder = lab.root / f"to open {tmp_path.name}"
    (folder / "photos").mkdir(parents=True)
    cat = Image.fromarray(sw.sample("cat"))
    cat.save(folder / 'my "cat" 貓.png')
    cat.save(folder / "photos/a.png")
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    return folder


def item(page: Page, lab: Lab, folder: Path, name: str) -> Locator:
    """An item of the file browser, which shows the folder."""
    page.goto(f"{lab.url}/lab/tree/{quote(folder.name)}?reset")
    found = page.locator(".jp-DirListing-item").filter(has_text=name)
    expect(found).to_be_visible(timeout=TIMEOUT_MS // 2)
    return found


@pytest.mark.parametrize(("name", "call"), [('my "cat" 貓.png', "SamWidget"), ("photos", "Gallery")])
def test_an_image_and_a_folder_open_in_a_new_notebook(page: Page, lab: Lab, folder: Path, name: str, call: str) -> None:
    item(page, lab, folder, name).click(button="right")
    page.get_by_role("menuitem", name="Open with SAM").click()
    widget = page.locator(".sam-widget")
    expect(widget).to_have_attribute("data-state", "ready", timeout=TIMEOUT_MS)
    expect(widget.get_by_role("status")).to_contain_text("Ready")
    assert list(folder.glob("Untitled*.ipynb")), "the notebook lies next to the image, where its path is right"
    expect(page.locator(".jp-Notebook")).to_contain_text(f"sw.{call}(")
    lab.shut_down_kernels()


def test_other_files_offer_nothing(page: Page, lab: Lab, folder: Path) -> None:
    item(page, lab, folder, "notes.txt").click(button="right")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_visible()
    expect(page.get_by_role("menuitem", name="Open with SAM")).to_have_count(0)


def test_the_launcher_has_a_tile(page: Page, lab: Lab, folder: Path) -> None:
    item(page, lab, folder, "notes.txt")
    page.locator(".jp-LauncherCard", has_text="Segment Anything").first.click()
    expect(page.locator(".sam-widget")).to_have_attribute("data-state", "ready", timeout=TIMEOUT_MS)
    lab.shut_down_kernels()
