"""Kill a process that edits a session, again and again, and see each time what is on the disk.

    python tests/session/file/crash.py FOLDER KILLS SEED

A child process opens the session file and edits, and reports every edit, as a view would be told. It is killed
with SIGKILL at a random moment: while it opens or makes the file, in the middle of an edit, or between two. What the
file then holds must be what was said last, or that and the one edit that was under way.

Only the model is left out, so that a process is quickly made: history and file are the session's own.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from sam_widget.image.rendering import SourceImage
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.geometry import Box, BrushStroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.file.reader import Record
from sam_widget.session.file.recorder import Recorder
from sam_widget.session.history import History
from sam_widget.session.state import Candidate, SegmentedObject, SessionState

# Edits in a file, before the next one is begun.
LONG = 20
SIDE = 96


class Drawn(History):
    """A history with a file, whose masks are random instead of predicted."""

    def __init__(self, image: SourceImage) -> None:
        self.recorder = Recorder(image, SimpleNamespace(name="none", weights_id="none-0-float32"), None)
        super().__init__(self.recorder.write)

    def resume(self, record: Record) -> None:
        """Continue where a record ends."""
        self.restore(*self.recorder.resume(record))

    def do(self, rng: random.Random) -> None:
        """Do what a person might do."""
        now = self.state
        if now.candidates:
            self.change(rng.choice((self._choose, self._paint, self._accept, self._prompt))(now, rng))
        elif self.can_redo and rng.random() < 0.5:
            self.redo()
        elif self.can_undo and rng.random() < 0.3:
            self.undo()
        elif now.objects and rng.random() < 0.5:
            *rest, last = now.objects
            changed = () if rng.random() < 0.3 else (replace(last, label=f"'{rng.random()}'\n"),)
            self.change(replace(now, objects=(*rest, *changed)))
        else:
            self.change(self._prompt(now, rng))

    def _prompt(self, now: SessionState, rng: random.Random) -> SessionState:
        noise = np.random.default_rng(rng.randrange(2**32))
        logits = noise.normal(size=(3, 64, 64)).astype(np.float32)
        masks = noise.random((3, SIDE, SIDE)) < noise.random((3, SIDE, 1))
        candidates = tuple(Candidate(StoredMask(m), rng.random(), x) for m, x in zip(masks, logits, strict=True))
        prompt = now.prompt.with_point(rng.uniform(0, SIDE), rng.uniform(0, SIDE))
        return replace(now, prompt=prompt, candidates=candidates, chosen_index=rng.randrange(3))

    def _choose(self, now: SessionState, rng: random.Random) -> SessionState:
        return replace(now, chosen_index=rng.randrange(3))

    def _paint(self, now: SessionState, rng: random.Random) -> SessionState:
        return replace(now, strokes=(*now.strokes, BrushStroke(((rng.random(), 3),), 4)))

    def _accept(self, now: SessionState, rng: random.Random) -> SessionState:
        chosen = now.chosen
        assert chosen is not None
        box = Box(0, 0, SIDE, SIDE)
        item = SegmentedObject(f"{rng.random()}", chosen.stored, chosen.score, box, now.prompt, candidate=chosen)
        return SessionState(Prompt(), objects=(*now.objects, item))


def seen(session: History) -> list[Any]:
    """Return what a person sees of a session."""
    now = session.state
    view = [
        [[item.label, item.area, item.score, item.id] for item in now.objects],
        [[item.stored.area, item.score] for item in now.candidates],
        now.chosen_index,
        now.prompt.to_dict(),
        len(now.strokes),
        len(session.timeline),
        session.position,
    ]
    return list(json.loads(json.dumps(view)))


def write(source: SourceImage, path: Path, said: int, seed: int) -> None:
    """Edit until killed."""
    rng = random.Random(seed)
    session = Drawn(source)
    session.resume(Record.claim(path))
    while True:
        contents = session.recorder._file.contents  # type: ignore[union-attr]
        os.write(said, f"{json.dumps([contents.history, contents.position, seen(session)])}\n".encode())
        before = session.state
        while session.state is before:
            session.do(rng)


def one_edit_later(history: Sequence[str], position: int, now: Sequence[str], at: int) -> bool:
    """Whether a history is another one and one edit: an undo, a redo, or something new."""
    travelled = now == history and abs(at - position) == 1
    return travelled or (at == len(now) - 1 and now[:-1] == history[: position + 1])


def main() -> None:
    """Kill, look, and count."""
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    source = SourceImage(np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8))
    empty = seen(Drawn(source))
    gc.freeze()  # Or every child copies the pages that its collector marks.
    count = {"kills": 0, "edits": 0, "unsaid": 0, "unmade": 0}
    path, last = folder / "0.sam", None
    for kill in range(kills):
        if last is not None and len(last[0]) > LONG:
            path, last = folder / f"{kill}.sam", None
        hears, says = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(hears)
            try:
                write(source, path, says, rng.randrange(2**32))
            finally:
                os._exit(1)
        os.close(says)
        with os.fdopen(hears, "rb") as ear:
            # From while it opens the file to some edits later, and then somewhere within an edit.
            heard = b"".join(ear.readline() for _ in range(rng.randrange(6)))
            time.sleep(rng.random() * 0.012)
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            assert os.WIFSIGNALED(status), "the writer ended by itself"
            words = (heard + ear.read()).split(b"\n")[:-1]
        count["kills"] += 1
        count["edits"] += max(0, len(words) - 1)
        last = json.loads(words[-1]) if words else last
        if not path.exists():
            assert last is None, "a file is gone"
            count["unmade"] += 1
            continue
        record = Record.read(path)
        assert record.contents is not None
        now, at = record.contents.history, record.contents.position
        session = Drawn(source)
        session.resume(record)
        if last is None:  # It was made, but not yet reported.
            last = [now[:1], 0, empty]
        history, position, view = last
        if (now, at) == (history, position):
            assert seen(session) == view, "the session is not what was seen"
        else:
            assert one_edit_later(history, position, now, at), "an edit that was said is lost"
            count["unsaid"] += 1
        last = [now, at, seen(session)]
    print(json.dumps(count))


if __name__ == "__main__":
    main()
