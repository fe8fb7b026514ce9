"""EfficientSAM (Xiong et al., arXiv 2312.00863): SAM on a small ViT pre-trained to predict SAM's features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, pad

from sam_widget.model.config import EFFICIENT_S, EFFICIENT_TI, EfficientSamConfig
from sam_widget.model.image_encoder import image_encoder
from sam_widget.model.mask_decoder import MaskDecoder, TwoWayAttentionBlock
from sam_widget.model.prompt_encoder import NOT_A_POINT, PromptEncoder
from sam_widget.model.sam import Sam


class PositionedPatches(nn.Module):
    """Patch embedding with positions learned on a smaller grid."""

    def __init__(self, proj: nn.Module, config: EfficientSamConfig) -> None:
        super().__init__()
        self.proj = proj
        self.pos_embed = nn.Parameter(torch.zeros(1, config.embed_dim, config.position_grid, config.position_grid))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (I, g, g, embed_dim) of images (I, 3, S, S)."""
        patches = self.proj(x)  # (I, embed_dim, g, g)
        positions = interpolate(self.pos_embed.float(), patches.shape[2:], mode="bicubic", align_corners=False)
        return (patches + positions.to(patches.dtype)).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


class EfficientPromptEncoder(PromptEncoder):
    """Encodes a prompt as at least six tokens, two of them for a box; masks are not supported.

    A token is its position plus a learned embedding of its kind: padding, foreground, and a box's top left and bottom
    right corners. There is no embedding for background: such a point is encoded by its position only, and works less
    well than in SAM. The authors' code drops all tokens after the sixth; here all are used.
    """

    config: EfficientSamConfig

    def __init__(self, config: EfficientSamConfig) -> None:
        super().__init__(config)
        # Foreground point, top left corner of a box, bottom right corner.
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, config.prompt_dim) for _ in range(3))
        del self.mask_downscaling, self.no_mask_embed

    def forward(
        self,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,  # noqa: ARG002  as the other models' prompt encoders
    ) -> tuple[Tensor, Tensor]:
        """Embed B prompts as `PromptEncoder.forward` does, without masks; the dense embedding is zero."""
        learned = self.not_a_point_embed.weight
        given = next((prompt for prompt in (points, boxes) if prompt is not None), learned)
        batch = len(given)
        coords, kinds = [given.new_zeros(batch, 0, 2)], [given.new_zeros(batch, 0)]
        if points is not None and labels is not None:
            # The position of a padding point is irrelevant; the authors use -1.
            coords.append(torch.where(labels[..., None] == NOT_A_POINT, -1, points))
            kinds.append(labels)
        if boxes is not None:
            coords.append(boxes.view(-1, 2, 2))
            kinds.append(torch.tensor([2, 3], device=boxes.device).expand(batch, 2))
        where, what = torch.cat(coords, dim=1), torch.cat(kinds, dim=1)
        missing = max(0, self.config.prompt_tokens - what.shape[1])
        where, what = pad(where, (0, 0, 0, missing), value=-1), pad(what, (0, missing), value=NOT_A_POINT)
        table = torch.cat([learned, torch.zeros_like(learned), *(self._learned(kind) for kind in range(3))])
        grid = self.config.grid_size
        dense = learned.new_zeros(()).expand(batch, self.config.prompt_dim, grid, grid)
        return self._positions(where) + table[what.long() + 1], dense


class EfficientAttentionBlock(TwoWayAttentionBlock):
    """SAM's two-way block, except that the residual of the self-attention includes the tokens' positions."""

    def attend_to_tokens(self, tokens: Tensor, token_pe: Tensor) -> Tensor:
        """Let the tokens attend to each other; returns the sum that is normalised next."""
        if not self.first:
            tokens = tokens + token_pe
        return tokens + self.self_attn(tokens, tokens, tokens)  # type: ignore[no-any-return]


class EfficientMaskDecoder(MaskDecoder):
    """SAM's mask decoder with other nonlinearities and norms; parameter names are SAM's."""

    def __init__(self, config: EfficientSamConfig) -> None:
        super().__init__(config)
        blocks = [EfficientAttentionBlock(config, first=i == 0) for i in range(config.decoder_depth)]
        for mlp in (*(block.mlp for block in blocks), *self.output_hypernetworks_mlps, self.iou_prediction_head):
            mlp.activation = gelu
        self.transformer.layers = nn.ModuleList(blocks)
        # Normalises over all pixels of an image.
        self.output_upscaling[1] = nn.GroupNorm(1, config.prompt_dim // 4)


class EfficientSam(Sam):
    """EfficientSAM's parts, joined like SAM's."""

    def __init__(self, config: EfficientSamConfig, *, name: str = "efficient_sam") -> None:
        encoder = image_encoder(config)
        encoder.pos_embed = None
        encoder.patch_embed = PositionedPatches(encoder.patch_embed.proj, config)
        super().__init__(config, name=name, encoder=encoder, decoder=EfficientMaskDecoder(config))
        self.prompt_encoder = EfficientPromptEncoder(config)


def efficient_sam_ti() -> EfficientSam:
    """Build EfficientSAM on a ViT-Ti (10 M parameters, 1024 px)."""
    return EfficientSam(EFFICIENT_TI, name="efficient_sam_ti")


def efficient_sam_s() -> EfficientSam:
    """Build EfficientSAM on a ViT-S (26 M parameters, 1024 px)."""
    return EfficientSam(EFFICIENT_S, name="efficient_sam_s")
