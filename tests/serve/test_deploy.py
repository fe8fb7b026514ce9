"""The files of the guide to deployment that need no program of their own: their commands are those of this version."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_widget.cli.cli import app
from sam_widget.session.file.reader import Record

DEPLOY = Path(__file__).parents[2] / "notebooks/docs/pages/guides/deploy"


def test_the_command_of_the_container_is_one_of_ours() -> None:
    content = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    words: list[str] = []
    for instruction in ("ENTRYPOINT", "CMD"):
        found = re.search(rf"^{instruction} (\[.*\])$", content, re.MULTILINE)
        assert found is not None
        words += json.loads(found[1])
    program, *arguments = words
    assert program == "sam-widget"
    _, bound, *_ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    assert bound.arguments["model"] == ["vit_h"]


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell")
def test_the_jobs_of_an_array_share_the_photos(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    programs = tmp_path / "bin"
    programs.mkdir()
    command = programs / "sam-widget"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sam_widget "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SAM_WIDGET_CACHE": str(tmp_path / "cache"),
        "MODEL": "tiny",
        "SLURM_ARRAY_TASK_COUNT": "2",
    }
    made = []
    for task in ("1", "2"):
        subprocess.run(
            ["sh", DEPLOY / "array.sh"], cwd=tmp_path, env={**environment, "SLURM_ARRAY_TASK_ID": task}, check=True
        )
        made.append({path.name for path in (tmp_path / "work").rglob("*.sam")})
    assert 0 < len(made[0]) < len(made[1]) == 3
    assert all(Record.read(path) for path in (tmp_path / "work").rglob("*.sam"))
