"""Masks without a model: storing, measuring, cleaning up, drawing and exchanging them.

`runs` stores masks as row runs, `codecs` reads and writes COCO RLE and polygons, `measures` has IoU, stability and
non-maximum suppression; `wire_codec` packs runs for the view; `components` finds connected components, `windows` moves
masks between a crop and its image, `cleanup` removes holes and islands; `annotations` is the type in which masks are
imported and exported, `overlay` draws them, `palette` defines their colours. Nothing here computes a mask from an
image.
"""

import lazy_loader

from sam_widget.errors import MaskError, MissingExtraError  # noqa: F401  their home before they moved

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
