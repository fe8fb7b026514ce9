"""Only the parts of a mask that are under the prompt are kept."""

from __future__ import annotations

import torch
from torch import Tensor

from sam_widget.model.tiny.connectivity import connected, prompted_cells

# Two parts that touch at a corner, and one on its own.
PICTURE = [
    "##......",
    "##......",
    "..##..##",
    "......##",
]


def logits() -> Tensor:
    return torch.tensor([[2.0 if cell == "#" else -1.0 for cell in row] for row in PICTURE])[None, None]


def asked(*cells: tuple[int, int]) -> Tensor:
    there = torch.zeros(1, 4, 8, dtype=torch.bool)
    for row, column in cells:
        there[0, row, column] = True
    return there


def test_what_a_click_is_not_on_goes() -> None:
    kept = connected(logits(), asked((0, 0)))[0, 0]
    assert (kept > 0).sum() == 6, "both parts that touch"
    assert torch.equal(kept[2:, 6:], torch.full((2, 2), -2.0))
    assert torch.equal(kept[logits()[0, 0] < 0], torch.full((22,), -1.0))


def test_every_part_that_is_clicked_stays() -> None:
    assert torch.equal(connected(logits(), asked((0, 0), (3, 7))), logits())


def test_a_mask_that_no_click_is_on_stays_as_it_is() -> None:
    assert torch.equal(connected(logits(), asked((0, 5))), logits())
    assert torch.equal(connected(logits(), asked()), logits())


def test_each_prompt_and_each_mask_for_itself() -> None:
    two = logits().expand(2, 3, -1, -1)
    there = torch.cat([asked((0, 0)), asked((3, 7))])
    assert [int(n) for n in (connected(two, there) > 0).sum((2, 3)).flatten()] == [6, 6, 6, 4, 4, 4]


def test_foreground_clicks_boxes_and_masks_are_prompted_cells() -> None:
    points, labels = torch.tensor([[[0.3, 0.6], [0.9, 0.9], [0.0, 0.0]]]), torch.tensor([[1, 0, -1]])
    named = prompted_cells(points, labels, None, None, batch=1, side=10)
    assert named.nonzero().tolist() == [[0, 6, 3]]
    named = prompted_cells(None, None, torch.tensor([[0.2, 0.4, 0.5, 0.6]]), None, batch=1, side=10)
    assert named.nonzero().tolist() == [[0, row, column] for row in (4, 5) for column in (2, 3, 4)]
    mask = torch.full((1, 1, 10, 10), -1.0)
    mask[0, 0, 3, 4] = 1
    assert prompted_cells(None, None, None, mask, batch=1, side=10).nonzero().tolist() == [[0, 3, 4]]
    assert not prompted_cells(None, None, None, None, batch=1, side=10).any()
