"""Segment Anything in a notebook cell, live.

The public names are below; each is imported on first use, so that `import sam_widget` costs nothing and never imports
torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam_widget import export
    from sam_widget.automatic.automatic import EverythingStep, MaskRecord, iter_everything, segment_everything
    from sam_widget.errors import (
        FormatError,
        ImageError,
        ModelError,
        PromptError,
        ProtocolError,
        SamWidgetError,
        SessionError,
        StoreError,
    )
    from sam_widget.export.registry import load_dataset, load_masks
    from sam_widget.folders.batch import BatchReport, embed_folder
    from sam_widget.image.reading import to_rgb
    from sam_widget.image.rendering import Rendering
    from sam_widget.image.samples import sample, samples
    from sam_widget.masks.annotations import AnnotatedImage, Annotation
    from sam_widget.masks.cleanup import MaskSettings
    from sam_widget.model.mae_zoo import load_mae
    from sam_widget.model.zoo import ModelInfo, load_model, models
    from sam_widget.predictor.embeddings import Embedding, EmbeddingCache, EmbeddingStore
    from sam_widget.predictor.predictor import Prediction, Predictor
    from sam_widget.prompts.prompt import Box, BrushStroke, Point, Prompt, Stroke
    from sam_widget.session.replay import Replay, ReplayRow, replay
    from sam_widget.session.session import Candidate, SegmentedObject, Session
    from sam_widget.widget.gallery import Gallery, GalleryRow
    from sam_widget.widget.sam_widget import SamWidget

__version__ = "0.1.0"

_HOMES = {
    "sam_widget.folders.batch": ("BatchReport", "embed_folder"),
    "sam_widget.predictor.embeddings": ("Embedding", "EmbeddingCache", "EmbeddingStore"),
    "sam_widget.masks.cleanup": ("MaskSettings",),
    "sam_widget.masks.annotations": ("AnnotatedImage", "Annotation"),
    "sam_widget.automatic.automatic": ("EverythingStep", "MaskRecord", "iter_everything", "segment_everything"),
    "sam_widget.errors": (
        "FormatError",
        "ImageError",
        "ModelError",
        "PromptError",
        "ProtocolError",
        "SamWidgetError",
        "SessionError",
        "StoreError",
    ),
    "sam_widget.export.registry": ("load_dataset", "load_masks"),
    "sam_widget.image.reading": ("to_rgb",),
    "sam_widget.model.mae_zoo": ("load_mae",),
    "sam_widget.model.zoo": ("ModelInfo", "load_model", "models"),
    "sam_widget.predictor.predictor": ("Prediction", "Predictor"),
    "sam_widget.prompts.prompt": ("Box", "BrushStroke", "Point", "Prompt", "Stroke"),
    "sam_widget.session.replay": ("Replay", "ReplayRow", "replay"),
    "sam_widget.image.rendering": ("Rendering",),
    "sam_widget.image.samples": ("sample", "samples"),
    "sam_widget.session.session": ("Candidate", "SegmentedObject", "Session"),
    "sam_widget.widget.gallery": ("Gallery", "GalleryRow"),
    "sam_widget.widget.sam_widget": ("SamWidget",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AnnotatedImage",
    "Annotation",
    "BatchReport",
    "Box",
    "BrushStroke",
    "Candidate",
    "Embedding",
    "EmbeddingCache",
    "EmbeddingStore",
    "EverythingStep",
    "FormatError",
    "Gallery",
    "GalleryRow",
    "ImageError",
    "MaskRecord",
    "MaskSettings",
    "ModelError",
    "ModelInfo",
    "Point",
    "Prediction",
    "Predictor",
    "Prompt",
    "PromptError",
    "ProtocolError",
    "Rendering",
    "Replay",
    "ReplayRow",
    "SamWidget",
    "SamWidgetError",
    "SegmentedObject",
    "Session",
    "SessionError",
    "StoreError",
    "Stroke",
    "embed_folder",
    "export",
    "iter_everything",
    "load_dataset",
    "load_mae",
    "load_masks",
    "load_model",
    "models",
    "replay",
    "sample",
    "samples",
    "segment_everything",
    "to_rgb",
]


def __getattr__(name: str) -> Any:
    if name == "export":  # a room of its own: sw.export.to_coco(...)
        return importlib.import_module("sam_widget.export")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
