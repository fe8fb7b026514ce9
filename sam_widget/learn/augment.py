"""Scene augmentation: scenes are cropped, recoloured and mixed on the device, which yields endlessly many from a few.

Scenes are rendered and read from the cache by CPU processes (OpenCV). Everything after that is torch, on any device,
for a whole batch at once and without waiting for the device: each image draws its own random numbers, resampling and
blurring are matrix products, one for rows and one for columns, and labels are looked up, so that they stay exact.
Prompts are drawn on the CPU again (`simulate_clicks`), so labels are copied back to it.

In addition to what `data.augment` does, whole things from other scenes of the batch are pasted into a scene, with their
parts ("Simple Copy-Paste", Ghiasi et al., arXiv 2012.07177), in matching colours and with a shadow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sam_widget.learn.data import SMALLEST_ASPECT, Batch, TrainingSet, one_thread

PASTES = 2
"""Number of attempts at pasting a thing into a scene."""
PASTED_AREA = (0.004, 0.35)
"""Range of the share of its own scene that a pasted thing covers, which excludes specks and backdrops."""


class Draws:
    """Random numbers of a batch, one column at a time, drawn on the CPU so that they are the same on every device."""

    def __init__(self, images: int, *, seed: int, position: int, device: torch.device) -> None:
        """Seed the draws of one batch of a run.

        Args:
            images: B, the number of images in the batch.
            seed: Seed of the run.
            position: Number of the batch in the run.
            device: Device on which the numbers are used.
        """
        entropy = np.random.SeedSequence((seed, position, 13)).generate_state(2)
        generator = torch.Generator().manual_seed(int(entropy[0]))
        self._columns = iter(torch.rand(64, images, generator=generator).to(device))
        self._choices = iter(torch.rand(PASTES, images, 256, generator=generator).to(device))
        self._of_pixels = torch.Generator(device).manual_seed(int(entropy[1]))

    def uniform(self, low: float, high: float) -> Tensor:
        """Return uniform numbers (B,) between two bounds."""
        return low + (high - low) * next(self._columns)

    def chance(self, share: float) -> Tensor:
        """Return booleans (B,), a given share of them true."""
        return next(self._columns) < share

    def choose(self, possible: Tensor) -> tuple[Tensor, Tensor]:
        """Choose one of the possible ids (B, 256) uniformly; returns its index (B,), and whether there was one (B,)."""
        keys = torch.where(possible, next(self._choices), -1.0)
        return keys.argmax(1), possible.any(1)

    def normal(self, like: Tensor) -> Tensor:
        """Return noise of a tensor's shape; it differs between device types."""
        return torch.randn(like.shape, generator=self._of_pixels, device=like.device)


def mix(images: Tensor, labels: Tensor, *, size: int, seed: int, position: int, paste_share: float) -> Batch:
    """Return a batch of new scenes, as a pure function of the scenes, the seed and the position.

    Args:
        images: (B, S, S, 3) uint8 RGB.
        labels: (B, 3, S, S) uint8 regions at the nested levels subpart, part and whole, as in `SceneCache`.
        size: Side of the images of the batch.
        seed: Seed of the run.
        position: Number of the batch in the run.
        paste_share: Share of the attempts at pasting that are made. An attempt fails if a scene contains no complete
            thing, or too many regions for another id to fit into a byte.

    Returns:
        The batch, on the device of the scenes.
    """
    draws = Draws(len(images), seed=seed, position=position, device=images.device)
    pixels = images.permute(0, 3, 1, 2).float() / 255  # (B, 3, S, S)
    original, theirs = pixels, labels
    if len(images) > 1:
        for _ in range(PASTES):
            pixels, labels = paste(pixels, labels, original, theirs, draws, share=paste_share)
    pixels, labels, valid = crop(pixels, labels, draws, size=size)
    pixels = recolour(sharpen(pixels, draws), draws)
    pixels = (pixels.clamp(0, 1) * 255 + 0.5).byte() * valid[:, None]
    return Batch(pixels, (labels.clamp(max=254) + 1) * valid[:, None], valid)


# ------------------------------------------------------------------------------------------ things from other scenes


def paste(
    pixels: Tensor, labels: Tensor, others: Tensor, theirs: Tensor, draws: Draws, *, share: float
) -> tuple[Tensor, Tensor]:
    """Paste a thing from another scene into each scene, at a new place and size, and possibly mirrored.

    The other scenes are those of the batch before pasting: `others` (B, 3, S, S) and `theirs` (B, 3, S, S). The thing's
    parts keep their nesting, under ids that are new in the scene; if these do not fit into a byte, nothing is pasted.

    Returns:
        Pixels (B, 3, S, S) and labels (B, 3, S, S).
    """
    count, side = len(pixels), pixels.shape[-1]
    rows = torch.arange(count, device=pixels.device)
    donor = (rows + 1 + draws.uniform(0, count - 1).long().clamp(max=count - 2)) % count
    others, theirs = others[donor], theirs[donor]
    chosen, found = draws.choose(whole_things(theirs[:, 2]))
    mask = theirs[:, 2] == chosen.to(theirs.dtype)[:, None, None]

    # Coordinates in the other scene of each row and column of this one.
    top, bottom = _extent(mask.any(2))
    left, right = _extent(mask.any(1))
    longest = torch.maximum(bottom - top, right - left)
    wanted = side * draws.uniform(math.log(0.15), math.log(0.7)).exp()
    scale = (wanted / longest).clamp(0.5, 1.8)
    mirrored = torch.where(draws.chance(0.5), -1.0, 1.0)
    at = torch.arange(side, device=pixels.device) + 0.5
    down = (at - side * draws.uniform(0.1, 0.9)[:, None]) / scale[:, None] + (top + bottom)[:, None] / 2
    across = mirrored[:, None] * (at - side * draws.uniform(0.1, 0.9)[:, None]) / scale[:, None]
    across = across + (left + right)[:, None] / 2

    placed = look_up(torch.cat([theirs, mask[:, None].byte()], dim=1), down.floor(), across.floor())
    covered = placed[:, 3] > 0
    renamed, fits = _renamed(placed[:, :3].long(), covered, labels)
    there = (found & fits & draws.chance(share))[:, None, None]
    covered = covered & there

    thing = resample(_adapted(others, pixels, draws), down, across, scale)
    length = (longest * scale)[:, None]
    shade = _blurred(
        covered[:, None].float(),
        draws.uniform(1, 6) * side / 256,
        down=(draws.uniform(0.0, 0.15)[:, None] * length)[:, 0],
        across=(draws.uniform(-0.15, 0.15)[:, None] * length)[:, 0],
    )
    shadow = torch.where(draws.chance(0.6), draws.uniform(0.1, 0.6), 0.0)
    soft = _blurred(covered[:, None].float(), draws.uniform(0.4, 1.0))
    # Slightly steeper than the blur, so that less of the thing's surroundings is copied with it.
    alpha = (1.6 * (soft - 0.5) + 0.5).clamp(0, 1)
    pixels = torch.lerp(pixels * (1 - shadow[:, None, None, None] * shade), thing, alpha)
    return pixels, torch.where(covered[:, None], renamed.to(labels.dtype), labels)


def whole_things(wholes: Tensor) -> Tensor:
    """Return which ids (B, 256) of a level (B, S, S) can be pasted: large enough, and not touching the border.

    A region that touches the border is backdrop or truncated.
    """
    count, side, _ = wholes.shape
    ids = wholes.long()
    area = torch.zeros(count, 256, device=wholes.device)
    area = area.scatter_add(1, ids.flatten(1), torch.ones((), device=wholes.device).expand(count, side * side))
    border = torch.cat([ids[:, 0], ids[:, -1], ids[:, :, 0], ids[:, :, -1]], dim=1)
    cut = torch.zeros_like(area).scatter(1, border, 1.0)
    smallest, largest = (share * side * side for share in PASTED_AREA)
    return (area >= smallest) & (area <= largest) & (cut == 0)


def _extent(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and last (exclusive) occupied line of (B, S), as floats (B,)."""
    side = occupied.shape[1]
    return occupied.byte().argmax(1).float(), (side - occupied.flip(1).byte().argmax(1)).float()


def _renamed(placed: Tensor, covered: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Renumber the regions (B, 3, S, S) of things, where they are `covered` (B, S, S), after the ids of the scenes.

    Returns:
        The ids (B, 3, S, S), and whether they fit into a byte that also marks padding (B,).
    """
    ids = torch.where(covered[:, None], placed, 256).flatten(2)  # (B, 3, S * S); 256 is not an id
    there = torch.zeros(*ids.shape[:2], 257, dtype=torch.long, device=ids.device).scatter(2, ids, 1)[..., :256]
    first = labels.flatten(2).amax(2).long() + 1  # (B, 3)
    name = first[..., None] + there.cumsum(2) - 1  # (B, 3, 256)
    fits = ((first + there.sum(2)) <= 255).all(1)
    renamed = torch.nn.functional.pad(name, (0, 1)).gather(2, ids)
    return renamed.view_as(placed), fits


def _adapted(things: Tensor, scenes: Tensor, draws: Draws) -> Tensor:
    """Shift the colours of `things` (B, 3, S, S) towards the mean and spread of `scenes`, by a random share.

    "Color Transfer between Images" (Reinhard et al., 2001), in RGB.
    """
    share = draws.uniform(0.0, 0.8)[:, None, None, None]
    spread, mean = torch.std_mean(things[..., ::4, ::4], (2, 3), keepdim=True)
    wanted_spread, wanted_mean = torch.std_mean(scenes[..., ::4, ::4], (2, 3), keepdim=True)
    ratio = (wanted_spread / spread.clamp(min=0.02)).clamp(0.5, 2)
    return torch.lerp(things, (things - mean) * ratio + wanted_mean, share).clamp(0, 1)


# ------------------------------------------------------------------------------------------ the camera


def crop(pixels: Tensor, labels: Tensor, draws: Draws, *, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Crop a rectangle from each scene (B, 3, S, S), flip it, and fit it into the top left of a square, like `augment`.

    Returns:
        Pixels (B, 3, size, size), with the edge repeated outside the rectangle; labels (B, 3, size, size); and which
        pixels lie inside it (B, size, size).
    """
    side = pixels.shape[-1]
    longest = torch.where(draws.chance(0.7), (side * draws.uniform(0.5, 1.0)).floor(), float(side))
    aspect = torch.where(draws.chance(0.7), draws.uniform(SMALLEST_ASPECT, 1.0), 1.0)
    shortest, tall = (longest * aspect).floor(), draws.chance(0.4)
    height, width = torch.where(tall, longest, shortest), torch.where(tall, shortest, longest)
    down, rows = _line(height, draws.uniform(0, 1), draws.chance(0.1), longest, side=side, size=size)
    across, columns = _line(width, draws.uniform(0, 1), draws.chance(0.5), longest, side=side, size=size)
    valid = rows[:, :, None] & columns[:, None, :]
    scale = size / longest
    return resample(pixels, down, across, scale), look_up(labels, down.floor(), across.floor()), valid


def _line(
    length: Tensor, place: Tensor, flipped: Tensor, longest: Tensor, *, side: int, size: int
) -> tuple[Tensor, Tensor]:
    """Return the scene coordinate of each row or column (B, size) of an image, and whether it is inside the image.

    Coordinates are in pixels, with pixel centres at +0.5, clamped to the image's edge.
    """
    first = (place * (side - length + 1)).floor().clamp(max=side - length)
    fitted = (length * size / longest + 0.5).floor().clamp(min=1)[:, None]
    at = torch.arange(size, device=length.device).expand(len(length), -1)
    inside = at < fitted
    at = torch.minimum(at, fitted - 1) + 0.5
    at = torch.where(flipped[:, None], fitted - at, at) * length[:, None] / fitted
    return first[:, None] + at, inside


def sharpen(pixels: Tensor, draws: Draws) -> Tensor:
    """Sharpen half of the images (B, 3, S, S), because scenes are softer than downscaled photos; soften some others."""
    much, draw = draws.uniform(0.3, 1.5), draws.uniform(0, 1)
    amount = torch.where(draw < 0.5, much, torch.where(draw > 0.85, -much / 1.5, 0.0))[:, None, None, None]
    soft = _blurred(pixels, draws.uniform(0.8, 1.6))
    return (pixels + amount * (pixels - soft)).clamp(0, 1)


def recolour(pixels: Tensor, draws: Draws) -> Tensor:
    """Change gamma, saturation, contrast, brightness and white balance of images (B, 3, S, S); add grain to some."""
    each = (slice(None), None, None, None)
    pixels = pixels ** draws.uniform(0.7, 1.4)[each]
    grey = pixels.mean(1, keepdim=True)
    pixels = torch.lerp(grey, pixels, draws.uniform(0.3, 1.5)[each])
    pixels = (pixels - 0.5) * draws.uniform(0.7, 1.3)[each] + 0.5 + draws.uniform(-0.1, 0.1)[each]
    balance = torch.stack([draws.uniform(0.9, 1.1) for _ in range(3)], dim=1)
    grain = torch.where(draws.chance(0.3), draws.uniform(0.0, 0.03), 0.0)
    return pixels * balance[..., None, None] + draws.normal(pixels) * grain[each]


# ------------------------------------------------------------------------------------------ rows and columns


def look_up(planes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return planes (B, C, S, S) at rows (B, h) and columns (B, w), clamped to the border: (B, C, h, w)."""
    side, channels = planes.shape[-1], planes.shape[1]
    rows, columns = (line.long().clamp(0, side - 1) for line in (rows, columns))
    tall = planes.gather(2, rows[:, None, :, None].expand(-1, channels, -1, side))
    return tall.gather(3, columns[:, None, None, :].expand(-1, channels, rows.shape[1], -1))


def resample(pixels: Tensor, rows: Tensor, columns: Tensor, scale: Tensor) -> Tensor:
    """Sample pixels (B, C, S, S) at coordinates (B, h) and (B, w), pixel centres at +0.5: (B, C, h, w).

    Interpolates linearly where an image is enlarged; antialiases over 1 / scale pixels where `scale` (B,) is below 1.
    """
    reach = (1 / scale).clamp(min=1)[:, None, None]
    side = pixels.shape[-1]
    centre = torch.arange(side, device=pixels.device) + 0.5

    def weights(places: Tensor) -> Tensor:
        away = (places.clamp(0.5, side - 0.5)[..., None] - centre).abs()  # (B, places, S)
        hat = (1 - away / reach).clamp(min=0)
        return hat / hat.sum(2, keepdim=True)

    return _separable(pixels, weights(rows), weights(columns))


def _blurred(pixels: Tensor, sigma: Tensor, *, down: Tensor | None = None, across: Tensor | None = None) -> Tensor:
    """Blur images (B, C, S, S) by Gaussians of width `sigma` (B,) and shift them by `down`, `across` (B,) pixels."""
    at = torch.arange(pixels.shape[-1], device=pixels.device)
    away = (at[:, None] - at).float()  # (S, S)

    def weights(moved: Tensor | None) -> Tensor:
        distance = away - (0 if moved is None else moved[:, None, None])
        # Avoids denormal numbers, whose arithmetic is slow.
        bell = (-((distance / sigma[:, None, None]) ** 2) / 2).clamp(min=-30).exp()
        # Zeros are shifted in from outside the border; without a shift, the weights are normalised at the border.
        return bell / (bell.sum(2, keepdim=True) if moved is None else sigma[:, None, None] * math.sqrt(2 * math.pi))

    return _separable(pixels, weights(down), weights(across))


def _separable(pixels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Multiply images (B, C, S, S) by a matrix for rows (B, h, S) and one for columns (B, w, S): (B, C, h, w)."""
    return rows[:, None] @ pixels @ columns[:, None].transpose(2, 3)


# ------------------------------------------------------------------------------------------ the stream


class _AsRendered(TrainingSet):
    """The scenes of a training set, in order and without augmentation."""

    def __getitem__(self, position: int) -> Any:
        return self.scene(position)


def mixed_batches(
    dataset: TrainingSet, *, batch_size: int, workers: int, device: torch.device, paste_share: float
) -> Iterator[Batch]:
    """Yield batches in order, rendered or read by `workers` processes and mixed on the device.

    Pixels stay there; labels are copied back to the CPU, which draws the prompts.
    """
    loader: DataLoader[Any] = DataLoader(
        _AsRendered(**vars(dataset)),
        batch_size=batch_size,
        num_workers=workers,
        drop_last=True,
        prefetch_factor=4 if workers else None,
        pin_memory=device.type == "cuda",
        worker_init_fn=one_thread,
    )
    for position, (images, labels) in enumerate(loader, start=dataset.start // batch_size):
        there = (x.to(device, non_blocking=True) for x in (images, labels))
        batch = mix(*there, size=dataset.image_size, seed=dataset.seed, position=position, paste_share=paste_share)
        yield Batch(batch.pixels, batch.labels.cpu(), batch.valid.cpu())
