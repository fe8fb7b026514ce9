"""Find instances by words and examples: the paper's fourth kind of prompt.

`finder` defines what a finder is, `embedded` is the one that needs no download, and `published` wraps models of the
transformers library. `store` keeps what a finder has computed for an image, so that the next words cost no encoder.
"""
