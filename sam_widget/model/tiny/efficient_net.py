"""EfficientNet-Lite2, the trunk of the embedded model (Tan and Le, arXiv 1905.11946, in the form for small devices).

Without squeeze-and-excitation and with ReLU6. The classifier's part is left out; see `model.tiny.namer`. Weights have
the names of timm's `tf_efficientnet_lite2`, and outputs are the same to the bit. It is written here because importing
timm takes longer than all else that a widget does before the first click.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import pad, relu6

EXPANSION = 6
# TensorFlow's batch norm, with which the published weights were trained.
EPSILON = 1e-3


class Stage(NamedTuple):
    """Blocks with the same number of channels; the first of them has the stride."""

    blocks: int
    channels: int
    kernel: int
    stride: int


STEM = 32
# The table of the paper's EfficientNet-B0, scaled by 1.1 in width and 1.2 in depth.
STAGES = (
    Stage(1, 16, 3, 1),
    Stage(3, 24, 3, 2),
    Stage(3, 48, 5, 2),
    Stage(4, 88, 3, 2),
    Stage(4, 120, 5, 1),
    Stage(5, 208, 5, 2),
    Stage(1, 352, 3, 1),
)
# The last stages of stride 4, 8, 16 and 32.
LEVELS = (1, 2, 4, 6)


class EfficientNetLite(nn.Module):
    """Maps pixels to four levels of features.

    Attributes:
        channels: Channels of the levels, finest first.
    """

    channels = tuple(STAGES[level].channels for level in LEVELS)

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = convolution(3, STEM, kernel=3, stride=2)
        self.bn1 = norm(STEM)
        self.blocks = nn.ModuleList()
        width = STEM
        for stage in STAGES:
            kind = InvertedResidual if len(self.blocks) else SeparableConvolution
            blocks = nn.Sequential()
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(kind(width, stage.channels, kernel=stage.kernel, stride=stride))
                width = stage.channels
            self.blocks.append(blocks)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                outputs = math.prod(module.kernel_size) * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / outputs))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map normalised pixels (B, 3, S, S) to features of stride 4, 8, 16 and 32: (B, C, S / stride, S / stride)."""
        x = relu6(self.bn1(self.conv_stem(x)), inplace=True)
        levels = []
        for index, blocks in enumerate(self.blocks):
            x = blocks(x)
            if index in LEVELS:
                levels.append(x)
        return levels


class SeparableConvolution(nn.Module):
    """A depthwise convolution, then one of 1 x 1."""

    def __init__(self, width: int, channels: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = convolution(width, width, kernel=kernel, stride=stride, groups=width)
        self.bn1 = norm(width)
        self.conv_pw = convolution(width, channels)
        self.bn2 = norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, h, w) to (B, channels, h / stride, w / stride)."""
        return self.bn2(self.conv_pw(relu6(self.bn1(self.conv_dw(x)), inplace=True)))  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """MobileNetV2's block (arXiv 1801.04381): widen, convolve each channel, narrow."""

    def __init__(self, width: int, channels: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        wide = EXPANSION * width
        self.conv_pw = convolution(width, wide)
        self.bn1 = norm(wide)
        self.conv_dw = convolution(wide, wide, kernel=kernel, stride=stride, groups=wide)
        self.bn2 = norm(wide)
        self.conv_pwl = convolution(wide, channels)
        self.bn3 = norm(channels)
        self.residual = stride == 1 and width == channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, h, w) to (B, channels, h / stride, w / stride)."""
        wide = relu6(self.bn1(self.conv_pw(x)), inplace=True)
        wide = relu6(self.bn2(self.conv_dw(wide)), inplace=True)
        narrow: Tensor = self.bn3(self.conv_pwl(wide))
        return narrow + x if self.residual else narrow


class SamePadding(nn.Conv2d):
    """A strided convolution with TensorFlow's padding: as little as covers the input, the odd pixel last."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C', ceil(h / stride), ceil(w / stride))."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:])
        return super().forward(pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)))


def convolution(width: int, channels: int, *, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Return a convolution without bias that keeps the sides, or divides them by the stride."""
    made: Callable[..., nn.Conv2d] = nn.Conv2d if stride == 1 else SamePadding
    padding = kernel // 2 if stride == 1 else 0
    return made(width, channels, kernel, stride=stride, padding=padding, groups=groups, bias=False)


def norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm."""
    return nn.BatchNorm2d(channels, eps=EPSILON)
