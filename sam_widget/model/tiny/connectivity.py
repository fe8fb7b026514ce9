"""Restrict masks to the parts that are connected to the prompt."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import label
from torch import Tensor

# 8-connectivity within a mask, none between masks.
_NEIGHBOURS = np.zeros((3, 3, 3))
_NEIGHBOURS[1] = 1


def connected(logits: Tensor, prompted: Tensor) -> Tensor:
    """Remove the parts of masks that are not connected to the prompt.

    A small model also finds other instances that look like the clicked thing, while the user means the clicked one. A
    mask of which no part is under the prompt is returned unchanged.

    Args:
        logits: (B, N, h, w) of N masks for each of B prompts.
        prompted: (B, h, w) bool, true at foreground clicks, in boxes, and in a given mask.

    Returns:
        The logits (B, N, h, w), with the sign flipped in removed parts.
    """
    masks = (logits > 0).cpu().numpy()
    parts, found = label(masks.reshape(-1, *masks.shape[2:]), structure=_NEIGHBOURS)
    parts = parts.reshape(masks.shape)
    goes, names = np.ones(found + 1, np.bool_), np.zeros(masks.shape[:2], np.bool_)
    for prompt, wanted in enumerate(prompted.cpu().numpy()):
        named = parts[prompt][:, wanted]  # (N, cells)
        goes[named] = False
        names[prompt] = named.any(axis=1)
    goes[0] = False  # label 0 is the outside of all masks
    if not goes.any():
        return logits
    other = torch.from_numpy(goes.take(parts) & names[:, :, None, None]).to(logits.device)
    return torch.where(other, -logits, logits)


def prompted_cells(
    points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, masks: Tensor | None, *, batch: int, side: int
) -> Tensor:
    """Return the cells (B, side, side) under foreground clicks, boxes and masks.

    Args:
        points: (B, N, 2) x, y in [0, 1] of the model input.
        labels: (B, N): 1 foreground, 0 background, -1 padding.
        boxes: (B, 4) in [0, 1].
        masks: (B, 1, side, side) logits.
        batch: B.
        side: Side of the masks, in cells.
    """
    given = next((prompt for prompt in (points, boxes, masks) if prompt is not None), None)
    prompted = torch.zeros(batch, side, side, dtype=torch.bool, device=None if given is None else given.device)
    if points is not None and labels is not None:
        cells = (points * side).long().clamp(0, side - 1)
        prompts, numbers = torch.nonzero(labels == 1, as_tuple=True)
        there = cells[prompts, numbers]
        prompted[prompts, there[:, 1], there[:, 0]] = True
    if boxes is not None:
        at = (torch.arange(side, device=boxes.device) + 0.5) / side
        x0, y0, x1, y1 = boxes[:, :, None].unbind(1)
        prompted |= ((at > y0) & (at < y1))[:, :, None] & ((at > x0) & (at < x1))[:, None, :]
    if masks is not None:
        prompted |= masks[:, 0] > 0
    return prompted
