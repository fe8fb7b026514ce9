"""Masks without a model: how they are stored, measured, cleaned up, drawn and exchanged.

`runs` holds the row runs that masks are kept as, `codecs` reads and writes COCO RLE and polygons, `measures` has IoU,
stability and non-maximum suppression; `wire_codec` packs runs for the view; `components` finds connected parts,
`windows` moves masks between a crop and its image, `cleanup` removes holes and islands; `annotations` is the form in
which masks come in and go out, `overlay` draws them, `palette` gives their colours. Nothing here computes a mask from
an image.
"""

import lazy_loader

from sam_widget.errors import MaskError, MissingExtraError  # noqa: F401  their home before they moved

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
