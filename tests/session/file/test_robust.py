"""Robustness against side files of dead kernels, forged files and broken Unicode."""

from __future__ import annotations

import io
import os
import sqlite3
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.folders.sessions import export_sessions
from sam_widget.image.provenance import Reference
from sam_widget.model import zoo
from sam_widget.session.file.format import (
    APPLICATION,
    SCHEMA,
    VERSION,
    Blob,
    Contents,
    Document,
    count_objects,
    read,
    write_new,
)
from sam_widget.session.history import History
from sam_widget.session.state import SessionState


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer is forked and killed")
@pytest.mark.parametrize("leftover", ["absent", "empty"])
def test_a_new_file_is_new_whatever_a_dead_kernel_left_next_to_it(
    predictor: sw.Predictor, tmp_path: Path, leftover: str
) -> None:
    path, old, new = tmp_path / "truck.sam", np.zeros((20, 30, 3), np.uint8), np.full((18, 24, 3), 99, np.uint8)
    mask = np.ones((20, 30), bool)
    child = os.fork()
    if child == 0:
        session = sw.Session(old, model=predictor, autosave=path)
        for k in range(40):
            session.add_objects(mask, labels=f"old {k}")
        os._exit(9)  # No `finally`, no `atexit`: as killed.
    os.waitpid(child, 0)
    assert (tmp_path / "truck.sam-wal").stat().st_size > 0
    path.unlink()
    if leftover == "empty":
        path.touch()
    session = sw.Session(new, model=predictor, autosave=path)
    session.add_objects(mask[:18, :24], labels="new")
    session.close()
    assert [item.label for item in sw.Session.load(path, model=predictor).objects] == ["new"]
    assert len(read(path).documents) == 4, "two states, their prompt and an object: nothing of the deleted session"


def test_a_label_with_half_an_emoji_is_cleaned_at_the_door(predictor: sw.Predictor, tmp_path: Path) -> None:
    session = sw.Session(np.zeros((20, 30, 3), np.uint8), model=predictor, autosave=tmp_path / "caf\udce9.sam")
    (item,) = session.add_objects(np.ones((20, 30), bool), labels="cat \ud83d")
    assert item.label == "cat \ufffd"
    assert session.rename(item.id, "\udc00 dog \ud83d\udc36").label == "\ufffd dog \U0001f436"
    assert session.relabel([item.id], " \u00e4 ")[0].label == "\u00e4"
    session.close()
    assert [o.label for o in sw.Session.load(tmp_path / "caf\udce9.sam", model=predictor).objects] == ["\u00e4"]


@pytest.mark.parametrize(
    "forged", ["view", "[" * 200_000, '{"objects": 5}', '{"objects": "abc"}', "[1]", b"\xff\xfe", 5]
)
def test_counting_the_objects_of_a_forged_file_ends(tmp_path: Path, forged: object) -> None:
    path = tmp_path / "cat.jpg.sam"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id={APPLICATION}")
    connection.execute(f"PRAGMA user_version={VERSION}")
    numbers = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
    endless = f"CREATE VIEW head AS {numbers} SELECT -x AS position FROM c"  # noqa: S608  made here
    for name, statement in SCHEMA.items():
        connection.execute(endless if forged == "view" and name == "head" else statement)
    if forged != "view":
        connection.execute("INSERT INTO head VALUES (0, '', '')")
        connection.execute("INSERT INTO history VALUES (0, 'h', '')")
        connection.execute("INSERT INTO documents VALUES ('h', 'state', ?)", (forged,))
    connection.commit()
    connection.close()
    start = time.monotonic()
    assert count_objects(path) == 0
    assert time.monotonic() - start < 5, "it did not end by itself"


def test_an_edit_costs_what_it_adds_however_long_the_history_is() -> None:
    saved: list[tuple[int, int, int]] = []
    history = History(lambda new, start, position: saved.append((len(new), start, position)))
    for _ in range(1000):
        history.change(SessionState())
    assert saved[-1] == (1, 1000, 1000)
    history.undo()
    assert saved[-1] == (0, 1001, 999)
    history.amend(SessionState())
    history.redo()
    assert saved[-1] == (2, 999, 1000), "what was amended is written with the next edit"
    history.undo()
    history.undo()
    history.change(SessionState())
    assert saved[-1] == (1, 999, 999)
    assert (len(history.timeline), history.can_redo) == (1000, False)


def test_a_listener_that_fails_does_not_undo_or_fail_the_edit(caplog: pytest.LogCaptureFixture) -> None:
    history, heard = History(), []
    history.on_change(lambda: 1 // 0)
    history.on_change(lambda: heard.append(history.position))
    history.change(SessionState())
    assert heard == [1]
    assert "ZeroDivisionError" in caplog.text


def test_a_signed_address_is_not_kept(predictor: sw.Predictor, tmp_path: Path) -> None:
    session = sw.Session(np.zeros((20, 30, 3), np.uint8), model=predictor)
    session.source.reference = Reference.of("https://example.org/a.png?id=7&X-Amz-Signature=secret&token=secret")
    session.save(tmp_path / "a.sam")
    assert b"secret" not in (tmp_path / "a.sam").read_bytes()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (r"\\evil\share\model.pt", "on another machine"),
        ("//evil/share/model.pt", "on another machine"),
        ("https://evil/model.pt", "on another machine"),
        ("vit_h", "to download them, call load"),
    ],
)
def test_a_file_does_not_decide_what_is_fetched(
    predictor: sw.Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    def refuse(*_given: object, **_options: object) -> None:
        raise AssertionError("the model was looked for")

    session = sw.Session(np.zeros((20, 30, 3), np.uint8), model=predictor)
    session._model_given = name
    session.save(tmp_path / "a.sam")
    monkeypatch.setattr(zoo, "load_model", refuse)
    monkeypatch.setattr("sam_widget.predictor.predictor.load_model", refuse)
    with pytest.raises(sw.ModelError, match=told):
        sw.Session.load(tmp_path / "a.sam")
    assert sw.Session.load(tmp_path / "a.sam", model=predictor).size == (30, 20)


def test_reprs_are_one_short_line(predictor: sw.Predictor, tmp_path: Path) -> None:
    session = sw.Session(np.zeros((200, 300, 3), np.uint8), model=predictor, autosave=tmp_path / "a.sam")
    session.click(50, 50)
    session.accept("a")
    session.click(50, 50)
    (row, _) = sw.replay(session, model=predictor)
    item = session.objects[0]
    (annotation,) = sw.export.annotations_of(session)
    loose = {"points_per_side": 2, "pred_iou_thresh": -9.0, "stability_score_thresh": 0.0}
    (record, *_) = sw.segment_everything(session.image, predictor, **loose)
    image = sw.export.AnnotatedImage((annotation,), session.size, "a.png", session.image)
    for shown in (session, session.candidates[0], session.state, item, item.stored, row, annotation, image, record):
        assert "\n" not in repr(shown)
        assert repr(shown).startswith(f"{type(shown).__name__}(")
        assert 20 < len(repr(shown)) < 160
    assert repr(item) == f"SegmentedObject('a', score {item.score:.2f}, {item.area} of 300 x 200 pixels)"
    assert "1 object," in repr(session)
    assert "IoU 1.000" in repr(row)
    session.close()


def forged(path: Path, change: Callable[[Contents], None]) -> Path:
    """A session file with right checksums that says something else than it holds."""
    session = sw.Session(np.arange(2400, dtype=np.uint16).reshape(40, 60))
    mask = np.zeros((40, 60), bool)
    mask[5:20, 5:30] = True
    session.add_objects(mask, labels="x")
    session.save(path)
    contents = read(path)
    change(contents)
    path.unlink()
    write_new(path, contents)
    return path


def claim_terabytes(contents: Contents) -> None:
    header = io.BytesIO()
    says = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6, 3)}
    np.lib.format.write_array_header_1_0(header, says)
    blob = Blob("values", 40, 60, header.getvalue() + b"x")
    contents.blobs[blob.hash] = blob
    contents.meta["image"]["values"] = blob.hash


def claim_python_objects(contents: Contents) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    blob = Blob("values", 40, 60, header.getvalue() + b"cos\nsystem\n")
    contents.blobs[blob.hash] = blob
    contents.meta["image"]["values"] = blob.hash


def claim_size(width: int, height: int) -> Callable[[Contents], None]:
    def change(contents: Contents) -> None:
        names: dict[str, str] = {}
        for key, blob in [*contents.blobs.items()]:
            if blob.kind == "mask":
                larger = contents.blobs.setdefault((new := Blob("mask", height, width, blob.data)).hash, new)
                names[key] = larger.hash
        for kind in ("object", "state"):
            for key, document in [*contents.documents.items()]:
                if document.kind == kind:
                    text = document.json
                    for old, new_name in names.items():
                        text = text.replace(old, new_name)
                    again = Document(kind, text)
                    contents.documents[again.hash] = again
                    names[key] = again.hash
        contents.history = [names.get(key, key) for key in contents.history]
        contents.meta["image"].update(width=width, height=height)

    return change


@pytest.mark.parametrize("change", [claim_terabytes, claim_python_objects, claim_size(200_000, 100_000)])
def test_what_a_session_file_claims_is_checked_before_memory_is_taken_for_it(
    predictor: sw.Predictor, tmp_path: Path, change: Callable[[Contents], None]
) -> None:
    path = forged(tmp_path / "made.sam", change)
    with pytest.raises(sw.SessionError, match="made.sam is damaged"):
        sw.Session.load(path, model=predictor)


def test_the_size_that_a_session_file_claims_is_that_of_its_image(predictor: sw.Predictor, tmp_path: Path) -> None:
    path = forged(tmp_path / "made.sam", claim_size(300, 200))
    with pytest.raises(sw.SessionError, match=r"masks are of \(300, 200\) pixels, but its image has \(60, 40\)"):
        sw.Session.load(path, model=predictor)


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_a_label_map_of_a_size_that_is_only_claimed_is_refused(tmp_path: Path, suffix: str) -> None:
    path = forged(tmp_path / "made.sam", claim_size(60_000, 17_000))
    with pytest.raises(sw.FormatError, match="a label map of 60000 x 17000 pixels"):
        export_sessions(path, tmp_path / f"out{suffix}")


def test_coco_takes_no_more_than_outlines(tmp_path: Path) -> None:
    path, out = forged(tmp_path / "made.sam", claim_size(60_000, 17_000)), tmp_path / "out.json"
    tracemalloc.start()
    export_sessions(path, out)
    ((item,),) = sw.load_dataset(out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert item.area == 15 * 25
    assert peak < 50e6, f"{peak / 1e6:.0f} MB"
