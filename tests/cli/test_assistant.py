"""`sam-widget mcp`: an assistant starts it, and labels a photo or a folder over standard input and output."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcp import Client, StdioServerParameters
from PIL import Image

import sam_widget as sw
from sam_widget.cli.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]


def talk(arguments: list[str], *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """The results of calls to a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1"}
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "sam_widget", "mcp", *arguments], env=environment
    )

    async def conversation() -> list[Any]:
        async with Client(command) as client:
            return [await client.call_tool(name, about) for name, about in calls]

    return asyncio.run(conversation())


def test_an_assistant_labels_a_folder_and_its_work_is_saved(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / "a.png")
    listed, _, accepted = talk(
        [str(tmp_path)], ("images", {}), ("click", {"x": 30, "y": 20}), ("accept", {"label": "thing"})
    )
    assert listed.structured_content["result"][0]["name"] == "a.png"
    assert not accepted.is_error
    (file,) = tmp_path.glob("*.sam")
    assert [one.label for one in sw.Session.load(file).objects] == ["thing"]


def test_an_autosave_of_a_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", str(tmp_path), "--autosave", "x.sam"]) == 1
    assert "single photo" in capsys.readouterr().err
