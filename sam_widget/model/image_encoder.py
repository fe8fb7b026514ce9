"""The image encoder: a timm ViT with windowed and global attention, and SAM's convolutional neck."""

from __future__ import annotations

import math
from functools import partial
from itertools import product
from typing import Any

import torch
from timm.layers.norm import LayerNorm2d
from timm.models.vision_transformer_sam import Attention, VisionTransformerSAM
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu, scaled_dot_product_attention

from sam_widget.model.config import SamConfig


def image_encoder(config: SamConfig) -> VisionTransformerSAM:
    """Build the image encoder: (B, 3, S, S) normalised pixels to (B, prompt_dim, grid, grid).

    timm's `samvit_*` (the ViT of "Exploring Plain Vision Transformer Backbones for Object Detection",
    arXiv 2203.16527, with decomposed relative positions) already carries SAM's neck; only the sizes are ours.
    """
    # Its types know classes of norms only, not a norm with a smaller epsilon.
    kwargs: dict[str, Any] = {"norm_layer": partial(nn.LayerNorm, eps=1e-6)}
    if config.stem == "conv":
        kwargs["embed_layer"] = ConvStem
    encoder = VisionTransformerSAM(
        img_size=config.image_size,
        patch_size=config.patch_size,
        embed_dim=config.embed_dim,
        depth=config.depth,
        num_heads=config.num_heads,
        use_rel_pos=config.relative_positions,
        window_size=config.window_size,
        global_attn_indexes=config.global_attention,
        neck_chans=config.prompt_dim,
        num_classes=0,
        **kwargs,
    )
    encoder.norm_pre = InOrder()
    for block in encoder.blocks:
        block.attn.qkv, block.attn.proj = TokenLinear(block.attn.qkv), TokenLinear(block.attn.proj)
        block.mlp.fc1, block.mlp.fc2 = TokenLinear(block.mlp.fc1), TokenLinear(block.mlp.fc2)
        block.mlp.act = ThriftyGelu()
        if config.relative_positions:
            block.attn = RelativeAttention(block.attn, window_size=block.window_size)
            block.window_size = 0  # The attention sees to its windows itself.
    return encoder


class InOrder(nn.Module):
    """Lays out tokens (B, H, W, C) one after the other.

    A convolution leaves the patches' channels one after the other, every sum of the residual stream would inherit that,
    and every norm would make a copy.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return an array of the same shape."""
        return x.contiguous()


class ThriftyGelu(nn.Module):
    """GELU that writes over its input where nobody will ask for gradients: half the memory, and a sixth of the time."""

    def forward(self, x: Tensor) -> Tensor:
        """Return an array of the same shape."""
        return gelu(x) if torch.is_grad_enabled() else torch.ops.aten.gelu_(x)  # type: ignore[no-any-return]


class TokenLinear(nn.Linear):
    """A linear map of tokens, (..., in_features) to (..., out_features).

    A processor computes it as a convolution of one pixel: the same numbers from the same memory, by a library (oneDNN)
    that in single precision is a sixth faster at it than the one for matrices (MKL) on AMD's processors, and in half
    precision adds the bias as it goes, where torch would first fill the output with it.
    """

    def __init__(self, linear: nn.Linear) -> None:
        """Take over the parameters of a linear map."""
        super().__init__(linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens."""
        known = x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and computes_in_bfloat16())
        if x.device.type != "cpu" or not known or torch.is_grad_enabled():
            return super().forward(x)
        pixels = x.reshape(1, 1, -1, self.in_features).permute(0, 3, 1, 2)
        mapped = conv2d(pixels, self.weight[:, :, None, None], self.bias)
        return mapped.permute(0, 2, 3, 1).reshape(*x.shape[:-1], self.out_features)


def computes_in_bfloat16() -> bool:
    """Return whether this processor has instructions for products in bfloat16 (AVX512-BF16)."""
    supported: bool = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return supported


class RelativeAttention(nn.Module):
    """Attention over a grid, or over windows of it, with decomposed relative positions.

    What a query adds for a key is a term of the key's row and one of its column (arXiv 2203.16527, section 3). Summed
    for all queries at once they are the largest tensor of the model by far, 0.8 GB for 64 x 64 tokens and twelve heads,
    and making it takes longer than the attention itself. So attention is paid piece by piece.
    """

    # Logits at a time: as many as a processor's cache holds, and as keep a GPU busy.
    _PIECE_CPU, _PIECE_GPU = 1 << 22, 1 << 26

    def __init__(self, attention: Attention, *, window_size: int = 0) -> None:
        """Take over the parameters of timm's attention, under the same names.

        Args:
            attention: What to take over.
            window_size: Side of a window in tokens; 0 attends to the whole grid.
        """
        super().__init__()
        self.num_heads = attention.num_heads
        self.window_size = window_size
        self.qkv = attention.qkv
        self.proj = attention.proj
        self.rel_pos_h = attention.rel_pos_h
        self.rel_pos_w = attention.rel_pos_w

    def forward(self, x: Tensor) -> Tensor:
        """Attend within (B, H, W, C); return the same shape."""
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            return self.proj(self._attend_in_cache(self.qkv(x)))  # type: ignore[no-any-return]
        return self.proj(self._attend_in_windows(self.qkv(x)))  # type: ignore[no-any-return]

    def _attend_in_cache(self, qkv: Tensor) -> Tensor:
        """Attend within (B, H, W, 3 * C) queries, keys and values; return (B, H, W, C).

        For processors. A row of windows at a time, or a piece of a large one, goes from logits to its answer in memory
        that stays in the cache: fresh pages cost several times what filling them does. Plain products of matrices then
        take less time than torch's fused attention, in half precision half.
        """
        return self._in_small_windows(qkv) if self.window_size else self._in_pieces(qkv)

    def _in_small_windows(self, qkv: Tensor) -> Tensor:
        """Attend as `_attend_in_cache` does, within windows of the grid.

        Positions are part of the product of queries and keys: a query is longer by its terms for rows and for columns,
        a key by ones at its own. Where rows are short, adding terms to logits takes longer.
        """
        batch, height, width, _ = qkv.shape
        side, heads, dim = self.window_size, self.num_heads, self.rel_pos_h.shape[1]
        across, tokens, long = -(-width // side), side * side, dim + 2 * side
        # What pads a window is what the bias makes of a token of zeros, as in `_padded`.
        bias = self.qkv.bias.to(qkv.dtype)
        padded = bias.expand(side, across * side, -1).clone()
        # (3, windows, heads, side, side, dim)
        q, k, v = padded.view(side, across, side, 3, heads, dim).permute(3, 1, 4, 0, 2, 5)
        answers = qkv.new_empty(side, across, side, heads, dim)
        attended = qkv.new_empty(batch, height, width, heads, dim)

        queries = qkv.new_empty(across, heads, side, side, long)
        keys = qkv.new_zeros(across, heads, long, side, side)
        keys[:, :, dim : dim + side].diagonal(dim1=2, dim2=3).fill_(1)
        keys[:, :, dim + side :].diagonal(dim1=2, dim2=4).fill_(1)
        logits = qkv.new_empty(across * heads, tokens, tokens)
        table = self._table(scaled=False)
        for image, top in product(range(batch), range(0, height, side)):
            high = min(side, height - top)
            padded[:high, :width] = qkv[image, top : top + high]
            padded[high:, :width] = bias
            queries[..., :dim], keys[:, :, :dim] = q, k.permute(0, 1, 4, 2, 3)
            queries[..., dim : dim + side], queries[..., dim + side :] = _terms(queries[..., :dim], table)
            asked, offered = queries.view(-1, tokens, long), keys.view(-1, long, tokens)
            torch.baddbmm(logits, asked, offered, beta=0, alpha=dim**-0.5, out=logits)
            torch.softmax(logits, -1, out=logits)
            answer = (logits @ v.reshape(-1, tokens, dim)).view(across, heads, side, side, dim)
            answers.copy_(answer.permute(2, 0, 3, 1, 4))
            attended[image, top : top + high] = answers.view(side, across * side, heads, dim)[:high, :width]
        return attended.flatten(3)

    def _in_pieces(self, qkv: Tensor) -> Tensor:
        """Attend as `_attend_in_cache` does, within the whole grid."""
        batch, height, width, _ = qkv.shape
        heads, dim, tokens = self.num_heads, self.rel_pos_h.shape[1], height * width
        rows = min(max(1, self._PIECE_CPU // (width * tokens)), height)
        logits = qkv.new_empty(rows * width * tokens)
        attended = qkv.new_empty(batch, height, width, heads, dim)
        table = self._table(scaled=True)
        for image, head in product(range(batch), range(heads)):
            of_head = qkv.view(batch, tokens, 3, heads, dim)[image, :, :, head]
            queries, keys, values = of_head.transpose(0, 1).contiguous()  # (H * W, dim) each
            keys = keys.T.contiguous()  # In the order that is multiplied fastest.
            grid = queries.view(height, width, dim)
            row_terms, column_terms = _terms(grid, table)
            for first in range(0, height, rows):
                here = slice(first, first + rows)
                asked = grid[here]
                shape = (*asked.shape[:2], height, width)
                size = math.prod(shape)
                torch.add(row_terms[here, :, :, None], column_terms[here, :, None], out=logits[:size].view(shape))
                piece = logits[:size].view(-1, tokens)
                torch.addmm(piece, asked.view(-1, dim), keys, alpha=dim**-0.5, out=piece)
                torch.softmax(piece, -1, out=piece)
                attended[image, here, :, head] = (piece @ values).view(asked.shape)
        return attended.flatten(3)

    def _table(self, *, scaled: bool) -> Tensor:
        """Return the relative positions of rows, then those of columns, from the last to the first: (n, d).

        Args:
            scaled: Leave them as they are, for logits; else make up for what logits are still to be scaled by.
        """
        table = torch.cat([self.rel_pos_h.flip(0), self.rel_pos_w.flip(0)])
        return table if scaled else table * table.shape[1] ** 0.5

    def _padded(self, qkv: Tensor) -> Tensor:
        """Return (B, H, W, 3 * C), grown right and below to whole windows.

        What pads a window beyond the grid is attended to, as published: a token of zeros, whose query, key and value
        are their biases. They are filled in, not computed.
        """
        batch, height, width, _ = qkv.shape
        side = self.window_size
        if not (height % side or width % side):
            return qkv.contiguous()
        bias = self.qkv.bias.to(qkv.dtype)
        padded = bias.expand(batch, height + -height % side, width + -width % side, -1).clone()
        padded[:, :height, :width] = qkv
        return padded

    def _attend_in_windows(self, qkv: Tensor) -> Tensor:
        """Attend as `_attend_in_cache` does, many windows at a time: for GPUs, and where gradients are wanted."""
        batch, height, width, _ = qkv.shape
        side = self.window_size
        if not side:
            return self._attend(qkv).view(batch, height, width, -1)
        rows, columns = -(-height // side), -(-width // side)
        padded = self._padded(qkv)
        windows = padded.view(batch, rows, side, columns, side, -1).transpose(2, 3).flatten(0, 2)
        attended = self._attend(windows).view(batch, rows, columns, side, side, -1).transpose(2, 3)
        return attended.reshape(batch, rows * side, columns * side, -1)[:, :height, :width]

    def _attend(self, qkv: Tensor) -> Tensor:
        """Attend within each of (B, H, W, 3 * C) queries, keys and values; return (B, H * W, C)."""
        batch, height, width, _ = qkv.shape
        q, k, v = (  # (B * heads, H * W, d) each
            qkv.view(batch, height * width, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).flatten(1, 2).unbind(0)
        )
        grid = q.view(-1, height, width, q.shape[-1])
        of_rows = torch.einsum("nhwd,hkd->nhwk", grid, _between(self.rel_pos_h, height))  # (B * heads, H, W, H)
        of_columns = torch.einsum("nhwd,wkd->nhwk", grid, _between(self.rel_pos_w, width))  # (B * heads, H, W, W)

        rows = min(max(1, self._PIECE_GPU // (width * height * width)), height)
        heads = max(1, self._PIECE_GPU // (rows * width * height * width))
        attended = torch.empty_like(q)
        for head, first in product(range(0, len(q), heads), range(0, height, rows)):
            these, here = slice(head, head + heads), slice(first, first + rows)
            queries = slice(first * width, (first + rows) * width)
            bias = of_rows[these, here, :, :, None] + of_columns[these, here, :, None, :]
            attended[these, queries] = scaled_dot_product_attention(
                q[None, these, queries], k[None, these], v[None, these], attn_mask=bias.flatten(3).flatten(1, 2)[None]
            )[0]
        return attended.view(batch, -1, *attended.shape[1:]).transpose(1, 2).flatten(2)


def _terms(queries: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Return what queries (..., H, W, d) add for keys, by a table of relative positions.

    Returns:
        Terms of each query for each row, (..., H, W, H), and for each column, (..., H, W, W): views of the products
        with the whole table, in which a step to the next query is a step back among relative positions.
    """
    *others, height, width, _ = queries.shape
    products = queries @ table.T
    *far, down, right, one = products.stride()
    rows = products.as_strided((*others, height, width, height), (*far, down - 1, right, one), height - 1)
    columns = products.as_strided((*others, height, width, width), (*far, down, right - 1, one), 2 * height + width - 2)
    return rows, columns


def _between(table: Tensor, side: int) -> Tensor:
    """Look up (2 * side - 1, d) relative positions for each pair of query and key on a line: (side, side, d)."""
    line = torch.arange(side, device=table.device)
    return table[line[:, None] - line + side - 1]


class ConvStem(nn.Module):
    """Tokens from strided 3x3 convolutions, in place of one linear map per patch (arXiv 2106.14881).

    Halves the side and doubles the channels until a pixel is a patch: (B, 3, S, S) to (B, S/p, S/p, embed_dim).
    """

    def __init__(self, img_size: int, patch_size: int, in_chans: int, embed_dim: int, **_: Any) -> None:
        super().__init__()
        self.grid_size = (img_size // patch_size, img_size // patch_size)
        halvings = patch_size.bit_length() - 1
        layers: list[nn.Module] = []
        channels = in_chans
        for step in range(halvings):
            width = max(embed_dim >> (halvings - 1 - step), 32)
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), LayerNorm2d(width), nn.GELU()]
            channels = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, embed_dim, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (B, S/p, S/p, embed_dim) of images (B, 3, S, S)."""
        return self.layers(x).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


def resample_positions(state: dict[str, Tensor], config: SamConfig) -> dict[str, Tensor]:
    """Fit the position tables of an image encoder's state dict, trained at another image size, to `config`.

    Absolute positions (1, g, g, C) are interpolated bicubically, the relative positions (2g - 1, C) of global blocks
    linearly; windowed blocks keep theirs, since a window has the same size at every image size.
    """
    resampled = dict(state)
    for name, table in state.items():
        if name.endswith("pos_embed") and table.shape[1] != config.grid_size:
            grid = table.permute(0, 3, 1, 2)
            grid = nn.functional.interpolate(grid, size=(config.grid_size,) * 2, mode="bicubic", antialias=True)
            resampled[name] = grid.permute(0, 2, 3, 1).contiguous()
        elif ".rel_pos_" in name:
            block = int(name.split("blocks.")[1].split(".")[0])
            side = config.grid_size if block in config.global_attention else config.window_size
            if table.shape[0] != 2 * side - 1:
                line = nn.functional.interpolate(table.T[None], size=2 * side - 1, mode="linear")
                resampled[name] = line[0].T.contiguous()
    return resampled


def normalise(pixels: Tensor, config: SamConfig) -> Tensor:
    """Return (B, 3, h, w) pixels of 0..255 as the encoder's input: standardised, then zero-padded right and below."""
    mean = torch.tensor(config.pixel_mean, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(config.pixel_std, device=pixels.device).view(1, 3, 1, 1)
    height, width = pixels.shape[-2:]
    padding = (0, config.image_size - width, 0, config.image_size - height)
    return nn.functional.pad((pixels.float() - mean) / std, padding)
