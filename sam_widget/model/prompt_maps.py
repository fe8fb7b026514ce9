"""Maps of a prompt: what points, boxes and masks say about every pixel of an image.

A mask decoder that is given such maps need not learn to attend to places before it can learn about masks. Networks that
take clicks together with the image get the like of them as further input channels (RITM, arXiv 2102.06583); here they
join features that were computed before anybody clicked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, grid_sample

from sam_widget.model.mask_decoder import per_prompt
from sam_widget.model.of_one_image import OfOneImage

# Inside a box; like, near, and not far from a foreground point; the same of a background point.
NEAR_MAPS = 7
# Like what is in a box, like a foreground point, like a background point, like what a mask covers.
RESEMBLANCE_MAPS = 4
MAPS = NEAR_MAPS + RESEMBLANCE_MAPS


class PromptMaps(nn.Module):
    """What points and boxes say about every pixel: how near and how alike it is.

    For foreground and for background points: two bumps of different width around them, and the likeness of the pixel's
    features to those at the most alike point; for boxes, what is inside. A click then matters where it is from the
    first step of training, and a small decoder need not learn to attend to places before it can learn about masks.
    """

    # Widths of the bumps, as shares of the image's side.
    _NEAR, _FAR = 0.02, 0.1

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, width, kernel_size=1)
        self.scale = nn.Parameter(torch.tensor(-3.0))
        self._keys = OfOneImage[tuple[Tensor, Tensor]]()

    def keys(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """Return what pixels of (I, C, h, w) are compared by, (I, width, h, w), and its squares' sums (I, 1, h * w)."""

        def make() -> tuple[Tensor, Tensor]:
            keys = self.project(level)
            return keys, keys.square().sum(1).flatten(1)[:, None]

        return self._keys.get([level], list(self.project.parameters()), make)

    def forward(
        self, level: Tensor, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, *, batch: int
    ) -> Tensor:
        """Return (B, NEAR_MAPS, h, w) for features (I, C, h, w).

        Args:
            level: Features of the image.
            points: (B, N, 2) x, y in [0, 1] of the model input.
            labels: (B, N) 1 foreground, 0 background, -1 padding.
            boxes: (B, 4) in [0, 1].
            batch: B.
        """
        height, width = level.shape[-2:]
        maps = level.new_zeros(batch, NEAR_MAPS, height, width)
        y, x = _centres(height, level), _centres(width, level)
        keys, squares_of_keys = self.keys(level)
        places, kinds = [], []
        if boxes is not None:
            maps[:, 0] = _inside(boxes, level).view(-1, height, width)
            places.append((boxes[:, None, :2] + boxes[:, None, 2:]) / 2)
            kinds.append(torch.ones(batch, 1, dtype=torch.long, device=level.device))
        if points is not None and labels is not None:
            places.append(points)
            kinds.append(labels)
        if not places:
            return maps
        place, kind = torch.cat(places, dim=1).to(level.dtype), torch.cat(kinds, dim=1)
        found = sample(keys, place)  # (B, N, width)
        squares = (
            found.square().sum(2)[:, :, None]
            + per_prompt(squares_of_keys, batch)
            - 2 * found @ per_prompt(keys.flatten(2), batch)
        )
        alike = (-self.scale.exp() * squares.clamp(min=0)).exp()  # (B, N, h * w)
        apart = (place[..., 1, None, None] - y[:, None]).square() + (place[..., 0, None, None] - x).square()
        planes = []
        for label in (1, 0):
            of_kind = (kind == label)[:, :, None].to(level.dtype)
            planes.append((alike * of_kind).amax(1).view(batch, 1, height, width))
            for bump in (self._NEAR, self._FAR):
                near = (-apart.flatten(2) / (2 * bump**2)).exp()
                if boxes is not None:  # Its middle is no click.
                    near = torch.cat([torch.zeros_like(near[:, :1]), near[:, 1:]], dim=1)
                planes.append((near * of_kind).amax(1).view(batch, 1, height, width))
        return torch.cat([maps[:, :1], *planes], dim=1)


class Resemblance(nn.Module):
    """Which pixels look like what a prompt means, rather than like the rest of the picture?

    A few hundred places of the image (a grid, a grid in the box, the points) stand for all that it shows; every pixel
    belongs to those that look like it, by softmax. What is said of a pixel is then said of its places, and what is said
    of a place of all its pixels. A box thus finds the pixels whose like is inside the box and not outside, which is
    the question that GrabCut (Rother et al., 2004) puts to colours; here it is put to learned features.
    """

    # Places on a side, of the image and in a box.
    _OVERVIEW, _IN_BOX = 12, 7

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, width, kernel_size=1)
        # How much unlikeness it makes to be a whole image apart.
        self.apart = nn.Parameter(torch.tensor(4.0))
        self._keys = OfOneImage[Tensor]()

    def keys(self, level: Tensor) -> Tensor:
        """Return what pixels of (I, C, h, w) are compared by, where they are included: (I, width + 2, h, w)."""

        def make() -> Tensor:
            centres = [_centres(cells, level) for cells in (level.shape[-1], level.shape[-2])]
            across = torch.stack(torch.meshgrid(*centres, indexing="xy"))
            return torch.cat([self.project(level), (self.apart * across).expand(len(level), -1, -1, -1)], dim=1)

        return self._keys.get([level], [*self.project.parameters(), self.apart], make)

    def belonging(
        self, level: Tensor, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, *, batch: int
    ) -> tuple[Tensor, Tensor]:
        """Say which places pixels belong to, and what points and boxes mean by that.

        Args:
            level: Features (I, C, h, w) of the image.
            points: (B, N, 2) x, y in [0, 1] of the model input.
            labels: (B, N) 1 foreground, 0 background, -1 padding.
            boxes: (B, 4) in [0, 1].
            batch: B.

        Returns:
            To which share each pixel belongs to each place, (B, K, h * w), and all maps but that of a mask,
            (B, RESEMBLANCE_MAPS - 1, h, w).
        """
        height, width = level.shape[-2:]
        keys = self.keys(level)
        places = [_lattice(self._OVERVIEW, level).expand(batch, -1, -1)]
        if boxes is not None:
            corner, size = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
            places.append(corner + _lattice(self._IN_BOX, level) * size)
        clicked = 0
        if points is not None and labels is not None:
            places.append(points.to(level.dtype))
            clicked = points.shape[1]
        found = sample(keys, torch.cat(places, dim=1))  # (B, K, width + 2)
        # Squared distances, short of a term that all places share.
        likeness = 2 * found @ per_prompt(keys.flatten(2), batch) - found.square().sum(2, keepdim=True)  # (B, K, h * w)
        if clicked and labels is not None:
            likeness[:, -clicked:].masked_fill_((labels == -1)[:, :, None], -torch.inf)
        belongs = likeness.softmax(1)
        planes = [level.new_zeros(batch, height * width) for _ in range(RESEMBLANCE_MAPS - 1)]
        if boxes is not None:
            inside = _inside(boxes, level)
            # What is inside and looks like much that is outside is not what was meant: asked once more without it.
            planes[0] = _spread(inside * _spread(inside, belongs), belongs)
        if clicked and labels is not None:
            of_points = belongs[:, -clicked:]
            planes[1] = (of_points * (labels == 1)[:, :, None]).sum(1)
            planes[2] = (of_points * (labels == 0)[:, :, None]).sum(1)
        return belongs, torch.stack(planes, dim=1).view(batch, -1, height, width)

    def with_mask(self, belongs: Tensor, maps: Tensor, masks: Tensor | None) -> Tensor:
        """Add what a mask (B, 1, m, m) of logits means, or nothing, to what `belonging` returns.

        Returns:
            (B, RESEMBLANCE_MAPS, h, w).
        """
        if masks is None:
            return torch.cat([maps, torch.zeros_like(maps[:, :1])], dim=1)
        height, width = maps.shape[-2:]
        covered = adaptive_avg_pool2d(masks.to(maps.dtype).sigmoid(), (height, width))
        return torch.cat([maps, _spread(covered.flatten(1), belongs).view_as(covered)], dim=1)


def _spread(said: Tensor, belongs: Tensor) -> Tensor:
    """What is said (B, h * w) of pixels, said of all that look like them."""
    of_places = (belongs @ said[:, :, None])[..., 0] / belongs.sum(2).clamp(min=1e-6)  # (B, K)
    return (of_places[:, None] @ belongs)[:, 0]


def _centres(cells: int, like: Tensor) -> Tensor:
    return ((torch.arange(cells, device=like.device) + 0.5) / cells).to(like.dtype)


def _lattice(side: int, like: Tensor) -> Tensor:
    """Return the centres of `side` x `side` cells of the unit square: (1, side * side, 2)."""
    at = _centres(side, like)
    return torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1).view(1, -1, 2)


def _inside(boxes: Tensor, level: Tensor) -> Tensor:
    """Return how much of each cell of (I, C, h, w) lies in boxes (B, 4): (B, h * w)."""
    height, width = level.shape[-2:]
    x0, y0, x1, y1 = boxes.to(level.dtype).unbind(1)
    across = _ramp(_centres(width, level), x0, x1, width)
    return (_ramp(_centres(height, level), y0, y1, height)[:, :, None] * across[:, None, :]).flatten(1)


def _ramp(at: Tensor, start: Tensor, end: Tensor, cells: int) -> Tensor:
    """Return how much of each of `cells` cells on a line lies between (B,) starts and ends: (B, cells)."""
    half = 0.5 / cells
    inside = torch.minimum(at + half, end[:, None]) - torch.maximum(at - half, start[:, None])
    return (inside * cells).clamp(0, 1)


def sample(level: Tensor, places: Tensor) -> Tensor:
    """Return features (I, C, h, w) at places (B, N, 2), x and y in [0, 1]: (B, N, C)."""
    grid = (2 * places.float() - 1).view(len(level), -1, places.shape[1], 2)
    seen = grid_sample(level.float(), grid, align_corners=False, padding_mode="border")  # (I, C, B / I, N)
    return seen.permute(0, 2, 3, 1).flatten(0, 1).to(level.dtype)
