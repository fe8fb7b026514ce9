"""Many masks of one image: the paper's automatic mask generation (section 5, appendix B).

`automatic` runs the grid of points over the image and its crops and filters the masks; `proposals` decodes and
filters one crop; `options` validates the settings.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
