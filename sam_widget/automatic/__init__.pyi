from .automatic import EverythingStep, MaskRecord, iter_everything, segment_everything
from .options import EverythingOptions

__all__ = [
    "EverythingOptions",
    "EverythingStep",
    "MaskRecord",
    "iter_everything",
    "segment_everything",
]
