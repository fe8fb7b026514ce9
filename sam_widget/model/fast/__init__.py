"""Faster versions of the modules in `model/`, with the same weights and the same results up to rounding.

The modules in `model/` follow the papers. `parts` maps their classes to the ones here and creates the parts that a
predictor passes to `Sam.encode` and `Sam.decode`; `twin` copies module trees that way. `two_way`, `upscaling` and
`positions` speed up a click, `relative_attention` and `vit` the image encoder. `compiled` runs a mask decoder through
`torch.compile`.
"""
