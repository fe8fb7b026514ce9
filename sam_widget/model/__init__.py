"""The models: Segment Anything (Kirillov et al., arXiv 2304.02643) and its descendants in PyTorch and timm.

Image encoder, prompt encoder and mask decoder are one file each; `sam.py` joins them and `config.py` sizes them. The
descendants, one file each, replace a part: `sam2.py` (with `hiera.py`), `hq_sam.py`, `mobile_sam.py`,
`efficient_sam.py`. `zoo.py` is the table of models; `hub.py` fetches their weights, `checkpoint.py` reads them,
`layouts.py` maps the key names of published checkpoints. `mae.py` is the masked autoencoder (arXiv 2111.06377) with
which an image encoder can be pre-trained; `mae_zoo.py` loads one, and `mae_transfer.py` turns its encoder into SAM's.
Nothing here depends on widgets, sessions or files other than checkpoints: this folder can be used on its own.
"""
