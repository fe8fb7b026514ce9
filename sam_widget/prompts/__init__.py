"""Prompts for one object: points, boxes, strokes, a mask.

`geometry` defines and validates the shapes, `prompt` combines them into one immutable prompt, `strokes` rasterises
brush strokes and lassos. Nothing here needs an image or a model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
