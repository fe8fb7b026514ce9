from .geometry import BACKGROUND, FOREGROUND, Box, BrushStroke, Point, Stroke
from .prompt import Prompt

__all__ = [
    "BACKGROUND",
    "FOREGROUND",
    "Box",
    "BrushStroke",
    "Point",
    "Prompt",
    "Stroke",
]
