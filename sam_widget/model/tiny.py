"""The embedded model: SAM's prompt encoder and mask decoder on a small trunk, for any machine.

It differs from SAM where little data and little computing ask for it. While it upscales, the mask decoder sees finer
features, as in SAM 2 (arXiv 2408.00714), and maps of the prompt, as in networks that take clicks with the image
(RITM, arXiv 2102.06583). Prompt tokens carry the image features found at their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import timm
import torch
from timm.layers.norm import LayerNorm2d
from timm.models.convnext import ConvNeXtBlock
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from sam_widget.model.config import TINY, TINY_VIT, TinyConfig
from sam_widget.model.connected import asked_for, connected
from sam_widget.model.mask_decoder import MaskDecoder, Mlp, in_order, per_prompt
from sam_widget.model.of_one_image import OfOneImage
from sam_widget.model.prompt_maps import MAPS, PromptMaps, Resemblance, sample
from sam_widget.model.sam import ImageFeatures, Sam
from sam_widget.model.vit_trunk import VitTrunk

# Places inside a box whose features are averaged, on a side.
BOX_SAMPLES = 7


class TinyEncoder(nn.Module):
    """A trunk and a feature pyramid (arXiv 1612.03144) with some global context at stride 16."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.trunk, (finest, fine, middle, coarse) = trunk(config)
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


def trunk(config: TinyConfig) -> tuple[Any, Sequence[int]]:
    """Build a trunk, (B, 3, S, S) to a list of features of strides 4, 8, 16 and 32; return it and their channels."""
    if config.trunk == "vit":
        vit = VitTrunk(config)
        return vit, vit.channels
    # Counted from the end: some trunks begin with features of stride 2, others with those of stride 4.
    network: Any = timm.create_model(config.trunk, features_only=True, out_indices=(-4, -3, -2, -1))
    return network, network.feature_info.channels()


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
        self._laid_out = OfOneImage[tuple[Tensor, Tensor]]()

    def forward(
        self, image: Tensor, image_pe: Tensor, sparse: Tensor, dense: Tensor, high_resolution: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Decode as `MaskDecoder.forward` does; see `masks_of` for `high_resolution`.

        Returns:
            Mask logits (B, 4, 4g, 4g), and of the scores what the tokens say: (B, 4) logits, see `scores`.
        """
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens, embedded = self.attend(output_tokens, image, image_pe, sparse, dense)
        return self.masks_of(tokens[:, 1:], embedded, high_resolution), self.iou_prediction_head(tokens[:, 0])

    def scores(self, said: Tensor, masks: Tensor) -> Tensor:
        """Return predicted IoUs (B, N) of masks (B, N, h, w), from what the tokens said (B, N) and how sure each is."""
        return (said + self.score_of_certainty * expected_iou(masks).logit(eps=1e-3)).sigmoid()

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
        finest, fine = self._laid_out.get([finest, fine], [], lambda: (_cells(finest, 2), _cells(fine, 1)))
        maps = self.fine_maps(_cells(fine_maps, 1))
        pixels = first(embedded.flatten(2).transpose(1, 2)).view(batch, height * width * 4, -1)
        pixels = relu(self.norm(pixels) + per_prompt(fine, batch) + maps)  # (B, g*g * 4, fine)
        raw = _cells(finest_maps, 2)  # (B, g*g * 16, MAPS)
        pixels = second(pixels).view(batch, height * width * 16, -1)
        pixels = relu(pixels + per_prompt(finest, batch) + self.finest_maps(raw))  # (B, g*g * 16, finest)
        pixels = torch.cat([pixels, raw], dim=2)
        return in_order(self.hypernetworks(mask_tokens) @ pixels.transpose(1, 2), height, width)


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


def settled(masks: Tensor, scores: Tensor, several: Tensor) -> tuple[Tensor, Tensor]:
    """Let the mask for unambiguous prompts stand for the best of the three, and score no less, where it should.

    As in the paper (appendix A), which has that mask for prompts of several points. The other two stay to choose from.

    Args:
        masks: (B, 4, h, w) logits, those for unambiguous prompts first.
        scores: (B, 4).
        several: (B,) bool, whether there are several clicks.

    Returns:
        Masks and scores of the same shapes.
    """
    best, prompts = 1 + scores[:, 1:].argmax(1), torch.arange(len(masks), device=masks.device)
    here = torch.zeros_like(scores, dtype=torch.bool)
    here[prompts, best] = several
    return (
        torch.where(here[:, :, None, None], masks[:, :1], masks),
        torch.where(here, scores.amax(1, keepdim=True), scores),
    )


class _Said(NamedTuple):
    """What clicks and boxes say, whatever mask is given with them.

    Attributes:
        near: (B, NEAR_MAPS, ...) for each level of features; see `PromptMaps`.
        belongs: (B, K, ...), see `Resemblance.belonging`.
        resembling: (B, RESEMBLANCE_MAPS - 1, ...), see there.
        found: (B, M, dim), what is found at the places of the tokens.
    """

    near: list[Tensor]
    belongs: Tensor
    resembling: Tensor
    found: Tensor


class Tiny(Sam):
    """The embedded model.

    A prompt token of SAM knows where a click is and has to find out by attention what is there. Told the features at
    that place, a small decoder learns from far fewer images.
    """

    config: TinyConfig
    mask_decoder: TinyMaskDecoder

    def __init__(self, config: TinyConfig, *, name: str = "tiny") -> None:
        super().__init__(config, name=name, encoder=TinyEncoder(config), decoder=TinyMaskDecoder(config))
        found = config.prompt_dim + sum(config.fine_dims)
        self.found_at_point = nn.ModuleList(nn.Linear(found, config.prompt_dim) for _ in range(2))
        self.found_in_box = nn.Linear(found, config.prompt_dim)
        finest, fine = config.fine_dims
        self.prompt_maps = nn.ModuleList(PromptMaps(channels) for channels in (finest, fine, config.prompt_dim))
        self.resemblance = Resemblance(fine)
        self.dense_maps = nn.Conv2d(MAPS, config.prompt_dim, kernel_size=1)
        self._said = OfOneImage[_Said]()

    def encode(self, pixels: Tensor) -> ImageFeatures:
        """Embed images at stride 16, and keep the features of stride 4 and 8 for the decoder."""
        finest, fine, embedding = self.image_encoder.forward_features(self.standardised(pixels))
        return ImageFeatures(self.for_decoder(embedding), (self.for_decoder(finest), self.for_decoder(fine)))

    def decode(self, image: Tensor, **given: Any) -> tuple[Tensor, Tensor]:
        """Decode as `Sam.decode` does, keep to what is connected to the prompt, and look at most answers twice.

        Several clicks, or a box, are answered a second time with the first answer as a mask. A single click is answered
        once: while the pointer moves, time matters more. Several clicks are unambiguous; see `settled`.

        In training the logits are those of all parts (what is cut off would be told to come back), the scores those of
        what is connected, and everything is answered once.
        """
        logits, kept, scores = self._decode(image, given)
        if self.training:
            return logits, scores
        points, labels, boxes, mask = (given.get(name) for name in ("points", "labels", "boxes", "masks"))
        if mask is None and (boxes is not None or (points is not None and points.shape[1] > 1)):
            first = kept[torch.arange(len(scores), device=scores.device), scores.argmax(1)]
            _, kept, scores = self._decode(image, {**given, "masks": first[:, None]})
        return (kept, scores) if labels is None else settled(kept, scores, (labels >= 0).sum(1) > 1)

    def _decode(self, image: Tensor, given: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        logits, said = super().decode(image, **given)
        kept = self.kept(logits.detach(), *(given.get(name) for name in ("points", "labels", "boxes", "masks")))
        return logits, kept, self.mask_decoder.scores(said, kept)

    def kept(
        self, logits: Tensor, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, masks: Tensor | None
    ) -> Tensor:
        """Return logits (B, N, 4g, 4g) short of what is not connected to a prompt, which is given as to `decode`."""
        points, boxes = self._in_unit_square(points, boxes)
        side = logits.shape[-1]
        return connected(logits, asked_for(points, labels, boxes, masks, batch=len(logits), side=side))

    def _in_unit_square(self, points: Tensor | None, boxes: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Return points and boxes in [0, 1]. As for the prompt encoder, points are pixels' indices, boxes edges."""
        side = self.config.image_size
        return (
            None if points is None else (points.float() + 0.5) / side,
            None if boxes is None else boxes.float() / side,
        )

    def see_prompts(
        self,
        features: ImageFeatures,
        sparse: Tensor,
        dense: Tensor,
        *,
        points: Tensor | None,
        labels: Tensor | None,
        boxes: Tensor | None,
        masks: Tensor | None,
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Tell tokens (B, M, dim) what is found at their places, and pixels what the prompts say about them."""
        finest, fine = features.high_resolution
        given = [tensor for tensor in (points, labels, boxes) if tensor is not None]
        told_by = (self.prompt_maps, self.resemblance, self.found_at_point, self.found_in_box)
        said = self._said.get(
            # The same clicks and boxes say the same when they come again with a mask.
            [features.embedding, finest, fine, *given],
            [weight for part in told_by for weight in part.parameters()],
            lambda: self._say(features, points, labels, boxes, batch=len(sparse)),
        )
        alike = self.resemblance.with_mask(said.belongs, said.resembling, masks)
        of_levels = (_doubled(alike), alike, avg_pool2d(alike, 2))
        maps = [torch.cat(pair, dim=1) for pair in zip(said.near, of_levels, strict=True)]
        found = said.found.to(sparse.dtype)
        sparse = sparse + nn.functional.pad(found, (0, 0, 0, sparse.shape[1] - found.shape[1]))
        return sparse, dense + self.dense_maps(maps[2]), (finest, fine, maps[0], maps[1])

    def _say(
        self,
        features: ImageFeatures,
        points: Tensor | None,
        labels: Tensor | None,
        boxes: Tensor | None,
        *,
        batch: int,
    ) -> _Said:
        points, boxes = self._in_unit_square(points, boxes)
        finest, fine = features.high_resolution
        near = [
            maps(level, points, labels, boxes, batch=batch)
            for maps, level in zip(self.prompt_maps, (finest, fine, features.embedding), strict=True)
        ]
        belongs, resembling = self.resemblance.belonging(fine, points, labels, boxes, batch=batch)
        found = [features.embedding.new_zeros(batch, 0, self.config.prompt_dim)]
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
        return _Said(near, belongs, resembling, torch.cat(found, dim=1))

    def _look(self, features: ImageFeatures, places: Tensor) -> Tensor:
        """Return all levels' features (B, N, C) at places (B, N, 2)."""
        return torch.cat([sample(level, places) for level in (features.embedding, *features.high_resolution)], dim=2)


def tiny() -> Tiny:
    """Build the embedded model (7 M parameters, 384 px)."""
    return Tiny(TINY)


def tiny_vit() -> Sam:
    """Build SAM with a small plain ViT, which can be pre-trained as a masked autoencoder (5 M parameters, 256 px)."""
    return Sam(TINY_VIT, name="tiny_vit")
