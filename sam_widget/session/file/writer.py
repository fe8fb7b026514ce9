"""The writer of a session file: a lock, one transaction per edit, and checkpoints when idle.

While the file is open, `<name>-wal` next to it contains the newest edits until the session has been idle for a second
or the log has grown to a megabyte, and `<name>.lock` excludes other processes. A process that dies leaves both behind,
which does no harm: the edits in the write-ahead log are recovered at the next opening.

Why a thread for checkpoints: SQLite merges its log only during a commit, so that some edits would take longer, and a
copy of the file alone would lack the newest edits for as long as it is open. `filelock` does the locking.

Without threads, as in Pyodide, the file uses a rollback journal instead of a write-ahead log. Edits then take longer.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt
import os
import platform
import sqlite3
import threading
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock, Timeout

from sam_widget.errors import SessionError
from sam_widget.session.file.format import (
    VERSION,
    Blob,
    Contents,
    Document,
    connect,
    damaged,
    digest,
    head_checksum,
    insert,
    insert_history,
    read,
    remove_side_files,
    to_json,
    write_new,
    writer_of,
)

# Seconds to wait for another process's lock: long enough for it to have signed the file.
LOCK_SECONDS = 0.3
# Seconds without an edit after which the write-ahead log is merged into the file.
REST_SECONDS = 1.0
# Size of the write-ahead log, in bytes, above which it is merged even during continuous work.
FOLD_BYTES = 2**20
# Maximum size of the write-ahead log, in pages of 4 kB, before an edit merges it, which makes that edit slower.
FOLD_PAGES = 8192


class SessionFile:
    """A path that only this process writes, from `claim` to `close`.

    Methods may be called from any thread.

    Attributes:
        path: Absolute, without symbolic links.
        contents: Contents of the file; documents and blobs only until `take`.
    """

    # Files that this process has open, so that a cell that is run again takes over its file.
    _mine: ClassVar[weakref.WeakValueDictionary[Path, SessionFile]] = weakref.WeakValueDictionary()

    def __init__(self, path: Path, lock: FileLock) -> None:
        """Take ownership of an acquired lock; see `claim`."""
        self.path = path
        self.contents = Contents({}, [], 0)
        self._lock: FileLock | None = lock
        self._pid = os.getpid()
        self._busy = threading.RLock()
        self._edited, self._ending = threading.Event(), threading.Event()
        self._closed_because = "its file was closed"
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._checksums: list[str] = []
        self._known: set[str] = set()

    @classmethod
    def claim(cls, path: str | Path, *, take_over: bool = True) -> SessionFile:
        """Open a path for writing, whether or not the file exists.

        Args:
            path: Path of the file.
            take_over: If this process already has the path open, close the earlier use, which raises from then on.

        Raises:
            SessionError: Another process has the file open, it is not a session file, or it cannot be written.
        """
        path = resolved(path)
        if not path.parent.is_dir():
            raise SessionError(f"there is no folder {str(path.parent)!r} for {path.name}; make it first")
        older = cls._mine.get(path)
        if older is not None and older.is_open:
            if not take_over:
                raise SessionError(
                    f"another session of this kernel saves to {path.name} by itself; close() that one, or choose "
                    "another path"
                )
            older.close(f"{path.name} was opened again in this kernel; continue with the newer session")
        file = cls(path, _locked(path))
        try:
            # Some programs create an empty file to reserve a name.
            if path.exists() and not (path.is_file() and path.stat().st_size == 0):
                file.contents = read(path)
                file._open()
            else:
                remove_side_files(path)
        except BaseException:
            file.close()
            raise
        cls._mine[path] = file
        atexit.register(_close, weakref.ref(file))
        return file

    @property
    def exists(self) -> bool:
        """Whether the file contains a session."""
        return bool(self.contents.history)

    @property
    def is_open(self) -> bool:
        """Whether this process may write it."""
        return self._lock is not None and self._pid == os.getpid()

    def take(self) -> Contents:
        """Return the contents, once; documents and blobs are large and are not kept here."""
        taken = self.contents
        self.contents = Contents(taken.meta, taken.history, taken.position, taken.stamp)
        return taken

    def create(self, contents: Contents) -> None:
        """Write the whole file, replacing an earlier one atomically."""
        with self._busy, self._failures():
            if not self.is_open:
                raise SessionError(f"{self.path.name} cannot be written: {self._closed_because}")
            self._disconnect()
            contents.stamp = uuid.uuid4().hex
            remove_side_files(self.path)
            write_new(self.path, contents)
            self.contents = contents
            self._open()
            self.take()

    def commit(
        self,
        history: Sequence[str],
        position: int,
        *,
        start: int | None = None,
        documents: Mapping[str, Document],
        blobs: Mapping[str, Blob],
        meta: Mapping[str, Any],
    ) -> None:
        """Update the file's history in one transaction, which is on disk when this returns.

        Args:
            history: Hashes of the states in order, from index `start` on.
            position: Index of the current state in the whole history.
            start: Number of states in the file to keep. By default, `history` is complete, and is compared.
            documents: Documents, by hash, that the history refers to and that may be missing in the file.
            blobs: The same for blobs.
            meta: Rows of `meta` that may have changed.

        Raises:
            SessionError: The file is closed, was taken over, moved or removed, or the disk is full. The file is
                unchanged.
        """
        with self._busy:
            self._check_still_ours()
            now, stamp = self.contents, uuid.uuid4().hex
            if start is None:
                start = _common(history, now.history)
                history = history[start:]
            last = self._checksums[start - 1] if start else ""
            checksums: list[str] = []
            for state in history:
                last = digest(last, state)
                checksums.append(last)
            changed = {key: value for key, value in meta.items() if now.meta.get(key) != value}
            everything = {**now.meta, **changed}
            blobs = {key: blob for key, blob in blobs.items() if key not in self._known}
            documents = {key: document for key, document in documents.items() if key not in self._known}
            with self._failures(), self._transaction() as to:
                insert(to, documents, blobs)
                insert_history(to, history, checksums, start)
                rows = [(key, to_json(value)) for key, value in changed.items()]
                to.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)
                checksum = head_checksum(position, stamp, last, everything)
                to.execute("UPDATE head SET position = ?, stamp = ?, checksum = ?", (position, stamp, checksum))
            self._checksums[start:] = checksums
            self._known |= blobs.keys() | documents.keys()
            now.history[start:] = history  # in place: the cost must not depend on the history's length
            self.contents = Contents(everything, now.history, position, stamp)
            self._edited.set()

    def close(self, because: str = "its file was closed") -> None:
        """Merge the write-ahead log into the file, and release it. Closing again has no effect."""
        with self._busy:
            if self._lock is None or os.getpid() != self._pid:
                return
            self._closed_because = because
            self._disconnect()
            # Removed while still held: a waiting process sees that the name is gone, and creates a new one.
            with contextlib.suppress(OSError):
                Path(self._lock.lock_file).unlink()
            self._lock.release()
            self._lock = None

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    # ------------------------------------------------------------------------------------------------ the connection

    def _open(self) -> None:
        """Open the file for edits, and record this process as its writer."""
        with self._failures():
            self._connection = connect(self.path, "rw")
            found = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise damaged(self.path, found)
            self._identity = _identity(self.path)
            mode = "WAL" if self._folds_at_rest() else "DELETE"
            self._connection.execute(f"PRAGMA journal_mode = {mode}")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {FOLD_PAGES}")
            self._connection.execute(f"PRAGMA journal_size_limit = {FOLD_BYTES}")
            self._checksums = self.contents.checksums()
            self._known = self.contents.documents.keys() | self.contents.blobs.keys()
            with self._transaction() as to:
                to.execute(f"PRAGMA user_version = {VERSION}")
                to.execute("DELETE FROM writer")
                since = dt.datetime.now(dt.UTC).isoformat(sep=" ", timespec="seconds")
                to.execute("INSERT INTO writer VALUES (?, ?, ?)", (self._pid, platform.node(), since))

    def _folds_at_rest(self) -> bool:
        """Start to merge the write-ahead log whenever edits pause; returns whether a thread could be started.

        It is one thread while the file is open, because starting one takes longer than an edit on a busy machine.
        """
        self._edited, self._ending = threading.Event(), threading.Event()
        given = self.path, self._identity, self._edited, self._ending
        try:
            threading.Thread(target=_fold_at_rest, args=given, name="sam_widget.file", daemon=True).start()
        except RuntimeError:
            return False
        return True

    def sweep(self, live: set[str]) -> None:
        """Remove documents and blobs that are not among these hashes: those of discarded redo states."""
        with self._busy, self._failures(), self._transaction() as to:
            dead = [(key,) for key in self._known - live]
            to.executemany("DELETE FROM documents WHERE hash = ?", dead)
            to.executemany("DELETE FROM blobs WHERE hash = ?", dead)
            self._known &= live

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        if connection is None:
            raise SessionError(f"this edit cannot be saved: {self._closed_because}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise SessionError(
                f"{self.path} cannot be written ({error}), so nothing was changed; see whether the disk is full and "
                "whether you may write there"
            ) from error

    def _check_still_ours(self) -> None:
        if os.getpid() != self._pid:
            raise SessionError(f"{self.path.name} is written by process {self._pid}, and not by its child processes")
        if self._connection is not None and _identity(self.path) != self._identity:
            raise SessionError(
                f"{self.path} was moved, removed or replaced while it was open, so this edit cannot be saved; put it "
                "back, or call save() with another path"
            )

    def _disconnect(self) -> None:
        if self._connection is None:
            return
        self._ending.set()
        self._edited.set()
        # Leaves a single file that can be read from a read-only disk. If this fails, the next opening does it.
        with contextlib.suppress(sqlite3.Error):
            if _identity(self.path) == self._identity:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()
        self._connection = None


# ------------------------------------------------------------------------------------------------ shared parts


def resolved(path: str | Path) -> Path:
    """Return a path as the file system has it.

    Raises:
        SessionError: It is not a valid path.
    """
    try:
        found = Path(path).expanduser().resolve()
        found.exists()
    except (TypeError, ValueError, OSError, RuntimeError) as error:  # a NUL in it; too long; a loop of links
        raise SessionError(
            f"{path!r} is not a path for a session file ({error}); expected one such as 'truck.sam'"
        ) from error
    return found


def _locked(path: Path) -> FileLock:
    lock = FileLock(f"{path}.lock", thread_local=False)
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout:
        writer = writer_of(path)
        who = "another process" if writer is None else f"process {writer[0]} on {writer[1]}, since {writer[2]}"
        raise SessionError(
            f"{path.name} is open in another kernel ({who}); nothing was changed. Close it there, with w.close() or by "
            "ending that kernel, or choose another path; Session.load reads it as it is now"
        ) from None
    except OSError as error:
        raise SessionError(f"{path} cannot be written ({error}); choose a folder that you may write to") from error
    return lock


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many items two sequences share from the start."""
    for k, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return k
    return min(len(first), len(second))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _log_size(path: Path) -> int:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except OSError:
        return 0


def _fold_at_rest(
    path: Path, identity: tuple[int, int] | None, edited: threading.Event, ending: threading.Event
) -> None:
    """Bring edits into the file once there are none for a while, or many, with a connection of its own.

    No edit waits for it.
    """
    while True:
        edited.wait()
        while edited.is_set():
            edited.clear()
            if ending.wait(REST_SECONDS):
                return
            if _log_size(path) > FOLD_BYTES:
                break
        if _identity(path) == identity:
            with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path, "rw")) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _close(reference: weakref.ref[SessionFile]) -> None:
    file = reference()
    if file is not None:
        file.close("Python is ending")
