"""Prompt maps: points, boxes and masks encoded as values of every pixel of an image.

With such maps a mask decoder does not have to learn to attend to places before it can learn about masks. Networks that
take clicks together with the image get similar maps as extra input channels (RITM, arXiv 2102.06583); here they are
added to features that were computed before any click. Pixels are in the order of a `Grid`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, linear

from sam_widget.model.mask_decoder import per_prompt
from sam_widget.model.tiny.pixel_order import Grid

# Inside a box; similar to, near, and not far from a foreground point; the same for background points.
NEAR_MAPS = 7
# Similar to the content of a box, to a foreground point, to a background point, to the content of a mask.
RESEMBLANCE_MAPS = 4
MAPS = NEAR_MAPS + RESEMBLANCE_MAPS

# Widths of the two Gaussians around a point, as fractions of the image's side.
_NEAR, _FAR = 0.02, 0.1


class Likeness(nn.Module):
    """The similarity between features at some places and the pixels of an image, on one level of features."""

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, width, kernel_size=1)
        self.scale = nn.Parameter(torch.tensor(-3.0))

    def keys(self, pixels: Tensor) -> Tensor:
        """Return keys for pixels (I, P, C): their projection, its squared norm, and a one: (I, width + 2, P)."""
        keys = _projected(self.project, pixels)
        squares = keys.square().sum(2, keepdim=True)
        return torch.cat([keys, squares, torch.ones_like(squares)], dim=2).transpose(1, 2)

    def forward(self, keys: Tensor, found: Tensor) -> Tensor:
        """Return log similarities (B, N, P), at most 0, of features at places (B, N, C) and the keys of pixels."""
        found = _projected(self.project, found)
        squares = found.square().sum(2, keepdim=True)
        # The squared distance is a single product, due to the last two rows of the keys.
        query = torch.cat([2 * found, -torch.ones_like(squares), -squares], dim=2)
        return _per_image(self.scale.exp() * query, keys).clamp(max=0)


def near_maps(
    grid: Grid, likeness: Tensor, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None
) -> Tensor:
    """Return maps of each pixel's proximity and similarity to points and boxes.

    For foreground and for background points: the similarity of the pixel's features to those at the most similar point,
    and two Gaussians of different width around the points; for boxes, the inside, and the similarity to their centre.
    The position of a click thus matters from the first step of training.

    Args:
        grid: The grid of the pixels.
        likeness: (B, N, P), see `Likeness`, of all points, followed by the boxes' centres if there are boxes.
        points: (B, N, 2) x, y in [0, 1] of the model input.
        labels: (B, N): 1 foreground, 0 background, -1 padding.
        boxes: (B, 4) in [0, 1].

    Returns:
        (B, NEAR_MAPS, P).
    """
    planes = likeness.new_zeros(len(likeness), NEAR_MAPS - 1, likeness.shape[2])
    if points is not None and labels is not None:
        apart = (points.to(likeness.dtype)[..., None] - grid.at).square().sum(2)  # (B, N, P)
        of_points = likeness[:, : points.shape[1]]
        logarithms = torch.stack([of_points, apart / (-2 * _NEAR**2), apart / (-2 * _FAR**2)], dim=1)
        planes = torch.cat([_of_kind(logarithms, labels == kind) for kind in (1, 0)], dim=1)
    if boxes is None:
        return torch.cat([torch.zeros_like(planes[:, :1]), planes], dim=1)
    like = torch.maximum(planes[:, 0], likeness[:, -1].exp())
    return torch.cat([torch.stack([inside(boxes, grid), like], dim=1), planes[:, 1:]], dim=1)


def _of_kind(logarithms: Tensor, kind: Tensor) -> Tensor:
    """Return the exponential of the maximum of `logarithms` (B, K, N, P) over the points selected by `kind` (B, N)."""
    if kind.device.type == "cpu" and not kind.any():  # as is common for background points
        return torch.zeros_like(logarithms[:, :, 0])
    logarithms = logarithms.masked_fill(~kind[:, None, :, None], -torch.inf)
    # The logarithm is monotonic, so taking the maximum first saves exponentials.
    return (logarithms.amax(2) if logarithms.shape[2] > 1 else logarithms[:, :, 0]).exp()


class Overview(NamedTuple):
    """A summary of an image by K representative places.

    Attributes:
        keys: (I, width + 2, P), keys of the pixels, including their positions.
        belongs: (I, K, P), soft assignment of each pixel to the places.
        weight: (I, 1, P), logarithm of the total weight of the places, to be shared with further places.
    """

    keys: Tensor
    belongs: Tensor
    weight: Tensor


class Resemblance(nn.Module):
    """Finds pixels that resemble the prompt rather than the rest of the picture.

    A few hundred places (a grid over the image, a grid in the box, the points) represent the image; each pixel is
    softly assigned, by softmax, to the places that resemble it. Values of pixels are averaged over each place, and the
    values of the places are spread back to their pixels. A box thus selects the pixels that resemble its inside but not
    its outside. GrabCut (Rother et al., 2004) does the same with colours instead of learned features.
    """

    # Side of the grid of places over the image.
    _OVERVIEW = 12

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, width, kernel_size=1)
        # Weight of the spatial distance, in units of the image's side, in the feature distance.
        self.apart = nn.Parameter(torch.tensor(4.0))

    def overview(self, features: Tensor, pixels: Tensor, at: Tensor) -> Overview:
        """Summarise images before any prompt.

        Args:
            features: (I, C, h, w).
            pixels: The same features in the order of a `Grid`, (I, P, C).
            at: (2, P), positions of the pixels.
        """
        keys = _projected(self.project, pixels).transpose(1, 2)
        keys = torch.cat([keys, (self.apart * at).expand(len(keys), -1, -1)], dim=1)
        places = lattice(self._OVERVIEW, features).expand(len(features), -1, -1)
        likeness = self._likeness(keys, sample(features, places), places, features.shape[-2:])
        return Overview(keys, likeness.softmax(1), likeness.logsumexp(1, keepdim=True))

    def belonging(
        self, overview: Overview, found: Tensor, places: Tensor, labels: Tensor | None, *, size: tuple[int, ...]
    ) -> Tensor:
        """Return the soft assignment of each pixel to M further places, and to the whole overview.

        Args:
            overview: Overview of the image.
            found: (B, M, C), features at the places.
            places: (B, M, 2), x and y in [0, 1].
            labels: (B, N) labels of the first N places, -1 for padding.
            size: Height and width of the level of features.

        Returns:
            (B, M + 1, P), the overview last.
        """
        likeness = self._likeness(overview.keys, found, places, size)
        if labels is not None:
            padding = nn.functional.pad(labels == -1, (0, places.shape[1] - labels.shape[1]))
            likeness = likeness.masked_fill(padding[:, :, None], -torch.inf)
        return torch.cat([likeness, per_prompt(overview.weight, len(found))], dim=1).softmax(1)

    def _likeness(self, keys: Tensor, found: Tensor, places: Tensor, size: tuple[int, ...]) -> Tensor:
        """Return negative squared distances (B, N, P), without a term that is the same for all places."""
        found = _projected(self.project, found)
        half = places.new_tensor([0.5 / size[1], 0.5 / size[0]])
        there = places.clamp(half, 1 - half)  # `sample` clamps to the centres of the outermost cells
        found = torch.cat([found, (self.apart * there).to(found.dtype)], dim=2)
        return _per_image(2 * found, keys) - found.square().sum(2, keepdim=True)


def resembling(overview: Overview, shares: Tensor, labels: Tensor | None, in_box: Tensor | None) -> Tensor:
    """Return maps of each pixel's resemblance to boxes and points.

    Args:
        overview: Overview of the image.
        shares: (B, M + 1, P), see `Resemblance.belonging`; the points come first.
        labels: (B, N): 1 foreground, 0 background, -1 padding.
        in_box: (B, P), share of each pixel inside a box.

    Returns:
        All maps but that of a mask, (B, RESEMBLANCE_MAPS - 1, P).
    """
    nothing = torch.zeros_like(shares[:, :1])
    of_box, of_points = nothing, nothing.expand(-1, 2, -1)
    if in_box is not None:
        # A second pass down-weights pixels inside the box that resemble its outside.
        of_box = spread(in_box * spread(in_box, overview, shares), overview, shares)[:, None]
    if labels is not None:
        kinds = torch.stack([labels == 1, labels == 0], dim=1).to(shares.dtype)  # (B, 2, N)
        of_points = kinds @ shares[:, : labels.shape[1]]
    return torch.cat([of_box, of_points], dim=1)


def spread(values: Tensor, overview: Overview, shares: Tensor) -> Tensor:
    """Spread values (B, P) of pixels to all pixels that resemble them; `shares` is the result of `belonging`."""
    rest = shares[:, -1]
    weights = shares[:, :-1]
    of_places = (weights @ values[:, :, None])[..., 0] / weights.sum(2).clamp(min=1e-6)  # (B, M)
    both = _per_image(torch.stack([rest * values, rest], dim=1), overview.belongs.transpose(1, 2))  # (B, 2, K)
    of_overview = both[:, :1] / both[:, 1:].clamp(min=1e-6)
    return (of_places[:, None] @ weights)[:, 0] + rest * _per_image(of_overview, overview.belongs)[:, 0]


def inside(boxes: Tensor, grid: Grid) -> Tensor:
    """Return the share of each pixel inside boxes (B, 4): (B, P)."""
    start, end = boxes.to(grid.at.dtype).view(-1, 2, 2, 1).unbind(1)  # (B, 2, 1), x and y
    sides = torch.minimum(grid.at + grid.reach, end) - torch.maximum(grid.at - grid.reach, start)
    return (sides / (2 * grid.reach)).clamp(0, 1).prod(1)


def lattice(side: int, like: Tensor) -> Tensor:
    """Return the centres of `side` x `side` cells of the unit square: (1, side * side, 2)."""
    at = ((torch.arange(side, device=like.device) + 0.5) / side).to(like.dtype)
    return torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1).view(1, -1, 2)


def sample(level: Tensor, places: Tensor) -> Tensor:
    """Sample features (I, C, h, w) at places (B, N, 2), x and y in [0, 1]: (B, N, C)."""
    if not places.shape[1]:
        return level.new_zeros(len(places), 0, level.shape[1])
    grid = (2 * places.float() - 1).view(len(level), -1, places.shape[1], 2)
    seen = grid_sample(level.float(), grid, align_corners=False, padding_mode="border")  # (I, C, B / I, N)
    return seen.permute(0, 2, 3, 1).flatten(0, 1).to(level.dtype)


def _projected(convolution: nn.Conv2d, features: Tensor) -> Tensor:
    """Apply a 1x1 convolution to features (B, N, C)."""
    return linear(features, convolution.weight.flatten(1), convolution.bias)


def _per_image(prompts: Tensor, images: Tensor) -> Tensor:
    """Multiply prompts (B, N, w) with their images (I, w, P); prompts of one image are consecutive."""
    if len(prompts) == len(images):
        return prompts @ images
    together = prompts.reshape(len(images), -1, prompts.shape[2]) @ images
    return together.view(*prompts.shape[:2], -1)
