"""A page that opens any photo: its encoder sees and answers what PyTorch does, and Jupyter continues its sessions."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

import sam_widget as sw
from sam_widget.masks.measures import iou
from sam_widget.predictor.model_input import input_pixels
from sam_widget.predictor.predictor import EmbeddingCache, Predictor
from sam_widget.session.session import Session
from tests.browser.lab import VIEWPORT
from tests.browser.view import FACE, View

TIMEOUT_MS = 120_000
# Remembers what the encoder was given and what it found.
SPY = """() => {
    const open = self.openNetwork
    self.openNetwork = async (...given) => {
        const network = await open(...given)
        const run = async inputs => {
            const found = await network.run(inputs)
            self.seen = {pixels: inputs.pixels.data, ...found}
            return found
        }
        return {run}
    }
}"""
BYTES = """name => {
    const {buffer, byteOffset, byteLength} = self.seen[name]
    const bytes = new Uint8Array(buffer, byteOffset, byteLength)
    let text = ''
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192))
    return btoa(text)
}"""


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = sw.save_page(tmp_path_factory.mktemp("page") / "any.html", any_photo=True)
    assert path.stat().st_size <= 25e6
    return path


@pytest.fixture
def view(blank: Path, browser: Browser) -> Iterator[View]:
    context = browser.new_context(viewport=VIEWPORT, offline=True, accept_downloads=True)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(blank.as_uri())
    root = page.locator(".sam-widget")
    expect(root).to_have_attribute("data-state", "ready", timeout=TIMEOUT_MS)
    yield View(page, root)
    context.close()


def opened(view: View, path: Path) -> None:
    view.page.get_by_label("Open a photo").set_input_files(path)
    expect(view.page.get_by_role("heading", level=1)).to_have_text(path.name, timeout=TIMEOUT_MS)
    expect(view.page.locator("#sam-progress")).to_be_empty()


def seen(page: Page, name: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(page.workers[0].evaluate(BYTES, name)), np.float32)


def continued(view: View, path: Path) -> Session:
    with view.page.expect_download() as download:
        view.page.get_by_role("button", name="Continue in Jupyter").click()
    download.value.save_as(path)
    return Session.load(path)


def photos() -> dict[str, np.ndarray]:
    """Wide, high, thin and smaller than the model's input."""
    cat, coffee = sw.sample("cat"), sw.sample("coffee")
    return {"wide.png": cat, "high.png": np.rot90(coffee).copy(), "thin.png": cat[100:160], "small.png": cat[::4, ::4]}


def test_photos_are_encoded_and_answered_as_in_pytorch(view: View, tmp_path: Path) -> None:
    """The same pixels in the model's input, features to 1e-4, masks to an IoU of 0.999, scores within 0.001."""
    page = view.page
    page.workers[0].evaluate(SPY)
    predictor = Predictor("tiny", cache=EmbeddingCache())
    for name, photo in photos().items():
        Image.fromarray(photo).save(tmp_path / name)
        opened(view, tmp_path / name)
        expected = input_pixels(predictor.config, photo, torch.device("cpu"))[0].numpy()
        _, height, width = expected.shape
        given = seen(page, "pixels").reshape(3, 384, 384)
        assert np.array_equal(given[:, :height, :width], expected), name
        assert (given[:, height:] == 127).all()
        embedding = predictor.embed(photo, keep=False)
        for level, features in enumerate((*embedding.high_resolution, embedding.features)):
            ours, theirs = seen(page, f"photo.{level}"), features[0].flatten(1).T.flatten().numpy()
            assert np.abs(ours - theirs).max() < 1e-4, (name, level)
        view.click(photo.shape[1] * 0.4, photo.shape[0] * 0.45)
        expect(view.candidates).to_have_count(3)
        session = continued(view, tmp_path / f"{name}.sam")
        assert np.array_equal(session.source.rgb, photo)
        assert name in repr(session)
        candidates = Session(photo, model=predictor).set_prompt(session.state.prompt)
        for one, other in zip(session.candidates, candidates, strict=True):
            assert iou(one.mask, other.mask) >= 0.999, name
            assert one.score == pytest.approx(other.score, abs=1e-3)


# How a photo arrives that is dropped on the page, or pasted into it.
ARRIVES = {
    "drop": "new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true})",
    "paste": "new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true})",
}


def arrive(page: Page, how: str, path: Path) -> None:
    data = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(
        f"""([data, name]) => {{
            const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0))
            const transfer = new DataTransfer()
            transfer.items.add(new File([bytes], name, {{type: 'image/jpeg'}}))
            document.body.dispatchEvent({ARRIVES[how]})
        }}""",
        [data, path.name],
    )


@pytest.mark.parametrize("how", ARRIVES)
def test_a_photo_that_arrives_takes_the_place_of_the_sample(how: str, view: View, tmp_path: Path) -> None:
    view.click(*FACE)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    (tmp_path / "notes.txt").write_text("no photo")
    page = view.page
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_label("Open a photo").set_input_files(tmp_path / "notes.txt")
    expect(page.locator("#sam-progress")).to_contain_text("notes.txt cannot be read")
    expect(view.objects).to_have_count(1)
    Image.fromarray(sw.sample("coffee")).save(tmp_path / "coffee.jpg", quality=95)
    page.once("dialog", lambda dialog: dialog.accept())
    arrive(page, how, tmp_path / "coffee.jpg")
    expect(page.get_by_role("heading", level=1)).to_have_text("coffee.jpg", timeout=TIMEOUT_MS)
    expect(view.objects).to_have_count(0)
    height, width = sw.sample("coffee").shape[:2]
    view.click(width / 2, height / 2)
    expect(view.candidates).to_have_count(3)
    session = continued(view, tmp_path / "coffee.sam")
    assert session.source.size == (width, height)
    assert len(session.timeline) == 2


def test_pasted_text_changes_nothing(view: View) -> None:
    """A label may be pasted while a photo is shown."""
    view.click(*FACE)
    view.page.evaluate(
        """() => {
            const transfer = new DataTransfer()
            transfer.setData('text/plain', 'cat')
            document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true}))
        }"""
    )
    view.drawn()
    expect(view.page.locator("#sam-progress")).to_be_empty()
    expect(view.candidates).to_have_count(3)
