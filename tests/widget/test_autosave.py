"""A widget that saves automatically, and continues where another kernel stopped."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.widget.sam_widget import SamWidget


@contextmanager
def opened(image: Any, **options: Any) -> Iterator[SamWidget]:
    with closing(SamWidget(image, **options)) as widget:
        ready = threading.Event()
        widget.observe(lambda change: change["new"]["status"] == "ready" and ready.set(), "state")
        assert widget.state["status"] == "ready" or ready.wait(60)
        yield widget


def ask(widget: SamWidget, kind: str, **fields: Any) -> dict[str, Any]:
    """Do what a view's request does, and return the answer."""
    answers: list[dict[str, Any]] = []
    send = widget.send
    widget.send = lambda content, _buffers=None: answers.append(content)  # type: ignore[method-assign]
    try:
        widget._receive(widget, {"type": kind, "client": "view", "seq": 1, **fields}, [])
        widget._dispatcher.call(lambda: None).result(60)
    finally:
        widget.send = send  # type: ignore[method-assign]
    return next(answer for answer in answers if answer["type"] == "answer")


def test_what_a_view_is_answered_is_on_the_disk(photo: np.ndarray, predictor: sw.Predictor, tmp_path: Path) -> None:
    path = tmp_path / "cat.sam"
    with opened(photo, autosave=path) as widget:
        assert widget.state["autosave"] == "cat.sam"
        widget.click(150, 120)
        assert ask(widget, "accept", label="<i>cat</i>")["outcome"] == "done"
        (there,) = sw.Session.load(path, model=predictor).objects
        assert there.label == "<i>cat</i>"
        widget.click(20, 20)
        widget.undo()
        mask = widget.objects[0].mask
    assert [p.name for p in tmp_path.iterdir()] == ["cat.sam"]
    with opened(photo, autosave=path) as widget:
        assert [o["label"] for o in widget.state["objects"]] == ["<i>cat</i>"]
        assert widget.state["can_redo"]
        np.testing.assert_array_equal(widget.objects[0].mask, mask)
        path.unlink()
        before = widget.session.state
        answer = ask(widget, "remove", objects=[widget.objects[0].id])
        assert answer["outcome"] == "error"
        assert "moved, removed or replaced" in answer["error"]
        assert widget.session.state is before
        widget.save(tmp_path / "rescued.sam")
    assert len(sw.Session.load(tmp_path / "rescued.sam", model=predictor).objects) == 1


def test_a_widget_opens_a_file_without_the_photo(photo: np.ndarray, tmp_path: Path) -> None:
    picture = tmp_path / "cat.png"
    Image.fromarray(photo).save(picture)
    session = sw.Session(picture)
    session.click(150, 120)
    session.save(tmp_path / "a.sam")
    picture.unlink()
    with closing(SamWidget.load(tmp_path / "a.sam")) as widget:
        assert widget.session.prompt == session.prompt
        assert widget.session.autosave is None
        assert repr(str(picture)) in widget.to_code()
        widget.click(20, 20)
    assert len(sw.Session.load(tmp_path / "a.sam").prompt.points) == 1
    with closing(SamWidget.load(tmp_path / "a.sam", autosave=tmp_path / "a.sam")) as widget:
        widget.click(20, 20)
        assert len(sw.Session.load(tmp_path / "a.sam").prompt.points) == 2
    with closing(SamWidget.load(tmp_path / "a.sam", autosave=tmp_path / "b.sam")) as widget:
        widget.undo()
        assert widget.session.autosave == tmp_path / "b.sam"
        assert len(sw.Session.load(tmp_path / "b.sam").prompt.points) == 1


HOLD = """import sys
from sam_widget.session.file.writer import SessionFile
file = SessionFile.claim(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_what_is_wrong_with_the_file_is_raised_at_once(photo: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.sam"
    sw.Session(photo, autosave=path).close()
    with pytest.raises(sw.SessionError, match="about another image"):
        SamWidget(photo[:100], autosave=path)
    with pytest.raises(sw.SessionError, match="no session file"):
        SamWidget.load(tmp_path / "nothing.sam")
    assert not (tmp_path / "a.sam.lock").exists()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(sw.SessionError, match=re.escape(f"process {other.pid} on {platform.node()}")):
        SamWidget(photo, autosave=path)
    other.kill()
    other.wait()
    with opened(photo, autosave=path) as widget:
        widget.click(150, 120)
