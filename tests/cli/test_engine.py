from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sam_widget.cli.cli import main
from sam_widget.engine import generic
from sam_widget.engine.engine import DataEngine
from sam_widget.engine.simulated import SimulatedAnnotator
from sam_widget.model.zoo import load_model
from tests.engine.cells import folder


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generic, "ALL", 4)
    truth = folder(tmp_path / "photos", 5)
    annotator = SimulatedAnnotator(truth)
    engine = DataEngine(tmp_path / "photos", clock=annotator.clock)
    for photo in range(4):
        annotator.annotate(engine, photo)
    engine.close()
    return tmp_path / "photos"


def test_the_engine_of_a_folder(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", str(photos)]) == 0
    said = capsys.readouterr().out
    assert "stage 1 (assisted-manual), 4 of 5 done" in said
    assert "seconds a mask" in said
    assert "press Tune" in said
    assert main(["engine", str(photos), "round", "--budget", "1"]) == 0
    assert capsys.readouterr().out.startswith(("refused: ", "adopted: "))
    assert main(["engine", str(photos), "automatic", "--crops", "0", "--points-per-side", "8"]) == 0
    assert "1 done" in capsys.readouterr().out
    assert main(["engine", str(photos), "check", "--count", "2"]) == 0
    assert "2 masks are drawn" in capsys.readouterr().out
    assert main(["engine", str(photos), "-q"]) == 0
    assert capsys.readouterr().out == ""


def test_too_early_a_step_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path, 2)
    assert main(["engine", str(tmp_path), "automatic"]) == 1
    assert "mark at least 3 photos as done" in capsys.readouterr().err


def test_tune_writes_a_model_only_if_it_is_better(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cells.safetensors"
    status = main(["tune", str(photos), "-o", str(out), "--budget", "1"])
    said = capsys.readouterr().out
    assert (status, out.exists()) in ((0, True), (1, False))
    assert said.startswith("written" if out.exists() else "not written")
    if out.exists():
        assert load_model(out).name == "cells"


def test_tuning_an_encoder_on_a_cpu_must_be_asked_for(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    asked = ["tune", str(photos), "-o", str(tmp_path / "a.safetensors"), "--kind", "lora", "--budget", "1"]
    assert main(asked) == 1
    assert "needs a GPU, but tiny is on the CPU" in capsys.readouterr().err
    main([*asked, "--on-cpu"])
    assert capsys.readouterr().out.startswith(("written", "not written"))
