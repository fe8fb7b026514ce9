"""What a person says about one object: points, boxes, strokes, a mask.

`geometry` defines the shapes and checks them, `prompt` joins them into one immutable prompt, `strokes` rasterises
brush strokes and lassos. Nothing here needs an image or a model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
