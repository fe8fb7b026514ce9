from .embeddings import CACHE, Embedding, EmbeddingCache, EmbeddingStore
from .predictor import Prediction, Predictor

__all__ = [
    "CACHE",
    "Embedding",
    "EmbeddingCache",
    "EmbeddingStore",
    "Prediction",
    "Predictor",
]
