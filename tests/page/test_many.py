"""Pages of several photos: names, sizes, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sam_widget as sw
from sam_widget.errors import ImageError, SessionError
from sam_widget.page import page
from sam_widget.page.page import page_of, write_page
from sam_widget.session.session import Session
from tests.page.test_page import data_of


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two photos of the same name in different folders."""
    for folder, photo in (("first", sw.sample("cat")), ("second", sw.sample("coffee"))):
        (tmp_path / folder).mkdir()
        Image.fromarray(photo).save(tmp_path / folder / "a.png")
    return tmp_path


def about_of(path: Path) -> dict[str, Any]:
    found = re.search(r'id="sam-about">([^<]*)<', path.read_text("utf-8"))
    assert found
    about: dict[str, Any] = json.loads(found[1])
    return about


def test_paths_arrays_sessions_files_and_widgets_go_into_one_page(photos: Path) -> None:
    session = Session(sw.sample("astronaut"), model="tiny")
    session.click(200, 100)
    session.accept("face")
    session.save(photos / "face.sam")
    widget = sw.SamWidget(photos / "first" / "a.png")
    try:
        widget.click(175, 130)
        widget.accept("cat")
        given = [photos / "second" / "a.png", str(photos / "face.sam"), sw.sample("rocket"), session, widget]
        path = sw.save_page(photos / "class.html", photos=given)
    finally:
        widget.close()
    found = about_of(path)["photos"]
    assert [photo["name"] for photo in found] == ["a.png", "image", "image (2)", "image (3)", "a (2).png"]
    assert [photo["objects"] for photo in found] == [0, 1, 0, 1, 1]
    assert "<title>class</title>" in path.read_text("utf-8")
    (photos / "saved.sam").write_bytes(data_of(path.read_text("utf-8"), "session-1"))
    assert [item.label for item in Session.load(photos / "saved.sam").objects] == ["face"]


def test_a_gallery_is_a_page_with_its_objects_names_and_marks(photos: Path) -> None:
    gallery = sw.Gallery(photos, recursive=True, sessions=photos / "sessions")
    try:
        gallery.go(1)
        gallery.click(300, 200)
        gallery.accept("cup")
        gallery.mark()
        gallery.go(0)
        gallery.click(175, 130)
        gallery.accept("cat")
        whole = about_of(gallery.save_page(photos / "class.html"))
        part = about_of(gallery.save_page(photos / "part.html", photos=["second/a.png"]))
        with pytest.raises(ImageError, match="there is no image 7"):
            gallery.save_page(photos / "none.html", photos=[7])
        with pytest.raises(ImageError, match="there are no photos for the page"):
            gallery.save_page(photos / "none.html", photos=[])
    finally:
        gallery.close()
    assert [(photo["name"], photo["objects"]) for photo in whole["photos"]] == [("first/a.png", 1), ("second/a.png", 1)]
    assert whole["done"] == [1]
    assert [photo["name"] for photo in part["photos"]] == ["second/a.png"]
    assert part["done"] == [0]


def test_names_stay_inside_the_folder_that_an_archive_is_unpacked_to() -> None:
    session = Session(sw.sample("cat"), model="tiny")
    names = []
    for name in ("../../evil.png", "/etc/x", "..\\y.png", "..", ""):
        session.image_name = name
        text = page_of(session)
        found = re.search(r'id="sam-about">([^<]*)<', text)
        assert found
        names.append(json.loads(found[1])["photos"][0]["name"])
    assert names == ["evil.png", "etc/x", "y.png", "image", "image"]


def test_a_page_that_would_be_too_large_is_refused_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST", 6_000_000)
    opened = []

    class Photo:
        @property
        def session(self) -> Session:
            opened.append(self)
            return Session(sw.sample("cat"), model="tiny")

    with pytest.raises(SessionError, match=r"these 100 photos would take about \d{3} MB, but 6 MB"):
        sw.save_page(tmp_path / "class.html", photos=[Photo() for _ in range(100)])
    assert len(opened) <= 3, "it stops at the first photo that is too much"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(page, "LARGE", 3_000_000)
    with pytest.warns(UserWarning, match=r"class.html takes [45] MB; mail programs often refuse more than 3 MB"):
        sw.save_page(tmp_path / "class.html", photos=[sw.sample("cat")])


def test_bad_requests_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there are no photos for the page"):
        sw.save_page(tmp_path / "class.html", photos=[])
    with pytest.raises(ImageError):
        sw.save_page(tmp_path / "class.html", photos=[np.zeros((30, 40, 3), np.uint8), tmp_path / "missing.png"])
    assert list(tmp_path.iterdir()) == []


def test_weights_are_in_a_page_once_and_must_be_the_same(tmp_path: Path) -> None:
    one = write_page(Session(sw.sample("cat"), model="tiny"), tmp_path / "one.html")
    two = sw.save_page(tmp_path / "two.html", photos=[sw.sample("cat"), sw.sample("cat")])
    added = two.stat().st_size - one.stat().st_size
    assert added < 3e6
    assert data_of(two.read_text("utf-8"), "features-0") == data_of(two.read_text("utf-8"), "features-1")
    other = sw.load_model("tiny")
    with torch.no_grad():
        other.mask_decoder.norm.weight += 1e-3  # type: ignore[operator]
    sessions = [Session(sw.sample("cat"), model="tiny"), Session(sw.sample("cat"), model=other)]
    with pytest.raises(SessionError, match="use different models; write a page for each"):
        sw.save_page(tmp_path / "both.html", photos=sessions)
