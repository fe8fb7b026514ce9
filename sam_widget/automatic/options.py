"""The options of `segment_everything`, with the keyword names of SAM's own generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from sam_widget.automatic.proposals import Criteria
from sam_widget.errors import PromptError
from sam_widget.predictor.predictor import Predictor

OutputMode = Literal["binary_mask", "uncompressed_rle", "coco_rle", "polygons"]
OUTPUT_MODES: tuple[OutputMode, ...] = ("binary_mask", "uncompressed_rle", "coco_rle", "polygons")

# Options whose defaults depend on the model; they are in its config.
ADVISED = (
    "pred_iou_thresh",
    "stability_score_thresh",
    "stability_score_offset",
    "box_nms_thresh",
    "mask_nms_thresh",
    "min_mask_share",
)
# Options of a run at a server.
AT_SERVER = ("points_per_side", "points_per_batch", *ADVISED, "min_mask_region_area")


@dataclass(frozen=True, eq=False)
class EverythingOptions:
    """The options of a run; see `segment_everything`.

    Raises:
        PromptError: A value is out of range, or there are no points.
    """

    points_per_side: int | None = 32
    points_per_batch: int = 64
    pred_iou_thresh: float | None = None
    stability_score_thresh: float | None = None
    stability_score_offset: float | None = None
    box_nms_thresh: float | None = None
    mask_nms_thresh: float | None = None
    min_mask_share: float | None = None
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    point_grids: Sequence[np.ndarray] | None = None
    min_mask_region_area: int = 0
    output_mode: OutputMode = "binary_mask"

    def __post_init__(self) -> None:
        """Check."""
        for name, least in (
            ("points_per_batch", 1),
            ("crop_n_layers", 0),
            ("crop_n_points_downscale_factor", 1),
            ("min_mask_region_area", 0),
        ):
            value = getattr(self, name)
            if not _is_whole(value, least):
                raise PromptError(f"{name} is {value!r}, expected a whole number of at least {least}")
        for name in ("box_nms_thresh", "mask_nms_thresh", "min_mask_share", "crop_nms_thresh", "crop_overlap_ratio"):
            value = getattr(self, name)
            if name in ADVISED and value is None:
                continue
            if not _is_number(value) or not 0 <= value <= 1:
                raise PromptError(f"{name} is {value!r}, expected a number between 0 and 1")
        for name in ("pred_iou_thresh", "stability_score_thresh", "stability_score_offset"):
            value = getattr(self, name)
            if value is not None and not _is_number(value):
                raise PromptError(f"{name} is {value!r}, expected a number")
        if self.output_mode not in OUTPUT_MODES:
            raise PromptError(f"output_mode is {self.output_mode!r}, expected one of {', '.join(OUTPUT_MODES)}")
        if (self.points_per_side is None) == (self.point_grids is None):
            raise PromptError(
                "give either points_per_side or point_grids; with point_grids, pass points_per_side=None, as SAM does"
            )
        if self.points_per_side is not None and (not _is_whole(self.points_per_side, 1)):
            raise PromptError(f"points_per_side is {self.points_per_side!r}, expected a whole number of at least 1")
        if self.point_grids is not None and len(self.point_grids) <= self.crop_n_layers:
            raise PromptError(
                f"{len(self.point_grids)} point_grids for {self.crop_n_layers} layers of crops; expected "
                f"{self.crop_n_layers + 1}: one for the whole image and one per layer"
            )

    def grid(self, layer: int) -> np.ndarray:
        """Return the points of a layer, (N, 2) in [0, 1]; layer 0 is the whole image.

        Raises:
            PromptError: `point_grids` does not contain points in [0, 1].
        """
        if self.point_grids is None:
            side = int(cast(int, self.points_per_side) / self.crop_n_points_downscale_factor**layer)
            centres = (np.arange(side) + 0.5) / max(side, 1)
            return np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        grid = np.asarray(self.point_grids[layer], dtype=np.float64)
        if grid.ndim != 2 or grid.shape[1] != 2 or not ((grid >= 0) & (grid <= 1)).all():
            raise PromptError(
                f"point_grids[{layer}] has shape {grid.shape}, expected (N, 2) of x, y between 0 and 1, relative to "
                "the crop"
            )
        return grid

    def criteria(self, predictor: Predictor) -> Criteria:
        """Return the criteria for masks of this model."""
        given = {name: getattr(self, name) for name in ADVISED}
        advised = {name: getattr(predictor.config, name) for name in ADVISED}
        return Criteria(
            **{name: advised[name] if given[name] is None else given[name] for name in ADVISED},
            points_per_batch=self.points_per_batch,
        )


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= least


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
