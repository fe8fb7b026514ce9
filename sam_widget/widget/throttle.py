"""Deferred work, done once for a burst of edits."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable

from sam_widget.widget import threads

# Seconds that `close` waits for a call.
CLOSING = 0.5
log = logging.getLogger(__name__)


class Throttle:
    """Calls a function some time after it is requested, at most once per interval, always after the last request."""

    def __init__(self, act: Callable[[], object], *, seconds: float) -> None:
        """Create a throttle.

        Args:
            act: The function, called in a separate thread. Its errors are logged.
            seconds: Delay from the first request to the call.
        """
        self._act, self._seconds = act, seconds
        self._lock = threading.Lock()
        self._timer: threading.Timer | asyncio.TimerHandle | None = None
        self._closed = False

    def ask(self, *, seconds: float | None = None) -> None:
        """Request a call, optionally with another delay. Its output belongs to the cell that requests it first."""
        with self._lock:
            if self._timer is not None or self._closed:
                return
            here, wait = contextvars.copy_context(), self._seconds if seconds is None else seconds
            if not threads.THERE_ARE:
                self._timer = asyncio.get_running_loop().call_later(wait, here.run, self._go)
                return
            self._timer = threading.Timer(wait, here.run, args=(self._go,))
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Stop calling the function. Waits briefly for a call in progress, whose thread keeps it in memory."""
        with self._lock:
            self._closed = True
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            if isinstance(timer, threading.Timer) and timer is not threading.current_thread():
                timer.join(CLOSING)

    def _go(self) -> None:
        with self._lock:
            self._timer = None
            if self._closed:
                return
        try:
            self._act()
        except Exception:
            log.exception("%s failed", self._act)
