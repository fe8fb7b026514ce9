"""The embedded model: SAM's prompt encoder and mask decoder on a small convolutional trunk, for any machine.

It differs from SAM where little data and little computing ask for it. While it upscales, the mask decoder sees finer
features, as in SAM 2 (arXiv 2408.00714), and maps of the prompt, as in networks that take clicks with the image
(RITM, arXiv 2102.06583). Prompt tokens carry the image features found at their place.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.layers.norm import LayerNorm2d
from timm.models.convnext import ConvNeXtBlock
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate, relu

from sam_widget.model.config import TINY, TINY_VIT, TinyConfig
from sam_widget.model.mask_decoder import MaskDecoder, Mlp, per_prompt
from sam_widget.model.sam import ImageFeatures, Sam

# Inside a box; like, near, and not far from a foreground point; the same of a background point.
MAPS = 7
# Places inside a box whose features are averaged, on a side.
BOX_SAMPLES = 7


class TinyEncoder(nn.Module):
    """A timm trunk and a feature pyramid (arXiv 1612.03144) with some global context at stride 16."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.trunk: Any = timm.create_model(config.trunk, features_only=True, out_indices=(1, 2, 3, 4))
        finest, fine, middle, coarse = self.trunk.feature_info.channels()  # of strides 4, 8, 16, 32
        dim, (finest_dim, fine_dim) = config.prompt_dim, config.fine_dims
        self.coarse = nn.Conv2d(coarse, dim, kernel_size=1)
        self.middle = nn.Conv2d(middle, dim, kernel_size=1)
        self.context = nn.ModuleList()
        for _ in range(config.context_depth):
            self.context.append(ConvNeXtBlock(dim, kernel_size=7, mlp_ratio=3, ls_init_value=None, act_layer="relu"))
            self.context.append(GridAttention(dim, config.decoder_heads))
        self.norm = LayerNorm2d(dim)
        self.fine = nn.Conv2d(fine, fine_dim, kernel_size=1)
        self.to_fine = nn.Conv2d(dim, fine_dim, kernel_size=1)
        self.fine_block = ConvNeXtBlock(fine_dim, kernel_size=5, mlp_ratio=2, ls_init_value=None, act_layer="relu")
        self.finest = nn.Conv2d(finest, finest_dim, kernel_size=1)
        self.to_finest = nn.Conv2d(fine_dim, finest_dim, kernel_size=1)
        self.finest_block = ConvNeXtBlock(finest_dim, kernel_size=5, mlp_ratio=2, ls_init_value=None, act_layer="relu")

    def forward_features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map normalised pixels (I, 3, S, S) to features of stride 4, 8 and 16; the last is the embedding."""
        return self.pyramid(self.trunk(x))

    def pyramid(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Join the trunk's levels, finest first, from the coarsest down."""
        finest, fine, middle, coarse = levels
        embedding = self.middle(middle) + _doubled(self.coarse(coarse))
        for block in self.context:
            embedding = block(embedding)
        embedding = self.norm(embedding)
        fine = self.fine_block(self.fine(fine) + _doubled(self.to_fine(embedding)))
        finest = self.finest_block(self.finest(finest) + _doubled(self.to_finest(fine)))
        return finest, fine, embedding


def _doubled(features: Tensor) -> Tensor:
    return interpolate(features, scale_factor=2, mode="bilinear")


class GridAttention(nn.Module):
    """A transformer block on all cells of a grid. Where they are, the convolutions around it have told them."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.block = Block(dim, heads, mlp_ratio=2, qkv_bias=True, act_layer=nn.ReLU)

    def forward(self, x: Tensor) -> Tensor:
        """Update (I, C, h, w)."""
        return self.block(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape_as(x)  # type: ignore[no-any-return]


class TinyMaskDecoder(MaskDecoder):
    """SAM's mask decoder with finer features, and scores that also look at how sure the mask is of itself."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__(config)
        dim, (finest, fine) = config.prompt_dim, config.fine_dims
        # A cell to its 2 x 2 cells, twice.
        self.output_upscaling = nn.Sequential(nn.Linear(dim, 4 * fine), nn.Linear(fine, 4 * finest))
        self.norm = nn.LayerNorm(fine)
        # A mask is read from the finest features and from the maps of the prompt.
        self.output_hypernetworks_mlps = nn.ModuleList(
            Mlp(dim, dim, finest + MAPS, 3) for _ in range(self.num_mask_tokens)
        )
        self.fine_maps = nn.Linear(MAPS, fine)
        self.finest_maps = nn.Linear(MAPS, finest)
        self.score_of_certainty = nn.Parameter(torch.ones(self.num_mask_tokens))

    def forward(
        self, image: Tensor, image_pe: Tensor, sparse: Tensor, dense: Tensor, high_resolution: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Decode as `MaskDecoder.forward` does; see `masks_of` for `high_resolution`."""
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens, embedded = self.attend(output_tokens, image, image_pe, sparse, dense)
        masks = self.masks_of(tokens[:, 1:], embedded, high_resolution)
        certainty = expected_iou(masks.detach()).logit(eps=1e-3)
        scores = self.iou_prediction_head(tokens[:, 0]) + self.score_of_certainty * certainty
        return masks, scores.sigmoid()

    def masks_of(self, mask_tokens: Tensor, embedded: Tensor, high_resolution: tuple[Tensor, ...]) -> Tensor:
        """Upscale the image (B, dim, g, g), add finer features, return the masks (B, N, 4g, 4g) of N mask tokens.

        As in `MaskDecoder.masks`, pixels are put in order only once they are masks.

        Args:
            mask_tokens: (B, N, dim).
            embedded: (B, dim, g, g).
            high_resolution: Features of stride 4 and 8 of I images, and maps (B, MAPS, ...) of the prompts alike.
        """
        finest, fine, finest_maps, fine_maps = high_resolution
        batch, _, height, width = embedded.shape
        first, second = self.output_upscaling
        maps = self.fine_maps(_cells(fine_maps, 1))
        pixels = first(embedded.flatten(2).transpose(1, 2)).view(batch, height * width * 4, -1)
        pixels = relu(self.norm(pixels) + per_prompt(_cells(fine, 1), batch) + maps)  # (B, g*g * 4, fine)
        raw = _cells(finest_maps, 2)  # (B, g*g * 16, MAPS)
        pixels = second(pixels).view(batch, height * width * 16, -1)
        pixels = relu(pixels + per_prompt(_cells(finest, 2), batch) + self.finest_maps(raw))  # (B, g*g * 16, finest)
        pixels = torch.cat([pixels, raw], dim=2)
        masks = self.hypernetworks(mask_tokens) @ pixels.transpose(1, 2)
        ordered = masks.view(batch, -1, height, width, 2, 2, 2, 2).permute(0, 1, 2, 4, 6, 3, 5, 7)
        return ordered.reshape(batch, -1, 4 * height, 4 * width)


def _cells(features: Tensor, levels: int) -> Tensor:
    """Lay out features of a grid that was halved `levels` times as its pixels come out of the decoder.

    (I, C, 2h, 2w) to (I, h*w * 4, C) for one level, (I, C, 4h, 4w) to (I, h*w * 16, C) for two: cell by cell, and
    within a cell its 2 x 2 cells, one after the other.
    """
    images, channels, height, width = features.shape
    side = 2**levels
    parts = (2,) * levels
    split = features.view(images, channels, height // side, *parts, width // side, *parts)
    rows, columns = range(3, 3 + levels), range(4 + levels, 4 + 2 * levels)
    within = [axis for pair in zip(rows, columns, strict=True) for axis in pair]
    return split.permute(0, 2, 3 + levels, *within, 1).reshape(images, -1, channels)


def expected_iou(logits: Tensor) -> Tensor:
    """Return the IoU to be expected of thresholded masks (B, N, h, w), were their probabilities right: (B, N)."""
    probability = logits.float().sigmoid()
    mask = logits > 0
    agreed = (probability * mask).sum((-2, -1))
    either = torch.where(mask, 1.0, probability).sum((-2, -1))
    return agreed / either.clamp(min=1e-6)


class PromptMaps(nn.Module):
    """What points and boxes say about every pixel: how near and how alike it is.

    For foreground and for background points: two bumps of different width around them, and the likeness of the pixel's
    features to those at the most alike point; for boxes, what is inside. A click then matters where it is from the
    first step of training, and a small decoder need not learn to attend to places before it can learn about masks.
    """

    # Widths of the bumps, as shares of the image's side.
    _NEAR, _FAR = 0.02, 0.1

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, width, kernel_size=1)
        self.scale = nn.Parameter(torch.tensor(-3.0))

    def forward(
        self, level: Tensor, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, *, batch: int
    ) -> Tensor:
        """Return (B, MAPS, h, w) for features (I, C, h, w).

        Args:
            level: Features of the image.
            points: (B, N, 2) x, y in [0, 1] of the model input.
            labels: (B, N) 1 foreground, 0 background, -1 padding.
            boxes: (B, 4) in [0, 1].
            batch: B.
        """
        height, width = level.shape[-2:]
        maps = level.new_zeros(batch, MAPS, height, width)
        y = ((torch.arange(height, device=level.device) + 0.5) / height).to(level.dtype)
        x = ((torch.arange(width, device=level.device) + 0.5) / width).to(level.dtype)
        keys = self.project(level)  # (I, width, h, w)
        places, kinds = [], []
        if boxes is not None:
            x0, y0, x1, y1 = boxes.to(level.dtype).unbind(1)
            across = _ramp(x, x0, x1, width)
            maps[:, 0] = _ramp(y, y0, y1, height)[:, :, None] * across[:, None, :]
            places.append((boxes[:, None, :2] + boxes[:, None, 2:]) / 2)
            kinds.append(torch.ones(batch, 1, dtype=torch.long, device=level.device))
        if points is not None and labels is not None:
            places.append(points)
            kinds.append(labels)
        if not places:
            return maps
        place, kind = torch.cat(places, dim=1).to(level.dtype), torch.cat(kinds, dim=1)
        found = sample(keys, place)  # (B, N, width)
        squares = (
            found.square().sum(2)[:, :, None]
            + per_prompt(keys.square().sum(1).flatten(1), batch)[:, None]
            - 2 * found @ per_prompt(keys.flatten(2), batch)
        )
        alike = (-self.scale.exp() * squares.clamp(min=0)).exp()  # (B, N, h * w)
        apart = (place[..., 1, None, None] - y[:, None]).square() + (place[..., 0, None, None] - x).square()
        planes = []
        for label in (1, 0):
            of_kind = (kind == label)[:, :, None].to(level.dtype)
            planes.append((alike * of_kind).amax(1).view(batch, 1, height, width))
            for bump in (self._NEAR, self._FAR):
                near = (-apart.flatten(2) / (2 * bump**2)).exp()
                if boxes is not None:  # Its middle is no click.
                    near = torch.cat([torch.zeros_like(near[:, :1]), near[:, 1:]], dim=1)
                planes.append((near * of_kind).amax(1).view(batch, 1, height, width))
        return torch.cat([maps[:, :1], *planes], dim=1)


def _ramp(at: Tensor, start: Tensor, end: Tensor, cells: int) -> Tensor:
    """Return how much of each of `cells` cells on a line lies between (B,) starts and ends: (B, cells)."""
    half = 0.5 / cells
    inside = torch.minimum(at + half, end[:, None]) - torch.maximum(at - half, start[:, None])
    return (inside * cells).clamp(0, 1)


def sample(level: Tensor, places: Tensor) -> Tensor:
    """Return features (I, C, h, w) at places (B, N, 2), x and y in [0, 1]: (B, N, C)."""
    grid = (2 * places.float() - 1).view(len(level), -1, places.shape[1], 2)
    seen = grid_sample(level.float(), grid, align_corners=False, padding_mode="border")  # (I, C, B / I, N)
    return seen.permute(0, 2, 3, 1).flatten(0, 1).to(level.dtype)


class Tiny(Sam):
    """The embedded model.

    A prompt token of SAM knows where a click is and has to find out by attention what is there. Told the features at
    that place, a small decoder learns from far fewer images.
    """

    config: TinyConfig

    def __init__(self, config: TinyConfig, *, name: str = "tiny") -> None:
        super().__init__(config, name=name, encoder=TinyEncoder(config), decoder=TinyMaskDecoder(config))
        found = config.prompt_dim + sum(config.fine_dims)
        self.found_at_point = nn.ModuleList(nn.Linear(found, config.prompt_dim) for _ in range(2))
        self.found_in_box = nn.Linear(found, config.prompt_dim)
        finest, fine = config.fine_dims
        self.prompt_maps = nn.ModuleList(PromptMaps(channels) for channels in (finest, fine, config.prompt_dim))
        self.dense_maps = nn.Conv2d(MAPS, config.prompt_dim, kernel_size=1)

    def encode(self, pixels: Tensor) -> ImageFeatures:
        """Embed images at stride 16, and keep the features of stride 4 and 8 for the decoder."""
        finest, fine, embedding = self.image_encoder.forward_features(self.standardised(pixels))
        return ImageFeatures(self.for_decoder(embedding), (self.for_decoder(finest), self.for_decoder(fine)))

    def see_prompts(
        self,
        features: ImageFeatures,
        sparse: Tensor,
        dense: Tensor,
        *,
        points: Tensor | None,
        labels: Tensor | None,
        boxes: Tensor | None,
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Tell tokens (B, M, dim) what is found at their places, and pixels what the prompts say about them."""
        side = self.config.image_size
        # As the prompt encoder does it, points address pixels by their index, and boxes by their edges.
        points = None if points is None else (points.float() + 0.5) / side
        boxes = None if boxes is None else boxes.float() / side
        finest, fine = features.high_resolution
        batch = len(sparse)
        maps = [
            of_level(level, points, labels, boxes, batch=batch)
            for of_level, level in zip(self.prompt_maps, (finest, fine, features.embedding), strict=True)
        ]
        dense = dense + self.dense_maps(maps[2])
        return (
            self._told(features, sparse, points=points, labels=labels, boxes=boxes),
            dense,
            (finest, fine, maps[0], maps[1]),
        )

    def _told(
        self,
        features: ImageFeatures,
        sparse: Tensor,
        *,
        points: Tensor | None,
        labels: Tensor | None,
        boxes: Tensor | None,
    ) -> Tensor:
        found = []
        if points is not None and labels is not None:
            there = self._look(features, points)
            background, foreground = (told(there) for told in self.found_at_point)
            kind = labels[..., None]
            found.append(torch.where(kind == 1, foreground, torch.where(kind == 0, background, 0.0)))
        if boxes is not None:
            at = (torch.arange(BOX_SAMPLES, device=boxes.device, dtype=boxes.dtype) + 0.5) / BOX_SAMPLES
            across = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1).flatten(0, 1)  # (samples, 2)
            places = boxes[:, None, :2] + across * (boxes[:, None, 2:] - boxes[:, None, :2])
            inside = self.found_in_box(self._look(features, places).mean(1, keepdim=True))
            found.append(inside.expand(-1, 2, -1))
        if not found:
            return sparse
        told = torch.cat(found, dim=1).to(sparse.dtype)
        padding = sparse.shape[1] - told.shape[1]
        return sparse + nn.functional.pad(told, (0, 0, 0, padding))

    def _look(self, features: ImageFeatures, places: Tensor) -> Tensor:
        """Return all levels' features (B, N, C) at places (B, N, 2)."""
        return torch.cat([sample(level, places) for level in (features.embedding, *features.high_resolution)], dim=2)


def tiny() -> Tiny:
    """Build the embedded model (7 M parameters, 384 px)."""
    return Tiny(TINY)


def tiny_vit() -> Sam:
    """Build SAM with a small plain ViT, which can be pre-trained as a masked autoencoder (5 M parameters, 256 px)."""
    return Sam(TINY_VIT, name="tiny_vit")
