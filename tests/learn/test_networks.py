"""Networks differ in their trunk: what it begins with, how fast it learns, and what comes of the same training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sam_widget as sw
from sam_widget.learn.__main__ import main
from sam_widget.learn.ablate import ABLATIONS, BUDGET
from sam_widget.learn.data import SceneCache, TrainingSet, batches
from sam_widget.learn.networks import NETWORKS, pretrained_trunk, trunk_of
from sam_widget.learn.scenes.scenes import render_scene
from sam_widget.learn.train import Trainer
from sam_widget.learn.train_config import TrainConfig
from sam_widget.model.config import TINY, TinyConfig
from sam_widget.model.mae_transfer import plain_vit_state
from sam_widget.model.tiny.tiny import Tiny

SMALL = TrainConfig(
    image_size=64,
    scene_size=64,
    scenes=12,
    steps=2,
    affinity_steps=1,
    balanced_steps=1,
    batch_size=2,
    prompts=2,
    rounds=2,
    warmup_steps=1,
)


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if isinstance(network.config, TinyConfig)])
def test_a_trunk_learns_as_its_network_says(name: str, cache: Path, tmp_path: Path) -> None:
    trainer, network = Trainer(dataclasses.replace(SMALL, network=name)), NETWORKS[name]
    assert trainer.trunk is not None
    before = {key: value.clone() for key, value in trainer.trunk.state_dict().items()}
    dataset = TrainingSet(SceneCache(cache, count=12, size=64, seed=0), image_size=64, seed=0, length=4)
    for batch in batches(dataset, batch_size=2, workers=0):
        trainer.train_step([batch])
    after = trainer.trunk.state_dict()
    learned = [key for key in dict(trainer.trunk.named_parameters()) if not torch.equal(before[key], after[key])]
    assert bool(learned) == (network.trunk_rate > 0)
    statistics = [key for key in before if key.endswith("running_mean")]
    counted = [key for key in statistics if not torch.equal(before[key], after[key])]
    assert bool(counted) == (bool(statistics) and network.begins == "random"), "published statistics stay"

    trainer.export(tmp_path / "weights.safetensors")
    assert isinstance(network.config, TinyConfig)
    Tiny(network.config).load_state_dict(load_file(tmp_path / "weights.safetensors"))


def test_the_weights_that_a_trunk_begins_with_arrive() -> None:
    published, masked = (Trainer(dataclasses.replace(SMALL, network=name)).model for name in ("tiny", "tiny_mae"))
    for model, expected in (
        (published, pretrained_trunk(TINY)),
        (masked, plain_vit_state(sw.load_mae(), dataclasses.replace(NETWORKS["tiny_mae"].config, image_size=64))),
    ):
        trunk = trunk_of(model)
        assert trunk is not None
        torch.testing.assert_close(trunk.state_dict(), expected, rtol=0, atol=0)


def test_the_neck_meets_published_features_of_unit_deviation() -> None:
    model = Trainer(dataclasses.replace(SMALL, network="tiny")).model.eval()
    encoder, scene = model.image_encoder, torch.from_numpy(render_scene(5, size=64).image).permute(2, 0, 1)[None]
    with torch.inference_mode():
        levels = encoder.trunk(model.standardised(scene))
    assert max(float(level.std()) for level in levels) > 4
    for level, onto in zip(levels, (encoder.finest, encoder.fine, encoder.middle, encoder.coarse), strict=True):
        bound = onto.in_channels**-0.5 / level.std()  # of the uniform numbers that torch begins a convolution with
        assert 0.5 < float(onto.weight.detach().abs().max() / bound) < 2


def test_a_trunk_rate_that_is_given_counts() -> None:
    trainer = Trainer(dataclasses.replace(SMALL, network="tiny_mae", trunk_rate=0.5))
    assert {group["relative"] for group in trainer.optimizer.param_groups} == {1.0, 0.5}
    assert {group["relative"] for group in Trainer(SMALL).optimizer.param_groups} == {1.0}


def test_an_unknown_network_is_a_clear_error() -> None:
    with pytest.raises(sw.ModelError, match="tiny_hybrid"):
        Trainer(dataclasses.replace(SMALL, network="vit"))


def test_networks_are_compared_and_a_comparison_goes_on(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {name: value for name, value in dataclasses.asdict(SMALL).items() if value and name != "network"}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    command = ["compare", str(tmp_path / "run"), "--cache", str(cache), "--unseen", "1", *options, "--networks"]
    assert main([*command, "tiny_plain"]) == 0
    result = tmp_path / "run/tiny_plain/result.json"
    measured = result.stat().st_mtime_ns
    assert "| tiny_plain | 0." in capsys.readouterr().out
    assert main([*command, "tiny_plain", "vit"]) == 1
    assert "tiny_hybrid" in capsys.readouterr().err
    assert result.stat().st_mtime_ns == measured, "what has been measured is not trained again"


def test_an_ablation_trains_on_scenes_that_lack_something(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {name: value for name, value in dataclasses.asdict(SMALL).items() if value and name != "network"}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    command = ["compare", str(tmp_path / "run"), "--cache", str(cache), "--unseen", "1", *options, "--ablation"]
    assert main([*command, "no photos"]) == 0
    assert "| no photos | 0." in capsys.readouterr().out
    assert list(cache.glob("*-no-photos.u8"))
    assert main([*command, "no such thing"]) == 1
    assert "no camouflage" in capsys.readouterr().err


def test_every_ablation_is_a_change_of_the_training() -> None:
    for changes in ABLATIONS.values():
        dataclasses.replace(BUDGET, **changes)
