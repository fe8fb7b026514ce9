"""Write a file so that it is complete or not there at all."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

# Part of the names of files that are being written; one that is left over is from a process that was killed.
UNFINISHED = ".unfinished"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, replacing an older one, so that readers find it complete or not at all, whatever happens.

    Raises:
        OSError: It cannot be written; nothing has changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid.uuid4().hex}{UNFINISHED}")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except BaseException:  # Ctrl+C, too
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
