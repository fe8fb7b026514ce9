"""The prompt encoder: points, boxes and masks become tokens and a dense embedding."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sam_widget.model.config import SamConfig
from sam_widget.model.layers.channels import LayerNorm2d

# The label of points that pad a batch of prompts of unequal length; they have their own learned embedding.
NOT_A_POINT = -1


class PositionEmbeddingRandom(nn.Module):
    """Positions as random Fourier features (Tancik et al., arXiv 2006.10739): sin and cos of a fixed random projection.

    Image grid and prompts share the projection, so a point and the image token under it have the same encoding.
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, num_frequencies: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, num_frequencies))

    def forward(self, coords: Tensor) -> Tensor:
        """Encode (..., 2) coordinates in [0, 1] as (..., 2 * num_frequencies)."""
        projected = 2 * math.pi * ((2 * coords - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([projected.sin(), projected.cos()], dim=-1)

    def grid(self, side: int) -> Tensor:
        """Encode the centres of a side x side grid: (1, 2 * num_frequencies, side, side)."""
        matrix = self.positional_encoding_gaussian_matrix
        centres = (torch.arange(side, device=matrix.device, dtype=matrix.dtype) + 0.5) / side
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        return self.forward(torch.stack([x, y], dim=-1)).permute(2, 0, 1)[None]


class PromptEncoder(nn.Module):
    """Turns sparse prompts (points, boxes) into tokens, and masks into an embedding that is added to the image's.

    Parameter names follow the published checkpoints.
    """

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.prompt_dim
        self.pe_layer = PositionEmbeddingRandom(dim // 2)
        # Background point, foreground point, top left corner of a box, bottom right corner.
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        hidden = config.mask_channels
        self.mask_downscaling = nn.Sequential(  # (B, 1, 4g, 4g) -> (B, dim, g, g)
            nn.Conv2d(1, hidden // 4, kernel_size=2, stride=2),
            LayerNorm2d(hidden // 4),
            nn.GELU(),
            nn.Conv2d(hidden // 4, hidden, kernel_size=2, stride=2),
            LayerNorm2d(hidden),
            nn.GELU(),
            nn.Conv2d(hidden, dim, kernel_size=1),
        )
        self.no_mask_embed = nn.Embedding(1, dim)

    def image_positions(self) -> Tensor:
        """Return the positional encoding of the image grid: (1, prompt_dim, grid, grid)."""
        return self.pe_layer.grid(self.config.grid_size)

    def forward(
        self,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Embed B prompts.

        Args:
            points: (B, N, 2) x, y in pixels of the padded model input.
            labels: (B, N): 1 foreground, 0 background, -1 padding.
            boxes: (B, 4) x0, y0, x1, y1 in the same pixels.
            masks: (B, 1, mask_size, mask_size) logits of an earlier prediction.

        Returns:
            Sparse embeddings (B, M, prompt_dim): one token per point, two per box, and one for the padding point that
            follows points without a box (with `config.pads_boxes`: any prompt). Dense embeddings
            (B, prompt_dim, grid, grid).
        """
        given = next((prompt for prompt in (points, boxes, masks) if prompt is not None), None)
        batch = 1 if given is None else given.shape[0]
        weight = self.no_mask_embed.weight
        tokens = [weight.new_empty(batch, 0, self.config.prompt_dim)]
        if points is not None and labels is not None:
            tokens.append(self._embed_points(points, labels))
        if boxes is not None:
            tokens.append(self._embed_boxes(boxes))
        # As published: a padding point follows points without a box. SAM 2 was trained with a padding point after every
        # prompt, and with one instead of a prompt that has neither points nor a box.
        if self.config.pads_boxes:
            padding = 2 if points is None and boxes is None else 1
        else:
            padding = 1 if points is not None and boxes is None else 0
        tokens.append(self.not_a_point_embed.weight.expand(batch, padding, -1))
        sparse = torch.cat(tokens, dim=1)
        if masks is not None:
            return sparse, self.mask_downscaling(masks)
        grid = self.config.grid_size
        return sparse, weight.view(1, -1, 1, 1).expand(batch, -1, grid, grid)

    def _positions(self, coords: Tensor) -> Tensor:
        # In the published models, point coordinates are pixel indices; 0.5 is added for the centre.
        return self.pe_layer.forward((coords.float() + 0.5) / self.config.image_size)

    def _embed_points(self, points: Tensor, labels: Tensor) -> Tensor:
        positions = self._positions(points)
        kind = labels[..., None]
        learned = torch.where(kind == 1, self._learned(1), self._learned(0))
        return torch.where(kind == NOT_A_POINT, self.not_a_point_embed.weight, positions + learned)

    def _embed_boxes(self, boxes: Tensor) -> Tensor:
        corners = torch.cat([self._learned(2), self._learned(3)])
        return self._positions(boxes.view(-1, 2, 2)) + corners

    def _learned(self, kind: int) -> Tensor:
        return self.point_embeddings[kind].weight  # type: ignore[return-value]
