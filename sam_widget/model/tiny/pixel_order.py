"""The order of pixels in a decoder that splits cells into four, twice."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Number of splits of each level, finest level first.
SPLITS = (2, 1, 0)


class Grid(nn.Module):
    """The pixels of h x w cells on three levels: 4h x 4w, 2h x 2w, and the cells themselves, P in total.

    Pixels are in the order in which the decoder produces them: cell by cell, within a cell its 2 x 2 cells in turn, and
    within these their own. Features reordered once per image, and maps of the prompts, thus need no reordering for each
    prompt.

    Attributes:
        sizes: Number of pixels of each level.
        at: (2, P), x and y of the pixels' centres, in [0, 1].
        reach: (2, P), half of their width and height.
    """

    at: Tensor
    reach: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.shapes = [(height << splits, width << splits) for splits in SPLITS]
        self.sizes = [rows * columns for rows, columns in self.shapes]
        at, reach = [], []
        for level, (rows, columns) in enumerate(self.shapes):
            order = _order(height, width, SPLITS[level])
            x, y = order % columns, order // columns
            at.append(torch.stack([(x + 0.5) / columns, (y + 0.5) / rows]))
            reach.append(torch.tensor([[0.5 / columns], [0.5 / rows]], device="cpu").expand(-1, len(order)))
            # Not persistent, because all of it follows from the sizes.
            self.register_buffer(f"order_{level}", order, persistent=False)
            self.register_buffer(f"place_{level}", order.argsort(), persistent=False)
        self.register_buffer("at", torch.cat(at, dim=1), persistent=False)
        self.register_buffer("reach", torch.cat(reach, dim=1), persistent=False)

    def levels(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Split (..., P) into the pixels of the three levels."""
        return torch.split(pixels, self.sizes, dim=-1)

    def lay_out(self, picture: Tensor, level: int) -> Tensor:
        """Reorder a feature map (B, C, rows, columns) of a level to the decoder's pixel order: (B, C, pixels)."""
        return _moved(picture.flatten(2), self.get_buffer(f"order_{level}"))

    def picture(self, pixels: Tensor, level: int) -> Tensor:
        """Invert `lay_out`: (B, C, pixels) to (B, C, rows, columns)."""
        return _moved(pixels, self.get_buffer(f"place_{level}")).view(*pixels.shape[:2], *self.shapes[level])


def _order(height: int, width: int, splits: int) -> Tensor:
    """Return the row-major indices of the pixels of split cells, in the decoder's order."""
    # On the CPU even under the meta device, because nothing will be loaded into it.
    numbers = torch.arange((height << splits) * (width << splits), device="cpu")
    halves = (2,) * splits
    rows, columns = range(1, 1 + splits), range(2 + splits, 2 + 2 * splits)
    within = [axis for pair in zip(rows, columns, strict=True) for axis in pair]
    return numbers.view(height, *halves, width, *halves).permute(0, 1 + splits, *within).flatten()


def _moved(pixels: Tensor, order: Tensor) -> Tensor:
    return pixels.gather(2, order.expand(*pixels.shape[:2], -1))
