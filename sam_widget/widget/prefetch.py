"""Prefetching: embed images that will probably be viewed next in the background."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Sequence

from sam_widget.widget import threads

# Seconds that Python's shutdown waits for an embedding.
PATIENCE = 2.0


class Prefetcher:
    """Prepares images in a background thread, in order of priority; a newer request replaces an older one.

    Without threads nothing is prepared: the displayed image would have to wait for the others.
    """

    def __init__(self, make: Callable[[int], None], made: Callable[[int, Exception | None], None]) -> None:
        """Create a prefetcher; its thread starts with the first request.

        Args:
            make: Prepares an image, given its index.
            made: Called for each image that is ready, with the error if there was one.
        """
        self._make, self._made = make, made
        self._wanted: list[int] = []
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def want(self, images: Sequence[int]) -> None:
        """Request images by index, in this order."""
        if not threads.THERE_ARE:
            return
        with self._wake:
            self._wanted = list(images)
            if self._thread is None and not self._closed:
                # A daemon thread for which shutdown waits briefly; see `Worker`.
                self._thread = threading.Thread(target=self._loop, name="sam_widget prefetch", daemon=True)
                self._thread.start()
                atexit.register(self._finish, self._thread)
            self._wake.notify()

    def close(self) -> None:
        """End the thread after its current image."""
        with self._wake:
            self._closed = True
            self._wanted = []
            self._wake.notify()

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not self._wanted and not self._closed:
                    self._wake.wait()
                if self._closed:
                    break
                image = self._wanted.pop(0)
            error: Exception | None = None
            try:
                self._make(image)
            except Exception as caught:  # noqa: BLE001  the callback decides what to do with it
                error = caught
            self._made(image, error)
        atexit.unregister(self._finish)

    def _finish(self, thread: threading.Thread) -> None:
        self.close()
        thread.join(PATIENCE)
