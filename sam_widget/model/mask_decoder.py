"""The mask decoder: two-way attention between a few tokens and the image, then masks and their predicted quality."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from sam_widget.model.config import SamConfig
from sam_widget.model.layers.channels import LayerNorm2d

Activation = Callable[[Tensor], Tensor]


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its outer width."""

    def __init__(self, dim: int, num_heads: int, *, downsample_rate: int = 1) -> None:
        super().__init__()
        self.num_heads = num_heads
        inner = dim // downsample_rate
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(dim, inner)
        self.v_proj = nn.Linear(dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from q (B, Nq, dim) to k, v (B, Nk, dim); return (B, Nq, dim)."""
        q = self._separate_heads(self.q_proj(q))  # (B, heads, Nq, d)
        k = self._separate_heads(self.k_proj(k))  # (B, heads, Nk, d)
        v = self._separate_heads(self.v_proj(v))
        attended = scaled_dot_product_attention(q, k, v)  # softmax(q k^T / sqrt(d)) v: (B, heads, Nq, d)
        return self.out_proj(self._recombine_heads(attended))  # type: ignore[no-any-return]

    def _separate_heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)  # (B, N, C) to (B, heads, N, C / heads)

    def _recombine_heads(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)  # (B, heads, N, C / heads) to (B, N, C)


class TokenMlp(nn.Module):
    """Two linear layers with a nonlinearity in between, applied to tokens."""

    def __init__(self, dim: int, hidden: int, *, activation: Activation = relu) -> None:
        super().__init__()
        self.activation = activation
        self.lin1 = nn.Linear(dim, hidden)
        self.lin2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, dim) to (B, N, dim)."""
        return self.lin2(self.activation(self.lin1(x)))  # type: ignore[no-any-return]


class TwoWayAttentionBlock(nn.Module):
    """A layer of the decoder (paper, figure 14).

    Self-attention of the tokens, cross-attention from tokens to the image, an MLP on the tokens, and cross-attention
    from the image to the tokens.
    """

    def __init__(self, config: SamConfig, *, first: bool) -> None:
        super().__init__()
        dim, heads = config.prompt_dim, config.decoder_heads
        self.first = first
        self.self_attn = Attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim, heads, downsample_rate=2)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = TokenMlp(dim, config.decoder_mlp_dim)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, heads, downsample_rate=2)

    def forward(self, tokens: Tensor, image: Tensor, token_pe: Tensor, image_pe: Tensor) -> tuple[Tensor, Tensor]:
        """Update tokens (B, N, dim) and image (B, g*g, dim); the positional encodings have the same shapes."""
        tokens = self.norm1(self.attend_to_tokens(tokens, token_pe))
        read = self.cross_attn_token_to_image(tokens + token_pe, image + image_pe, image)
        tokens = self.norm2(tokens + read)
        tokens = self.norm3(tokens + self.mlp(tokens))
        written = self.cross_attn_image_to_token(image + image_pe, tokens + token_pe, tokens)
        return tokens, self.norm4(image + written)

    def attend_to_tokens(self, tokens: Tensor, token_pe: Tensor) -> Tensor:
        """Let the tokens attend to each other; returns the sum that is normalised next."""
        # In the first block, tokens equal their positions, so these are not added, and there is no residual.
        if self.first:
            return self.self_attn(tokens, tokens, tokens)  # type: ignore[no-any-return]
        query = tokens + token_pe
        return tokens + self.self_attn(query, query, tokens)  # type: ignore[no-any-return]


class TwoWayTransformer(nn.Module):
    """A stack of two-way blocks and a final cross-attention from tokens to the image."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayAttentionBlock(config, first=i == 0) for i in range(config.decoder_depth))
        self.final_attn_token_to_image = Attention(config.prompt_dim, config.decoder_heads, downsample_rate=2)
        self.norm_final_attn = nn.LayerNorm(config.prompt_dim)

    def forward(self, tokens: Tensor, image: Tensor, image_pe: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
        """Let the tokens of B prompts and I images attend to each other.

        Args:
            tokens: (B, N, dim), which also serve as their own positional encodings.
            image: (I, dim, g, g).
            image_pe: (1, dim, g, g), the image's positions.
            dense: (B, dim, g, g), added to the image.

        Returns:
            Tokens (B, N, dim) and image (B, dim, g, g).
        """
        token_pe, positions = tokens, as_tokens(image_pe)
        source = as_tokens(per_prompt(image, len(tokens)) + dense)  # (B, g*g, dim)
        for layer in self.layers:
            tokens, source = layer(tokens, source, token_pe, positions)
        read = self.final_attn_token_to_image(tokens + token_pe, source + positions, source)
        tokens = self.norm_final_attn(tokens + read)
        return tokens, as_image(source, *image.shape[2:])


class Mlp(nn.Module):
    """An MLP applied to one token, as in the hypernetworks and the IoU head."""

    def __init__(self, dim: int, hidden: int, out: int, depth: int, *, activation: Activation = relu) -> None:
        super().__init__()
        self.activation = activation
        widths = [dim, *[hidden] * (depth - 1), out]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to (..., out)."""
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)  # type: ignore[no-any-return]


class MaskDecoder(nn.Module):
    """Decodes image and prompt embeddings into one mask for unambiguous prompts and three for ambiguous ones.

    Parameter names follow the published checkpoints.
    """

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        dim = config.prompt_dim
        self.num_mask_tokens = config.multimask_outputs + 1
        self.transformer = TwoWayTransformer(config)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(self.num_mask_tokens, dim)
        self.output_upscaling = nn.Sequential(  # (B, dim, g, g) -> (B, dim / 8, 4g, 4g)
            nn.ConvTranspose2d(dim, dim // 4, kernel_size=2, stride=2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Mlp(dim, dim, dim // 8, 3) for _ in range(self.num_mask_tokens))
        self.iou_prediction_head = Mlp(dim, config.iou_hidden_dim, self.num_mask_tokens, 3)

    def forward(
        self,
        image: Tensor,
        image_pe: Tensor,
        sparse: Tensor,
        dense: Tensor,
        high_resolution: tuple[Tensor, ...] = (),  # noqa: ARG002  used by subclasses
    ) -> tuple[Tensor, Tensor]:
        """Decode B prompts on I images; prompts of one image are consecutive, B / I each.

        Args:
            image: (I, dim, g, g) image embeddings.
            image_pe: (1, dim, g, g) their positional encoding.
            sparse: (B, M, dim) prompt tokens.
            dense: (B, dim, g, g) dense prompt embeddings.
            high_resolution: Finer image features, for decoders that use them.

        Returns:
            Mask logits (B, 1 + multimask_outputs, 4g, 4g) and predicted IoUs (B, 1 + multimask_outputs). Index 0 is
            the mask for an unambiguous prompt, 1, 2, 3 are subpart, part and whole.
        """
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens, embedded = self.attend(output_tokens, image, image_pe, sparse, dense)
        return self.masks(tokens[:, 1:], embedded), self.iou_prediction_head(tokens[:, 0])

    def attend(
        self, output_tokens: Tensor, image: Tensor, image_pe: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let T output tokens and the prompt tokens attend to the image, and the image to them.

        Returns:
            The output tokens (B, T, dim) and the updated image (B, dim, g, g).
        """
        batch = sparse.shape[0]
        tokens = torch.cat([output_tokens.expand(batch, -1, -1), sparse], dim=1)
        tokens, embedded = self.transformer(tokens, image, image_pe, dense)
        return tokens[:, : len(output_tokens)], embedded

    def masks(self, mask_tokens: Tensor, embedded: Tensor) -> Tensor:
        """Return the logits (B, N, 4g, 4g) of N mask tokens (B, N, dim) on image features (B, dim, g, g)."""
        return classify_pixels(self.hypernetworks(mask_tokens), self.upscale(embedded))

    def upscale(self, embedded: Tensor, high_resolution: tuple[Tensor, ...] = ()) -> Tensor:  # noqa: ARG002
        """Upscale image features fourfold: (B, dim, g, g) to (B, dim / 8, 4g, 4g)."""
        return self.output_upscaling(embedded)  # type: ignore[no-any-return]

    def hypernetworks(self, mask_tokens: Tensor) -> Tensor:
        """Turn each mask token into a linear classifier of pixels: (B, N, dim) to (B, N, dim / 8)."""
        mlps = self.output_hypernetworks_mlps
        return torch.stack([mlp(mask_tokens[:, i]) for i, mlp in enumerate(mlps)], dim=1)


def as_tokens(features: Tensor) -> Tensor:
    """Lay out features (B, dim, g, g) as tokens (B, g*g, dim)."""
    return features.flatten(2).transpose(1, 2).contiguous()


def as_image(tokens: Tensor, height: int, width: int) -> Tensor:
    """View tokens (B, h*w, dim) as features (B, dim, h, w)."""
    return tokens.transpose(1, 2).view(len(tokens), -1, height, width)


def per_prompt(features: Tensor, batch: int) -> Tensor:
    """Repeat each of I images for its B / I prompts: (I, ...) to (B, ...)."""
    if batch == features.shape[0]:
        return features
    return features.repeat_interleave(batch // features.shape[0], dim=0)


def in_order(masks: Tensor, height: int, width: int) -> Tensor:
    """Reorder pixels that were split twice from cells, (B, N, h * w * 16), row by row: (B, N, 4h, 4w).

    The innermost 2 x 2 pixels are moved last, because copying is fast as long as neighbours stay contiguous.
    """
    cells = masks.view(-1, height, width, 2, 2, 4).permute(0, 1, 3, 2, 4, 5)  # (B * N, h, 2, w, 2, 4)
    rows = cells.reshape(-1, 2 * height, 2 * width, 2, 2).transpose(2, 3)  # (B * N, 2h, 2, 2w, 2)
    return rows.reshape(*masks.shape[:2], 4 * height, 4 * width)


def classify_pixels(classifiers: Tensor, pixels: Tensor) -> Tensor:
    """Return the logits (B, N, h, w) of N linear classifiers (B, N, C) on pixels (B, C, h, w)."""
    return torch.einsum("bnc,bchw->bnhw", classifiers, pixels)
