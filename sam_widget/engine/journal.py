"""The journal of a data engine: who or what made each mask, and what came of each round. One SQLite file.

Masks themselves are in the session files, so a lost journal loses no mask. Every entry is on disk when its call
returns, whenever the process is killed.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_widget.errors import SessionError

VERSION = 1
_SCHEMA = """
create table if not exists facts (key text primary key, value text not null);
create table if not exists masks (
    photo text not null, object text not null, stage integer not null, model text not null, clicks integer,
    seconds real, who text not null, prompts text not null, probability real, automatic integer not null,
    gone integer not null default 0, at real not null, primary key (photo, object));
create table if not exists rounds (
    number integer primary key, stage integer not null, adopted integer not null, reason text not null,
    figures text not null, file text, model text, at real not null);
create table if not exists filled (
    photo text primary key, stage integer not null, model text not null, at real not null);
create table if not exists checked (
    number integer primary key, photo text not null, object text not null, mask blob not null, height integer not null,
    width integer not null, iou real, at real);
"""


@dataclass(frozen=True)
class MaskEntry:
    """The provenance of a mask.

    Attributes:
        photo: Name of the photo.
        object: Id of the object.
        stage: Stage of the engine in which it was made: 1, 2 or 3.
        model: Identifies the weights of the model.
        clicks: Number of clicks, boxes and strokes; None if it is not known.
        seconds: Time it took; None if it is not known.
        who: Who accepted it; empty for a mask that no person has seen.
        prompts: The prompts, as JSON.
        probability: P(accept) of a mask that was pre-filled.
        automatic: Whether it was pre-filled rather than clicked.
        gone: Whether it was removed.
    """

    photo: str
    object: str
    stage: int
    model: str
    clicks: int | None
    seconds: float | None
    who: str
    prompts: str = "{}"
    probability: float | None = None
    automatic: bool = False
    gone: bool = False


@dataclass(frozen=True)
class RoundEntry:
    """A round of tuning that is over; see `Round`.

    Attributes:
        number: Counted from 1.
        stage: The stage it was in.
        adopted: Whether its model was adopted.
        reason: Why, in a sentence.
        figures: What was measured; see `RoundFigures`.
        file: Name of the model's file; None if it was refused.
        model: Identifies the weights; None if it was refused.
    """

    number: int
    stage: int
    adopted: bool
    reason: str
    figures: dict[str, Any]
    file: str | None
    model: str | None


class Journal:
    """The journal in a file. Methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or create it.

        Raises:
            SessionError: The file is damaged, cannot be written, or is from a newer version.
        """
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._base.execute("pragma journal_mode = wal")
            self._base.execute("pragma synchronous = full")
            self._base.executescript(_SCHEMA)
            version = int(self.fact("version") or VERSION)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise SessionError(
                f"the journal {str(path)!r} cannot be opened ({error}); move it away to start a new one: the masks are "
                "in the session files"
            ) from error
        if version > VERSION:
            raise SessionError(f"the journal {str(path)!r} is from a newer version of sam_widget; update it")
        self.keep_fact("version", str(VERSION))

    def fact(self, key: str) -> str | None:
        """Return a fact, such as the stage, or None."""
        with self._lock:
            row = self._base.execute("select value from facts where key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def keep_fact(self, key: str, value: str) -> None:
        """Store a fact."""
        self._write("insert or replace into facts values (?, ?)", (key, value))

    def keep_mask(self, entry: MaskEntry) -> None:
        """Store the provenance of a mask; a mask that was edited keeps that of its first acceptance."""
        self._write(
            "insert or ignore into masks values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.photo,
                entry.object,
                entry.stage,
                entry.model,
                entry.clicks,
                entry.seconds,
                entry.who,
                entry.prompts,
                entry.probability,
                int(entry.automatic),
                int(entry.gone),
                time.time(),
            ),
        )

    def mark_gone(self, photo: str, objects: Iterable[str], *, gone: bool = True) -> None:
        """Mark masks as removed, or as there again."""
        with self._together():
            self._base.executemany(
                "update masks set gone = ? where photo = ? and object = ?", [(int(gone), photo, one) for one in objects]
            )

    def masks(self, photo: str | None = None) -> list[MaskEntry]:
        """Return all entries, oldest first, or those of one photo."""
        columns = "photo, object, stage, model, clicks, seconds, who, prompts, probability, automatic, gone"
        with self._lock:
            rows = self._base.execute(
                f"select {columns} from masks where ?1 is null or photo = ?1 order by at, rowid",  # noqa: S608  fixed
                (photo,),
            ).fetchall()
        names = columns.split(", ")
        entries = [dict(zip(names, row, strict=True)) for row in rows]
        return [
            MaskEntry(**entry | {"automatic": bool(entry["automatic"]), "gone": bool(entry["gone"])})
            for entry in entries
        ]

    def keep_round(self, entry: RoundEntry) -> None:
        """Store a round."""
        self._write(
            "insert or replace into rounds values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.number,
                entry.stage,
                int(entry.adopted),
                entry.reason,
                json.dumps(entry.figures),
                entry.file,
                entry.model,
                time.time(),
            ),
        )

    def rounds(self) -> list[RoundEntry]:
        """Return all rounds, oldest first."""
        with self._lock:
            rows = self._base.execute(
                "select number, stage, adopted, reason, figures, file, model from rounds order by number"
            ).fetchall()
        return [RoundEntry(row[0], row[1], bool(row[2]), row[3], json.loads(row[4]), row[5], row[6]) for row in rows]

    def keep_filled(self, photo: str, stage: int, model: str) -> None:
        """Store that a photo was pre-filled."""
        self._write("insert or replace into filled values (?, ?, ?, ?)", (photo, stage, model, time.time()))

    def filled(self) -> dict[str, tuple[int, str]]:
        """Return the photos that were pre-filled: in which stage, and by which model."""
        with self._lock:
            rows = self._base.execute("select photo, stage, model from filled").fetchall()
        return {row[0]: (row[1], row[2]) for row in rows}

    def start_check(self, items: Iterable[tuple[str, str, bytes, tuple[int, int]]]) -> None:
        """Store which masks a check consists of, with the masks (packed) as they are now; replaces an older check."""
        with self._together():
            self._base.execute("delete from checked")
            self._base.executemany(
                "insert into checked values (?, ?, ?, ?, ?, ?, null, null)",
                [(number, photo, one, mask, *shape) for number, (photo, one, mask, shape) in enumerate(items)],
            )

    def keep_check(self, number: int, iou: float) -> None:
        """Store how well a mask agreed with its correction."""
        self._write("update checked set iou = ?, at = ? where number = ?", (iou, time.time(), number))

    def checked(self) -> list[tuple[int, str, str, bytes, tuple[int, int], float | None]]:
        """Return the masks of the check: number, photo, object, packed mask, its shape, and the IoU if it is known."""
        with self._lock:
            rows = self._base.execute(
                "select number, photo, object, mask, height, width, iou from checked order by number"
            ).fetchall()
        return [(row[0], row[1], row[2], row[3], (row[4], row[5]), row[6]) for row in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Make several changes at once, or none."""
        with self._lock:
            self._base.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._base.execute("rollback")
                raise
            self._base.execute("commit")

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        try:
            with self._lock:
                self._base.execute(statement, values)
        except sqlite3.Error as error:
            raise SessionError(
                f"the journal {str(self.path)!r} cannot be written ({error}); free some space, or open the engine again"
            ) from error
