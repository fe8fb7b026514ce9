"""Write a file so that it is there whole or not at all."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

# In the names of files that are being written; one that stays behind is from a process that was killed.
UNFINISHED = ".unfinished"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, in place of an older one, so that whoever looks finds it whole or not at all, whatever happens.

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
