"""Work on one image: the prompt, its candidates, the accepted objects, and undo.

`session` is the public class; `state` is one immutable state of it and `history` the sequence of states; `edits`,
`candidates`, `crops`, `decoding` and `everything` compute new states; `replay` runs a recorded session on another model
or image, and `to_code` writes one as Python; `file` is the session file. Nothing here draws or depends on views.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
