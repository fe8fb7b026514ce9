from .embeddings import CACHE, Embedding, EmbeddingCache, EmbeddingStore
from .prediction import Prediction, Predictions, StoredPrediction
from .predictor import Predictor
from .trace import LayerTrace, Trace

__all__ = [
    "CACHE",
    "Embedding",
    "EmbeddingCache",
    "EmbeddingStore",
    "LayerTrace",
    "Prediction",
    "Predictions",
    "Predictor",
    "StoredPrediction",
    "Trace",
]
