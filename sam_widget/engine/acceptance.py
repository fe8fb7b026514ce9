"""Which masks of everything mode a person would accept, learned from what was accepted before.

Stage 2 of the paper pre-fills confident masks, found by a detector trained on the masks of stage 1 (section 4). Here a
logistic regression learns P(accept) from a mask's predicted IoU, stability, size and the image embedding under it. Its
probabilities are calibrated on photos that it was not fitted to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import isotonic_regression, minimize
from torch.nn.functional import interpolate

from sam_widget.automatic.automatic import MaskRecord
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.fitting import fitted
from sam_widget.predictor.predictor import Embedding, Predictor

# A mask that agrees this well with an accepted one would have been accepted: two people agree in 0.85 to 0.91 (paper,
# section 5), and the edges of a mask can still be corrected.
AGREES = 0.8
# Probability from which a mask is pre-filled.
THRESHOLD = 0.9
# Accepted masks, and photos, that are needed to learn anything.
LEAST_EXAMPLES, LEAST_PHOTOS = 8, 3
FOLDS = 5
# Penalties of the squared weights of geometry and appearance.
PENALTIES = (0.3, 10.0)
GEOMETRY = 6


@dataclass(frozen=True, eq=False)
class Judged:
    """The masks of a photo and what became of them.

    Attributes:
        features: (N, F), see `describe`.
        accepted: (N,) bool.
    """

    features: np.ndarray
    accepted: np.ndarray


@dataclass(frozen=True, eq=False)
class Acceptance:
    """P(accept), as learned.

    Attributes:
        mean: (F,) mean of the features.
        scale: (F,) their standard deviation.
        weights: (F + 1,), the bias last.
        knots: Raw probabilities and what they are worth on other photos, both increasing.
        photos: Number of photos it was learned from.
        expected: Share of the masks at or above the threshold that were accepted, on photos it was not fitted to; NaN
            if there were none.
        recall: Share of the accepted masks that are at or above the threshold, on those photos.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    knots: tuple[np.ndarray, np.ndarray]
    photos: int
    expected: float
    recall: float

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Return P(accept) of masks with features (N, F): (N,)."""
        return np.asarray(np.interp(_raw(self.weights, (features - self.mean) / self.scale), *self.knots))


def describe(records: Sequence[MaskRecord], embedding: Embedding, predictor: Predictor) -> np.ndarray:
    """Return features of masks, (N, F): six of geometry and scores, then the embedding averaged under each mask."""
    if not records:
        return np.zeros((0, GEOMETRY + embedding.features.shape[1]))
    height, width = embedding.image_size
    geometry = np.array([_geometry(record, height, width) for record in records])
    return np.concatenate([geometry, _pooled([record.stored for record in records], embedding, predictor)], axis=1)


def _geometry(record: MaskRecord, height: int, width: int) -> tuple[float, ...]:
    x, y, w, h = record.bbox
    edges = (x <= 0) + (y <= 0) + (x + w >= width) + (y + h >= height)
    score = float(np.clip(record.predicted_iou, 0.01, 0.99))
    return (
        float(np.log(score / (1 - score))),
        record.stability_score,
        float(np.log(record.area / (height * width))),
        record.area / max(w * h, 1),
        float(np.log((w + 1) / (h + 1))),
        float(edges),
    )


def _pooled(masks: Sequence[StoredMask], embedding: Embedding, predictor: Predictor) -> np.ndarray:
    """Return the mean of the embedding under each mask, of unit length: (N, C)."""
    features = embedding.features[0].float().cpu()
    grid = features.shape[-1]
    rows, columns = fitted(predictor.config, *embedding.image_size)
    cell = predictor.config.image_size / grid
    size = max(1, round(rows / cell)), max(1, round(columns / cell))
    inside = torch.stack(
        [interpolate(torch.from_numpy(mask.array.astype(np.float32))[None, None], size, mode="area")[0, 0]
         for mask in masks]
    )  # fmt: skip
    shown = features[:, : size[0], : size[1]]
    pooled = torch.einsum("nhw,chw->nc", inside, shown) / inside.sum((1, 2)).clamp(min=1e-6)[:, None]
    return np.asarray(torch.nn.functional.normalize(pooled, dim=1))


def judged_by(records: Sequence[MaskRecord], objects: Sequence[StoredMask]) -> np.ndarray:
    """Return which masks agree with an object that a person accepted: (N,) bool."""
    arrays = [item.array for item in objects]
    return np.array([any(float(iou(record.mask, one)) >= AGREES for one in arrays) for record in records], bool)


def learn(photos: Sequence[Judged]) -> Acceptance | None:
    """Learn P(accept); returns None if there is too little to learn from."""
    photos = [photo for photo in photos if len(photo.accepted)]
    if len(photos) < LEAST_PHOTOS:
        return None
    features = np.concatenate([photo.features for photo in photos])
    accepted = np.concatenate([photo.accepted for photo in photos])
    if accepted.sum() < LEAST_EXAMPLES:
        return None
    mean, scale = features.mean(0), features.std(0) + 1e-6
    scaled = (features - mean) / scale
    fold = np.concatenate([np.full(len(photo.accepted), k % FOLDS) for k, photo in enumerate(photos)])
    unseen = np.zeros(len(accepted))
    for turn in range(FOLDS):
        test = fold == turn
        if test.any() and accepted[~test].any() and not accepted[~test].all():
            unseen[test] = _raw(_fitted(scaled[~test], accepted[~test]), scaled[test])
        else:
            unseen[test] = accepted.mean()
    knots = _worth(unseen, accepted)
    sure = np.interp(unseen, *knots) >= THRESHOLD
    return Acceptance(
        mean,
        scale,
        _fitted(scaled, accepted),
        knots,
        len(photos),
        float(accepted[sure].mean()) if sure.any() else float("nan"),
        float(sure[accepted].mean()),
    )


def _fitted(features: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """Return the weights of a logistic regression with quadratic penalties, the bias last."""
    count = features.shape[1]
    penalty = np.concatenate([np.full(GEOMETRY, PENALTIES[0]), np.full(count - GEOMETRY, PENALTIES[1]), [0.0]])
    sign = np.where(accepted, 1.0, -1.0)
    padded = np.concatenate([features, np.ones((len(features), 1))], axis=1)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (padded @ weights)
        slope = -sign / (1 + np.exp(np.clip(margin, -50, 50)))
        value = np.logaddexp(0, -margin).sum() + 0.5 * (penalty * weights**2).sum()
        return float(value), padded.T @ slope + penalty * weights

    return np.asarray(minimize(loss, np.zeros(count + 1), jac=True, method="L-BFGS-B").x)


def _raw(weights: np.ndarray, scaled: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(scaled @ weights[:-1] + weights[-1], -50, 50))))


def _worth(raw: np.ndarray, accepted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return knots of a monotonic map from raw probabilities to the share that was accepted.

    Isotonic regression; each plateau counts two more masks, of which one was accepted, so that a few right ones alone
    are not taken for certainty.
    """
    order = raw.argsort(kind="stable")
    level = isotonic_regression(accepted[order].astype(float)).x
    before, after = [0.0], [0.0]
    for value in np.unique(level):
        inside = order[level == value]
        share = (accepted[inside].sum() + 0.5) / (len(inside) + 1)
        for end in (raw[inside].min(), raw[inside].max()):
            before.append(float(end))
            after.append(max(float(share), after[-1]))
    return np.maximum.accumulate([*before, 1.0]), np.array([*after, after[-1]])
