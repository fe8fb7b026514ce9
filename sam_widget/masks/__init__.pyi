from .annotations import AnnotatedImage, Annotation, annotations_of
from .cleanup import MaskSettings
from .codecs import mask_from_polygons, mask_from_rle, polygons_from_mask, rle_from_mask
from .measures import area, box_from_mask, iou, nms, stability_score
from .runs import Mask, StoredMask, mask_from_runs, runs_from_mask, set_bits

__all__ = [
    "AnnotatedImage",
    "Annotation",
    "Mask",
    "MaskSettings",
    "StoredMask",
    "annotations_of",
    "area",
    "box_from_mask",
    "iou",
    "mask_from_polygons",
    "mask_from_rle",
    "mask_from_runs",
    "nms",
    "polygons_from_mask",
    "rle_from_mask",
    "runs_from_mask",
    "set_bits",
    "stability_score",
]
