"""The format of the session file: one SQLite database with the whole history of work on one image.

Why SQLite: an edit is one transaction, so the file stays intact if its process is killed at any time; the cost of an
edit depends on what it adds rather than on the size of the file (a zip is rewritten each time); and any language can
open it.

The tables of version 2 (`PRAGMA application_id` is 0x53414D57, "SAMW", and `PRAGMA user_version` the version):

- `meta(key, value)`: JSON values. `session` identifies the session. `image` has `hash` (as `image.image_hash` makes
  it), `width`, `height`, `name`, `path`, `relative` (the path from the file's own folder), `url`, and the blobs that
  hold it: `png` and, where its numbers are not those of a PNG, `values`; what there is not is null. `models` maps
  weights to what loads them, and `model` is the one used last. `versions` and `created` are for the curious.
- `blobs(hash, kind, height, width, data)`: kind `mask`: row runs, little-endian uint32 pairs (start, length),
  row-major, no run crosses the end of a row; `packed`: the same, as `masks.wire_codec` packs them; `logits`:
  little-endian float32, row-major; `image`: a PNG; `values`: a NumPy file, without pickle.
- `documents(hash, kind, json)`: kind `state`, `candidate`, `object` or `prompt`, as `documents.py` describes them; they
  name each other and the blobs by hash.
- `history(position, state, checksum)`: the states in order, from 0.
- `head(position, stamp, checksum)`: one row. `position` is the present state: those before it can be undone, those
  after it redone. `stamp` is another one after every edit.
- `writer(pid, host, since)`: who wrote last; whether they still do, a lock on `<name>.lock` says.
- `objects`: a view of the accepted objects, for a quick look: `sqlite3 truck.sam "select label, area from objects"`.

Hashes and checksums are 32 hexadecimal digits of BLAKE2b: of a blob over `"kind height width "` and its data; of a
document over `"kind "` and its JSON; of a row of history over the checksum before it (nothing at first) and its state;
of the head over the JSON array of position, stamp, the checksum of the last row of history, and the rows of `meta` in
order of their keys.

Why checksums by hand: SQLite verifies the structure of its pages, but not the values in them, and its checksum VFS is
not part of Python. So a changed bit is noticed wherever it matters. The hashes also identify parts shared by states.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sam_widget.errors import SessionError

VERSION = 2
# Files of version 1 are read, and become version 2 when they are opened for writing; `documents` says what differs.
READABLE = (1, 2)
APPLICATION = 0x53414D57
_VIEW = """
    CREATE VIEW objects AS
    SELECT json_extract(o.json, '$.id') AS id, json_extract(o.json, '$.label') AS label,
        json_extract(o.json, '$.score') AS score, json_extract(o.json, '$.area') AS area,
        json_extract(o.json, '$.box') AS box, json_extract(o.json, '$.mask') AS mask
    FROM head JOIN history USING (position) JOIN documents s ON s.hash = history.state,
        json_each(s.json, '$.objects') item JOIN documents o ON o.hash = item.value
    ORDER BY item.key
"""
SCHEMA = {
    "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "blobs": "CREATE TABLE blobs (hash TEXT PRIMARY KEY, kind TEXT NOT NULL, height INTEGER NOT NULL, "
    "width INTEGER NOT NULL, data BLOB NOT NULL)",
    "documents": "CREATE TABLE documents (hash TEXT PRIMARY KEY, kind TEXT NOT NULL, json TEXT NOT NULL)",
    "history": "CREATE TABLE history (position INTEGER PRIMARY KEY, state TEXT NOT NULL, checksum TEXT NOT NULL)",
    "head": "CREATE TABLE head (position INTEGER NOT NULL, stamp TEXT NOT NULL, checksum TEXT NOT NULL)",
    "writer": "CREATE TABLE writer (pid INTEGER NOT NULL, host TEXT NOT NULL, since TEXT NOT NULL)",
    "objects": " ".join(_VIEW.split()),
}
# Seconds to wait for another kernel's short transaction.
BUSY_SECONDS = 5.0
# The most bytes that one mask, one image or one document may have.
LARGEST = 2**30 - 1


def digest(*parts: str | bytes) -> str:
    """Return 32 hexadecimal digits of BLAKE2b over the parts."""
    total = hashlib.blake2b(digest_size=16)
    for part in parts:
        total.update(part.encode() if isinstance(part, str) else part)
    return total.hexdigest()


def to_json(value: Any) -> str:
    """Return canonical JSON, for hashing: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Blob:
    """The bytes of a mask, of logits or of an image, in the layout described in the module's docstring."""

    kind: str
    height: int
    width: int
    data: bytes

    @property
    def hash(self) -> str:
        """What names it."""
        return digest(f"{self.kind} {self.height} {self.width} ", self.data)


@dataclass(frozen=True)
class Document:
    """A state, candidate, object or prompt, as JSON."""

    kind: str
    json: str

    @property
    def hash(self) -> str:
        """What names it."""
        return digest(f"{self.kind} ", self.json)


@dataclass
class Contents:
    """The contents of a session file; the module's docstring describes each part."""

    meta: dict[str, Any]
    history: list[str]
    position: int
    stamp: str = ""
    documents: dict[str, Document] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)

    def checksums(self) -> list[str]:
        """Return the checksum of every row of history."""
        sums: list[str] = []
        for state in self.history:
            sums.append(digest(sums[-1] if sums else "", state))
        return sums


def head_checksum(position: int, stamp: str, last: str, meta: Mapping[str, Any]) -> str:
    """Return the checksum of the head; `last` is the checksum of the last row of history."""
    return digest(to_json([position, stamp, last, [[key, to_json(meta[key])] for key in sorted(meta)]]))


# ------------------------------------------------------------------------------------------------ reading


def read(path: Path) -> Contents:
    """Read and verify a whole session file. No code in it is executed, and the file is not modified.

    Raises:
        SessionError: The file does not exist, is not a session file, is of a newer version, or is damaged.
    """
    with _opened(path) as connection:
        _check_kind(connection, path)
        try:
            return _read(connection)
        except (sqlite3.Error, ValueError, TypeError, KeyError, RecursionError, OverflowError, MemoryError) as error:
            raise damaged(path, str(error) or type(error).__name__) from error


def count_objects(path: Path) -> int:
    """Return the number of objects in a session file, without reading all of it; 0 if it cannot be read."""
    # Not through the view `objects`, because a file's own SQL is not trusted.
    query = "SELECT json FROM head JOIN history USING (position) JOIN documents ON hash = state"
    with contextlib.suppress(sqlite3.Error, SessionError, ValueError, TypeError, KeyError, RecursionError):
        with _opened(path) as connection:
            _check_kind(connection, path)
            row = connection.execute(query).fetchone()
        return len(_object_hashes(row[0]))
    return 0


def _object_hashes(state: object) -> list[object]:
    found = json.loads(state)["objects"] if isinstance(state, str) else None
    if not isinstance(found, list):
        raise TypeError("the objects of a state are not a list")
    return found


def writer_of(path: Path) -> tuple[int, str, str] | None:
    """Return process, host and time of the last opening for writing; None if that cannot be read."""
    with contextlib.suppress(sqlite3.Error, SessionError), _opened(path) as connection:
        row = connection.execute("SELECT pid, host, since FROM writer").fetchone()
        return None if row is None else (int(row[0]), str(row[1]), str(row[2]))
    return None


def damaged(path: Path, why: str) -> SessionError:
    """Return the error for a damaged file."""
    return SessionError(
        f"{path.name} is damaged ({why[:200]}); nothing of it was changed. Take a copy from a backup, or choose "
        "another path for new work"
    )


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a database: mode `ro`, `rw` or `rwc`. Python's own `open` must stay away from one that SQLite has open.

    (Closing any other descriptor of the file drops the locks that SQLite holds on it.)
    """
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    # Functions with side effects must not be called from definitions in the file.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open for reading. Opens for writing only if a killed process left an unfinished checkpoint."""
    if not path.exists():
        raise SessionError(f"there is no session file {str(path)!r}; check the path")
    if not path.is_file():
        raise SessionError(f"{str(path)!r} is a folder or a device, expected a session file that `save` wrote")
    with contextlib.closing(_connected(path)) as connection:
        connection.execute("PRAGMA query_only = ON")
        yield connection


def _connected(path: Path) -> sqlite3.Connection:
    try:
        return _probed(connect(path, "ro"))
    except sqlite3.OperationalError:
        try:
            return _probed(connect(path, "rw"))
        except sqlite3.OperationalError as error:
            raise SessionError(
                f"{path.name} cannot be read ({error}); see whether you may read it, and whether its folder can be "
                "written"
            ) from error
    except sqlite3.Error as error:
        raise SessionError(
            f"{path.name} is not a session file, or damaged ({error}); expected a file that `save` or autosave wrote. "
            "Nothing of it was changed"
        ) from error


def _probed(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _check_kind(connection: sqlite3.Connection, path: Path) -> None:
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        schema = {(name, sql) for name, sql in connection.execute("SELECT name, sql FROM sqlite_schema") if sql}
    except sqlite3.Error as error:
        raise damaged(path, str(error)) from error
    if application != APPLICATION:
        raise SessionError(
            f"{path.name} is a database, but not a session file; expected one that `save` or autosave wrote. Nothing "
            "of it was changed"
        )
    if version not in READABLE:
        raise SessionError(
            f"{path.name} is of version {version} of the session file, and this sam_widget reads versions up to "
            f"{VERSION}; nothing of it was changed. Install a newer sam_widget: pip install --upgrade sam-widget"
        )
    if schema != set(SCHEMA.items()):
        raise damaged(path, "its tables are not those of a session file")


def _read(connection: sqlite3.Connection) -> Contents:
    connection.execute("BEGIN")  # a consistent snapshot, even if the file is written meanwhile
    meta = {str(key): json.loads(value) for key, value in connection.execute("SELECT key, value FROM meta")}
    rows = connection.execute("SELECT position, state, checksum FROM history ORDER BY position").fetchall()
    ((position, stamp, checksum),) = connection.execute("SELECT position, stamp, checksum FROM head").fetchall()
    contents = Contents(meta, [state for _, state, _ in rows], position, stamp)
    sums = contents.checksums()
    if [(k, sums[k]) for k in range(len(rows))] != [(at, checked) for at, _, checked in rows]:
        raise ValueError("its history is not what was written")
    if not (isinstance(position, int) and 0 <= position < len(rows)):
        raise ValueError(f"its history has no state {position}")
    if head_checksum(position, stamp, sums[-1], meta) != checksum:
        raise ValueError("its head is not what was written")
    for key, kind, text in connection.execute("SELECT hash, kind, json FROM documents"):
        contents.documents[key] = Document(kind, text)
    for key, kind, height, width, data in connection.execute("SELECT hash, kind, height, width, data FROM blobs"):
        contents.blobs[key] = Blob(kind, height, width, bytes(data))
    everything: dict[str, Document | Blob] = {**contents.documents, **contents.blobs}
    for key, item in everything.items():
        if item.hash != key:
            raise ValueError(f"{item.kind} {key} is not what was written")
    connection.execute("ROLLBACK")
    return contents


# ------------------------------------------------------------------------------------------------ writing


def insert(to: sqlite3.Connection, documents: Mapping[str, Document], blobs: Mapping[str, Blob]) -> None:
    """Add documents and blobs, by hash."""
    to.executemany(
        "INSERT INTO blobs VALUES (?, ?, ?, ?, ?)",
        [(key, blob.kind, blob.height, blob.width, blob.data) for key, blob in blobs.items()],
    )
    to.executemany("INSERT INTO documents VALUES (?, ?, ?)", [(key, d.kind, d.json) for key, d in documents.items()])


def insert_history(to: sqlite3.Connection, history: Sequence[str], checksums: Sequence[str], start: int) -> None:
    """Replace the history from a position on; `history` and `checksums` begin there."""
    to.execute("DELETE FROM history WHERE position >= ?", (start,))
    rows = [(start + k, state, checksum) for k, (state, checksum) in enumerate(zip(history, checksums, strict=True))]
    to.executemany("INSERT INTO history VALUES (?, ?, ?)", rows)


def write_new(path: Path, contents: Contents) -> None:
    """Write a whole file under another name, and give it its own once it is on the disk; replaces what is there.

    Raises:
        OSError: It cannot be written.
        sqlite3.Error: It cannot be written.
    """
    for stale in path.parent.glob(f"{_escaped(path.name)}.*.partial"):
        stale.unlink(missing_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        connection = connect(partial, "rwc")
        try:
            # Safe, because the file is not visible before it is complete.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            for statement in SCHEMA.values():
                connection.execute(statement)
            rows = [(key, to_json(value)) for key, value in contents.meta.items()]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            insert(connection, contents.documents, contents.blobs)
            sums = contents.checksums()
            insert_history(connection, contents.history, sums, 0)
            checksum = head_checksum(contents.position, contents.stamp, sums[-1], contents.meta)
            connection.execute("INSERT INTO head VALUES (?, ?, ?)", (contents.position, contents.stamp, checksum))
            connection.execute("COMMIT")
        finally:
            connection.close()
        _sync(partial)
        partial.replace(path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def remove_side_files(path: Path) -> None:
    """Remove SQLite's side files of a file that is absent, empty, or about to be replaced.

    A killed process leaves `-wal` behind, which SQLite would apply to the next file of that name.

    Raises:
        OSError: A file cannot be removed.
    """
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows cannot sync a folder, and does not need it
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "[]*?" else letter for letter in name)
