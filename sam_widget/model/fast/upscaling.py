"""Masks from the decoder's tokens, as matrix products instead of transposed convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from sam_widget.model.layers.token_maps import BAND, laid_out
from sam_widget.model.mask_decoder import MaskDecoder, in_order


class FastMaskDecoder(MaskDecoder):
    """Upscales and classifies pixels a band at a time.

    A transposed convolution whose stride is its kernel splits each pixel into four by one linear map. As a product of
    matrices it is faster, and pixels need to be put in order only once they are masks.
    """

    def masks(self, mask_tokens: Tensor, embedded: Tensor) -> Tensor:
        """Return the logits (B, N, 4g, 4g) of N mask tokens (B, N, dim) on image features (B, dim, g, g)."""
        layers: Any = self.output_upscaling
        first, norm, act, second, _ = layers
        dim, height, width = embedded.shape[1:]
        classifiers = self.hypernetworks(mask_tokens)
        # On a processor a band of cells at a time, so that their pixels stay in its cache; see `BAND`.
        bands = torch.split(embedded.flatten(2).transpose(1, 2), BAND if embedded.is_cpu else height * width, dim=1)
        once = _splitting(first, bands[0], tokens=bands[0].shape[1])
        twice = _splitting(second, bands[0], tokens=4 * bands[0].shape[1], gelu=True)
        made = []
        for cells in bands:
            pixels = once(cells)  # (B, cells * 4, dim / 4)
            pixels = act(layer_norm(pixels, (dim // 4,), norm.weight, norm.bias, norm.eps))
            made.append(classifiers @ twice(pixels).transpose(1, 2))  # of (B, cells * 16, dim / 8)
        return in_order(torch.cat(made, dim=2), height, width)


def _splitting(
    convolution: nn.ConvTranspose2d, like: Tensor, *, tokens: int, gelu: bool = False
) -> Callable[[Tensor], Tensor]:
    """Return a transposed convolution of kernel and stride 2 on pixels (B, N, C), which returns (B, N * 4, out).

    Args:
        convolution: Its weights.
        like: A tensor of the pixels' type and device, of B images.
        tokens: N.
        gelu: Whether a GELU follows.
    """
    kernel = convolution.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (4 * out, C)
    bias = None if convolution.bias is None else convolution.bias.repeat(4)
    split = laid_out(kernel, bias, like.new_empty(len(like), tokens, kernel.shape[1]), gelu=gelu)
    return lambda pixels: split(pixels).view(len(pixels), -1, convolution.out_channels)
