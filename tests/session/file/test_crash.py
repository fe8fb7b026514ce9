"""Killed kernels, a thousand with `make fuzz`; see `crash.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("KILLS", "300"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writers are forked")
def test_kills_lose_no_edit_that_was_acknowledged(tmp_path: Path) -> None:
    program = str(Path(__file__).with_name("crash.py"))
    # As many at a time as a small machine has cores.
    runs = []
    for seed in range(2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        command = [sys.executable, program, str(folder), str(KILLS // 2), str(seed)]
        runs.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    counts = []
    for run in runs:
        out, err = run.communicate()
        assert run.returncode == 0, err
        counts.append(json.loads(out))
    total = {key: sum(count[key] for count in counts) for key in counts[0]}
    print(total)
    assert total["kills"] == KILLS
    assert total["edits"] > KILLS, "the writers hardly got to write"
    assert total["unsaid"] > KILLS / 50, "hardly any kill hit an edit"
