"""Only the head that predicts the IoU of masks is trained, and it gets better at that."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sam_widget.errors import ModelError
from sam_widget.learn.data import SceneCache, TrainingSet, batches
from sam_widget.learn.score_head import Answers, ScoreConfig, answers, fit, load

WEIGHTS = Path(__file__).parents[2] / "sam_widget/weights/tiny.safetensors"


def test_scores_and_the_choice_get_better_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    model = load(WEIGHTS)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tokens = torch.randn(600, 128)
    reached = torch.stack([(tokens[:, k] * 0.6 - 0.3).sigmoid() for k in range(4)], dim=1)
    known = Answers(tokens, torch.zeros(600, 4), reached)
    first, last = fit(model, known, ScoreConfig(steps=150, learning_rate=5e-4))
    assert last < 0.6 * first
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all("iou_prediction_head" in name or name.endswith("score_of_certainty") for name in changed)


def test_answers_are_those_of_the_model_in_use(cache: Path) -> None:
    model, config = load(WEIGHTS), ScoreConfig(prompts=2, clicks=2)
    pictures = TrainingSet(SceneCache(cache, count=12, size=64, seed=0), image_size=384, seed=0, length=4)
    known = answers(model, batches(pictures, batch_size=4, workers=0), config)
    assert len(known) == 4 * 2 * 2 * 2  # pictures, prompts, clicks, answers
    assert known.reached.shape == known.sure.shape == (32, 4)
    assert known.reached.max() > 0.5
    assert not torch.equal(known.reached[:8], known.reached[8:16]), "the second answer is another one"


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="does not hold weights of tiny"):
        load(tmp_path / "other.safetensors")
