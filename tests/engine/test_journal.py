from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from sam_widget.engine.journal import Journal, MaskEntry, RoundEntry
from sam_widget.errors import SessionError

ENTRY = MaskEntry("a.jpg", "0a", 1, "tiny-1", 3, 12.5, "ada", '{"points":[[1,2,1]]}')
ROUND = RoundEntry(1, 1, True, "3.0 clicks became 2.0", {"clicks": [3.0, 2.0]}, "round-1.safetensors", "tiny-tuned-2")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "home" / "journal.db")
    journal.keep_fact("stage", "2")
    journal.keep_mask(ENTRY)
    journal.keep_mask(replace(ENTRY, photo="b.jpg", automatic=True, probability=0.95))
    journal.keep_round(ROUND)
    journal.keep_filled("b.jpg", 2, "tiny-1")
    journal.start_check([("b.jpg", "0a", b"mask", (4, 5))])
    journal.keep_check(0, 0.91)
    journal.close()
    again = Journal(tmp_path / "home" / "journal.db")
    assert again.fact("stage") == "2"
    assert again.fact("nothing") is None
    assert again.masks("a.jpg") == [ENTRY]
    assert [entry.automatic for entry in again.masks()] == [False, True]
    assert again.rounds() == [ROUND]
    assert again.filled() == {"b.jpg": (2, "tiny-1")}
    assert again.checked() == [(0, "b.jpg", "0a", b"mask", (4, 5), 0.91)]


def test_a_mask_that_is_edited_keeps_who_made_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    journal.keep_mask(ENTRY)
    journal.keep_mask(replace(ENTRY, who="bob", stage=2))
    journal.mark_gone("a.jpg", ["0a"])
    assert journal.masks() == [replace(ENTRY, gone=True)]
    journal.mark_gone("a.jpg", ["0a"], gone=False)
    assert journal.masks() == [ENTRY]


def test_a_check_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    journal.start_check([("a", "1", b"x", (1, 1))])
    with pytest.raises(sqlite3.Error):
        journal.start_check([("b", "2", b"y", (1, 1)), ("c", "3", None, (1, 1))])  # type: ignore[list-item]
    assert [row[1] for row in journal.checked()] == ["a"]


def test_a_damaged_journal_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(SessionError, match="move it away to start a new one"):
        Journal(path)
    path.unlink()
    journal = Journal(path)
    journal.keep_fact("version", "99")
    journal.close()
    with pytest.raises(SessionError, match="newer version"):
        Journal(path)


def _write_until_killed(path: Path, ready: multiprocessing.connection.Connection) -> None:
    journal = Journal(path)
    for number in range(100_000):
        journal.keep_mask(replace(ENTRY, object=str(number)))
        ready.send(number)


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_write_until_killed, args=(tmp_path / "journal.db", theirs))
    process.start()
    seen = -1
    while seen < 20:
        assert ours.poll(60)
        seen = ours.recv()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    while ours.poll(0):
        try:
            seen = ours.recv()
        except EOFError:
            break
    kept = {int(entry.object) for entry in Journal(tmp_path / "journal.db").masks()}
    assert set(range(seen + 1)) <= kept
