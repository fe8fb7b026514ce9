"""Whose engine it is: one process at a time works on a folder."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from filelock import FileLock, Timeout

from sam_widget.errors import SessionError


def user() -> str:
    """Return the name of the person at work."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without a user database
        return os.environ.get("USER", "someone")


def claimed(home: Path) -> FileLock:
    """Lock the folder of an engine, which is made if necessary.

    Raises:
        SessionError: Another process has it open, or it cannot be made.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home / "engine.lock", thread_local=False)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SessionError(
            f"the engine of {str(home.parent)!r} is open in another kernel; close it there (e.close()), or shut that "
            "kernel down"
        ) from error
    except OSError as error:
        raise SessionError(
            f"the folder {str(home)!r} cannot be made ({error.strerror or error}); choose another one: sessions=..."
        ) from error
    return lock
