from .geometry import BACKGROUND, FOREGROUND, Box, BrushStroke, Point, Stroke
from .prompt import Prompt

__all__ = [
    "BACKGROUND",
    "Box",
    "BrushStroke",
    "FOREGROUND",
    "Point",
    "Prompt",
    "Stroke",
]
