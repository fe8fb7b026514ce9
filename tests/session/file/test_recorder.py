"""A session that lasts: saved, loaded, saved by itself."""

from __future__ import annotations

import json
import platform
import re
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.session.file.format import Document, read, to_json, write_new
from sam_widget.session.state import SessionState
from tests.waiting import at_most

Make = Callable[..., sw.Session]


@pytest.fixture
def make(photo: np.ndarray, predictor: sw.Predictor) -> Make:
    return lambda image=photo, **options: sw.Session(image, model=predictor, **options)


def work(session: sw.Session) -> None:
    """Make edits of every kind, before, at and after the current state."""
    session.click(150, 120)
    session.choose(0)
    session.accept('"cat"\n<b>ä\ud800')
    session.drag(100, 20, 300, 200)
    session.drag(50, 100, 120, 180, add=True)
    session.scribble([(150, 120), (160, 130)])
    session.lasso([(10, 10), (40, 10), (40, 40)], label=0)
    session.brush([(10.5, 20), (30, 40)], 6)
    session.adjust(threshold=0.25, holes=30, islands=5, smoothing=1.5)
    session.refine()
    session.click(200, 100)
    session.accept()
    session.add_objects(np.eye(300, 451, dtype=bool), labels="stripe")
    session.recolor(session.objects[0].id, 9)
    session.merge([session.objects[1].id, session.objects[2].id], "both")
    session.edit(session.objects[0].id)
    session.brush([(100, 100)], 3, label=0)
    for _ in range(4):
        session.undo()
    session.redo()


def same(one: SessionState, other: SessionState) -> None:
    assert one.prompt == other.prompt
    assert (one.chosen_index, one.strokes, one.settings, one.editing) == (
        other.chosen_index,
        other.strokes,
        other.settings,
        other.editing,
    )
    for a, b in zip(one.candidates, other.candidates, strict=True):
        np.testing.assert_array_equal(a.mask, b.mask)
        np.testing.assert_array_equal(a.base.array, b.base.array)
        np.testing.assert_array_equal(a.logits, b.logits)
        assert (a.score, a.stability) == (b.score, b.stability)
    for x, y in zip(one.objects, other.objects, strict=True):
        np.testing.assert_array_equal(x.mask, y.mask)
        for name in ("id", "label", "score", "box", "color", "prompt", "strokes", "settings", "area", "stability"):
            assert getattr(x, name) == getattr(y, name)


def all_the_same(one: sw.Session, other: sw.Session) -> None:
    """Compare every state, past, present and future."""
    assert (one.position, len(one.timeline)) == (other.position, len(other.timeline))
    for a, b in zip(one.timeline, other.timeline, strict=True):
        same(a, b)
    np.testing.assert_array_equal(one.image, other.image)


def test_everything_is_there_on_loading(make: Make, predictor: sw.Predictor, tmp_path: Path) -> None:
    session = make()
    work(session)
    session.save(tmp_path / "a.sam")
    assert [p.name for p in tmp_path.iterdir()] == ["a.sam"]
    loaded = sw.Session.load(tmp_path / "a.sam", model=predictor)
    all_the_same(loaded, session)
    for _ in at_most(100, lambda: session.can_redo):
        session.redo()
        loaded.redo()
    for _ in at_most(100, lambda: session.can_undo):
        session.undo()
        loaded.undo()
        same(session.state, loaded.state)
    assert not loaded.can_undo


def test_what_is_loaded_goes_on_as_before(make: Make, tmp_path: Path) -> None:
    session = make()
    work(session)
    session.save(tmp_path / "a.sam")
    loaded = sw.Session.load(tmp_path / "a.sam")
    assert loaded.predictor.model.name == "tiny"
    for each in (session, loaded):
        for _ in at_most(100, lambda each=each: each.can_redo):
            each.redo()
        each.adjust(threshold=-0.5)
        each.refine()
        each.click(30, 40, label=0)
        each.accept("after")
    same(loaded.state, session.state)


def test_with_autosave_an_edit_is_on_the_disk_when_its_call_returns(
    make: Make, predictor: sw.Predictor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.sam"
    session = make(autosave=path)
    assert session.autosave == path
    seen = 0

    def compare() -> None:
        nonlocal seen
        seen += 1
        # As another program finds it at this moment.
        all_the_same(sw.Session.load(path, model=predictor), session)

    compare()
    session.on_change(compare)
    work(session)
    session.close()
    assert seen > 15
    assert not caplog.records
    compare()
    assert [p.name for p in tmp_path.iterdir()] == ["a.sam"]


def test_a_notebook_that_is_run_again_goes_on(make: Make, tmp_path: Path) -> None:
    first = make(autosave=tmp_path / "a.sam")
    work(first)
    again = make(autosave=tmp_path / "a.sam")
    all_the_same(again, first)
    with pytest.raises(sw.SessionError, match="opened again in this kernel"):
        first.undo()
    again.redo()
    again.close()
    with pytest.raises(sw.SessionError, match="closed"):
        again.undo()
    third = sw.Session.load(tmp_path / "a.sam", autosave=tmp_path / "a.sam")
    all_the_same(third, again)
    third.click(5, 5)
    third.close()
    assert sw.Session.load(tmp_path / "a.sam").prompt == third.prompt


HOLD = """import sys
from sam_widget.session.file.reader import Record
record = Record.claim(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_two_kernels_on_one_file(make: Make, predictor: sw.Predictor, tmp_path: Path) -> None:
    path = tmp_path / "a.sam"
    session = make(autosave=path)
    session.click(20, 30)
    session.close()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    who = re.escape(f"process {other.pid} on {platform.node()}")
    with pytest.raises(sw.SessionError, match=who):
        make(autosave=path)
    with pytest.raises(sw.SessionError, match=who):
        make().save(path, overwrite=True)
    with pytest.raises(sw.SessionError, match=who):
        sw.Session.load(path, autosave=path)
    assert len(sw.Session.load(path, model=predictor).prompt.points) == 1
    other.kill()
    other.wait()
    session = make(autosave=path)
    assert len(session.prompt.points) == 1
    session.close()


def test_saving_replaces_only_what_it_knows(make: Make, predictor: sw.Predictor, tmp_path: Path) -> None:
    path = tmp_path / "a.sam"
    session = make()
    session.click(150, 120)
    session.save(path)
    session.accept("cat")
    session.save(path)
    assert [o.label for o in sw.Session.load(path, model=predictor).objects] == ["cat"]
    one, two = sw.Session.load(path, model=predictor), sw.Session.load(path, model=predictor)
    one.click(1, 1)
    one.save(path)
    two.click(2, 2)
    with pytest.raises(sw.SessionError, match="changed since"):
        two.save(path)
    with pytest.raises(sw.SessionError, match="another session"):
        make().save(path)
    assert sw.Session.load(path, model=predictor).prompt == one.prompt
    two.save(path, overwrite=True)
    all_the_same(sw.Session.load(path, model=predictor), two)
    saving = make(autosave=tmp_path / "b.sam")
    with pytest.raises(sw.SessionError, match="another session of this kernel"):
        two.save(tmp_path / "b.sam", overwrite=True)
    saving.click(1, 1)
    saving.save(tmp_path / "b.sam")
    saving.save(path, overwrite=True)
    saving.undo()
    assert sw.Session.load(path, model=predictor).prompt == sw.Prompt.from_arrays([(1, 1)])


def test_a_photo_is_not_saved_over(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (20, 10)).save(path)
    before = path.read_bytes()
    for saving in (lambda: make().save(path, overwrite=True), lambda: make(autosave=path)):
        with pytest.raises(sw.SessionError, match="not a session file"):
            saving()
    assert path.read_bytes() == before


def test_the_image_comes_from_the_file_or_from_where_it_was_or_is_given(
    make: Make, predictor: sw.Predictor, photo: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    picture = tmp_path / "one" / "my cat.png"
    Image.fromarray(photo).save(picture)
    session = make(picture)
    session.click(150, 120)
    session.save(tmp_path / "one" / "with.sam")
    session.save(tmp_path / "one" / "without.sam", keep_image=False)
    load = lambda name, **options: sw.Session.load(tmp_path / name, model=predictor, **options)  # noqa: E731
    assert load("one/without.sam").source.reference.path == str(picture)
    (tmp_path / "one").rename(tmp_path / "two")
    all_the_same(load("two/without.sam"), session)
    (tmp_path / "two" / "my cat.png").rename(tmp_path / "elsewhere.png")
    all_the_same(load("two/with.sam"), session)
    with pytest.raises(
        sw.SessionError, match=re.escape(f"{picture} (451 x 300 pixels, hash {session.image_hash[:12]}")
    ):
        load("two/without.sam")
    all_the_same(load("two/without.sam", image=tmp_path / "elsewhere.png"), session)
    Image.new("RGB", (451, 300)).save(tmp_path / "two" / "my cat.png")
    with pytest.raises(sw.SessionError, match="was not found"):
        load("two/without.sam")


def test_another_image_is_refused_and_the_file_stays(make: Make, photo: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.sam"
    make(autosave=path).close()
    before = read(path)
    other = photo.copy()
    other[0, 0] ^= 1
    for opening in (
        lambda: make(other, autosave=path),
        lambda: sw.Session.load(path, image=other),
        lambda: sw.Session.load(path, image=other, autosave=path),
    ):
        with pytest.raises(sw.SessionError, match="about another image.*451 x 300"):
            opening()
        assert not (tmp_path / "a.sam.lock").exists(), "nothing holds it"
    assert read(path) == before


def test_an_address_is_kept_without_its_password_and_never_fetched(make: Make, tmp_path: Path) -> None:
    from sam_widget.image.provenance import Reference

    assert Reference.of("https://me:secret@example.org/a.png?x=1").url == "https://example.org/a.png?x=1"
    session = make()
    session.source.reference = Reference("a.png", url="http://127.0.0.1:9/a.png")
    session.save(tmp_path / "a.sam", keep_image=False)
    with pytest.raises(sw.SessionError, match=r"127\.0\.0\.1:9/a\.png.*image="):
        sw.Session.load(tmp_path / "a.sam")


def test_a_model_that_is_not_there_is_said(make: Make, tmp_path: Path) -> None:
    session = make()
    session.predictor.model.name, name = "gone", session.predictor.model.name
    try:
        session.save(tmp_path / "a.sam")
    finally:
        session.predictor.model.name = name
    with pytest.raises(sw.ModelError, match=r"'gone'.*model="):
        sw.Session.load(tmp_path / "a.sam")
    assert sw.Session.load(tmp_path / "a.sam", model="tiny").size == (451, 300)


def test_other_weights_of_the_same_name_are_told(make: Make, photo: np.ndarray, tmp_path: Path) -> None:
    from sam_widget.model.tiny.tiny import tiny

    old = sw.Session(photo, model=tiny())
    old.click(150, 120)
    mask = old.candidates[0].mask
    old.save(tmp_path / "a.sam")
    with pytest.warns(UserWarning, match="other weights of 'tiny'"):
        loaded = sw.Session.load(tmp_path / "a.sam")
    np.testing.assert_array_equal(loaded.candidates[0].mask, mask)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(autosave=tmp_path / "b.sam")
        make(autosave=tmp_path / "b.sam")


def test_an_edit_that_cannot_be_saved_is_not_made(make: Make, predictor: sw.Predictor, tmp_path: Path) -> None:
    session = make(autosave=tmp_path / "a.sam")
    session.click(150, 120)
    connection = session._recorder._file._connection  # type: ignore[union-attr]
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")

    def click() -> None:
        nonlocal before
        for x in range(30):  # Some pages may have room left.
            before = session.state
            session.set_prompt(sw.Prompt.from_arrays([(x, 100)]))

    before = session.state
    with pytest.raises(sw.SessionError, match="disk is full"):
        click()
    assert session.state is before
    all_the_same(sw.Session.load(tmp_path / "a.sam", model=predictor), session)
    connection.execute("PRAGMA max_page_count = 100000")
    session.click(120, 120)
    all_the_same(sw.Session.load(tmp_path / "a.sam", model=predictor), session)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("state", {"chosen": 3}),
        ("state", {"chosen": -1}),
        ("state", {"editing": "nobody"}),
        ("state", {"objects": ["0" * 32]}),
        ("state", {"candidates": [7]}),
        ("state", {"settings": {"threshold": "high"}}),
        ("state", {"prompt": {}}),
        ("object", {"label": 3}),
        ("object", {"box": [1, 1, 1, 1]}),
        ("object", {"box": None}),
        ("candidate", {"mask": "__import__('os')"}),
        ("candidate", {"score": "nan?"}),
    ],
)
def test_documents_that_make_no_sense_are_damage(
    make: Make, predictor: sw.Predictor, tmp_path: Path, kind: str, change: dict[str, Any]
) -> None:
    """Even where every hash and checksum is right: a file may have been made to deceive."""
    session = make()
    session.click(150, 120)
    session.accept()
    session.click(150, 120)
    session.save(tmp_path / "a.sam")
    contents = read(tmp_path / "a.sam")
    renamed: dict[str, str] = {}
    for key, item in list(contents.documents.items()):
        if item.kind == kind:
            new = Document(kind, to_json({**json.loads(item.json), **change}))
            renamed[key] = new.hash
            contents.documents[new.hash] = new
    contents.documents = {
        key: Document(item.kind, re.sub("[0-9a-f]{32}", lambda found: renamed.get(found[0], found[0]), item.json))
        for key, item in contents.documents.items()
    }
    moved = {item.hash: item for item in contents.documents.values()}
    names = {old: item.hash for old, item in contents.documents.items()}
    contents.documents = moved
    contents.history = [names[renamed.get(key, key)] for key in contents.history]
    write_new(tmp_path / "b.sam", contents)
    with pytest.raises(sw.SessionError, match="damaged"):
        sw.Session.load(tmp_path / "b.sam", model=predictor)


def test_the_file_tells_what_was_done_without_this_package(make: Make, photo: np.ndarray, tmp_path: Path) -> None:
    session = make(autosave=tmp_path / "a.sam")
    session.click(150, 120)
    cat = session.accept("cat")
    session.close()
    with sqlite3.connect(tmp_path / "a.sam") as plain:
        ((label, area, name),) = plain.execute("SELECT label, area, mask FROM objects")
        height, width, data = plain.execute("SELECT height, width, data FROM blobs WHERE hash = ?", (name,)).fetchone()
        meta = {key: json.loads(value) for key, value in plain.execute("SELECT * FROM meta")}
        (png,) = plain.execute("SELECT data FROM blobs WHERE hash = ?", (meta["image"]["png"],)).fetchone()
    plain.close()
    assert (label, area) == ("cat", cat.area)
    mask = np.zeros(height * width, bool)
    for start, length in np.frombuffer(data, "<u4").reshape(-1, 2):
        mask[start : start + length] = True
    np.testing.assert_array_equal(mask.reshape(height, width), cat.mask)
    (tmp_path / "a.png").write_bytes(png)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), photo)
    assert meta["models"][meta["model"]]["name"] == "tiny"
    assert meta["model"] == session.predictor.model.weights_id
    assert {"sam-widget", "python", "torch", "numpy"} <= meta["versions"].keys()
