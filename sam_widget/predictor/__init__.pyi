from .embeddings import CACHE, Embedding, EmbeddingCache, EmbeddingStore
from .predictor import Prediction, Predictor
from .trace import LayerTrace, Trace

__all__ = [
    "CACHE",
    "Embedding",
    "EmbeddingCache",
    "EmbeddingStore",
    "LayerTrace",
    "Prediction",
    "Predictor",
    "Trace",
]
