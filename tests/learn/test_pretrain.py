"""Masked pre-training: it learns, resumes as if it had never stopped, and exports what it learned."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import sam_widget as sw
from sam_widget.errors import ModelError
from sam_widget.learn.__main__ import main
from sam_widget.learn.evaluate.inpainting import bilinear, compare, mean_colour, table
from sam_widget.learn.photos import TRAINING, held_out
from sam_widget.learn.pretrain import PretrainConfig, Pretrainer, PretrainingSet, augment
from sam_widget.model.config import SamConfig
from sam_widget.model.mae import MaeConfig
from sam_widget.model.mae_zoo import load_mae

SMALL = PretrainConfig(
    mae=MaeConfig(
        image_size=32,
        patch_size=8,
        embed_dim=32,
        depth=2,
        num_heads=2,
        decoder_embed_dim=16,
        decoder_depth=1,
        decoder_num_heads=2,
    ),
    steps=6,
    batch_size=4,
    scenes=4,
    scene_size=48,
    warmup_steps=2,
)


def losses(folder: Path) -> list[str]:
    with (folder / "log.csv").open(encoding="utf-8") as file:
        return [row["loss"] for row in csv.DictReader(file)]


def test_the_precision_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for precision in ("float32", "bfloat16"):
        run = Pretrainer(dataclasses.replace(SMALL, precision=precision))
        seen: list[torch.dtype] = []
        block = run.model.encoder.blocks[0].mlp.fc1
        block.register_forward_hook(lambda _module, _given, found, seen=seen: seen.append(found.dtype))
        run.train_step(torch.zeros(2, 3, run.config.mae.image_size, run.config.mae.image_size, dtype=torch.uint8))
        assert seen == [getattr(torch, precision)]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    assert not Pretrainer(SMALL).half, "emulated, it would take twenty times as long"


def test_a_stopped_run_goes_on_exactly(cache: Path, tmp_path: Path) -> None:
    straight = Pretrainer(SMALL)
    straight.run(tmp_path / "straight", cache)

    class Stopped(Exception):  # noqa: N818  a power cut is not an error of the program
        pass

    stopped = Pretrainer(SMALL)
    take = stopped.train_step

    def until_the_fourth(images: torch.Tensor) -> float:
        if stopped.step == 4:
            raise Stopped
        return take(images)

    stopped.train_step = until_the_fourth  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        stopped.run(tmp_path / "stopped", cache, save_every=3)
    Pretrainer.resume(tmp_path / "stopped/checkpoint.pt").run(tmp_path / "stopped", cache)

    assert len(losses(tmp_path / "straight")) == 6
    assert losses(tmp_path / "stopped") == losses(tmp_path / "straight")
    ends = [Pretrainer.resume(tmp_path / name / "checkpoint.pt") for name in ("straight", "stopped")]
    assert [run.step for run in ends] == [6, 6]
    for key, value in ends[0].average.items():
        assert torch.equal(value, ends[1].average[key]), key


def test_it_learns(cache: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, steps=60, batch_size=8, learning_rate=3e-3, photo_share=1.0)
    Pretrainer(config).run(tmp_path, cache)
    course = [float(loss) for loss in losses(tmp_path)]
    assert np.mean(course[-10:]) < 0.8 * np.mean(course[:10])


def test_the_learning_rate_rises_stays_and_falls() -> None:
    run = Pretrainer(dataclasses.replace(SMALL, steps=100, warmup_steps=10, cooldown=0.25))
    rates = []
    for run.step in range(100):
        rates.append(run.learning_rate() / run.config.learning_rate)
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert rates[10:76] == [1.0] * 66
    assert np.all(np.diff(rates[76:]) < 0)
    assert rates[-1] == pytest.approx(1 / 25)


def test_items_depend_on_their_place_alone(cache: Path) -> None:
    first, later = PretrainingSet(SMALL, cache), PretrainingSet(SMALL, cache, start=5)
    for k in range(4):
        assert np.array_equal(first[5 + k], later[k])
    assert not np.array_equal(first[0], first[1])
    assert len(first) == 24
    assert len(later) == 19


def test_crops_are_of_any_scale(photo: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    crops = [augment(photo, rng, size=64) for _ in range(20)]
    assert all(crop.shape == (3, 64, 64) and crop.dtype == np.uint8 for crop in crops)
    roughness = [np.abs(np.diff(crop.astype(float))).mean() for crop in crops]
    assert max(roughness) > 1.5 * min(roughness)
    assert augment(np.zeros((20, 30, 3), np.uint8), rng, size=64).shape == (3, 64, 64)


def test_no_photo_is_both_trained_on_and_held_out() -> None:
    apart = {name: image.tobytes() for name, image in held_out().items()}
    assert len(apart) >= 4
    trained = {photo.file: photo.load() for photo in TRAINING}
    assert not set(apart.values()) & {image.tobytes() for image in trained.values()}
    assert not any(name in file for file in trained for name in ("chelsea", "coffee", "astronaut", "rocket"))
    assert all(image.ndim == 3 and min(image.shape[:2]) >= 128 for image in trained.values())


def test_the_averaged_weights_are_exported(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Pretrainer(SMALL)
    run.run(tmp_path, cache)
    out = tmp_path / "mae.safetensors"
    assert main(["export", str(tmp_path / "checkpoint.pt"), str(out)]) == 0
    assert "step 6" in capsys.readouterr().out
    model = load_mae(out)
    assert model.config == SMALL.mae
    weight = run.average["encoder.blocks.1.mlp.fc1.weight"]
    torch.testing.assert_close(model.encoder.blocks[1].mlp.fc1.weight, weight, atol=1e-3, rtol=1e-3)
    assert main(["reconstruct", "--model", str(out), "--seeds", "1", "--out", str(tmp_path / "sheet.png")]) == 0
    assert "| mean of 4 |" in capsys.readouterr().out
    assert sw.to_rgb(tmp_path / "sheet.png").shape == (4 * 2 * 34, 5 * 2 * 34, 3)


def test_a_run_starts_from_exported_weights_of_its_own_sizes(cache: Path, tmp_path: Path) -> None:
    run, exported = Pretrainer(SMALL), tmp_path / "mae.safetensors"
    run.run(tmp_path / "run", cache)
    run.export(exported)
    going_on = Pretrainer(dataclasses.replace(SMALL, seed=1), start=exported)
    assert all(torch.allclose(value, run.average[key], atol=1e-3) for key, value in going_on.average.items())
    assert going_on.train_step(torch.zeros(4, 3, 32, 32, dtype=torch.uint8)) > 0
    other = dataclasses.replace(SMALL, mae=dataclasses.replace(SMALL.mae, depth=1))
    with pytest.raises(ModelError, match="of another model"):
        Pretrainer(other, start=exported)


def test_the_encoder_is_exported_into_a_segment_anything_model(cache: Path, tmp_path: Path) -> None:
    run = Pretrainer(SMALL)
    run.run(tmp_path, cache)
    config = SamConfig(
        image_size=64,
        patch_size=8,
        embed_dim=32,
        depth=2,
        num_heads=2,
        global_attention=(1,),
        window_size=8,
        relative_positions=False,
        prompt_dim=32,
        decoder_heads=2,
    )
    run.export_encoder(tmp_path / "sam.safetensors", config)
    state = load_file(tmp_path / "sam.safetensors")
    learned = run.average["encoder.blocks.0.attn.qkv.weight"]
    assert torch.equal(state["image_encoder.blocks.0.attn.qkv.weight"], learned)
    assert state["image_encoder.pos_embed"].shape == (1, 8, 8, 32)
    assert any(key.startswith("mask_decoder.") for key in state), "a whole model, to start training from"


def test_the_command_starts_and_resumes(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--image-size", "32", "--embed-dim", "32", "--depth", "1", "--num-heads", "2"]
    sizes += ["--decoder-embed-dim", "16", "--decoder-depth", "1", "--decoder-num-heads", "2"]
    data = ["--cache", str(cache), "--scenes", "4", "--scene-size", "48", "--batch-size", "2"]
    assert main(["pretrain", str(tmp_path), *sizes, *data, "--steps", "2", "--norm-pix-loss"]) == 0
    assert main(["pretrain", str(tmp_path), "--cache", str(cache), "--steps", "3"]) == 0
    assert "resuming at step 2 of 3" in capsys.readouterr().out
    run = Pretrainer.resume(tmp_path / "checkpoint.pt")
    assert run.step == 3
    assert run.config.mae.norm_pix_loss
    assert run.config.mae.embed_dim == 32
    assert main(["pretrain", str(tmp_path), "--depth", "2"]) == 1
    assert "without model options" in capsys.readouterr().err
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    assert main(["export", str(tmp_path / "checkpoint.pt"), str(tmp_path / "x.safetensors")]) == 1
    assert "cannot be read" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ inpainting


def test_bilinear_inpainting_continues_a_slope() -> None:
    y, x = np.mgrid[:24, :24]
    slope = np.stack([2 * x + 3 * y, 100 - x, 40 + 0 * x], axis=-1).astype(np.uint8)
    hidden = np.zeros((24, 24), bool)
    hidden[8:16, 8:16] = True
    np.testing.assert_allclose(bilinear(slope, hidden), slope, atol=1e-9)
    corner = np.zeros((24, 24), bool)
    corner[:8, :8] = True
    assert np.abs(bilinear(slope, corner) - slope).max() < 40, "beyond the outermost pixel, the nearest"
    flat = mean_colour(slope, hidden)
    assert np.ptp(flat[hidden], axis=0).max() == 0
    np.testing.assert_allclose(flat[10, 10], slope[~hidden].mean(0))


def test_all_methods_fill_the_same_patches() -> None:
    model = Pretrainer(SMALL).model.eval()
    grey = np.full((40, 60, 3), 90, np.uint8)
    (result,) = compare(model, {"grey": grey}, seeds=[0, 1])
    assert result.errors.shape == (2, 3)
    np.testing.assert_allclose(result.errors[:, :2], 0, atol=1e-12)
    assert (result.errors[:, 2] > 0).all()
    assert "| grey | 0.00 | 0.00 |" in table([result])
    assert "0 of 2" in table([result])
