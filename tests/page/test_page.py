"""Pages as files: what is in them, and what they forbid. `tests/browser/test_page.py` opens them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import SessionError
from sam_widget.page.page import page_of, write_page
from sam_widget.predictor.interface import Embedding, Prediction
from sam_widget.predictor.plain import PlainPredictor
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.session import Session

HOSTILE = "</script><script>alert(1)</script>.png"


def data_of(text: str, name: str) -> bytes:
    found = re.search(rf'id="sam-{name}">([^<]*)<', text)
    assert found
    return gzip.decompress(base64.b64decode(found[1]))


def test_a_page_is_small_and_has_licences_and_the_model_card(tmp_path: Path) -> None:
    path = write_page(Session(sw.sample("cat"), model="tiny"), tmp_path / "cat.html")
    assert path.stat().st_size <= 10e6
    text = path.read_text("utf-8")
    for expected in ("Apache License", "Permission is hereby granted", "sql.js", "Model card"):
        assert expected in text


def test_the_policy_allows_this_script_and_no_connection() -> None:
    text = page_of(Session(sw.sample("cat"), model="tiny"))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert policy
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}' 'wasm-unsafe-eval'"
    assert "connect-src" not in rules
    assert text.count("<script>") == 1


def test_names_and_labels_are_text(tmp_path: Path) -> None:
    session = Session(sw.sample("cat"), model="tiny")
    session.image_name = HOSTILE
    session.click(175, 130)
    session.accept(HOSTILE)
    text = write_page(session, tmp_path / "cat.html").read_text("utf-8")
    assert "alert(1)" not in text.replace("&lt;script&gt;alert(1)", "").replace("\\u003cscript>alert(1)", "")
    about = re.search(r'id="sam-about">([^<]*)<', text)
    assert about
    assert json.loads(about[1])["photos"][0]["name"] == HOSTILE


def test_the_session_in_a_page_is_the_session(tmp_path: Path) -> None:
    session = Session(sw.sample("cat"), model="tiny")
    session.click(175, 130)
    session.accept("cat")
    session.undo()
    path = tmp_path / "cat.sam"
    path.write_bytes(data_of(page_of(session), "session-0"))
    loaded = Session.load(path)
    assert loaded.position == 1
    assert [state.objects for state in loaded.timeline][:2] == [(), ()]
    assert loaded.timeline[2].objects[0].label == "cat"


def test_bad_requests_leave_no_file(tmp_path: Path) -> None:
    session = Session(sw.sample("cat"), model="tiny")
    with pytest.raises(SessionError, match=r"'cat.json' is not a name of a page; give one that ends in .html"):
        write_page(session, tmp_path / "cat.json")
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match="cannot be written"):
        write_page(session, tmp_path / "file" / "cat.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_model_elsewhere_is_refused() -> None:
    session = Session(sw.sample("cat"), model="tiny")

    class Elsewhere(PlainPredictor):
        model, config = session.predictor.model, session.predictor.config

        def embed(self, image: np.ndarray, *, keep: bool = True) -> Embedding:
            raise NotImplementedError

        def answer(self, embedding: Embedding, prompt: Prompt) -> Prediction:
            raise NotImplementedError

    with pytest.raises(SessionError, match="model on this machine; open the image with model='tiny'"):
        page_of(Session(sw.sample("cat"), model=Elsewhere()))
