"""Session files for folders of photos, whatever the photos are called."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.folders.prompt_files import ObjectPrompt
from sam_widget.folders.sessions import export_sessions, find_sessions, segment_folder

POINT = sw.Prompt(points=[sw.Point(20, 20)])


def photo(path: Path | bytes) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    with open(path, "wb") as file:  # noqa: PTH123 - a name may be bytes
        Image.fromarray(pixels).save(file, "PNG")


def test_a_prompt_for_a_photo_that_is_not_there_does_not_stop_the_others(
    tmp_path: Path, predictor: sw.Predictor
) -> None:
    photo(tmp_path / "a.png")
    prompts = [ObjectPrompt(POINT, "x", name) for name in ("gone.png", "a.png", "in/gone.png", "gone.png")]
    report = segment_folder(tmp_path, prompts, sessions=tmp_path / "work", model=predictor, progress=False)
    assert [path.name for path in report.done] == ["a.png"]
    assert [item.path for item in report.failed] == [tmp_path / "gone.png", tmp_path / "in/gone.png"]
    assert all("no such image; expected names such as 'a.png'" in item.reason for item in report.failed)
    with pytest.raises(sw.PromptError, match=r"prompts for gone\.png, in/gone\.png, but no such image"):
        segment_folder(tmp_path, [prompts[0], prompts[2]], sessions=tmp_path / "w", model=predictor, progress=False)


def test_names_typed_on_another_system(tmp_path: Path, predictor: sw.Predictor) -> None:
    photo(tmp_path / unicodedata.normalize("NFD", "Café.png"))
    typed = ObjectPrompt(POINT, "x", unicodedata.normalize("NFC", "Café.png"))
    report = segment_folder(tmp_path, [typed], sessions=tmp_path / "work", model=predictor, progress=False)
    assert (len(report.done), report.failed) == (1, ())


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="file names are text there")
def test_names_that_are_not_utf_8(tmp_path: Path, predictor: sw.Predictor) -> None:
    photo(os.fsencode(tmp_path) + b"/caf\xe9.png")
    prompts = [ObjectPrompt(POINT, "x", "caf%E9.png"), ObjectPrompt(POINT, "y", os.fsdecode(b"caf\xe9.png"))]
    report = segment_folder(tmp_path, prompts, sessions=tmp_path / "work", model=predictor, progress=False)
    assert (len(report.done), report.failed) == (1, ())
    assert list(find_sessions(tmp_path / "work")) == ["caf%E9.png"]
    assert not export_sessions(tmp_path / "work", tmp_path / "o.json").failed
    assert "caf%E9.png" in (tmp_path / "o.json").read_text()
    failed = segment_folder(tmp_path, prompts, sessions=tmp_path / "work", model=predictor, progress=False)
    str(failed).encode()


def test_names_as_long_as_the_file_system_allows(tmp_path: Path, predictor: sw.Predictor) -> None:
    (tmp_path / "in").mkdir()
    name = f"in/{'n' * 250}.png"
    photo(tmp_path / name)
    report = segment_folder(
        tmp_path,
        [ObjectPrompt(POINT, "x")],
        sessions=tmp_path / "work",
        model=predictor,
        recursive=True,
        progress=False,
    )
    assert (len(report.done), report.failed) == (1, ())
    assert list(find_sessions(tmp_path / "work")) == [name], "exports call it by its whole name"
    again = segment_folder(
        tmp_path,
        [ObjectPrompt(POINT, "x")],
        sessions=tmp_path / "work",
        model=predictor,
        recursive=True,
        progress=False,
    )
    assert len(again.skipped) == 1


def test_a_name_that_only_looks_shortened_is_kept(tmp_path: Path, predictor: sw.Predictor) -> None:
    photo(tmp_path / "cat~0123abcd.png")
    segment_folder(tmp_path, [ObjectPrompt(POINT, "x")], sessions=tmp_path / "work", model=predictor, progress=False)
    assert list(find_sessions(tmp_path / "work")) == ["cat~0123abcd.png"]
