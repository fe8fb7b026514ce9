"""The embedded model: SAM's prompt encoder and mask decoder on a small trunk, for any machine.

It differs from SAM to make do with little data and computation. While upscaling, the mask decoder uses finer features,
as in SAM 2 (arXiv 2408.00714), and maps of the prompt, as in networks that take clicks with the image (RITM, arXiv
2102.06583). Prompt tokens include the image features at their position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, linear

from sam_widget.model.config import TINY, TINY_VIT, TinyConfig
from sam_widget.model.layers.channels import LayerNorm2d
from sam_widget.model.layers.per_image_cache import PerImageCache, weights_of
from sam_widget.model.sam import ImageFeatures, Sam
from sam_widget.model.tiny.blocks import ConvBlock, TransformerBlock
from sam_widget.model.tiny.connectivity import connected, prompted_cells
from sam_widget.model.tiny.decoder import TinyMaskDecoder
from sam_widget.model.tiny.efficient_net import EfficientNetLite
from sam_widget.model.tiny.pixel_order import Grid
from sam_widget.model.tiny.prompt_maps import (
    MAPS,
    Likeness,
    Overview,
    Resemblance,
    lattice,
    near_maps,
    resembling,
    sample,
    spread,
)

LITE2 = "tf_efficientnet_lite2"
# Side of the grid of places inside a box whose features are averaged.
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
            self.context.append(ConvBlock(dim, kernel=7, ratio=3))
            self.context.append(GridAttention(dim, config.decoder_heads))
        self.norm = LayerNorm2d(dim)
        self.fine = nn.Conv2d(fine, fine_dim, kernel_size=1)
        self.to_fine = nn.Conv2d(dim, fine_dim, kernel_size=1)
        self.fine_block = ConvBlock(fine_dim, kernel=5, ratio=2)
        self.finest = nn.Conv2d(finest, finest_dim, kernel_size=1)
        self.to_finest = nn.Conv2d(fine_dim, finest_dim, kernel_size=1)
        self.finest_block = ConvBlock(finest_dim, kernel=5, ratio=2)

    def forward_features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map normalised pixels (I, 3, S, S) to features of stride 4, 8 and 16; the last is the embedding."""
        return self.pyramid(self.trunk(x))

    def pyramid(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Merge the trunk's levels, given finest first, from coarse to fine."""
        finest, fine, middle, coarse = levels
        embedding = self.middle(middle) + _doubled(self.coarse(coarse))
        for block in self.context:
            embedding = block(embedding)
        embedding = self.norm(embedding)
        fine = self.fine_block(self.fine(fine) + _doubled(self.to_fine(embedding)))
        finest = self.finest_block(self.finest(finest) + _doubled(self.to_finest(fine)))
        return finest, fine, embedding


def trunk(config: TinyConfig) -> tuple[Any, Sequence[int]]:
    """Return a trunk, from (B, 3, S, S) to a list of features of strides 4, 8, 16 and 32, and their channels."""
    if config.trunk == LITE2:
        lite = EfficientNetLite()
        return lite, lite.channels
    # Trunks that are compared with it in training. They are timm's, which takes more than a second to import.
    if config.trunk == "vit":
        from sam_widget.model.tiny.vit_trunk import VitTrunk

        vit = VitTrunk(config)
        return vit, vit.channels
    import timm

    # Indexed from the end, because some trunks start at stride 2, others at stride 4.
    network: Any = timm.create_model(config.trunk, features_only=True, out_indices=(-4, -3, -2, -1))
    return network, network.feature_info.channels()


def _doubled(features: Tensor) -> Tensor:
    return interpolate(features, scale_factor=2, mode="bilinear")


class GridAttention(nn.Module):
    """A transformer block on all cells of a grid. Positions are encoded by the convolutions around it."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.block = TransformerBlock(dim, heads, ratio=2)

    def forward(self, x: Tensor) -> Tensor:
        """Update (I, C, h, w)."""
        return self.block(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape_as(x)  # type: ignore[no-any-return]


class _ImageParts(NamedTuple):
    """Values that depend only on the image.

    Attributes:
        finest: (I, P, C), features of stride 4 for the mask decoder; see `TinyMaskDecoder.masks_of`.
        fine: The same of stride 8.
        keys: Keys of the pixels of each level; see `Likeness`.
        overview: See `Resemblance`.
    """

    finest: Tensor
    fine: Tensor
    keys: list[Tensor]
    overview: Overview


def settled(masks: Tensor, scores: Tensor, several: Tensor) -> tuple[Tensor, Tensor]:
    """For prompts of several clicks, replace the best of the three masks by the mask for unambiguous prompts.

    Its score becomes the highest. The paper (appendix A) also uses that mask for prompts of several points. The other
    two masks remain available.

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


def refined(
    first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], given: Tensor, *, single: Tensor
) -> tuple[Tensor, Tensor]:
    """Replace the mask that the second pass was given by the best of that pass, and keep the other two.

    The other two show what else a single click may mean. With a mask as a prompt, all three masks of a pass mean much
    the same.

    Args:
        first: Masks (B, 4, h, w) and scores (B, 4) of the first pass.
        second: Masks and scores of the second pass.
        given: (B,), index of the mask of the first pass that was the prompt of the second.
        single: (B,) bool, prompts of a single click; for others, everything is from the second pass.

    Returns:
        Masks and scores of the same shapes.
    """
    (masks, scores), (seen, better) = first, second
    prompts, best = torch.arange(len(given), device=given.device), 1 + better[:, 1:].argmax(1)
    refined_masks, refined_scores = masks.clone(), scores.clone()
    refined_masks[:, 0], refined_scores[:, 0] = seen[:, 0], better[:, 0]
    refined_masks[prompts, given], refined_scores[prompts, given] = seen[prompts, best], better[prompts, best]
    return (
        torch.where(single[:, None, None, None], refined_masks, seen),
        torch.where(single[:, None], refined_scores, better),
    )


class _PromptParts(NamedTuple):
    """Values that depend on the image, clicks and boxes, but not on a mask prompt.

    Attributes:
        maps: (B, MAPS - 1, P), all maps but that of a mask.
        shares: (B, M + 1, P), see `Resemblance.belonging`.
        tokens: (B, M, dim) each, features added to the tokens of the points and those of the box.
    """

    maps: Tensor
    shares: Tensor
    tokens: list[Tensor]


def _places_in(boxes: Tensor) -> Tensor:
    """Return evenly spaced places in boxes (B, 4), their centres first: (B, BOX_SAMPLES ** 2, 2)."""
    spread_evenly = lattice(BOX_SAMPLES, boxes).roll(BOX_SAMPLES**2 // 2 + 1, dims=1)
    return boxes[:, None, :2] + spread_evenly * (boxes[:, None, 2:] - boxes[:, None, :2])


class Tiny(Sam):
    """The embedded model.

    SAM's prompt tokens encode only the position of a click; attention has to find out what is there. If the tokens
    include the features at that position, a small decoder learns from far fewer images.
    """

    config: TinyConfig
    mask_decoder: TinyMaskDecoder

    def __init__(self, config: TinyConfig, *, name: str = "tiny") -> None:
        super().__init__(config, name=name, encoder=TinyEncoder(config), decoder=TinyMaskDecoder(config))
        found = config.prompt_dim + sum(config.fine_dims)
        self.found_at_point = nn.ModuleList(nn.Linear(found, config.prompt_dim) for _ in range(2))
        self.found_in_box = nn.Linear(found, config.prompt_dim)
        finest, fine = config.fine_dims
        self.prompt_maps = nn.ModuleList(Likeness(channels) for channels in (finest, fine, config.prompt_dim))
        self.resemblance = Resemblance(fine)
        self.dense_maps = nn.Conv2d(MAPS, config.prompt_dim, kernel_size=1)
        self.grid = Grid(config.grid_size, config.grid_size)
        self._image_parts = PerImageCache[_ImageParts]()
        self._prompt_parts = PerImageCache[_PromptParts]()

    def encode(self, pixels: Tensor, *, image_encoder: nn.Module | None = None) -> ImageFeatures:
        """Embed images at stride 16, and keep the features of stride 4 and 8 for the decoder."""
        encoder: Any = image_encoder or self.image_encoder
        finest, fine, embedding = encoder.forward_features(self.standardised(pixels))
        return ImageFeatures(self.for_decoder(embedding), (self.for_decoder(finest), self.for_decoder(fine)))

    def decode(self, image: Tensor, *, again: bool = True, **given: Any) -> tuple[Tensor, Tensor]:
        """Decode like `Sam.decode`, with a second pass, and keep only parts connected to the prompt.

        Clicks and boxes are decoded a second time with the best of the first masks as a mask prompt. Several clicks
        are unambiguous; see `settled`. A single click is not: the other two masks stay those of the first pass; see
        `refined`. A prompt with a mask is decoded once.

        In training, everything is decoded once, and the logits include disconnected parts, because the loss would
        otherwise see removed parts as missing. The scores are those of the connected parts.
        """
        logits, kept, scores = self.decode_once(image, given)
        if self.training:
            return logits, scores
        points, labels, boxes, mask = (given.get(name) for name in ("points", "labels", "boxes", "masks"))
        several = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
        if labels is not None:
            several = (labels >= 0).sum(1) > 1
        if again and mask is None and (points is not None or boxes is not None):
            single = torch.zeros_like(several) if boxes is not None else ~several
            choice = scores.clone()
            choice[:, 0].masked_fill_(single, -1)  # A single click means one of the three masks for ambiguous prompts.
            best, prompts = choice.argmax(1), torch.arange(len(scores), device=scores.device)
            second = self.decode_once(image, given, own=kept[prompts, best][:, None])[1:]
            kept, scores = refined((kept, scores), second, best, single=single)
        return settled(kept, scores, several)

    def decode_once(
        self, image: Tensor, given: Mapping[str, Any], *, own: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decode; with `own`, a first answer as the mask: that says what is meant, but not what was asked for."""
        logits, token_logits = super().decode(image, **(given if own is None else {**given, "masks": own}))
        kept = self.kept(logits.detach(), *(given.get(name) for name in ("points", "labels", "boxes", "masks")))
        return logits, kept, self.mask_decoder.scores(token_logits, kept)

    def kept(
        self, logits: Tensor, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, masks: Tensor | None
    ) -> Tensor:
        """Remove parts that are not connected to the prompt from logits (B, N, 4g, 4g); arguments as in `decode`."""
        points, boxes = self._in_unit_square(points, boxes)
        side = logits.shape[-1]
        return connected(logits, prompted_cells(points, labels, boxes, masks, batch=len(logits), side=side))

    def _in_unit_square(self, points: Tensor | None, boxes: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Scale points, which are pixel indices as in the prompt encoder, and boxes, which are edges, to [0, 1]."""
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
        """Add image features to the tokens (B, M, dim), and prompt maps to the image."""
        of_image = self._parts_of_image(features)
        given = [tensor for tensor in (points, labels, boxes) if tensor is not None]
        of_prompt = self._prompt_parts.get(
            # The result is reused when the same clicks and boxes are decoded again with a mask.
            [of_image.finest, *given],
            # Other weights need not be listed: a change of them also changes `of_image`, which is compared above.
            weights_of(self.found_at_point, self.found_in_box),
            lambda: self._parts_of_prompt(features, of_image, points, labels, boxes, batch=len(sparse)),
        )
        maps = torch.cat([of_prompt.maps, self._like_mask(masks, of_image, of_prompt)], dim=1)
        finest, fine, coarse = self.grid.levels(maps)
        added = linear(coarse.transpose(1, 2), self.dense_maps.weight.flatten(1), self.dense_maps.bias)
        dense = added.transpose(1, 2).view_as(dense) + dense
        # Nothing is added to tokens that do not belong to points or boxes.
        zeros = torch.zeros_like(sparse[:, sum(tokens.shape[1] for tokens in of_prompt.tokens) :])
        sparse = sparse + torch.cat([*of_prompt.tokens, zeros], dim=1)
        return sparse, dense, (of_image.finest, of_image.fine, finest, fine)

    def _parts_of_image(self, features: ImageFeatures) -> _ImageParts:
        def make() -> _ImageParts:
            pixels = [self.grid.lay_out(x, level).transpose(1, 2) for level, x in enumerate(levels)]
            keys = [likeness.keys(x) for likeness, x in zip(compared_by, pixels, strict=True)]
            at = self.grid.levels(self.grid.at)[1]
            overview = self.resemblance.overview(levels[1], pixels[1], at)
            return _ImageParts(*self.mask_decoder.with_biases(*pixels[:2]), keys, overview)

        compared_by: Any = self.prompt_maps
        levels = [*features.high_resolution, features.embedding]
        decoder = self.mask_decoder
        added = (decoder.output_upscaling, decoder.finest_maps, decoder.fine_maps)
        return self._image_parts.get(levels, weights_of(self.prompt_maps, self.resemblance, *added), make)

    def _parts_of_prompt(
        self,
        features: ImageFeatures,
        of_image: _ImageParts,
        points: Tensor | None,
        labels: Tensor | None,
        boxes: Tensor | None,
        *,
        batch: int,
    ) -> _PromptParts:
        points, boxes = self._in_unit_square(points, boxes)
        places = [x for x in (points, None if boxes is None else _places_in(boxes)) if x is not None]
        place = torch.cat(places, dim=1) if places else features.embedding.new_zeros(batch, 0, 2)
        clicks = 0 if points is None else points.shape[1]
        levels = (*features.high_resolution, features.embedding)
        finest, fine, coarse = found = [sample(level, place) for level in levels]
        compared = clicks if boxes is None else clicks + 1  # the centre of a box counts as a click
        likeness = [
            layer(keys, at[:, :compared])
            for layer, keys, at in zip(self.prompt_maps, of_image.keys, found, strict=True)
        ]
        near = near_maps(self.grid, torch.cat(likeness, dim=2), points, labels, boxes)
        in_box = None if boxes is None else self.grid.levels(near[:, 0])[1]
        shares = self.resemblance.belonging(of_image.overview, fine, place, labels, size=levels[1].shape[-2:])
        alike = self._on_all_levels(resembling(of_image.overview, shares, labels, in_box))
        everything = torch.cat([coarse, finest, fine], dim=2)
        tokens = [self._found_at(everything[:, :clicks], labels)] if labels is not None else []
        if boxes is not None:
            tokens.append(self.found_in_box(everything[:, clicks:].mean(1, keepdim=True)).expand(-1, 2, -1))
        return _PromptParts(torch.cat([near, alike], dim=1), shares, tokens)

    def _found_at(self, there: Tensor, labels: Tensor) -> Tensor:
        """Return what is added to the tokens of points, from features (B, N, C) and labels (B, N): (B, N, dim)."""
        background, foreground = (layer(there) for layer in self.found_at_point)
        kind = labels[..., None]
        return torch.where(kind == 1, foreground, torch.where(kind == 0, background, 0.0))

    def _like_mask(self, masks: Tensor | None, of_image: _ImageParts, of_prompt: _PromptParts) -> Tensor:
        """Return the map of resemblance to the content of mask logits (B, 1, m, m), zero without masks: (B, 1, P)."""
        if masks is None:
            return torch.zeros_like(of_prompt.maps[:, :1])
        covered = adaptive_avg_pool2d(masks.to(of_prompt.maps.dtype).sigmoid(), self.grid.shapes[1])
        covered = self.grid.lay_out(covered, 1)[:, 0]
        return self._on_all_levels(spread(covered, of_image.overview, of_prompt.shares)[:, None])

    def _on_all_levels(self, fine: Tensor) -> Tensor:
        """Resample maps (B, K, P) of stride 8 to the finer and the coarser level; returns (B, K, P) of all three."""
        finest = self.grid.lay_out(_doubled(self.grid.picture(fine, 1)), 0)
        return torch.cat([finest, fine, fine.view(*fine.shape[:2], -1, 4).mean(3)], dim=2)


def tiny() -> Tiny:
    """Build the embedded model (5.8 M parameters, 384 px)."""
    return Tiny(TINY)


def tiny_vit() -> Sam:
    """Build SAM with a small plain ViT, which can be pre-trained as a masked autoencoder (5 M parameters, 256 px)."""
    return Sam(TINY_VIT, name="tiny_vit")
