"""Atomic file writes: readers find a complete file or none."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

# Marks the names of files that are being written. A leftover file was abandoned by a killed process.
UNFINISHED = ".unfinished"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically, replacing an existing one.

    Raises:
        OSError: The file cannot be written; an existing file is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid.uuid4().hex}{UNFINISHED}")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except BaseException:  # including KeyboardInterrupt
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
