"""What of a model is in a page, and what is refused; `tests/browser/test_page_any_photo.py` opens such pages."""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import ImageError, MissingExtraError, ModelError, SessionError
from sam_widget.model.tiny.tiny import tiny_vit
from sam_widget.page.page import write_page
from sam_widget.predictor.predictor import Predictor
from sam_widget.session.session import Session


def test_the_page_begins_with_a_sample_and_has_the_encoder(tmp_path: Path) -> None:
    path = sw.save_page(tmp_path / "any.html", any_photo=True)
    assert path.stat().st_size <= 25e6
    text = path.read_text("utf-8")
    about = re.search(r'id="sam-about">([^<]*)<', text)
    assert about
    assert json.loads(about[1])["padding"] == [127.0, 127.0, 127.0]
    assert "onnxruntime-web (Microsoft Corporation): MIT." in text
    blank = re.search(r'id="sam-blank">([^<]*)<', text)
    assert blank
    (tmp_path / "blank.sam").write_bytes(gzip.decompress(base64.b64decode(blank[1])))
    session = Session.load(tmp_path / "blank.sam", image=np.zeros((1, 1, 3), np.uint8))
    assert (len(session.timeline), len(session.objects)) == (1, 0)


def test_other_pages_have_neither_encoder_nor_runtime(tmp_path: Path) -> None:
    text = sw.save_page(tmp_path / "cat.html", photos=[sw.sample("cat")]).read_text("utf-8")
    assert 'id="sam-encoder"' not in text
    assert 'id="sam-open"' not in text
    assert "onnxruntime" not in text


def test_what_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cat = tmp_path / "any.html", sw.sample("cat")
    with pytest.raises(SessionError, match="several photos opens no others; give one photo, or leave any_photo out"):
        sw.save_page(path, photos=[cat, cat], any_photo=True)
    with pytest.raises(ImageError, match=r"give photos=\[...\], or any_photo=True"):
        sw.save_page(path)
    with pytest.raises(ModelError, match="opens any photo only with 'tiny', but this session uses 'tiny_vit'"):
        write_page(Session(cat, model=Predictor(tiny_vit().eval())), path, any_photo=True)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r'pip install "sam-widget\[page\]"'):
        sw.save_page(path, any_photo=True)
    assert list(tmp_path.iterdir()) == []
