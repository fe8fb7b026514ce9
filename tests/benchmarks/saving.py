"""What saving costs an edit: with autosave, from the moment the new state is known to the moment it is on the disk."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import sam_widget as sw
from sam_widget.session.file.recorder import Recorder

EDITS = 120


def main() -> None:
    """Edit a session that saves by itself, and print the median and the 95th percentile of what that costs."""
    times: list[float] = []
    plain = Recorder.write

    def timed(self: Recorder, new: object, start: int, position: int) -> None:
        start = time.perf_counter()
        plain(self, new, start, position)  # type: ignore[arg-type]
        times.append((time.perf_counter() - start) * 1000)

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


if __name__ == "__main__":
    main()
