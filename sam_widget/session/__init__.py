"""One person, one image: the prompt, its candidates, the accepted objects, and the way back.

`session` is the public class; `state` is one immutable moment of it and `history` the sequence of moments; `edits`,
`candidates`, `crops`, `decoding` and `everything` make new states; `replay` runs a recorded session on another model
or image and `to_code` writes one as Python; `file` is the session file. Nothing here draws or knows about views.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
