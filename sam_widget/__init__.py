"""Segment Anything in a notebook cell, live.

The public names are listed in `__init__.pyi`; each is imported on first use (SPEC 1), so that `import sam_widget` costs
nothing and never imports torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
