"""A decoder whose masks are worth comparing, which those of random weights are not: all of them look alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from sam_widget.model.sam import Sam


class Bumps(nn.Module):
    """Answers with a hill around the point, narrow, wide or wider, with dents where the image's features say so.

    The steeper its sides, the better its score. Both models get this one, so what is compared is everything else.
    """

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.foreground = model.prompt_encoder.point_embeddings[1].weight

    def forward(self, image: Tensor, image_pe: Tensor, sparse: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Answer B points on an image: (B, 4, 4g, 4g) and (B, 4)."""
        place = sparse[:, 0] - self.foreground  # (B, dim)
        # The product of two positions falls with their distance; of few frequencies, it also rises elsewhere.
        near = torch.einsum("bc,chw->bhw", place, image_pe[0]) * 2 / place.shape[1]
        dents = 0.15 * image[0, :3].tanh()  # (3, g, g)
        heights = torch.tensor([0.5, 0.75, 0.5, 0.3])[:, None, None]
        hills = 12 * (near[:, None] + dents[[0, 0, 1, 2]] - heights)  # (B, 4, g, g)
        logits = interpolate(hills, scale_factor=4, mode="bicubic")
        return logits, (logits / 6).tanh().abs().mean(dim=(2, 3))


class MetaBumps(nn.Module):
    """`Bumps` as Meta's code calls a decoder."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, *, image_embeddings: Tensor, image_pe: Tensor, **prompt: Tensor) -> tuple[Tensor, Tensor]:
        """Return the three masks for an ambiguous prompt."""
        masks, scores = self.decoder(image_embeddings, image_pe, prompt["sparse_prompt_embeddings"])
        return masks[:, 1:], scores[:, 1:]
