from .session import Session, predictor_of
from .state import Candidate, SegmentedObject, SessionState

__all__ = [
    "Candidate",
    "SegmentedObject",
    "Session",
    "SessionState",
    "predictor_of",
]
