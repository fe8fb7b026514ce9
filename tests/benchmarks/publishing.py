"""Measure an edit without the model: kernel time and bytes sent, with 1 to 1,000 objects and after 10,000 edits.

The message is put into JSON, as Jupyter does. The trait, which follows once for a burst of edits, is a line of its own.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import sam_widget as sw

REPEATS = 60
HISTORY = 10_000


def median_ms(act: Callable[[], object]) -> float:
    """Return the median of some repetitions, in milliseconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        act()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


class Measured:
    """A widget whose messages are encoded as JSON and counted."""

    def __init__(self, photo: np.ndarray, objects: int) -> None:
        self.widget = sw.SamWidget(photo)
        self.sent = 0
        self.widget.send = self._send  # type: ignore[method-assign]
        self.widget._later.close()  # It is timed on its own.
        label_map = np.zeros(photo.shape[:2], np.int32)
        label_map.reshape(-1)[: 2 * objects : 2] = np.arange(1, objects + 1)
        self.widget.session.add_objects(label_map)
        self.widget.click(photo.shape[1] / 2, photo.shape[0] / 2)

    def _send(self, content: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        self.sent = len(json.dumps(content)) + sum(map(len, buffers))

    def choose(self) -> None:
        """Choose another candidate: an edit without the model."""
        self.widget.choose(0 if self.widget.session.state.chosen_index else 1)

    def trait(self) -> str:
        """Encode the state as JSON, as the trait is sent."""
        return json.dumps(self.widget.get_state("state"))


def main() -> None:
    """Print a line for each number of objects."""
    photo = sw.sample("coffee")
    print(f"{'an edit without the model':<44}{'kernel':>13}{'sent':>13}{'trait':>13}")
    for objects in (1, 100, 300, 1000):
        measured = Measured(photo, objects)
        line(f"{objects:,} object{'s' if objects > 1 else ''}", measured)
        if objects == 1000:
            for _ in range(HISTORY):
                measured.choose()
            line(f"{objects:,} objects, {HISTORY:,} edits later", measured)
        measured.widget.close()


def line(name: str, measured: Measured) -> None:
    """Measure a widget, and print a line."""
    edit = median_ms(measured.choose)
    print(f"{name:<44}{edit:>10.2f} ms{measured.sent:>11,} B{median_ms(measured.trait):>10.2f} ms")


if __name__ == "__main__":
    main()
