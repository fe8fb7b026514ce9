"""Published models that find by words, through the transformers library: the extra `[text]`.

`catalogue` lists them and loads one by name; `checkpoints` fetches files and refuses incomplete ones. `detectors` finds
boxes, which prompt a SAM; `concepts` is SAM 3, which predicts masks; `rankers` compares the masks of everything mode
with words. `tracker` is SAM 3's model for clicks. `outcome` makes instances of what they find.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
