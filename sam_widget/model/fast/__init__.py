"""Faster forms of the modules in `model/`, on the same weights and with the same results up to rounding.

The modules in `model/` follow the papers. `parts` maps their classes to the ones here and makes the parts that a
predictor passes to `Sam.encode` and `Sam.decode`; `twin` copies a module tree that way. `two_way`, `upscaling` and
`positions` speed up a click, `relative_attention` and `vit` the image encoder. `compiled` runs a mask decoder through
`torch.compile`.
"""
