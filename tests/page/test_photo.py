"""A photo in a page: how it is described, and what is not in it."""

from __future__ import annotations

import base64
import gzip
import re
from pathlib import Path

import numpy as np
from PIL import Image

import sam_widget as sw
from sam_widget.image.pyramid import Pyramid
from sam_widget.page.page import write_page
from sam_widget.page.photo import _saved, photo_of
from sam_widget.session.session import Session
from sam_widget.widget.protocol import to_json
from sam_widget.widget.state import image_data


def test_the_image_is_described_as_the_widget_does() -> None:
    session = Session(np.arange(30 * 40, dtype=np.uint16).reshape(30, 40), model="tiny")
    photo = photo_of(session)
    assert photo.about["image"] == to_json(image_data(Pyramid(session.source)))
    assert photo.size == sum(len(text) for text in photo.data.values()) > 100_000


def test_a_page_does_not_say_where_the_photo_was(tmp_path: Path) -> None:
    folder = tmp_path / "patients"
    folder.mkdir()
    Image.fromarray(sw.sample("cat")).save(folder / "cat.png")
    session = Session(folder / "cat.png", model="tiny")
    session.click(200, 200)
    session.accept("cat")
    text = write_page(session, tmp_path / "cat.html").read_text("utf-8")
    parts = re.findall(r'<script type="application/octet-stream" id="sam-[\w-]+">([^<]*)</script>', text)
    assert len(parts) >= 3
    for content in (text.encode(), *(gzip.decompress(base64.b64decode(part)) for part in parts)):
        assert b"patients" not in content
    (tmp_path / "saved.sam").write_bytes(_saved(session, keep_image=True))
    assert len(Session.load(tmp_path / "saved.sam").objects) == 1
    session.save(tmp_path / "own.sam")
    assert b"patients" in (tmp_path / "own.sam").read_bytes()
