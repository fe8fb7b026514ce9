"""What computes: Segment Anything (Kirillov et al., arXiv 2304.02643) in PyTorch and timm.

Image encoder, prompt encoder and mask decoder are one file each; `sam.py` joins them, `config.py` sizes them, and
`zoo.py` finds their weights. Nothing here knows of widgets, sessions or files other than checkpoints: this folder can
be lifted out and used alone.
"""
