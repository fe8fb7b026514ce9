"""Promptable training: prompts fall where a person would click, losses are what they say, and runs can be resumed."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sam_widget.errors import ModelError
from sam_widget.learn.__main__ import main
from sam_widget.learn.data import Batch, SceneCache, TrainingSet, batches
from sam_widget.learn.losses import LossWeights, balanced_loss, dice_loss, focal_loss, mask_iou, promptable_loss
from sam_widget.learn.simulate_clicks import corrections, first_prompts, levels_at, sample_targets
from sam_widget.learn.train import Trainer, computes_in_half
from sam_widget.learn.train_config import TrainConfig
from sam_widget.masks.distance import inner_distance
from sam_widget.model.config import TINY
from sam_widget.model.tiny.tiny import tiny

SMALL = TrainConfig(
    image_size=64,
    scene_size=64,
    scenes=12,
    steps=6,
    affinity_steps=2,
    balanced_steps=2,
    batch_size=2,
    prompts=2,
    rounds=4,
    warmup_steps=2,
)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def batch(cache: Path) -> Batch:
    scenes = SceneCache(cache, count=12, size=64, seed=0)
    dataset = TrainingSet(scenes, image_size=64, seed=0, length=8)
    return next(batches(dataset, batch_size=8, workers=0))


def test_a_batch_is_padded_where_it_is_not_valid(batch: Batch) -> None:
    assert batch.pixels.shape == (8, 3, 64, 64)
    assert batch.labels.shape == (8, 3, 64, 64)
    outside = ~batch.valid
    assert (batch.labels.permute(0, 2, 3, 1)[outside] == 0).all()
    assert (batch.labels.permute(0, 2, 3, 1)[batch.valid] > 0).all()
    assert (batch.pixels.permute(0, 2, 3, 1)[outside] == 0).all()


def test_the_cache_returns_what_was_rendered(cache: Path) -> None:
    scenes = SceneCache(cache, count=12, size=64, seed=0)
    image, labels = scenes[3]
    again, labels_again = SceneCache(cache, count=12, size=64, seed=0)[3]
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(labels, labels_again)
    assert image.std() > 1


def test_first_clicks_fall_inside_the_target_and_boxes_around_it(batch: Batch) -> None:
    targets, valid = sample_targets(batch, per_image=4, mask_size=16, generator=generator())
    assert targets.shape == valid.shape == (32, 16, 16)
    assert ((targets > 0) <= (valid > 0)).float().mean() > 0.99
    prompts = first_prompts(targets, image_size=64, box=False, generator=generator())
    x, y = (prompts.points[:, 0] / 4).long().unbind(1)
    assert (targets[torch.arange(32), y, x] > 0).all()
    assert (prompts.labels == 1).all()

    levels, known = levels_at(batch, prompts.points[:, 0], mask_size=16)
    assert known.all()
    subparts, parts, wholes = levels.unbind(1)
    assert (subparts[torch.arange(32), y, x] > 0).all()
    assert (subparts <= parts).all()
    assert (parts <= wholes).all()
    same = [torch.equal(targets[k], level[k]) for level in (subparts, parts, wholes) for k in range(32)]
    assert sum(same) >= 24  # A click at the edge of a target may lie just outside, so not every target is found again.

    boxes = first_prompts(targets, image_size=64, box=True, generator=generator()).boxes
    assert boxes is not None
    for target, (x0, y0, x1, y1) in zip(targets > 0.5, boxes.tolist(), strict=True):
        rows, columns = target.nonzero().unbind(1) if target.any() else (None, None)
        if rows is not None and columns is not None:
            tight = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * 4.0
            assert (tight - torch.tensor([x0, y0, x1, y1])).abs().max() <= 20 * 64 / 1024 + 1e-4


def test_corrections_fall_on_the_deeper_error() -> None:
    targets = torch.zeros(3, 16, 16)
    targets[:, 2:10, 2:10] = 1
    logits = torch.full((3, 16, 16), -5.0)
    logits[0, 2:10, 2:5] = 5  # misses the right part: foreground wanted
    logits[1, 2:16, 2:16] = 5  # spills far over: background wanted
    logits[2, 2:10, 2:10] = 5  # perfect
    points, labels = corrections(logits, targets, torch.ones(3, 16, 16), image_size=64, generator=generator())
    assert labels.tolist() == [1, 0, 1]
    cells = (points / 4).long()
    for k in range(2):
        x, y = cells[k].tolist()
        assert targets[k, y, x] != (logits[k, y, x] > 0).float()
    x, y = cells[2].tolist()
    assert targets[2, y, x] == 1


def test_inner_distance_counts_the_border_as_outside() -> None:
    region = np.zeros((9, 9), bool)
    region[:, :5] = True
    distance = inner_distance(region)
    assert distance[region].min() == pytest.approx(1, abs=0.1)
    assert distance[~region].max() == 0
    assert np.unravel_index(distance.argmax(), distance.shape)[1] == 2


def test_losses_of_known_masks() -> None:
    target = torch.zeros(1, 8, 8)
    target[:, :4] = 1
    valid = torch.ones(1, 8, 8)
    sure = (target * 2 - 1) * 30
    for loss in (focal_loss, dice_loss, balanced_loss):
        assert loss(sure, target, valid).item() == pytest.approx(0, abs=1e-4)
        assert loss(-sure, target, valid).item() > 0.9
    assert focal_loss(torch.zeros(1, 8, 8), target, valid).item() == pytest.approx(0.25 * 0.5 * np.log(2), rel=1e-4)
    assert mask_iou(sure, target, valid).item() == 1
    assert mask_iou(torch.ones(1, 8, 8), target, valid).item() == 0.5


def test_padding_has_no_say_in_the_losses() -> None:
    target, valid = torch.zeros(1, 8, 8), torch.zeros(1, 8, 8)
    target[:, :4, :4], valid[:, :, :4] = 1, 1
    one, other = torch.randn(1, 8, 8), torch.randn(1, 8, 8)
    mixed = torch.where(valid > 0, one, other)
    for loss in (focal_loss, dice_loss, balanced_loss, mask_iou):
        torch.testing.assert_close(loss(one, target, valid), loss(mixed, target, valid))


def test_only_the_best_ambiguous_mask_learns_much() -> None:
    target, valid = torch.zeros(1, 8, 8), torch.ones(1, 8, 8)
    target[:, :4] = 1
    logits = torch.stack([torch.zeros(8, 8), (target[0] * 2 - 1), -(target[0] * 2 - 1), torch.zeros(8, 8)])[None]
    logits.requires_grad_()
    loss, reached = promptable_loss(logits, torch.zeros(1, 4), target, valid)
    loss.backward()
    assert reached[0].tolist() == [0, 1, 0, 0]
    assert logits.grad is not None
    # A tenth of the mean of three flows to each; nine tenths more to the best.
    unit = promptable_gradient(logits.detach()[:, 2], target, valid)
    torch.testing.assert_close(logits.grad[:, 2], unit / 30, rtol=1e-4, atol=1e-7)


def test_each_term_of_the_loss_can_be_switched_off() -> None:
    torch.manual_seed(0)
    logits, scores = torch.randn(2, 4, 8, 8), torch.rand(2, 4)
    target, valid = torch.zeros(2, 8, 8), torch.ones(2, 8, 8)
    target[:, :4] = 1

    def loss(**weights: float) -> torch.Tensor:
        return promptable_loss(logits, scores, target, valid, weights=LossWeights(**weights))[0]

    masks = target[:, None].expand_as(logits), valid[:, None].expand_as(logits)
    focal, dice = focal_loss(logits, *masks), dice_loss(logits, *masks)
    error = (scores - mask_iou(logits, *masks)).square().mean()
    each = {
        "focal": 20 * (focal[:, 0] + focal[:, 1:].min(1).values).mean(),
        "dice": (dice[:, 0] + dice[:, 1:].min(1).values).mean(),
        "score": error,
    }
    only = dict.fromkeys(each, 0.0)
    for name, expected in each.items():
        alone = loss(**(only | {name: 20.0 if name == "focal" else 1.0}), winner=1)
        torch.testing.assert_close(alone, expected)
    torch.testing.assert_close(loss(**only | {"dice": 1}, winner=0), (dice[:, 0] + dice[:, 1:].mean(1)).mean())
    torch.testing.assert_close(loss(), promptable_loss(logits, scores, target, valid)[0])


def promptable_gradient(logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    logits = logits.clone().requires_grad_()
    (20 * focal_loss(logits, target, valid) + dice_loss(logits, target, valid)).sum().backward()
    assert logits.grad is not None
    return logits.grad


def test_after_a_single_click_each_mask_learns_its_own_level() -> None:
    levels = torch.zeros(1, 3, 8, 8)
    for level, side in enumerate((2, 4, 6)):
        levels[0, level, :side, :side] = 1
    logits = torch.zeros(1, 4, 8, 8, requires_grad=True)
    loss, _ = promptable_loss(logits, torch.zeros(1, 4), levels[:, 1], torch.ones(1, 8, 8), levels=levels)
    (gradient,) = torch.autograd.grad(loss, logits)
    taught = torch.cat([levels[:, 1:2], levels], dim=1)
    torch.testing.assert_close((gradient < 0).float(), taught)


def test_levels_that_are_not_known_are_not_taught() -> None:
    logits = torch.zeros(1, 4, 8, 8, requires_grad=True)
    levels, valid = torch.zeros(1, 3, 8, 8), torch.ones(1, 8, 8)
    levels[0, 2, :, :4] = 1
    known = torch.tensor([[False, False, True]])
    loss, _ = promptable_loss(logits, torch.zeros(1, 4), levels[:, 2], valid, levels=levels, known=known)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[0, 1:3].abs().max() == 0
    assert gradient[0, 3].abs().max() > 0
    regions = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    regions[0, 2, :, :32] = 4
    photo = Batch(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), regions, torch.ones(1, 64, 64, dtype=torch.bool))
    _, there = levels_at(photo, torch.tensor([[8.0, 8.0], [50.0, 8.0]]), mask_size=16)
    assert there.tolist() == [[False, False, True], [False, False, False]]


def test_a_frozen_trunk_says_what_the_trunk_says() -> None:
    trainer = Trainer(dataclasses.replace(SMALL, precision="float32"))
    pixels = torch.randint(0, 256, (2, 3, 64, 64), generator=generator(), dtype=torch.uint8)
    trainer.model.eval()
    folded, plain = trainer._encode(pixels), trainer.model.encode(pixels)
    assert trainer._frozen is not None
    torch.testing.assert_close(folded.embedding, plain.embedding, atol=1e-3, rtol=1e-3)
    for ours, theirs in zip(folded.high_resolution, plain.high_resolution, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_is_for_processors_that_have_it(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    assert computes_in_half("auto", "cpu") is native
    assert computes_in_half("auto", "cuda")
    assert computes_in_half("bfloat16", "cpu")
    assert not computes_in_half("float32", "cuda")
    with pytest.raises(ModelError, match="expected auto, float32 or bfloat16"):
        computes_in_half("half", "cpu")


def test_a_resumed_run_is_the_uninterrupted_run(cache: Path, tmp_path: Path) -> None:
    torch.use_deterministic_algorithms(mode=True)
    whole = Trainer(SMALL)
    whole.run(tmp_path / "whole", cache, workers=0)

    first = Trainer(SMALL)
    dataset = TrainingSet(SceneCache(cache, count=12, size=64, seed=0), image_size=64, seed=0, length=8)
    for k, item in enumerate(batches(dataset, batch_size=2, workers=0)):
        first.train_step([item])
        if k == 2:
            break
    (tmp_path / "parts").mkdir()
    first.save(tmp_path / "parts/checkpoint.pt")
    Trainer.resume(tmp_path / "parts/checkpoint.pt").run(tmp_path / "parts", cache, workers=0)
    torch.use_deterministic_algorithms(mode=False)

    one = torch.load(tmp_path / "whole/checkpoint.pt", weights_only=True)
    other = torch.load(tmp_path / "parts/checkpoint.pt", weights_only=True)
    assert one["step"] == other["step"] == 6
    torch.testing.assert_close(one["model"], other["model"], rtol=0, atol=0)
    torch.testing.assert_close(one["average"], other["average"], rtol=0, atol=0)
    rows = list(csv.DictReader((tmp_path / "whole/log.csv").open(encoding="utf-8")))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert 0 <= float(rows[-1]["iou_last"]) <= 1


def test_a_step_that_asks_twice_gives_the_first_answer_as_the_mask(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(dataclasses.replace(SMALL, affinity_steps=0, rounds=4, rounds_mean=4.0, twice_share=1.0))
    dataset = TrainingSet(SceneCache(cache, count=12, size=64, seed=0), image_size=64, seed=0, length=8)
    asked: list[tuple[int, bool, bool]] = []
    decode = trainer.model.decode

    def watched(image: torch.Tensor, **given: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        points = given["points"]
        asked.append((0 if points is None else points.shape[1], given["masks"] is not None, torch.is_grad_enabled()))
        return decode(image, **given)

    monkeypatch.setattr(trainer.model, "decode", watched)
    for batch in batches(dataset, batch_size=2, workers=0):
        asked.clear()
        trainer.train_step([batch])
        clicks, masked, learned = zip(*asked, strict=True)
        assert clicks[::2] == clicks[1::2]
        assert list(masked) == [False, True] * (len(asked) // 2)
        assert list(learned) == [False] * (len(asked) - 2) + [True] * 2


def test_the_exported_weights_are_tinys(tmp_path: Path) -> None:
    trainer = Trainer(SMALL)
    trainer.export(tmp_path / "weights.safetensors")
    state = load_file(tmp_path / "weights.safetensors")
    model = tiny()
    model.load_state_dict(state)
    assert model.config == TINY
    again = Trainer(SMALL, start=tmp_path / "weights.safetensors")
    name = "mask_decoder.mask_tokens.weight"
    torch.testing.assert_close(again.model.state_dict()[name], state[name].float())


def test_a_file_that_is_no_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match=r"checkpoint\.pt"):
        Trainer.resume(tmp_path / "other.pt")


def test_training_on_one_scene_learns_it(cache: Path) -> None:
    """A model that cannot overfit one picture cannot learn anything."""
    config = TrainConfig(
        image_size=64,
        scene_size=64,
        scenes=1,
        steps=150,
        affinity_steps=0,
        balanced_steps=150,
        learning_rate=1e-3,
        batch_size=1,
        prompts=8,
        rounds=1,
        learned_rounds=1,
        box_share=0.0,
        warmup_steps=5,
    )
    trainer = Trainer(config)
    dataset = TrainingSet(SceneCache(cache, count=12, size=64, seed=0), image_size=64, seed=0, length=1)
    (scene,) = list(batches(dataset, batch_size=1, workers=0))
    oracles = [trainer.train_step([scene])[-1] for _ in range(75)]
    assert np.mean(oracles[-15:]) > np.mean(oracles[:15]) + 0.2


def test_the_mean_of_exported_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / f"{name}.safetensors") for name in "ab"]
    for k, file in enumerate(files):
        save_file({"w": torch.full((2, 3), 1.0 + k).half(), "count": torch.tensor(7)}, file)
    out = tmp_path / "mean.safetensors"
    assert main(["average", *files, str(out)]) == 0
    mean = load_file(out)
    assert torch.equal(mean["w"], torch.full((2, 3), 1.5).half())
    assert mean["count"].item() == 7

    save_file({"w": torch.zeros(2, 2)}, files[1])
    assert main(["average", *files, str(out)]) == 1
    assert "belong to different networks" in capsys.readouterr().err
    Path(files[1]).write_bytes(b"no weights")
    assert main(["average", *files, str(out)]) == 1
    assert "safetensors" in capsys.readouterr().err
