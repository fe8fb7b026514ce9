"""Mixed scenes: a pure function of seed and position, exact nested labels, and empty padding."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sam_widget.errors import ModelError
from sam_widget.learn import augment as mixing
from sam_widget.learn.augment import Draws, crop, look_up, mix, paste, resample, sharpen, whole_things
from sam_widget.learn.data import Batch, SceneCache
from sam_widget.learn.train import Trainer
from sam_widget.learn.train_config import TrainConfig

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scenes(cache: Path) -> tuple[torch.Tensor, torch.Tensor]:
    kept = SceneCache(cache, count=12, size=64, seed=0)
    images, labels = zip(*(kept[k] for k in range(8)), strict=True)
    return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels))


def mixed(scenes: tuple[torch.Tensor, torch.Tensor], position: int = 0, paste_share: float = 1.0) -> Batch:
    return mix(*scenes, size=64, seed=0, position=position, paste_share=paste_share)


def floats(images: torch.Tensor) -> torch.Tensor:
    return images.permute(0, 3, 1, 2).float() / 255


def test_the_same_seed_and_position_make_the_same_batch(scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    first, again, next_one = mixed(scenes), mixed(scenes), mixed(scenes, position=1)
    for name in ("pixels", "labels", "valid"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.pixels, next_one.pixels)


def test_levels_nest_and_padding_is_nothing(scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    for position in range(12):
        batch = mixed(scenes, position)
        assert (batch.pixels.dtype, batch.labels.dtype, batch.valid.dtype) == (torch.uint8, torch.uint8, torch.bool)
        assert batch.pixels.shape == batch.labels.shape == (8, 3, 64, 64)
        assert torch.equal(batch.labels > 0, batch.valid[:, None].expand(-1, 3, -1, -1))
        assert not (batch.pixels * ~batch.valid[:, None]).any()
        for fine, coarse in ((0, 1), (1, 2)):
            for labels in batch.labels:
                pairs = torch.stack([labels[fine].flatten(), labels[coarse].flatten()]).unique(dim=1)
                assert pairs.shape[1] == labels[fine].unique().numel(), "a region lies inside one of the level above"


def test_a_pasted_thing_keeps_its_parts_and_covers_what_was_there() -> None:
    side = 64
    labels = torch.zeros(2, 3, side, side, dtype=torch.uint8)
    labels[1, 2, 20:40, 10:50] = 7  # a whole
    labels[1, :2, 20:40, 10:30], labels[1, :2, 20:40, 30:50] = 9, 4  # of two parts
    pixels = torch.zeros(2, 3, side, side)
    pixels[1, 0] = 1
    out, ids = paste(pixels, labels, pixels, labels, Draws(2, seed=3, position=1, device=CPU), share=1.0)
    assert torch.equal(ids[1], labels[1]), "there is nothing to paste in the other scene"
    wholes, parts = ids[0, 2], ids[0, 1]
    assert set(wholes.unique().tolist()) == {0, 1}
    assert set(parts.unique().tolist()) == {0, 1, 2}
    assert torch.equal(wholes > 0, parts > 0)
    assert torch.equal(parts, ids[0, 0])
    rows, columns = (wholes > 0).nonzero().unbind(1)
    assert (wholes > 0).sum() == (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1), (
        "a rectangle still"
    )
    inside = wholes > 0
    inside[1:-1, 1:-1] = (
        inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    )
    assert out[0, 0][inside].min() > out[0, 0][wholes == 0].max(), "the red of the other scene, where the labels say"


def test_what_is_cut_off_and_what_does_not_fit_a_byte_is_not_pasted() -> None:
    wholes = torch.zeros(1, 64, 64, dtype=torch.uint8)
    wholes[0, 10:30, 10:30], wholes[0, 40:60, 50:64], wholes[0, 50, 5] = 1, 2, 3
    assert whole_things(wholes).nonzero().tolist() == [[0, 1]]

    labels = wholes[:, None].repeat(2, 3, 1, 1)
    labels[0, 0, 0, 0] = 254  # one id more, and padding has none
    pixels = torch.rand(2, 3, 64, 64)
    out, ids = paste(pixels, labels, pixels, labels, Draws(2, seed=0, position=0, device=CPU), share=1.0)
    assert torch.equal(ids[0], labels[0])
    assert torch.equal(out[0], pixels[0])
    assert not torch.equal(ids[1], labels[1])


def test_nothing_is_pasted_where_nothing_is_to_be(scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    pixels, labels = floats(scenes[0]), scenes[1]
    out, ids = paste(pixels, labels, pixels, labels, Draws(8, seed=0, position=0, device=CPU), share=0.0)
    assert torch.equal(ids, labels)
    torch.testing.assert_close(out, pixels)
    alone = mix(*(x[:1] for x in scenes), size=64, seed=0, position=0, paste_share=1.0)
    assert alone.labels.shape == (1, 3, 64, 64)


def test_labels_are_where_a_loop_over_pixels_puts_them(scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    """The geometry of a crop, from the three numbers of each axis, in plain Python."""
    _, labels = scenes
    rows = torch.stack([torch.linspace(0.5, 63.5, 64), torch.linspace(60.2, 3.7, 64)])
    columns = torch.stack([torch.linspace(20.3, 40.9, 64), torch.linspace(-5, 80, 64)])
    found = look_up(labels[:2], rows.floor(), columns.floor())
    for image in range(2):
        for y in range(0, 64, 7):
            for x in range(64):
                row, column = (min(max(math.floor(line[image, k]), 0), 63) for line, k in ((rows, y), (columns, x)))
                assert torch.equal(found[image, :, y, x], labels[image, :, row, column])


def test_a_crop_is_a_rectangle_of_its_scene() -> None:
    """A scene whose values are its coordinates tells where every pixel came from; labels came from the same place."""
    side = 64
    at = (torch.arange(side) + 0.5) / side
    there = torch.stack([at[:, None].expand(side, side), at.expand(side, side), torch.zeros(side, side)])
    places = (torch.arange(side).byte()[:, None].expand(side, side), torch.arange(side).byte().expand(side, side))
    labels = torch.stack([*places, torch.zeros(side, side, dtype=torch.uint8)])
    draws = Draws(16, seed=0, position=0, device=CPU)
    pixels, ids, valid = crop(there.repeat(16, 1, 1, 1), labels.repeat(16, 1, 1, 1), draws, size=48)
    shapes = set()
    for image in range(16):
        height, width = int(valid[image].any(1).sum()), int(valid[image].any(0).sum())
        assert valid[image, :height, :width].all(), "it lies in the corner"
        assert max(height, width) == 48
        assert min(height, width) >= 0.6 * 48 - 2
        for axis in range(2):
            seen, named = pixels[image, axis, :height, :width] * side, ids[image, axis, :height, :width].float() + 0.5
            assert (seen - named).abs().max() <= 0.51
            line = seen[:, 0] if axis == 0 else seen[0]
            steps = line.diff()
            torch.testing.assert_close(steps, steps.mean().expand_as(steps), atol=0.35, rtol=0)
        upright = pixels[image, 0, 0, 0] < pixels[image, 0, height - 1, 0]
        shapes.add((height, width, bool(upright), bool(pixels[image, 1, 0, 0] < pixels[image, 1, 0, width - 1])))
    assert len(shapes) > 8
    assert len({across for *_, across in shapes}) == 2, "some are mirrored"


def test_resampling_keeps_a_plane_and_averages_what_it_leaves_out() -> None:
    plane = torch.full((1, 1, 16, 16), 0.3)
    places = torch.linspace(0.5, 15.5, 4)[None]
    torch.testing.assert_close(resample(plane, places, places, torch.tensor([0.25])), torch.full((1, 1, 4, 4), 0.3))
    stripes = torch.arange(16.0).remainder(2).expand(1, 1, 16, 16)
    middle = torch.tensor([[6.0, 10.0]])
    torch.testing.assert_close(resample(stripes, middle, middle, torch.tensor([0.25])), torch.full((1, 1, 2, 2), 0.5))


def test_images_stay_in_range_and_light(scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    crisp = sharpen(floats(scenes[0]), Draws(8, seed=0, position=0, device=CPU))
    assert crisp.min() >= 0
    assert crisp.max() <= 1
    assert not torch.equal(crisp, floats(scenes[0]))
    batch = mixed(scenes)
    means = [batch.pixels[k][:, batch.valid[k]].float().mean() for k in range(8)]
    assert min(means) > 5
    assert max(means) < 250
    assert min(batch.pixels[k][:, batch.valid[k]].float().std() for k in range(8)) > 2


class _OnADevice(Draws):
    """Numbers on a device that this machine need not have."""

    def __init__(self, images: int, *, device: torch.device, **_: int) -> None:
        self._columns = iter(torch.empty(64, images, device=device))
        self._choices = iter(torch.empty(2, images, 256, device=device))

    def normal(self, like: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(like)


def test_a_gpu_is_never_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors without content say where they are, and refuse to be read: everything happens on the device."""
    monkeypatch.setattr(mixing, "Draws", _OnADevice)
    with FakeTensorMode():
        images = torch.empty(4, 64, 64, 3, dtype=torch.uint8, device="cuda")
        labels = torch.empty(4, 3, 64, 64, dtype=torch.uint8, device="cuda")
        batch = mix(images, labels, size=64, seed=0, position=0, paste_share=0.5)
    assert {x.device.type for x in (batch.pixels, batch.labels, batch.valid)} == {"cuda"}


def test_a_run_that_mixes_on_the_device_resumes_exactly(cache: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        image_size=64,
        scene_size=64,
        scenes=12,
        steps=4,
        affinity_steps=1,
        balanced_steps=1,
        batch_size=2,
        prompts=2,
        rounds=2,
        warmup_steps=2,
        augmentation="device",
    )
    whole = Trainer(config)
    for batch in whole.batches(cache):
        whole.train_step([batch])
        if whole.step == 2:
            whole.save(tmp_path / "half.pt")
    resumed = Trainer.resume(tmp_path / "half.pt")
    assert resumed.config.augmentation == "device"
    resumed.run(tmp_path, cache, workers=0)
    assert resumed.step == whole.step == 4
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)


def test_the_processor_leaves_augmentation_to_its_workers() -> None:
    assert Trainer(TrainConfig(network="tiny_plain", image_size=64)).config.augmentation == "workers"
    with pytest.raises(ModelError, match="workers"):
        Trainer(dataclasses.replace(TrainConfig(), augmentation="gpu"))
