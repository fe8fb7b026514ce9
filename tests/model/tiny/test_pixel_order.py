"""Pixels in the order in which a decoder makes them, and back."""

from __future__ import annotations

import torch

from sam_widget.model.tiny.pixel_order import Grid


def test_pixels_come_in_the_order_of_the_upscaled_image() -> None:
    grid = Grid(4, 2)
    pixels = torch.arange(2 * 3 * 16 * 8.0).view(2, 3, 16, 8)
    made = grid.lay_out(pixels, 0)
    back = made.reshape(2, 3, 4, 2, 2, 2, 2, 2).permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(pixels.shape)
    torch.testing.assert_close(back, pixels)
    # The four pixels of a cell of the middle level, one after the other.
    middle = grid.lay_out(pixels[:, :, ::2, ::2], 1)
    torch.testing.assert_close(made[:, :, ::4], middle)


def test_what_is_laid_out_can_be_looked_at_again() -> None:
    grid = Grid(4, 2)
    for level, shape in enumerate(((16, 8), (8, 4), (4, 2))):
        pixels = torch.rand(2, 3, *shape)
        torch.testing.assert_close(grid.picture(grid.lay_out(pixels, level), level), pixels)


def test_every_pixel_knows_where_it_is() -> None:
    grid = Grid(4, 2)
    for level, at in enumerate(grid.levels(grid.at)):
        x, y = grid.picture(at[None], level)[0]
        rows, columns = grid.shapes[level]
        torch.testing.assert_close(x[1], (torch.arange(columns) + 0.5) / columns)
        torch.testing.assert_close(y[:, 1], (torch.arange(rows) + 0.5) / rows)


def test_a_checkpoint_knows_nothing_of_it() -> None:
    assert not Grid(4, 2).state_dict()
