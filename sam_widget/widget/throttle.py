"""Work that is done a while after an edit, once for a burst of edits."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Throttle:
    """Does one thing some time after it is asked for: at most that often, and always after the last time."""

    def __init__(self, act: Callable[[], object], *, seconds: float) -> None:
        """Make a throttle.

        Args:
            act: What to do, in a thread of its own. Its errors are logged.
            seconds: From the first time that it is asked for until it is done.
        """
        self._act, self._seconds = act, seconds
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._closed = False

    def ask(self, *, seconds: float | None = None) -> None:
        """Ask for it; what it prints belongs to the cell that asks first. This once it may take another time."""
        with self._lock:
            if self._timer is not None or self._closed:
                return
            here = contextvars.copy_context()
            self._timer = threading.Timer(self._seconds if seconds is None else seconds, here.run, args=(self._go,))
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Do nothing any more."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _go(self) -> None:
        with self._lock:
            self._timer = None
            if self._closed:
                return
        try:
            self._act()
        except Exception:
            log.exception("%s failed", self._act)
