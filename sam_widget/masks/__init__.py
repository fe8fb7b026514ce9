"""Masks without a model: how they are stored, measured, cleaned up, drawn and exchanged.

`masks` holds the row runs that masks are kept as, COCO RLE, polygons and measures; `wire_codec` packs runs for the view;
`components` finds connected parts, `windows` moves masks between a crop and its image, `cleanup` removes holes and
islands; `annotations` is the form in which masks come in and go out, `overlay` draws them, `palette` gives their colours.
Nothing here computes a mask from an image.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
