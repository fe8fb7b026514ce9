"""Masked pre-training in a panel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_widget.learn.data import SceneCache
from sam_widget.model.mae import MaskedAutoencoder
from sam_widget.teach import mae_training, training
from sam_widget.teach.mae_training import MAE_LESSON, MaeTraining


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (training, mae_training):
        monkeypatch.setattr(module, "SCENES", 4)


def take(panel: MaeTraining, steps: int) -> None:
    """Train for a number of steps, whatever they take."""
    panel._render()
    panel._prepare()
    for _ in range(steps):
        panel._step()
        panel.steps += 1
    panel._show()


def test_it_learns_and_the_pictures_follow(photo: np.ndarray) -> None:
    panel = MaeTraining(photo)
    before, error = panel.painted.pixels, panel.error
    take(panel, 30)
    assert np.mean(panel.losses[-5:]) < 0.9 * np.mean(panel.losses[:5])
    assert panel.error < error
    assert (panel.painted.pixels != before).any()
    assert [steps for steps, _ in panel.stages] == [0, 30]
    assert f"{panel.error:.1f}" in panel._says[1].text
    assert "After 30 steps" in panel._strip_says[1].text


def test_another_target_begins_again(photo: np.ndarray) -> None:
    panel = MaeTraining(photo)
    take(panel, 2)
    assert not panel.model.config.norm_pix_loss
    panel.target.value = True
    assert panel.model.config.norm_pix_loss
    assert (panel.steps, panel.losses) == (0, [])
    assert [steps for steps, _ in panel.stages] == [0]


def test_the_trained_encoder_becomes_that_of_a_segment_anything_model(photo: np.ndarray, tmp_path: Path) -> None:
    panel = MaeTraining(photo)
    take(panel, 2)
    path = panel.export_sam(tmp_path / "mae.safetensors")
    from safetensors.torch import load_file

    exported = load_file(path)
    ours = panel._trainer().average["encoder.blocks.3.mlp.fc1.weight"]
    assert (exported["image_encoder.blocks.3.mlp.fc1.weight"] == ours).all()


def test_runs_are_repeatable(photo: np.ndarray) -> None:
    first, second = MaeTraining(photo, seed=1), MaeTraining(photo, seed=1)
    for panel in (first, second):
        take(panel, 2)
    assert first.losses == second.losses


def test_the_model_is_small_and_scenes_are_rendered_once(photo: np.ndarray) -> None:
    panel = MaeTraining(photo)
    take(panel, 1)
    assert isinstance(panel.model, MaskedAutoencoder)
    assert sum(value.numel() for value in panel.model.parameters()) < 600_000
    cache = SceneCache(training.scene_folder(), count=4, size=training.SCENE_SIZE, seed=0)
    assert np.memmap(cache.path, np.uint8, "r")[0] == 1
    assert MAE_LESSON.image_size == 64
