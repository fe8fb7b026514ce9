from .batch import BatchReport, Failure, embed_folder
from .image_folder import SESSION_SUFFIX

__all__ = [
    "BatchReport",
    "Failure",
    "SESSION_SUFFIX",
    "embed_folder",
]
