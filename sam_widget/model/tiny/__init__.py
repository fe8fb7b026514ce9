"""The embedded model: a small convolutional SAM whose weights are bundled with the package.

`tiny` builds it; `vit_trunk` is its alternative image encoder; `prompt_maps` and `decoder` turn prompts into masks;
`pixel_order` reorders pixels for the decoder; `connectivity` keeps the parts of a mask that are under the prompt.
"""
