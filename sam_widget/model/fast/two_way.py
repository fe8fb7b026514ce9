"""Two-way attention between a few tokens and thousands of image tokens, without projecting the image.

Attention is linear before and after its softmax. The few queries can therefore be multiplied by the keys' projection,
and the attended input by the values' projection, which costs less than projecting every image token.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from sam_widget.model.layers.per_image_cache import PerImageCache
from sam_widget.model.mask_decoder import (
    Attention,
    TwoWayAttentionBlock,
    TwoWayTransformer,
    as_image,
    as_tokens,
    per_prompt,
)


class FastAttention(Attention):
    """Cross-attention that is faster if one side has few tokens."""

    def token_to_image(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return the same as `forward`, faster for few queries and many keys.

        The keys' bias is omitted: it shifts all logits of a query equally, and softmax is invariant to that.
        """
        if not self._pays(q):
            return self.forward(q, k, v)
        queries = self._separate_heads(self.q_proj(q))  # (B, heads, Nq, d)
        carried = (queries @ self._per_head(self.k_proj.weight)).flatten(1, 2)  # (B, heads * Nq, dim)
        weights = (carried @ k.transpose(1, 2) * queries.shape[-1] ** -0.5).softmax(dim=-1)
        attended = (weights @ v).view(*queries.shape[:3], -1)  # (B, heads, Nq, dim)
        values = attended @ self._per_head(self.v_proj.weight).transpose(1, 2)
        return self._project(values + self.v_proj.bias.view(self.num_heads, 1, -1))

    def image_to_token(self, q: Tensor, k: Tensor, v: Tensor, residual: Tensor) -> Tensor:
        """Return `residual` plus the result of `forward`, faster for many queries and few keys."""
        if not self._pays(k):
            return residual + self.forward(q, k, v)
        keys = self._separate_heads(self.k_proj(k))  # (B, heads, Nk, d)
        scale = keys.shape[-1] ** -0.5
        carried = (keys @ self._per_head(self.q_proj.weight)).flatten(1, 2) * scale  # (B, heads * Nk, dim)
        bias = (keys @ self.q_proj.bias.view(self.num_heads, -1, 1)).flatten(1, 2) * scale  # (B, heads * Nk, 1)
        # Keys before queries, because softmax over a short innermost axis is slow.
        logits = torch.baddbmm(bias, carried, q.transpose(1, 2))  # (B, heads * Nk, Nq)
        weights = logits.view(*keys.shape[:3], -1).softmax(dim=2).flatten(1, 2)
        return self._spread(weights, v, residual)

    def token_to_projected(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return the same as `token_to_image`, for keys and values that are already projected."""
        queries = self._separate_heads(self.q_proj(q))
        weights = (queries @ keys * queries.shape[-1] ** -0.5).softmax(dim=-1)
        return self._project(weights @ values)

    def projected_to_token(self, queries: Tensor, k: Tensor, v: Tensor, residual: Tensor) -> Tensor:
        """Return the same as `image_to_token`, for queries that are already projected."""
        keys = self._separate_heads(self.k_proj(k))
        weights = (keys @ queries * keys.shape[-1] ** -0.5).softmax(dim=2)
        return self._spread(weights.flatten(1, 2), v, residual)

    def project_keys(self, k: Tensor) -> Tensor:
        """Project keys (B, Nk, dim), laid out for products with few queries: (B, heads, d, Nk)."""
        return self._separate_heads(self.k_proj(k)).transpose(2, 3).contiguous()

    def project_values(self, v: Tensor) -> Tensor:
        """Project values (B, Nk, dim): (B, heads, Nk, d)."""
        return self._separate_heads(self.v_proj(v)).contiguous()

    def project_queries(self, q: Tensor) -> Tensor:
        """Project queries (B, Nq, dim), laid out for products with few keys: (B, heads, d, Nq)."""
        return self._separate_heads(self.q_proj(q)).transpose(2, 3).contiguous()

    def _spread(self, weights: Tensor, v: Tensor, residual: Tensor) -> Tensor:
        """Add the few values (B, Nk, dim) to `residual` (B, Nq, dim), by the weights (B, heads * Nk, Nq) of each query.

        The weights of each head sum to one, so each key can carry a share of the output's bias.
        """
        values = self._separate_heads(self.v_proj(v))
        outputs = values @ self.out_proj.weight.T.view(self.num_heads, values.shape[-1], -1)  # (B, heads, Nk, dim)
        outputs = outputs + self.out_proj.bias / self.num_heads
        return torch.baddbmm(residual, weights.transpose(1, 2), outputs.flatten(1, 2))

    def _pays(self, few: Tensor) -> bool:
        # In half precision, fused kernels keep the logits in float32; that precision is worth more than the speed.
        exact = few.dtype == torch.float32 and not torch.is_autocast_enabled(few.device.type)
        return exact and few.shape[1] * self.num_heads < self.k_proj.out_features

    def _project(self, attended: Tensor) -> Tensor:
        return self.out_proj(self._recombine_heads(attended))  # type: ignore[no-any-return]

    def _per_head(self, weight: Tensor) -> Tensor:
        return weight.view(self.num_heads, -1, weight.shape[1])  # (heads, d, dim)


class ProjectedImage(NamedTuple):
    """An image projected for the first block's cross-attention, the same for every prompt without a mask.

    Attributes:
        image: (1, g*g, dim), with the "no mask" embedding added.
        keys: (1, heads, d, g*g), for tokens attending to the image.
        values: (1, heads, g*g, d), for tokens attending to the image.
        queries: (1, heads, d, g*g), for the image attending to tokens.
    """

    image: Tensor
    keys: Tensor
    values: Tensor
    queries: Tensor


class FastTwoWayTransformer(TwoWayTransformer):
    """Projects an image once for all clicks on it, and uses `FastAttention` elsewhere."""

    def prepare(self) -> None:
        """Start with an empty cache."""
        self._projected = PerImageCache[ProjectedImage]()
        # The "no mask" embedding and the positions from which `_projected` was computed.
        self._projected_with: tuple[Tensor, Tensor] | None = None

    def forward(self, tokens: Tensor, image: Tensor, image_pe: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
        """Update tokens (B, N, dim) and image (I, dim, g, g); see `TwoWayTransformer.forward`."""
        batch, token_pe = len(tokens), tokens
        positions = image_pe.flatten(2).transpose(1, 2).contiguous()
        projected = self._project_once(image, positions, dense) if batch == 1 else None
        source = as_tokens(per_prompt(image, batch) + dense) if projected is None else projected.image
        layers: Any = self.layers
        for layer in layers:
            tokens, source = _block(layer, tokens, source, token_pe, positions, projected=projected)
            projected = None  # after the first block, the image differs between prompts
        attention: FastAttention = self.final_attn_token_to_image  # type: ignore[assignment]
        tokens = tokens + attention.token_to_image(tokens + token_pe, source + positions, source)
        return self.norm_final_attn(tokens), as_image(source, *image.shape[2:])

    def _project_once(self, image: Tensor, positions: Tensor, dense: Tensor) -> ProjectedImage | None:
        """Return the projections of an image in the first block, or None if caching them would not pay off.

        They are the same for every prompt without a mask, whose dense embedding is constant over the image.
        """
        exact = image.dtype == torch.float32 and image.device.type == "cpu"
        if not exact or dense.stride()[2:] != (0, 0) or torch.is_grad_enabled() or torch.compiler.is_dynamo_compiling():
            return None
        block: TwoWayAttentionBlock = self.layers[0]  # type: ignore[assignment]
        read, write = block.cross_attn_token_to_image, block.cross_attn_image_to_token
        weights = [w for layer in (read.k_proj, read.v_proj, write.q_proj) for w in (layer.weight, layer.bias)]
        if any(weight.is_inference() for weight in weights):
            return None
        no_mask = dense[0, :, 0, 0]
        before = self._projected_with
        if before is None or before[1].data_ptr() != positions.data_ptr() or not torch.equal(before[0], no_mask):
            self._projected_with, self._projected = (no_mask.clone(), positions), PerImageCache()
        return self._projected.get([image], weights, lambda: project(block, as_tokens(image + dense), positions))


def project(block: TwoWayAttentionBlock, image: Tensor, image_pe: Tensor) -> ProjectedImage:
    """Project an image (1, g*g, dim) for a block's cross-attention."""
    read, write = _cross_attention(block)
    keys = image + image_pe
    return ProjectedImage(image, read.project_keys(keys), read.project_values(image), write.project_queries(keys))


def _block(
    block: TwoWayAttentionBlock,
    tokens: Tensor,
    image: Tensor,
    token_pe: Tensor,
    image_pe: Tensor,
    *,
    projected: ProjectedImage | None,
) -> tuple[Tensor, Tensor]:
    """Run a block like `TwoWayAttentionBlock.forward`."""
    read, write = _cross_attention(block)
    tokens = block.norm1(block.attend_to_tokens(tokens, token_pe))
    if projected is not None:
        tokens = block.norm2(tokens + read.token_to_projected(tokens + token_pe, projected.keys, projected.values))
        tokens = block.norm3(tokens + block.mlp(tokens))
        return tokens, block.norm4(write.projected_to_token(projected.queries, tokens + token_pe, tokens, image))
    keys = image + image_pe
    tokens = block.norm2(tokens + read.token_to_image(tokens + token_pe, keys, image))
    tokens = block.norm3(tokens + block.mlp(tokens))
    return tokens, block.norm4(write.image_to_token(keys, tokens + token_pe, tokens, image))


def _cross_attention(block: TwoWayAttentionBlock) -> tuple[FastAttention, FastAttention]:
    return block.cross_attn_token_to_image, block.cross_attn_image_to_token  # type: ignore[return-value]
