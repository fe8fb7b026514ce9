"""A ViT's attention with decomposed relative positions, within windows or the whole grid."""

from __future__ import annotations

import math
from itertools import product

import torch
from timm.models.vision_transformer_sam import Attention
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from sam_widget.model.fast.twin import twin
from sam_widget.model.layers.token_maps import BAND, TokenLinear, laid_out


def relative_attention(attention: Attention, *, window_size: int = 0) -> RelativeAttention:
    """Return the fast twin of timm's attention.

    Args:
        attention: An attention with decomposed relative positions.
        window_size: Side of a window in tokens; 0 attends to the whole grid.
    """
    made: RelativeAttention = twin(attention, {Attention: RelativeAttention, nn.Linear: TokenLinear})
    made.window_size = window_size
    return made


class RelativeAttention(Attention):  # type: ignore[misc]
    """Attention over a grid, or over windows of it, with decomposed relative positions.

    For each key, a query adds one term for the key's row and one for its column (arXiv 2203.16527, section 3). For all
    queries at once, their sum is the model's largest tensor by far (0.8 GB for 64 x 64 tokens and twelve heads), and
    computing it takes longer than the attention itself. This class attends piece by piece instead.
    """

    # Number of logits computed at a time: as many as fit into a CPU's cache, and as many as keep a GPU busy.
    _PIECE_CPU, _PIECE_GPU = 1 << 22, 1 << 26
    window_size: int

    def forward(self, x: Tensor) -> Tensor:
        """Attend within (B, H, W, C); return the same shape."""
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            return self._attend_in_cache(x)
        return self._attend_at_once(x)

    def _attend_in_cache(self, x: Tensor) -> Tensor:
        """Attend on a CPU.

        One row of windows, or one piece of a large grid, goes through all steps in memory that stays in the cache:
        allocating fresh pages costs several times more than filling them. Plain matrix products are then faster than
        torch's fused attention, and twice as fast in half precision.
        """
        return self._in_small_windows(x) if self.window_size else self._in_pieces(x)

    def _in_small_windows(self, x: Tensor) -> Tensor:
        """Attend as `_attend_in_cache` does, within windows of the grid.

        The product of queries and keys includes the positions: each query is extended by its terms for rows and
        columns, each key by ones at its own row and column. For short rows this is faster than adding to the logits.
        """
        batch, height, width, _ = x.shape
        side, heads, dim = self.window_size, self.num_heads, self.rel_pos_h.shape[1]
        across, tokens, long = -(-width // side), side * side, dim + 2 * side
        project, join = self.qkv.laid_out(x[:1, :side]), self.proj.laid_out(x[:1, :side])
        # Windows are padded with projected zero tokens, which equal the bias; see `_padded`.
        bias = self.qkv.bias.to(x.dtype)
        padded = bias.expand(side, across * side, -1).clone()
        # (3, windows, heads, side, side, dim)
        q, k, v = padded.view(side, across, side, 3, heads, dim).permute(3, 1, 4, 0, 2, 5)
        answers = x.new_empty(side, across, side, heads, dim)
        attended = torch.empty_like(x)

        queries = x.new_empty(across, heads, side, side, long)
        keys = x.new_zeros(across, heads, long, side, side)
        keys[:, :, dim : dim + side].diagonal(dim1=2, dim2=3).fill_(1)
        keys[:, :, dim + side :].diagonal(dim1=2, dim2=4).fill_(1)
        logits = x.new_empty(across * heads, tokens, tokens)
        table = self._table(scaled=False)
        for image, top in product(range(batch), range(0, height, side)):
            high = min(side, height - top)
            padded[:high, :width] = project(x[image, top : top + high])
            padded[high:, :width] = bias
            queries[..., :dim], keys[:, :, :dim] = q, k.permute(0, 1, 4, 2, 3)
            queries[..., dim : dim + side], queries[..., dim + side :] = _terms(queries[..., :dim], table)
            flat_queries, flat_keys = queries.view(-1, tokens, long), keys.view(-1, long, tokens)
            torch.baddbmm(logits, flat_queries, flat_keys, beta=0, alpha=dim**-0.5, out=logits)
            torch.softmax(logits, -1, out=logits)
            answer = (logits @ v.reshape(-1, tokens, dim)).view(across, heads, side, side, dim)
            answers.copy_(answer.permute(2, 0, 3, 1, 4))
            inside = answers.view(side, across * side, -1)[:high, :width]
            attended[image, top : top + high] = join(inside)
        return attended

    def _in_pieces(self, x: Tensor) -> Tensor:
        """Attend as `_attend_in_cache` does, within the whole grid."""
        batch, height, width, _ = x.shape
        heads, dim, tokens = self.num_heads, self.rel_pos_h.shape[1], height * width
        rows = min(max(1, self._PIECE_CPU // (width * tokens)), height)
        logits = x.new_empty(rows * width * tokens)
        attended = x.new_empty(batch, tokens, heads, dim)
        table = self._table(scaled=True)
        for image in range(batch):
            q, k, v = self._of_heads(x[image].flatten(0, 1))
            for head in range(heads):
                grid, keys = (
                    q[head].view(height, width, dim),
                    k[head].T.contiguous(),
                )  # the layout with the fastest products
                row_terms, column_terms = _terms(grid, table)
                mix = laid_out(v[head].T, None, logits[: rows * width * tokens].view(-1, tokens))
                for first in range(0, height, rows):
                    here = slice(first, first + rows)
                    queries = grid[here]
                    shape = (*queries.shape[:2], height, width)
                    size = math.prod(shape)
                    torch.add(row_terms[here, :, :, None], column_terms[here, :, None], out=logits[:size].view(shape))
                    piece = logits[:size].view(-1, tokens)
                    torch.addmm(piece, queries.view(-1, dim), keys, alpha=dim**-0.5, out=piece)
                    torch.softmax(piece, -1, out=piece)
                    attended[image, first * width : first * width + len(piece), head] = mix(piece)
        return self.proj(attended.flatten(2)).view(x.shape)  # type: ignore[no-any-return]

    def _of_heads(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values (heads, N, d) of tokens (N, C), computed a band of tokens at a time."""
        heads, dim = self.num_heads, self.rel_pos_h.shape[1]
        q, k, v = (tokens.new_empty(heads, len(tokens), dim) for _ in range(3))
        bands = torch.split(tokens, BAND)
        project = self.qkv.laid_out(bands[0])
        for band, *made in zip(bands, *(torch.split(of_all, BAND, dim=1) for of_all in (q, k, v)), strict=True):
            for of_band, projected in zip(made, project(band).view(-1, 3, heads, dim).permute(1, 2, 0, 3), strict=True):
                of_band.copy_(projected)
        return q, k, v

    def _table(self, *, scaled: bool) -> Tensor:
        """Return the relative positions of rows, then those of columns, from the last to the first: (n, d).

        Args:
            scaled: Whether they are added to logits that are already scaled; otherwise they undo the scaling to come.
        """
        table = torch.cat([self.rel_pos_h.flip(0), self.rel_pos_w.flip(0)])
        return table if scaled else table * table.shape[1] ** 0.5

    def _padded(self, qkv: Tensor) -> Tensor:
        """Pad (B, H, W, 3 * C) on the right and below to whole windows.

        As in the published model, padding is attended to: it is a zero token, whose query, key and value equal the
        biases. They are filled in rather than computed.
        """
        batch, height, width, _ = qkv.shape
        side = self.window_size
        if not (height % side or width % side):
            return qkv.contiguous()
        bias = self.qkv.bias.to(qkv.dtype)
        padded = bias.expand(batch, height + -height % side, width + -width % side, -1).clone()
        padded[:, :height, :width] = qkv
        return padded

    def _attend_at_once(self, x: Tensor) -> Tensor:
        """Attend to many windows at a time: on GPUs, and with gradients."""
        batch, height, width, _ = x.shape
        side, qkv = self.window_size, self.qkv(x)
        if not side:
            return self.proj(self._attend(qkv).view(x.shape))  # type: ignore[no-any-return]
        rows, columns = -(-height // side), -(-width // side)
        padded = self._padded(qkv)
        windows = padded.view(batch, rows, side, columns, side, -1).transpose(2, 3).flatten(0, 2)
        attended = self._attend(windows).view(batch, rows, columns, side, side, -1).transpose(2, 3)
        inside = attended.reshape(batch, rows * side, columns * side, -1)[:, :height, :width]
        return self.proj(inside)  # type: ignore[no-any-return]

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
    """Return the terms that queries (..., H, W, d) add for keys, from a table of relative positions.

    Returns:
        Terms of each query for each row, (..., H, W, H), and for each column, (..., H, W, W): views of the products
        with the whole table, offset by one relative position per query.
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
