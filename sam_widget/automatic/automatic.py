"""Segment everything: decode a grid of points over the image and its crops, and keep the good masks.

Follows `SamAutomaticMaskGenerator` of segment-anything (Kirillov et al., arXiv 2304.02643, appendix B), with its
keyword names and results.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sam_widget.automatic.options import AT_SERVER, EverythingOptions, OutputMode
from sam_widget.automatic.proposals import CropBox, CropProposals, Proposal
from sam_widget.errors import PromptError, door
from sam_widget.image.reading import to_rgb
from sam_widget.masks.cleanup import without_small_regions
from sam_widget.masks.codecs import polygons_from_mask, rle_from_stored
from sam_widget.masks.counts import counts_from_runs
from sam_widget.masks.measures import nms
from sam_widget.masks.runs import Mask, StoredMask
from sam_widget.model.names import NAMES, SUFFIXES
from sam_widget.model.sam import Sam
from sam_widget.predictor.embeddings import Embedding
from sam_widget.predictor.interface import SegmentsElsewhere
from sam_widget.predictor.predictor import Predictor


@dataclass(frozen=True, eq=False)
class MaskRecord:
    """One of the masks of an image; `record["area"]` works like `record.area`, as with SAM's own records.

    Attributes:
        stored: The mask as row runs.
        predicted_iou: The IoU predicted by the model.
        stability_score: How stable the mask is under changes of the threshold, between 0 and 1.
        point_coords: The point that produced it, ((x, y),), in pixels of the image.
        crop_box: x, y, width, height of the crop in which it was found.
        output_mode: The format of `segmentation`.
    """

    stored: StoredMask
    predicted_iou: float
    stability_score: float
    point_coords: tuple[tuple[float, float], ...]
    crop_box: tuple[int, int, int, int]
    output_mode: OutputMode = "binary_mask"

    def __repr__(self) -> str:
        """One line, without arrays."""
        height, width = self.stored.shape
        scores = f"predicted IoU {self.predicted_iou:.2f}, stability {self.stability_score:.2f}"
        return f"MaskRecord({scores}, {self.area} of {width} x {height} pixels)"

    @property
    def mask(self) -> Mask:
        """The mask, (H, W) bool, read-only."""
        return self.stored.array

    @cached_property
    def segmentation(self) -> Any:
        """The mask in the format `output_mode`: (H, W) bool, a COCO RLE as a dict, or a list of (N, 2) rings."""
        match self.output_mode:
            case "coco_rle":
                return rle_from_stored(self.stored)
            case "uncompressed_rle":
                return {
                    "size": [*self.stored.shape],
                    "counts": counts_from_runs(self.stored.runs, *self.stored.shape).tolist(),
                }
            case "polygons":
                return polygons_from_mask(self.mask)
            case _:
                return self.mask

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return self.stored.area

    @cached_property
    def bbox(self) -> tuple[int, int, int, int]:
        """x, y, width, height of the mask as in COCO: a single pixel has width 1, in SAM's own records 0."""
        return self.stored.bounds

    def keys(self) -> tuple[str, ...]:
        """Return the keys of SAM's records, so that `dict(record)` is such a record."""
        return ("segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box")

    def __getitem__(self, key: str) -> Any:
        if key not in self.keys():
            raise KeyError(key)
        return getattr(self, key)


@dataclass(frozen=True, eq=False)
class EverythingStep:
    """The progress of `iter_everything`.

    Attributes:
        done: Number of points decoded so far.
        total: Total number of points.
        records: The masks found so far. A mask of an earlier step that is missing here was a duplicate of a better one;
            an unchanged mask is the same object.
    """

    done: int
    total: int
    records: tuple[MaskRecord, ...]


@door
def segment_everything(
    image: Any,
    model: Any = None,
    *,
    points_per_side: int | None = 32,
    points_per_batch: int = 64,
    pred_iou_thresh: float | None = None,
    stability_score_thresh: float | None = None,
    stability_score_offset: float | None = None,
    box_nms_thresh: float | None = None,
    mask_nms_thresh: float | None = None,
    min_mask_share: float | None = None,
    crop_n_layers: int = 0,
    crop_nms_thresh: float = 0.7,
    crop_overlap_ratio: float = 512 / 1500,
    crop_n_points_downscale_factor: int = 1,
    point_grids: Sequence[np.ndarray] | None = None,
    min_mask_region_area: int = 0,
    output_mode: OutputMode = "binary_mask",
    progress: Callable[[EverythingStep], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[MaskRecord]:
    """Return masks of everything in an image without duplicates, from small crops first, then by predicted IoU.

    Args:
        image: Anything that `to_rgb` reads: path, URL, bytes, PIL image, array, tensor.
        model: A predictor, a loaded model, or an argument of `load_model`; None for "tiny". It may also come first, as
            in `segment_everything(predictor, image)`.
        points_per_side: Points along each side of the grid; None if `point_grids` is given.
        points_per_batch: Number of points decoded at a time; a CPU uses fewer, which is faster.
        pred_iou_thresh: Masks with a lower predicted IoU are dropped. None uses the value that the model's authors
            recommend: 0.88 for SAM, 0.8 for SAM 2.
        stability_score_thresh: Masks with a lower stability score are dropped. None uses the recommended value, 0.95
            for both.
        stability_score_offset: Offset of the threshold, each way, in the stability score. None uses the recommended
            value, 1.0 for both.
        box_nms_thresh: Of two masks of a crop whose boxes have a higher IoU, the one of lower predicted IoU is dropped.
            None uses the recommended value: 0.7 for SAM and SAM 2, 1 for `tiny`.
        mask_nms_thresh: The same for the IoU of the masks themselves; 1 compares only boxes. None uses the recommended
            value: 1 for SAM and SAM 2, whose authors compare only boxes, 0.6 for `tiny`.
        min_mask_share: Masks that cover a smaller share of the image are dropped. None uses the recommended value: 0
            for SAM and SAM 2, 0.0005 for `tiny`.
        crop_n_layers: Number of additional layers of crops, of 1/2, 1/4, ... of the image's size.
        crop_nms_thresh: Like `box_nms_thresh`, between crops; the mask of the larger crop is dropped.
        crop_overlap_ratio: Overlap of the crops in the first layer; crops in further layers overlap less.
        crop_n_points_downscale_factor: Factor by which the grid gets coarser with each layer.
        point_grids: The points of each layer, (N, 2) of x, y between 0 and 1.
        min_mask_region_area: Islands and holes with fewer pixels are removed at the end.
        output_mode: Format of `MaskRecord.segmentation`: "binary_mask", "uncompressed_rle", "coco_rle" or "polygons".
        progress: Called after every batch of points, with the masks found so far.
        cancelled: Called after every batch; once it returns true, the masks found so far are returned.

    Raises:
        ImageError: The image cannot be read.
        ModelError: The model cannot be loaded.
        PromptError: An option is out of its range.
    """
    records: tuple[MaskRecord, ...] = ()
    steps = iter_everything(
        image,
        model,
        stream=progress is not None,
        points_per_side=points_per_side,
        points_per_batch=points_per_batch,
        pred_iou_thresh=pred_iou_thresh,
        stability_score_thresh=stability_score_thresh,
        stability_score_offset=stability_score_offset,
        box_nms_thresh=box_nms_thresh,
        mask_nms_thresh=mask_nms_thresh,
        min_mask_share=min_mask_share,
        crop_n_layers=crop_n_layers,
        crop_nms_thresh=crop_nms_thresh,
        crop_overlap_ratio=crop_overlap_ratio,
        crop_n_points_downscale_factor=crop_n_points_downscale_factor,
        point_grids=point_grids,
        min_mask_region_area=min_mask_region_area,
        output_mode=output_mode,
    )
    for step in steps:
        records = step.records
        if progress is not None:
            progress(step)
        if cancelled is not None and cancelled():
            break
    return list(records)


def iter_everything(image: Any, model: Any = None, *, stream: bool = True, **options: Any) -> Iterator[EverythingStep]:
    """Yield the masks of everything in an image as they are found; the last step is the complete result.

    Args:
        model: See `segment_everything`.
        image: See `segment_everything`.
        stream: Whether each step has the masks found so far. Otherwise steps only report progress, and have masks
            whenever a crop is complete, which is slightly faster.
        **options: See `segment_everything`.

    Raises:
        ImageError: The image cannot be read.
        ModelError: The model cannot be loaded.
        PromptError: An option is unknown or out of its range.
    """
    try:
        wanted = EverythingOptions(**options)
    except TypeError as error:
        known = ", ".join(EverythingOptions.__dataclass_fields__)
        raise PromptError(f"cannot segment everything: {error}; known options are {known}") from error
    image, model = image_and_model(image, model)
    rgb = to_rgb(image)
    if isinstance(model, SegmentsElsewhere) and (lines := _elsewhere(model, rgb, wanted)) is not None:
        from sam_widget.automatic.lines import steps_of

        return steps_of(lines, wanted.output_mode)
    if isinstance(model, SegmentsElsewhere) and not isinstance(model, Predictor):
        raise PromptError("its server segments everything without crops, and with a grid of its own; give neither")
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    grids = [wanted.grid(layer) for layer in range(wanted.crop_n_layers + 1)]
    if not any(map(len, grids)):
        raise PromptError("there are no points to decode; raise points_per_side, or lower the downscale factor")

    def embed(box: CropBox) -> Embedding:
        # The whole image will probably be used again, unlike a crop.
        part = rgb[box.y0 : box.y0 + box.height, box.x0 : box.x0 + box.width]
        return predictor.embed(part, keep=(box.height, box.width) == box.image_size)

    return _steps(predictor, (rgb.shape[0], rgb.shape[1]), embed, wanted, grids, stream=stream)


def iter_embedded(predictor: Predictor, embedding: Embedding, **options: Any) -> Iterator[EverythingStep]:
    """Yield the masks of everything in an image that is embedded already, like `iter_everything` without crops.

    Raises:
        PromptError: An option is out of its range.
    """
    wanted = EverythingOptions(**options)
    return _steps(predictor, embedding.image_size, lambda _box: embedding, wanted, [wanted.grid(0)], stream=True)


def _elsewhere(model: SegmentsElsewhere, rgb: np.ndarray, wanted: EverythingOptions) -> Iterator[str] | None:
    """Return the lines of a run at a server, or None if it cannot do this one."""
    if wanted.crop_n_layers or wanted.point_grids is not None:
        return None
    given = {name: getattr(wanted, name) for name in AT_SERVER}
    return model.everything(rgb, {"size": rgb.shape[:2], **given})


def image_and_model(first: Any, second: Any) -> tuple[Any, Any]:
    """Return which of two arguments is the image and which the model, in whichever order they came.

    Raises:
        PromptError: Neither or both can be the model.
    """
    if second is None:
        if isinstance(first, Predictor | Sam | SegmentsElsewhere):
            raise PromptError("there is a model but no image; expected segment_everything(image, model=...)")
        return first, "tiny"
    models = [isinstance(item, Predictor | Sam | SegmentsElsewhere) for item in (first, second)]
    if not any(models):
        # Arrays and PIL images are images; of two texts, one is a model's name, or has the suffix of a checkpoint.
        named = [isinstance(item, str | Path) for item in (first, second)]
        models = [_names_model(item) for item in (first, second)] if all(named) else named
    if models == [True, False]:
        return second, first
    if models == [False, True]:
        return first, second
    raise PromptError(
        f"cannot tell the image from the model in {first!r:.80} and {second!r:.80}; expected "
        "segment_everything(image, model=...), the model as a name of sw.models(), a checkpoint or a predictor"
    )


def _names_model(item: str | Path) -> bool:
    return item in NAMES or Path(item).suffix.lower() in SUFFIXES


def _steps(
    predictor: Predictor,
    size: tuple[int, int],
    embed: Callable[[CropBox], Embedding],
    wanted: EverythingOptions,
    grids: list[np.ndarray],
    *,
    stream: bool,
) -> Iterator[EverythingStep]:
    crop_boxes = generate_crop_boxes(size, wanted.crop_n_layers, wanted.crop_overlap_ratio)
    total = sum(len(grids[layer]) for _, layer in crop_boxes)
    found: list[Proposal] = []
    done, criteria = 0, wanted.criteria(predictor)
    recorded: dict[Proposal, MaskRecord] = {}

    def step(standing: list[Proposal], done: int) -> EverythingStep:
        several = len({proposal.crop_box for proposal in standing}) > 1
        unique = _across_crops(standing, wanted.crop_nms_thresh) if several else standing
        for proposal in unique:
            if proposal not in recorded:
                recorded[proposal] = _record(proposal, wanted.output_mode)
        return EverythingStep(done, total, tuple(recorded[proposal] for proposal in unique))

    for box, layer in crop_boxes:
        embedding = embed(box)
        points = grids[layer] * (box.width, box.height) + (box.x0, box.y0)
        crop = CropProposals(predictor, embedding, box, points, criteria)
        for decoded in crop:
            if stream and decoded < len(points):
                yield step(found + crop.standing(), done + decoded)
            elif decoded < len(points):
                yield EverythingStep(done + decoded, total, tuple(recorded.values()))
        found += crop.standing()
        done += len(points)
        if done < total:
            yield step(found, done)
    last = step(found, total)
    if wanted.min_mask_region_area:
        limit = max(criteria.box_nms_thresh, wanted.crop_nms_thresh)
        last = replace(last, records=_tidied(last.records, wanted.min_mask_region_area, limit))
    yield last


def generate_crop_boxes(image_size: tuple[int, int], layers: int, overlap_ratio: float) -> list[tuple[CropBox, int]]:
    """Return the image and its overlapping crops, each with its layer; layer n has 2**n crops per side.

    From segment-anything, `utils/amg.py`, `generate_crop_boxes`.
    """
    height, width = image_size
    boxes = [(CropBox(0, 0, width, height, image_size), 0)]
    for layer in range(1, layers + 1):
        count = 2**layer
        overlap = int(overlap_ratio * min(height, width) * (2 / count))
        w, h = (math.ceil((overlap * (count - 1) + side) / count) for side in (width, height))
        for column, row in itertools.product(range(count), range(count)):
            x, y = (w - overlap) * column, (h - overlap) * row
            if x < width and y < height:
                boxes.append((CropBox(x, y, min(w, width - x), min(h, height - y), image_size), layer))
    return boxes


def _across_crops(proposals: list[Proposal], limit: float) -> list[Proposal]:
    """Drop duplicates between crops, preferring smaller crops, which show more detail."""
    boxes = np.array([proposal.seen.box for proposal in proposals])
    return [proposals[i] for i in nms(boxes, [-p.crop_box.width * p.crop_box.height for p in proposals], limit)]


def _record(proposal: Proposal, mode: OutputMode) -> MaskRecord:
    box = proposal.crop_box
    return MaskRecord(
        stored=proposal.seen.stored(box.image_size),
        predicted_iou=proposal.score,
        stability_score=proposal.seen.stability,
        point_coords=(proposal.point,),
        crop_box=(box.x0, box.y0, box.width, box.height),
        output_mode=mode,
    )


def _tidied(records: tuple[MaskRecord, ...], smallest: int, limit: float) -> tuple[MaskRecord, ...]:
    """Remove small islands and holes, then duplicates again, preferring masks without either."""
    tidied = []
    for record in records:
        stored = without_small_regions(record.stored, smallest, holes=True)
        stored = without_small_regions(stored, smallest, holes=False)
        tidied.append(record if stored is record.stored else replace(record, stored=stored))
    if not tidied:
        return ()
    boxes = [_inclusive(record.stored) for record in tidied]
    untouched = [float(new is old) for new, old in zip(tidied, records, strict=True)]
    kept = nms(boxes, untouched, limit)
    return tuple(tidied[i] for i in kept)


def _inclusive(stored: StoredMask) -> tuple[int, int, int, int]:
    x, y, width, height = stored.bounds
    return x, y, x + max(width - 1, 0), y + max(height - 1, 0)
