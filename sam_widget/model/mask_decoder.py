"""The mask decoder: two-way attention between a handful of tokens and the image, then masks and their quality."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torch.nn.functional import layer_norm, relu, scaled_dot_product_attention

from sam_widget.model.config import SamConfig
from sam_widget.model.layers.image_memo import OfOneImage
from sam_widget.model.layers.token_maps import BAND, laid_out

Activation = Callable[[Tensor], Tensor]


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its outer one."""

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
        q, k, v = self._heads(self.q_proj(q)), self._heads(self.k_proj(k)), self._heads(self.v_proj(v))
        return self._joined(scaled_dot_product_attention(q, k, v))

    def from_few(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what `forward` returns, sooner where there are few queries and many keys.

        Projecting thousands of keys and values costs most of the attention. Since it is linear, a handful of queries
        can be carried back through the keys' projection instead, and the attended values forth through theirs. The
        keys' bias shifts all logits of a query alike, which softmax does not see.
        """
        if not self._pays(q):
            return self.forward(q, k, v)
        queries = self._heads(self.q_proj(q))  # (B, heads, Nq, d)
        carried = (queries @ self._per_head(self.k_proj.weight)).flatten(1, 2)  # (B, heads * Nq, dim)
        weights = (carried @ k.transpose(1, 2) * queries.shape[-1] ** -0.5).softmax(dim=-1)
        attended = (weights @ v).view(*queries.shape[:3], -1)  # (B, heads, Nq, dim)
        values = attended @ self._per_head(self.v_proj.weight).transpose(1, 2)
        return self._joined(values + self.v_proj.bias.view(self.num_heads, 1, -1))

    def to_few(self, q: Tensor, k: Tensor, v: Tensor, residual: Tensor) -> Tensor:
        """Return `residual` and what `forward` returns, sooner where queries are many and keys few; see `from_few`."""
        if not self._pays(k):
            return residual + self.forward(q, k, v)
        keys = self._heads(self.k_proj(k))  # (B, heads, Nk, d)
        scale = keys.shape[-1] ** -0.5
        carried = (keys @ self._per_head(self.q_proj.weight)).flatten(1, 2) * scale  # (B, heads * Nk, dim)
        bias = (keys @ self.q_proj.bias.view(self.num_heads, -1, 1)).flatten(1, 2) * scale  # (B, heads * Nk, 1)
        # Keys before queries: softmax over a handful of neighbours in memory is slow.
        logits = torch.baddbmm(bias, carried, q.transpose(1, 2))  # (B, heads * Nk, Nq)
        weights = logits.view(*keys.shape[:3], -1).softmax(dim=2).flatten(1, 2)
        return self._spread(weights, v, residual)

    def heads_of_keys(self, k: Tensor) -> Tensor:
        """Project keys (B, Nk, dim) and lay them out for products with few queries: (B, heads, d, Nk)."""
        return self._heads(self.k_proj(k)).transpose(2, 3).contiguous()

    def heads_of_values(self, v: Tensor) -> Tensor:
        """Project values (B, Nk, dim): (B, heads, Nk, d)."""
        return self._heads(self.v_proj(v)).contiguous()

    def heads_of_queries(self, q: Tensor) -> Tensor:
        """Project queries (B, Nq, dim) and lay them out for products with few keys: (B, heads, d, Nq)."""
        return self._heads(self.q_proj(q)).transpose(2, 3).contiguous()

    def from_few_projected(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return what `from_few` returns, for keys and values that are projected already."""
        queries = self._heads(self.q_proj(q))
        weights = (queries @ keys * queries.shape[-1] ** -0.5).softmax(dim=-1)
        return self._joined(weights @ values)

    def to_few_projected(self, queries: Tensor, k: Tensor, v: Tensor, residual: Tensor) -> Tensor:
        """Return what `to_few` returns, for queries that are projected already."""
        keys = self._heads(self.k_proj(k))
        weights = (keys @ queries * keys.shape[-1] ** -0.5).softmax(dim=2)
        return self._spread(weights.flatten(1, 2), v, residual)

    def _spread(self, weights: Tensor, v: Tensor, residual: Tensor) -> Tensor:
        """Give each of many queries what its weights (B, heads * Nk, Nq) on few values (B, Nk, dim) say."""
        values = self._heads(self.v_proj(v))
        outputs = values @ self.out_proj.weight.T.view(self.num_heads, values.shape[-1], -1)  # (B, heads, Nk, dim)
        # The weights of each head add up to one, so that a part of the bias may ride on every key.
        outputs = outputs + self.out_proj.bias / self.num_heads
        return torch.baddbmm(residual, weights.transpose(1, 2), outputs.flatten(1, 2))

    def _pays(self, few: Tensor) -> bool:
        # Fused kernels keep the logits of half-precision attention in float32, which is worth more than time.
        exact = few.dtype == torch.float32 and not torch.is_autocast_enabled(few.device.type)
        return exact and few.shape[1] * self.num_heads < self.k_proj.out_features

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)

    def _joined(self, x: Tensor) -> Tensor:
        return self.out_proj(x.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _per_head(self, weight: Tensor) -> Tensor:
        return weight.view(self.num_heads, -1, weight.shape[1])  # (heads, d, dim)


class TokenMlp(nn.Module):
    """Two linear layers with a nonlinearity between, on tokens."""

    def __init__(self, dim: int, hidden: int, *, activation: Activation = relu) -> None:
        super().__init__()
        self.activation = activation
        self.lin1 = nn.Linear(dim, hidden)
        self.lin2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, dim) to (B, N, dim)."""
        return self.lin2(self.activation(self.lin1(x)))  # type: ignore[no-any-return]


class Seen(NamedTuple):
    """An image as the first block sees it, which is the same for every prompt without a mask.

    Attributes:
        image: (1, g*g, dim), with the embedding of no mask.
        keys: (1, heads, d, g*g), for the tokens to look at.
        values: (1, heads, g*g, d), that they find.
        queries: (1, heads, d, g*g), with which the image looks at the tokens.
    """

    image: Tensor
    keys: Tensor
    values: Tensor
    queries: Tensor


class TwoWayAttentionBlock(nn.Module):
    """Tokens attend to themselves and to the image, think, and the image attends to the tokens (paper, figure 14)."""

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

    def forward(
        self, tokens: Tensor, image: Tensor, token_pe: Tensor, image_pe: Tensor, seen: Seen | None = None
    ) -> tuple[Tensor, Tensor]:
        """Update tokens (B, N, dim) and image (B, g*g, dim); positions have the same shapes."""
        tokens = self.norm1(self._among_tokens(tokens, token_pe))
        look, tell = self.cross_attn_token_to_image, self.cross_attn_image_to_token
        if seen is not None:
            tokens = self.norm2(tokens + look.from_few_projected(tokens + token_pe, seen.keys, seen.values))
            tokens = self.norm3(tokens + self.mlp(tokens))
            return tokens, self.norm4(tell.to_few_projected(seen.queries, tokens + token_pe, tokens, image))
        image_key = image + image_pe
        tokens = self.norm2(tokens + look.from_few(tokens + token_pe, image_key, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        return tokens, self.norm4(tell.to_few(image_key, tokens + token_pe, tokens, image))

    def see(self, image: Tensor, image_pe: Tensor) -> Seen:
        """Project an image (1, g*g, dim), to be used again and again."""
        look, tell, image_key = self.cross_attn_token_to_image, self.cross_attn_image_to_token, image + image_pe
        keys, values = look.heads_of_keys(image_key), look.heads_of_values(image)
        return Seen(image, keys, values, tell.heads_of_queries(image_key))

    def _among_tokens(self, tokens: Tensor, token_pe: Tensor) -> Tensor:
        # The first block's tokens are nothing but their positions yet: it neither adds them again nor keeps a residual.
        if self.first:
            return self.self_attn(tokens, tokens, tokens)  # type: ignore[no-any-return]
        query = tokens + token_pe
        return tokens + self.self_attn(query, query, tokens)  # type: ignore[no-any-return]


class TwoWayTransformer(nn.Module):
    """A stack of two-way blocks and a last look of the tokens at the image."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayAttentionBlock(config, first=i == 0) for i in range(config.decoder_depth))
        self.final_attn_token_to_image = Attention(config.prompt_dim, config.decoder_heads, downsample_rate=2)
        self.norm_final_attn = nn.LayerNorm(config.prompt_dim)

    def forward(
        self, tokens: Tensor, image: Tensor, image_pe: Tensor, seen: Seen | None = None
    ) -> tuple[Tensor, Tensor]:
        """Update tokens (B, N, dim) and image (B, g*g, dim). A token's first value is also its position."""
        token_pe = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_pe, image_pe, seen)
            seen = None  # After the first block, the image is different for every prompt.
        tokens = tokens + self.final_attn_token_to_image.from_few(tokens + token_pe, image + image_pe, image)
        return self.norm_final_attn(tokens), image


class Mlp(nn.Module):
    """A small network on one token: the hypernetworks and the IoU head."""

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
    """From image embedding and prompt embeddings to one unambiguous and three ambiguous masks, with predicted IoUs.

    Parameter names follow the published checkpoints.
    """

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        dim = config.prompt_dim
        self._seen = OfOneImage[Seen]()
        # The embedding of no mask and the positions that `_seen` was made with.
        self._beside: tuple[Tensor, Tensor] | None = None
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
        high_resolution: tuple[Tensor, ...] = (),  # noqa: ARG002  for the decoders that derive from this one
    ) -> tuple[Tensor, Tensor]:
        """Decode B prompts on I images; prompts of one image are consecutive, B / I each.

        Args:
            image: (I, dim, g, g) image embeddings.
            image_pe: (1, dim, g, g) their positional encoding.
            sparse: (B, M, dim) prompt tokens.
            dense: (B, dim, g, g) dense prompt embeddings.
            high_resolution: Finer image features, for the decoders that use them.

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
        """Let T output tokens and the prompt look at the image.

        Returns:
            The output tokens (B, T, dim) and the image as they left it (B, dim, g, g).
        """
        batch = sparse.shape[0]
        tokens = torch.cat([output_tokens.expand(batch, -1, -1), sparse], dim=1)
        positions = image_pe.flatten(2).transpose(1, 2).contiguous()
        seen = self._seen_before(image, positions, dense) if batch == 1 else None
        # Laid out as tokens once, and not in every product.
        source = as_tokens(per_prompt(image, batch) + dense) if seen is None else seen.image  # (B, g*g, dim)
        tokens, source = self.transformer(tokens, source, positions, seen)
        return tokens[:, : len(output_tokens)], source.transpose(1, 2).unflatten(2, image.shape[2:])

    def _seen_before(self, image: Tensor, positions: Tensor, dense: Tensor) -> Seen | None:
        """Return what the first block has made of the one image that clicks are on; None where that would not pay.

        It is the same for every prompt without a mask: then there is but one dense embedding for all of the image.
        """
        exact = image.dtype == torch.float32 and image.device.type == "cpu"
        if not exact or dense.stride()[2:] != (0, 0) or torch.is_grad_enabled() or torch.compiler.is_dynamo_compiling():
            return None
        block: Any = self.transformer.layers[0]
        look, tell = block.cross_attn_token_to_image, block.cross_attn_image_to_token
        weights = [w for layer in (look.k_proj, look.v_proj, tell.q_proj) for w in (layer.weight, layer.bias)]
        if any(weight.is_inference() for weight in weights):
            return None
        nothing = dense[0, :, 0, 0]
        beside = self._beside
        if beside is None or beside[1].data_ptr() != positions.data_ptr() or not torch.equal(beside[0], nothing):
            self._beside, self._seen = (nothing.clone(), positions), OfOneImage()
        return self._seen.get([image], weights, lambda: block.see(as_tokens(image + dense), positions))

    def masks(self, mask_tokens: Tensor, embedded: Tensor) -> Tensor:
        """Upscale the image (B, dim, g, g) and return the logits (B, N, 4g, 4g) of N mask tokens (B, N, dim).

        A transposed convolution whose stride is its kernel makes four pixels of each by one linear map. As a product of
        matrices it is faster, and pixels need to be put in order only once they are masks.
        """
        layers: Any = self.output_upscaling
        first, norm, act, second, _ = layers
        dim, height, width = embedded.shape[1:]
        classifiers = self.hypernetworks(mask_tokens)
        # Some cells at a time on a processor, whose cache holds their pixels then; see `BAND`.
        bands = torch.split(embedded.flatten(2).transpose(1, 2), BAND if embedded.is_cpu else height * width, dim=1)
        once = _splitting(first, bands[0], tokens=bands[0].shape[1])
        twice = _splitting(second, bands[0], tokens=4 * bands[0].shape[1], gelu=True)
        made = []
        for cells in bands:
            pixels = once(cells)  # (B, cells * 4, dim / 4)
            pixels = act(layer_norm(pixels, (dim // 4,), norm.weight, norm.bias, norm.eps))
            made.append(classifiers @ twice(pixels).transpose(1, 2))  # of (B, cells * 16, dim / 8)
        return in_order(torch.cat(made, dim=2), height, width)

    def hypernetworks(self, mask_tokens: Tensor) -> Tensor:
        """Grow a linear classifier of pixels from each mask token: (B, N, dim) to (B, N, dim / 8)."""
        mlps = self.output_hypernetworks_mlps
        return torch.stack([mlp(mask_tokens[:, i]) for i, mlp in enumerate(mlps)], dim=1)


def as_tokens(features: Tensor) -> Tensor:
    """Lay out features (B, dim, g, g) as tokens (B, g*g, dim)."""
    return features.flatten(2).transpose(1, 2).contiguous()


def per_prompt(features: Tensor, batch: int) -> Tensor:
    """Repeat each of I images for its B / I prompts: (I, ...) to (B, ...)."""
    if batch == features.shape[0]:
        return features
    return features.repeat_interleave(batch // features.shape[0], dim=0)


def in_order(masks: Tensor, height: int, width: int) -> Tensor:
    """Put pixels that were split twice from cells, (B, N, h * w * 16), in order: (B, N, 4h, 4w).

    The innermost of the 2 x 2 are moved last: copying is quick where what lies side by side stays side by side.
    """
    cells = masks.view(-1, height, width, 2, 2, 4).permute(0, 1, 3, 2, 4, 5)  # (B * N, h, 2, w, 2, 4)
    rows = cells.reshape(-1, 2 * height, 2 * width, 2, 2).transpose(2, 3)  # (B * N, 2h, 2, 2w, 2)
    return rows.reshape(*masks.shape[:2], 4 * height, 4 * width)


def classify_pixels(classifiers: Tensor, pixels: Tensor) -> Tensor:
    """Return the logits (B, N, h, w) of N linear classifiers (B, N, C) on pixels (B, C, h, w)."""
    return torch.einsum("bnc,bchw->bnhw", classifiers, pixels)


def _splitting(
    convolution: nn.ConvTranspose2d, like: Tensor, *, tokens: int, gelu: bool = False
) -> Callable[[Tensor], Tensor]:
    """Return a transposed convolution of kernel and stride 2, maybe with a GELU, of pixels (B, N, C): (B, N * 4, out).

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
