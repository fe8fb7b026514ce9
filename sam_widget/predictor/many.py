"""Many prompts on one image, in batches: arrays in, row runs out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sam_widget.errors import PromptError
from sam_widget.masks.measures import stability_score
from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import SamConfig
from sam_widget.predictor.fitting import unpadded
from sam_widget.predictor.model_input import inverse_masks, upscaling_of
from sam_widget.predictor.prediction import Predictions
from sam_widget.prompts.prompt import Prompt

# Pads prompts of fewer points than the others, as in SAM's own arrays.
NOT_A_POINT = -1
# Prompts decoded at a time. On a CPU, more would overflow its caches.
CPU_BATCH, BATCH = 16, 64

# Decodes prompts of one kind: logits (B, 4, h, w) and predicted IoUs (B, 4).
Decode = Callable[[Sequence[Prompt]], tuple[Tensor, Tensor]]


def prompts_from_arrays(points: Any, labels: Any, boxes: Any, masks: Any, image_size: tuple[int, int]) -> list[Prompt]:
    """Return N prompts, checked and clipped to the image.

    Args:
        points: (N, P, 2) x, y, or None.
        labels: (N, P) of 1, 0 and -1, which leaves a point out; None for all foreground.
        boxes: (N, 4), or None.
        masks: (N, h, w) low-resolution logits, or None.
        image_size: Height and width of the image, in pixels.

    Raises:
        PromptError: A shape does not fit, or a prompt is empty, malformed or outside the image; it is named by number.
    """
    xy = _array(points, "points", "(N, P, 2) of x, y", lambda shape: len(shape) == 3 and shape[2] == 2)
    given = _array(labels, "labels", "(N, P), a label for each point", lambda shape: len(shape) == 2)
    corners = _array(boxes, "boxes", "(N, 4) of x0, y0, x1, y1", lambda shape: len(shape) == 2 and shape[1] == 4)
    logits = _array(masks, "masks", "(N, h, w) low-resolution logits", lambda shape: len(shape) == 3)
    arrays = {"points": xy, "labels": given, "boxes": corners, "masks": logits}
    counts = {name: len(array) for name, array in arrays.items() if array is not None}
    if not counts or set(counts) == {"labels"}:
        raise PromptError("there are no prompts; give points (N, P, 2), boxes (N, 4) or masks (N, h, w)")
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise PromptError(f"the prompts differ in number: {listed}; expected the same of each")
    if given is not None and (xy is None or xy.shape[:2] != given.shape):
        raise PromptError(f"labels have shape {given.shape}, expected that of points, (N, P)")
    prompts = []
    for number in range(next(iter(counts.values()))):
        real = slice(None) if given is None else given[number] != NOT_A_POINT
        try:
            prompt = Prompt.from_arrays(
                None if xy is None else xy[number][real],
                None if given is None else given[number][real],
                None if corners is None else corners[number],
                None if logits is None else logits[number],
            )
            if prompt.is_empty:
                raise PromptError("it is empty: all its points are left out")
            prompts.append(prompt.check_inside(image_size[1], image_size[0]))
        except PromptError as error:
            raise PromptError(f"prompt {number}: {error}") from error
    return prompts


def _array(value: Any, what: str, expected: str, fits: Callable[[tuple[int, ...]], bool]) -> NDArray[Any] | None:
    if value is None:
        return None
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise PromptError(f"{what} cannot be read as an array ({error}); expected {expected}") from error
    if not fits(array.shape):
        raise PromptError(f"{what} have shape {array.shape}, expected {expected}")
    return array


def answered(
    prompts: Sequence[Prompt],
    decode: Decode,
    config: SamConfig,
    image_size: tuple[int, int],
    *,
    multimask: bool,
    batch: int,
) -> Predictions:
    """Decode prompts in batches; only those with as many points, and with or without a box and a mask, share a batch.

    Logits live for a batch only: those of a thousand prompts take gigabytes, their row runs a few megabytes.
    """
    chosen = slice(1, None) if multimask else slice(0, 1)
    each = config.multimask_outputs if multimask else 1
    upscale = upscaling_of(config, image_size)
    stored: list[tuple[StoredMask, ...]] = [()] * len(prompts)
    scores, stability = np.zeros((len(prompts), each), np.float32), np.zeros((len(prompts), each), np.float32)
    inverse: list[np.ndarray | None] = [None] * len(prompts)
    for numbers in _alike(prompts, batch):
        with torch.inference_mode():
            logits, predicted = decode([prompts[number] for number in numbers])
            low = logits[:, chosen].float().cpu()
            scores[numbers] = predicted[:, chosen].float().cpu().numpy()
        stability[numbers] = stability_score(unpadded(config, low.numpy(), image_size), config.mask_threshold)
        for number, masks in zip(numbers, low, strict=True):
            stored[number] = tuple(upscale.stored(mask, config.mask_threshold) for mask in masks)
            inverse[number] = inverse_masks(config, prompts[number], masks, image_size)
    areas = np.array([[mask.area for mask in masks] for masks in stored], np.int64).reshape(len(prompts), each)
    return Predictions(tuple(stored), scores, stability, areas, image_size, tuple(inverse))


def _alike(prompts: Sequence[Prompt], batch: int) -> list[list[int]]:
    """Return the numbers of prompts that can be decoded together, batch by batch."""
    kinds: defaultdict[tuple[int, bool, bool], list[int]] = defaultdict(list)
    for number, prompt in enumerate(prompts):
        kinds[len(prompt.points), bool(prompt.boxes), prompt.mask is not None].append(number)
    return [numbers[start : start + batch] for numbers in kinds.values() for start in range(0, len(numbers), batch)]
