"""The data engine's three stages on photos of a domain, with a simulated annotator: what is filled in, and how well.

    python tests/benchmarks/domains.py disc CLONE disc
    python tests/benchmarks/stages.py disc disc.json

30 photos are annotated and a round of tuning follows. Masks are filled in on 10 others, where the annotator removes
what agrees with no true mask; the rest is segmented fully automatically, and a blind check is compared with the truth.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

import sam_widget as sw
from sam_widget.engine.engine import DataEngine
from sam_widget.engine.simulated import SimulatedAnnotator
from sam_widget.masks.measures import iou
from sam_widget.session.file.reader import Record

CHECKED = 30


def main() -> None:
    """Work through the stages, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--first", type=int, default=30, help="photos of stage 1")
    parser.add_argument("--second", type=int, default=10, help="photos of stage 2")
    parser.add_argument("--goal", type=float, default=0.85, help="IoU from which the annotator accepts a mask")
    given = parser.parse_args()
    truth = {one.name or "": [each.mask for each in one.annotations] for one in sw.load_dataset(given.annotations)}
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "photos"
        folder.mkdir()
        for name in truth:
            shutil.copy(given.photos / name, folder)
        annotator = SimulatedAnnotator(truth, goal=given.goal)
        engine = DataEngine(folder, clock=annotator.clock, store=Path(home) / "store", who="simulated")
        for _ in range(given.first):
            annotator.annotate(engine, _next(engine))
        entries = [entry for entry in engine.report().entries if not entry.automatic]
        half = len(entries) // 2
        for name, part in (("first", entries[:half]), ("second", entries[half:])):
            clicks, seconds = (np.mean([getattr(one, what) or 0 for one in part]) for what in ("clicks", "seconds"))
            print(f"stage 1, {name} half: {clicks:.1f} clicks and {seconds:.1f} simulated seconds a mask")
        start = time.monotonic()
        result = engine.round()
        adopted = "adopted" if result.model is not None else "refused"
        print(f"round: {adopted} after {time.monotonic() - start:.0f} s; {result.reason}", flush=True)
        engine.stage = 2
        for _ in range(given.second):
            photo = _next(engine)
            engine.prefill(photo)
            annotator.annotate(engine, photo)
        figures = next(one for one in engine.report().stages if one.stage == 2)
        print(f"stage 2: {figures}")
        engine.automatic()
        engine.start_check(CHECKED)
        annotator.check(engine)
        ious = [
            max((float(iou(item.mask, mask)) for mask in truth[name]), default=0.0)
            for name in engine.album.names
            if name not in engine.done
            for item in Record.read(folder / f"{name}.sam").objects
        ]
        print(f"stage 3: {len(ious)} masks, {np.mean(np.array(ious) > 0.9):.0%} above 0.9, in truth", flush=True)
        if engine.agreement is not None:
            print(f"the check of {len(engine.agreement.ious)}: {engine.agreement.above(0.9)}")
        engine.close()


def _next(engine: DataEngine) -> int:
    photo = engine.next_photo()
    assert photo is not None
    return photo


if __name__ == "__main__":
    main()
