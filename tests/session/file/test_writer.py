"""The session file without a session: written, read, locked, damaged."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import re
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sam_widget.errors import SessionError
from sam_widget.session.file import writer
from sam_widget.session.file.format import VERSION, Blob, Contents, Document, read, to_json
from sam_widget.session.file.writer import SessionFile
from tests.waiting import until


def contents(edits: int = 5) -> Contents:
    """Some states, each with its own blob, and only the fields that the file needs."""
    found = Contents({"session": "one", "image": {"png": None}}, [], edits - 1)
    for k in range(edits):
        blob = Blob("mask", 10, 20, random.Random(k).randbytes(3000))
        item = Document("object", to_json({"id": f"o{k}", "label": f'"{k}"\n', "score": 0.5, "mask": blob.hash}))
        state = Document("state", to_json({"objects": [item.hash]}))
        found.blobs[blob.hash] = blob
        found.documents |= {item.hash: item, state.hash: state}
        found.history.append(state.hash)
    return found


def written(path: Path, edits: int = 5) -> SessionFile:
    file = SessionFile.claim(path)
    file.create(contents(edits))
    return file


def add(file: SessionFile, edits: int) -> None:
    """Make the file hold so many edits."""
    more = contents(edits)
    file.commit(more.history, more.position, documents=more.documents, blobs=more.blobs, meta={"more": edits})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "it's 100% [ä]?.sam"
    file = written(path)
    add(file, 7)
    found, expected = read(path), contents(7)
    assert (found.history, found.position) == (expected.history, expected.position)
    assert (found.blobs, found.documents) == (expected.blobs, expected.documents)
    assert found.meta == {**expected.meta, "more": 7}
    file.close()
    assert read(path) == found
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name], "one file, and nothing else"


def test_any_sqlite_reads_it(tmp_path: Path) -> None:
    written(tmp_path / "a.sam").close()
    with sqlite3.connect(tmp_path / "a.sam") as plain:
        assert plain.execute("SELECT id, label, score FROM objects").fetchall() == [("o4", '"4"\n', 0.5)]
        assert plain.execute("PRAGMA user_version").fetchone() == (VERSION,)
    plain.close()


class Always(threading.Event):
    """Edits without a pause."""

    def is_set(self) -> bool:
        return True

    def clear(self) -> None:
        """Stay set."""


def test_the_log_is_merged_while_edits_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "REST_SECONDS", 600)
    monkeypatch.setattr(writer, "FOLD_BYTES", 2**16)
    path = tmp_path / "a.sam"
    file = written(path)
    for edits in range(6, 30):
        add(file, edits)
    log, before = tmp_path / "a.sam-wal", path.stat().st_size
    assert log.stat().st_size > 2**16
    monkeypatch.setattr(writer, "REST_SECONDS", 0.01)
    edited, ending = Always(), threading.Event()
    edited.set()
    thread = threading.Thread(target=writer._fold_at_rest, args=(path, writer._identity(path), edited, ending))
    thread.start()
    try:
        until(lambda: path.stat().st_size > before, what="the log is merged into the file")
        edits = 30

        def is_cut_off() -> bool:
            nonlocal edits
            add(file, edits := edits + 1)
            return log.stat().st_size <= 2**16

        until(is_cut_off, what="the log begins again, and is cut off")
    finally:
        ending.set()
        thread.join(60)
    file.close()
    assert read(path).history == contents(edits).history


def test_history_is_cut_and_goes_on_elsewhere(tmp_path: Path) -> None:
    file = written(tmp_path / "a.sam")
    other = contents(9)
    history = [*other.history[:2], other.history[8]]
    file.commit(history, 1, documents=other.documents, blobs=other.blobs, meta={})
    file.close()
    found = read(tmp_path / "a.sam")
    assert (found.history, found.position) == (history, 1)


def test_a_file_that_is_opened_again_goes_on_and_sweeps(tmp_path: Path) -> None:
    written(tmp_path / "a.sam").close()
    file = SessionFile.claim(tmp_path / "a.sam")
    assert file.exists
    assert file.take().documents == contents().documents
    kept = contents(2)
    file.commit(kept.history, 1, documents={}, blobs={}, meta={})
    file.sweep({*kept.documents, *kept.blobs})
    assert read(file.path).blobs == kept.blobs
    add(file, 5)
    assert read(file.path).blobs == contents(5).blobs


def test_the_newer_of_two_in_one_process_goes_on_and_the_older_says_so(tmp_path: Path) -> None:
    older = written(tmp_path / "a.sam")
    (tmp_path / "link.sam").symlink_to(tmp_path / "a.sam")
    newer = SessionFile.claim(tmp_path / "link.sam")
    with pytest.raises(SessionError, match="opened again in this kernel"):
        add(older, 6)
    add(newer, 7)
    assert len(read(newer.path).history) == 7


HOLD = """import sys
from sam_widget.session.file.writer import SessionFile
from tests.waiting import until
file = SessionFile.claim(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_told_who_has_the_file_until_that_one_dies(tmp_path: Path) -> None:
    path = tmp_path / "a.sam"
    written(path).close()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    before = read(path)
    with pytest.raises(SessionError, match=re.escape(f"process {holder.pid} on {platform.node()}")):
        SessionFile.claim(path)
    assert read(path) == before, "reading needs no lock"
    holder.kill()
    holder.wait()
    file = SessionFile.claim(path)
    add(file, 6)
    assert len(read(path).history) == 6
    file.close()


def test_a_child_process_does_not_write_its_parents_file(tmp_path: Path) -> None:
    file = written(tmp_path / "a.sam")
    child = os.fork()
    if child == 0:
        try:
            add(file, 6)
        except SessionError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    add(file, 7)


def test_an_edit_that_finds_no_room_changes_nothing(tmp_path: Path) -> None:
    file = written(tmp_path / "a.sam")
    before = read(file.path)
    assert file._connection is not None
    pages = file._connection.execute("PRAGMA page_count").fetchone()[0]
    file._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(SessionError, match="disk is full"):
        add(file, 50)
    assert read(file.path) == before
    file._connection.execute("PRAGMA max_page_count = 100000")
    add(file, 6)
    assert len(read(file.path).history) == 6


@pytest.mark.parametrize("what", ["removed", "replaced", "closed"])
def test_a_file_that_is_gone_is_noticed(tmp_path: Path, what: str) -> None:
    file = written(tmp_path / "a.sam")
    if what == "closed":
        file.close()
    else:
        written(tmp_path / "b.sam").close()
        file.path.unlink()
        if what == "replaced":
            (tmp_path / "b.sam").rename(file.path)
    with pytest.raises(SessionError, match="cannot be saved"):
        add(file, 6)


# ------------------------------------------------------------------------------------------------ not a session file


def test_a_file_cut_at_any_length_is_an_error(tmp_path: Path) -> None:
    written(tmp_path / "a.sam", 20).close()
    whole, cut = (tmp_path / "a.sam").read_bytes(), tmp_path / "cut.sam"
    lengths = {0, 1, 15, 16, 99, 100, 101, 4095, 4096, 4097, len(whole) - 1, len(whole) - 4096}
    lengths |= {random.Random(k).randrange(len(whole)) for k in range(60)}
    expected, noticed = read(tmp_path / "a.sam"), 0
    for length in sorted(lengths):
        cut.write_bytes(whole[:length])
        noticed += not_as_written(cut, expected)
        if length:  # An empty file is a new one.
            with contextlib.suppress(SessionError):
                SessionFile.claim(cut).close()
                assert read(cut) == expected
                continue
            assert cut.read_bytes() == whole[:length]
    assert noticed >= len(lengths) - 1, "at most the very last byte is not used"


def test_a_flipped_bit_is_noticed_wherever_it_matters(tmp_path: Path) -> None:
    written(tmp_path / "a.sam", 20).close()
    whole, flipped = (tmp_path / "a.sam").read_bytes(), tmp_path / "flipped.sam"
    expected, noticed = read(tmp_path / "a.sam"), 0
    rng = random.Random(0)
    places = [*range(0, 800, 17), *(rng.randrange(len(whole) * 8) for _ in range(200))]
    for place in places:
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        flipped.write_bytes(damaged)
        noticed += not_as_written(flipped, expected)
        assert flipped.read_bytes() == damaged
    assert noticed > len(places) / 3, "masks are most of the file"


def not_as_written(path: Path, expected: Contents) -> bool:
    """Read a damaged file: whether that is an error. If not, nothing but unused bytes may have changed."""
    try:
        found = read(path)
    except SessionError:
        return True
    assert found == expected
    return False


def test_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.sam"
    written(path).close()
    with sqlite3.connect(path) as plain:
        plain.execute("PRAGMA user_version = 3")
    plain.close()
    before = path.read_bytes()
    for opening in (read, SessionFile.claim):
        with pytest.raises(SessionError, match="version 3.*newer sam_widget"):
            opening(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON history BEGIN DELETE FROM history; END",
        "CREATE VIEW v AS SELECT load_extension('evil')",
        "CREATE TABLE more (x)",
        "DROP VIEW objects",
        "DELETE FROM head",
        "INSERT INTO head SELECT * FROM head",
        "DELETE FROM history WHERE position = 2",
        "UPDATE head SET position = 2",
        "UPDATE head SET position = 99",
        "UPDATE meta SET value = '{}' WHERE key = 'image'",
        "UPDATE meta SET value = '[' WHERE key = 'image'",
        "UPDATE history SET checksum = x'00'",
        "UPDATE history SET state = 7",
    ],
)
def test_a_file_that_was_tampered_with_is_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "a.sam"
    written(path).close()
    with sqlite3.connect(path) as plain:
        plain.execute(statement)
    plain.close()
    with pytest.raises(SessionError, match="damaged"):
        read(path)
    with pytest.raises(SessionError, match="damaged"):
        SessionFile.claim(path)


def test_what_is_no_session_file_is_said_and_left_alone(tmp_path: Path) -> None:
    photo, database = tmp_path / "photo.png", tmp_path / "other.db"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    with sqlite3.connect(database) as plain:
        plain.execute("CREATE TABLE meta (key, value)")
    plain.close()
    for path, text in ((photo, "not a session file"), (database, "not a session file"), (tmp_path, "a folder")):
        before = path.read_bytes() if path.is_file() else None
        for opening in (read, SessionFile.claim):
            with pytest.raises(SessionError, match=text):
                opening(path)
        assert before is None or path.read_bytes() == before
    with pytest.raises(SessionError, match="no folder"):
        SessionFile.claim(tmp_path / "nowhere" / "a.sam")
    with pytest.raises(SessionError, match="not a path"):
        SessionFile.claim("a\0b.sam")
    with pytest.raises(SessionError, match="there is no session file"):
        read(tmp_path / "nothing.sam")
