"""Masks of everything mode as tensors, for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sam_widget.automatic.automatic import MaskRecord
from sam_widget.errors import MaskError, ModelError
from sam_widget.masks.runs import StoredMask


def records_to_tensors(records: Sequence[MaskRecord]) -> dict[str, Tensor]:
    """Return N masks of one image as tensors.

    Returns:
        "runs" (R, 2) int32, the row runs of all masks, and "counts" (N,) int64, how many each has; "scores" (N, 2), the
        predicted IoU and the stability; "points" (N, 2) x, y; "crops" (N, 4) x, y, width, height.
    """
    runs = [np.ascontiguousarray(record.stored.runs) for record in records]
    return {
        "runs": torch.from_numpy(np.concatenate([*runs, np.zeros((0, 2), np.uint32)]).view(np.int32)),
        "counts": torch.tensor([len(each) for each in runs], dtype=torch.int64),
        "scores": _rows([(record.predicted_iou, record.stability_score) for record in records], 2),
        "points": _rows([record.point_coords[0] for record in records], 2),
        "crops": _rows([record.crop_box for record in records], 4).long(),
    }


def records_from_tensors(tensors: Mapping[str, Tensor], shape: tuple[int, ...]) -> tuple[MaskRecord, ...]:
    """Return the masks that `records_to_tensors` was given.

    Args:
        tensors: Its result.
        shape: Height and width of the image, in pixels.

    Raises:
        ModelError: A tensor is missing, or they do not fit each other or the image.
    """
    height, width = shape
    try:
        counts = tensors["counts"].tolist()
        rows = [tensors[name].tolist() for name in ("scores", "points", "crops")]
        runs = torch.split(tensors["runs"], counts) if counts else ()
        return tuple(
            MaskRecord(
                stored=StoredMask.from_runs(own.numpy().view(np.uint32), height, width),
                predicted_iou=predicted,
                stability_score=stability,
                point_coords=((x, y),),
                crop_box=(left, top, across, down),
            )
            for own, (predicted, stability), (x, y), (left, top, across, down) in zip(runs, *rows, strict=True)
        )
    except (KeyError, ValueError, TypeError, RuntimeError, MaskError) as error:
        raise ModelError(f"these are not masks of an image of {width} x {height} pixels ({error})") from error


def _rows(rows: Sequence[Sequence[float]], width: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, width)
