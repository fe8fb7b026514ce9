"""The blocks around the embedded model's trunk: one looks at a pixel's surroundings, the other at the whole image.

Written here rather than taken from timm, which with torchvision takes longer to import than `tiny` takes to load and to
embed a photo. Weights have timm's names.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

# As in the published ConvNeXt and ViT.
EPSILON = 1e-6


class Perceptron(nn.Module):
    """Two linear layers and a ReLU between them: (..., dim) to (..., dim)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim)."""
        return self.fc2(relu(self.fc1(x)))  # type: ignore[no-any-return]


class ConvBlock(nn.Module):
    """A ConvNeXt block (arXiv 2201.03545) without layer scale: a depthwise convolution, a norm and a perceptron."""

    def __init__(self, dim: int, *, kernel: int, ratio: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=EPSILON)
        self.mlp = Perceptron(dim, ratio * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Update (B, dim, h, w)."""
        found = self.mlp(self.norm(self.conv_dw(x).permute(0, 2, 3, 1)))
        return x + found.permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class SelfAttention(nn.Module):
    """Multi-head attention of tokens (B, N, dim) to each other."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, dim)."""
        batch, count, dim = x.shape
        q, k, v = self.qkv(x).view(batch, count, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        read = scaled_dot_product_attention(q, k, v)  # (B, heads, N, dim / heads)
        return self.proj(read.transpose(1, 2).reshape(batch, count, dim))  # type: ignore[no-any-return]


class TransformerBlock(nn.Module):
    """A pre-norm block of a ViT (arXiv 2010.11929), with a ReLU."""

    def __init__(self, dim: int, heads: int, *, ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=EPSILON)
        self.attn = SelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=EPSILON)
        self.mlp = Perceptron(dim, ratio * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Update tokens (B, N, dim)."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]
