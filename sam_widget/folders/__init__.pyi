from .batch import BatchReport, Failure, embed_folder
from .image_folder import SESSION_SUFFIX

__all__ = [
    "SESSION_SUFFIX",
    "BatchReport",
    "Failure",
    "embed_folder",
]
