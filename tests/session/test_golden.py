"""Files and scripts of version 0.1 open and run: `golden/session_0_1.*` were made by that version."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw

GOLDEN = Path(__file__).with_name("golden")
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "session_0_1.json").read_text())


@pytest.mark.filterwarnings("ignore:.*other weights of 'tiny'")
def test_a_session_file_of_0_1_opens_with_its_history_and_goes_on(predictor: sw.Predictor, tmp_path: Path) -> None:
    path = tmp_path / "old.sam"
    shutil.copy(GOLDEN / "session_0_1.sam", path)
    session = sw.Session.load(path, model=predictor, autosave=path)
    for item, old in zip(session.objects, EXPECTED["objects"], strict=True):
        assert (item.id, item.label, item.area, item.color) == (old["id"], old["label"], old["area"], old["color"])
        assert list(item.box.corners) == old["box"]
        assert item.score == pytest.approx(old["score"], abs=1e-6)
    assert (session.position, len(session.timeline)) == (EXPECTED["position"], EXPECTED["states"])
    assert [candidate.stored.area for candidate in session.candidates] == EXPECTED["candidates"]
    assert session.state.chosen_index == EXPECTED["chosen"]
    while session.can_undo:
        session.undo()
    assert session.objects == ()
    while session.can_redo:
        session.redo()
    session.accept("new")
    session.close()
    again = sw.Session.load(path, model=predictor)
    assert [item.label for item in again.objects] == ["cat", "imported", "painted", "new"]
    assert len(again.timeline) == EXPECTED["states"] + 1


def test_a_script_of_0_1_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.asarray(Image.fromarray(sw.sample("cat")).resize((150, 100)))).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    session: sw.Session = runpy.run_path(str(GOLDEN / "session_0_1.py.txt"))["s"]
    assert [item.label for item in session.objects] == ["cat", "imported", "painted"]
    assert session.objects[1].area == EXPECTED["objects"][1]["area"]
    assert session.state.rendering.gamma == 1.5
    assert session.prompt.box == sw.Box(40, 30, 90, 75)
    assert len(session.candidates) == len(EXPECTED["candidates"])
