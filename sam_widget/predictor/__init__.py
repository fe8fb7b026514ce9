"""Embed an image once, decode prompts often.

`predictor` runs a model: `embed` an image, `predict` masks for a prompt; `embeddings` keeps embeddings in memory and
on disk; `upsampling` turns low-resolution logits into masks at image size without building them pixel by pixel;
`prompt_parts` splits a prompt into prompts that a model accepts; `interface` is the protocol that a session requires of
a predictor, and `plain` implements most of it for other predictors. Nothing here depends on sessions or views.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
