"""Which photo to annotate next: the one that would teach most, judged by disagreement, then by diversity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam_widget.predictor.predictor import Embedding, Predictor

# Points along each side of the grid of clicks.
POINTS = 6
# Weight of the distance to photos that are done, relative to disagreement.
DIVERSITY = 1.0


@dataclass(frozen=True, eq=False)
class Outlook:
    """What is known of a photo before it is annotated.

    Attributes:
        disagreement: How much the three masks of a click differ, 0 to 1, on average over a grid of clicks.
        place: Mean of the embedding, of unit length: photos that look alike are near each other.
    """

    disagreement: float
    place: np.ndarray


def outlook(embedding: Embedding, predictor: Predictor) -> Outlook:
    """Click on a grid of points, and compare the three masks of each, weighing each pair by its scores."""
    height, width = embedding.image_size
    at = (np.arange(POINTS) + 0.5) / POINTS
    points = np.stack(np.meshgrid(at * width, at * height), axis=-1).reshape(-1, 2)
    logits, scores, which = predictor.masks_at(embedding, points)
    masks = (logits > predictor.config.mask_threshold).flatten(1).float().cpu().numpy()
    sure, point = scores.cpu().numpy().clip(0, 1), which.cpu().numpy()
    differences = []
    for k in range(len(points)):
        three = np.flatnonzero(point == k)
        for a in range(len(three)):
            for b in range(a + 1, len(three)):
                one, other = masks[three[a]], masks[three[b]]
                either = np.maximum(one, other).sum()
                apart = 1 - (np.minimum(one, other).sum() / either if either else 1.0)
                differences.append(apart * min(sure[three[a]], sure[three[b]]))
    place = embedding.features[0].float().mean((1, 2)).cpu().numpy()
    return Outlook(float(np.mean(differences)) if differences else 0.0, place / max(np.linalg.norm(place), 1e-9))


def most_instructive(left: Sequence[int], known: dict[int, Outlook], done: Sequence[int]) -> int | None:
    """Return the photo to annotate next, by its index; the first one if nothing is known of any.

    Args:
        left: Photos that are not done, in order.
        known: What is known of photos.
        done: Photos that are done.
    """
    choices = [index for index in left if index in known]
    if not choices:
        return left[0] if left else None
    disagreement = _standard(np.array([known[index].disagreement for index in choices]))
    places = [known[index].place for index in done if index in known]
    if places:
        near = np.array([max(float(known[index].place @ place) for place in places) for index in choices])
        disagreement = disagreement + DIVERSITY * _standard(-near)
    return choices[int(disagreement.argmax())]


def _standard(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean()) / (values.std() + 1e-9))
