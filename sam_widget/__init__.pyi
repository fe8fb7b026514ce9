from . import export, teach
from .automatic.automatic import EverythingStep, MaskRecord, iter_everything, segment_everything
from .automatic.finding.finder import Example, Finder, Instance
from .engine.clicks import ClickFigures, evaluate_clicks
from .engine.engine import DataEngine
from .engine.tuning import tune
from .errors import (
    FormatError,
    ImageError,
    MaskError,
    MissingExtraError,
    ModelError,
    OutOfReachError,
    PromptError,
    ProtocolError,
    SamWidgetError,
    SessionError,
    StoreError,
)
from .export.registry import load_dataset, load_masks
from .folders.batch import BatchReport, embed_folder
from .image.reading import to_rgb
from .image.rendering import Rendering
from .image.samples import sample, samples
from .masks.annotations import AnnotatedImage, Annotation
from .masks.cleanup import MaskSettings
from .masks.runs import StoredMask
from .model.mae_zoo import load_mae
from .model.model_table import ModelInfo
from .model.zoo import load_model, models
from .page.many import save_page
from .predictor.embeddings import Embedding, EmbeddingCache, EmbeddingStore
from .predictor.predictor import Prediction, Predictor
from .predictor.served import connect
from .prompts.geometry import Box, BrushStroke, Point, Stroke
from .prompts.prompt import Prompt
from .session.found import Found
from .session.replay import Replay, ReplayRow, replay
from .session.session import Session
from .session.state import Candidate, SegmentedObject
from .teach.catalogue import lessons
from .teach.lesson_page import save_lesson
from .widget.assistant_line import AssistantLine, mcp
from .widget.compare import Compare
from .widget.compare_table import CompareRow, CompareTable
from .widget.engine import Engine
from .widget.gallery import Gallery, GalleryRow
from .widget.sam_widget import SamWidget
from .widget.show import show

__version__: str

__all__ = [
    "AnnotatedImage",
    "Annotation",
    "AssistantLine",
    "BatchReport",
    "Box",
    "BrushStroke",
    "Candidate",
    "ClickFigures",
    "Compare",
    "CompareRow",
    "CompareTable",
    "DataEngine",
    "Embedding",
    "EmbeddingCache",
    "EmbeddingStore",
    "Engine",
    "EverythingStep",
    "Example",
    "Finder",
    "FormatError",
    "Found",
    "Gallery",
    "GalleryRow",
    "ImageError",
    "Instance",
    "MaskError",
    "MaskRecord",
    "MaskSettings",
    "MissingExtraError",
    "ModelError",
    "ModelInfo",
    "OutOfReachError",
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
    "StoredMask",
    "Stroke",
    "connect",
    "embed_folder",
    "evaluate_clicks",
    "export",
    "iter_everything",
    "lessons",
    "load_dataset",
    "load_mae",
    "load_masks",
    "load_model",
    "mcp",
    "models",
    "replay",
    "sample",
    "samples",
    "save_lesson",
    "save_page",
    "segment_everything",
    "show",
    "teach",
    "to_rgb",
    "tune",
]
