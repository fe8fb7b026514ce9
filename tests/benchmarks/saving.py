"""Measure autosave: the time from a new state to the state on disk.

And what a long history costs: how much memory the process takes, and how large the file is, after 1,200 clicks.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import sam_widget as sw
from sam_widget.session.file.recorder import Recorder

EDITS = 120
CLICKS = 1200


def main() -> None:
    """Edit a session with autosave, and print the median and the 95th percentile of the time to save."""
    times: list[float] = []
    plain = Recorder.write

    def timed(self: Recorder, new: object, start: int, position: int) -> None:
        began = time.perf_counter()
        plain(self, new, start, position)  # type: ignore[arg-type]
        times.append((time.perf_counter() - began) * 1000)

    Recorder.write = timed  # type: ignore[method-assign, assignment]
    photo = np.array(Image.fromarray(sw.sample("coffee")).resize((1024, 768)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.sam"
        session = sw.Session(photo, autosave=path)
        for k in range(EDITS):
            session.click(40 + 7.9 * k, 30 + 5.9 * k, label=k % 3 != 2)
            if k % 4 == 1:
                session.choose((k // 4) % 3)
            if k % 4 == 3:
                session.accept()
        session.close()
        start = time.perf_counter()
        sw.Session.load(path)
        opening = (time.perf_counter() - start) * 1000
        size = path.stat().st_size / 1e6
    times.sort()
    median, worst = statistics.median(times), times[int(len(times) * 0.95)]
    print(f"{'saving an edit, 1024 x 768, tiny':<44}{median:>10.2f} ms{worst:>10.2f} ms (95%)")
    print(f"{f'opening the file again: {len(times)} edits, {size:.1f} MB':<44}{opening:>10.2f} ms")
    long_history()


def long_history() -> None:
    """Click 1,200 times on one object, and print by how much the process and the file have grown."""
    photo = np.array(Image.fromarray(sw.sample("coffee")).resize((512, 384)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.sam"
        session = sw.Session(photo, autosave=path)
        places = np.random.default_rng(0).uniform((0, 0), (512, 384), (CLICKS, 2))
        # What the model needs for as many points is not the history's.
        session.preview(sw.Prompt.from_arrays(places))
        before = resident()
        for k, (x, y) in enumerate(places):
            session.click(x, y, label=k % 3 != 2)
        grown = resident() - before
        session.close()
        size = path.stat().st_size / 1e6
    print(f"{f'{CLICKS} clicks, 512 x 384, tiny: memory, file':<44}{grown:>10.1f} MB{size:>10.1f} MB")


def resident() -> float:
    """Megabytes of memory that the process has, garbage collected; 0 where the system does not say."""
    gc.collect()
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()
