"""The masks that are filled in before a person sees a photo: found on a grid, refined, and chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sam_widget.automatic.automatic import MaskRecord, segment_everything
from sam_widget.engine.acceptance import THRESHOLD, describe
from sam_widget.masks.annotations import Annotation
from sam_widget.predictor.embeddings import Embedding
from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.geometry import Point
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.everything import duplicates
from sam_widget.session.state import SegmentedObject

# Points along each side of the grid with which masks are found, unless an engine is given another number.
POINTS_PER_SIDE = 24


def find_masks(
    rgb: np.ndarray, predictor: Predictor, points_per_side: int, *, crops: int = 0
) -> tuple[list[MaskRecord], np.ndarray]:
    """Return the masks of everything mode of a photo (H, W, 3), and their features (N, F); see `acceptance.describe`.

    Masks that the model is unsure of are among them: what was accepted before decides.
    """
    records = segment_everything(
        rgb,
        predictor,
        points_per_side=points_per_side,
        crop_n_layers=crops,
        crop_n_points_downscale_factor=2,
        pred_iou_thresh=min(0.3, predictor.config.pred_iou_thresh),
        stability_score_thresh=min(0.6, predictor.config.stability_score_thresh),
    )
    embedding = predictor.embed(rgb)
    records = _refined(records, embedding, predictor)
    return records, describe(records, embedding, predictor)


def _refined(records: list[MaskRecord], embedding: Embedding, predictor: Predictor) -> list[MaskRecord]:
    """Decode each mask again with its point and itself as the prompt, and drop what has become the same.

    Everything mode decodes a point once, where a click is decoded twice by `tiny`.
    """
    if not records or not predictor.config.takes_masks:
        return records
    found = predictor.predict_many(
        embedding,
        points=np.array([record.point_coords for record in records]),
        masks=[predictor.mask_to_logits(record.mask) for record in records],
    )
    again = []
    for record, answer in zip(records, found, strict=True):
        best = answer.best
        score, stability = float(answer.scores[best]), float(answer.stability[best])
        again.append(replace(record, stored=answer.stored[best], predicted_iou=score, stability_score=stability))
    kept: list[MaskRecord] = []
    for record in sorted((one for one in again if one.area), key=lambda one: -one.predicted_iou):
        if not any(duplicates(record.stored, one.stored) for one in kept):
            kept.append(record)
    return kept


def choose(records: Sequence[MaskRecord], probability: np.ndarray, objects: Sequence[SegmentedObject]) -> list[int]:
    """Return indices of the masks to fill in, most probable first, without duplicates of each other or of objects."""
    chosen: list[int] = []
    for k in np.argsort(-probability, kind="stable").tolist():
        if probability[k] < THRESHOLD:
            break
        stored = records[k].stored
        known = any(duplicates(stored, item.stored) for item in objects)
        if not known and not any(duplicates(stored, records[other].stored) for other in chosen):
            chosen.append(k)
    return chosen


def annotation_of(record: MaskRecord, label: str) -> Annotation:
    """Return a mask as an annotation, with the point that found it as its prompt."""
    points = tuple(Point(x, y) for x, y in record.point_coords)
    return Annotation(label, record.stored, min(max(record.predicted_iou, 0.0), 1.0), prompt=Prompt(points=points))
