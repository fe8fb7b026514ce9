"""Embed an image once, decode prompts often.

`predictor` runs a model: `embed` an image, `predict` masks for a prompt; `embeddings` keeps embeddings in memory and
on disk; `upsampling` turns low-resolution logits into masks at image size without building them pixel by pixel;
`prompt_parts` turns a prompt into the tensors a model takes; `interface` is what a session asks of a predictor, and
`plain` gives other predictors most of it. Nothing here knows sessions or views.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
