"""The embedded model's mask decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from sam_widget.model.config import TinyConfig
from sam_widget.model.layers.per_image_cache import PerImageCache, weights_of
from sam_widget.model.mask_decoder import MaskDecoder, Mlp, in_order, per_prompt
from sam_widget.model.tiny.prompt_maps import MAPS


class TinyMaskDecoder(MaskDecoder):
    """SAM's mask decoder with finer features, and scores that also depend on the confidence of the mask itself."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__(config)
        dim, (finest, fine) = config.prompt_dim, config.fine_dims
        # Each splits a cell into 2 x 2 cells.
        self.output_upscaling = nn.Sequential(nn.Linear(dim, 4 * fine), nn.Linear(fine, 4 * finest))
        self.norm = nn.LayerNorm(fine)
        # Masks are classified from the finest features and the prompt maps.
        self.output_hypernetworks_mlps = nn.ModuleList(
            Mlp(dim, dim, finest + MAPS, 3) for _ in range(self.num_mask_tokens)
        )
        self.fine_maps = nn.Linear(MAPS, fine)
        self.finest_maps = nn.Linear(MAPS, finest)
        self.score_of_certainty = nn.Parameter(torch.ones(self.num_mask_tokens))
        self._hypernetworks = PerImageCache[list[tuple[Tensor, Tensor]]]()

    def forward(
        self, image: Tensor, image_pe: Tensor, sparse: Tensor, dense: Tensor, high_resolution: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Decode like `MaskDecoder.forward`; see `masks_of` for `high_resolution`.

        Returns:
            Mask logits (B, 4, 4g, 4g), and the tokens' contribution to the scores: (B, 4) logits, see `scores`.
        """
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens, embedded = self.attend(output_tokens, image, image_pe, sparse, dense)
        return self.masks_of(tokens[:, 1:], embedded, high_resolution), self.iou_prediction_head(tokens[:, 0])

    def scores(self, token_logits: Tensor, masks: Tensor) -> Tensor:
        """Return predicted IoUs (B, N) of masks (B, N, h, w), from token logits (B, N) and each mask's confidence."""
        return (token_logits + self.score_of_certainty * expected_iou(masks).logit(eps=1e-3)).sigmoid()

    def with_biases(self, finest: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Add the biases that do not depend on the prompt to fine features, laid out as (I, P, C)."""
        upscaling: Any = self.output_upscaling
        finest = finest + self.finest_maps.bias + upscaling[1].bias.view(4, -1).repeat(finest.shape[1] // 4, 1)
        return finest, fine + self.fine_maps.bias

    def masks_of(self, mask_tokens: Tensor, embedded: Tensor, high_resolution: tuple[Tensor, ...]) -> Tensor:
        """Upscale the image (B, dim, g, g), add finer features, and return the masks (B, N, 4g, 4g) of N mask tokens.

        Pixels are reordered only once, in the masks.

        Args:
            mask_tokens: (B, N, dim).
            embedded: (B, dim, g, g).
            high_resolution: Features of stride 4 and 8 of I images, (I, P, C) in the pixel order of a `Grid` and
                `with_biases`, and maps (B, MAPS, P) of the prompts in the same order.
        """
        pixels, finest_maps = self.upscale(embedded, high_resolution), high_resolution[2]
        of_pixels, of_maps = torch.split(self.hypernetworks(mask_tokens), [pixels.shape[2], MAPS], dim=2)
        masks = torch.baddbmm(of_maps @ finest_maps, of_pixels, pixels.transpose(1, 2))
        return in_order(masks, *embedded.shape[2:])

    def upscale(self, embedded: Tensor, high_resolution: tuple[Tensor, ...] = ()) -> Tensor:
        """Upscale image features fourfold: (B, dim, g, g) to the finest pixels of a `Grid`, (B, g*g * 16, finest).

        Args:
            embedded: (B, dim, g, g).
            high_resolution: See `masks_of`.
        """
        finest, fine, finest_maps, fine_maps = high_resolution
        batch, _, height, width = embedded.shape
        upscaling: Any = self.output_upscaling
        first, second = upscaling
        # In place, because allocating a feature map takes as long as the operation itself.
        pixels = self.norm(first(embedded.flatten(2).transpose(1, 2)).view(batch, *fine.shape[1:]))
        pixels = pixels.add_(per_prompt(fine, batch)).baddbmm_(*_product(fine_maps.transpose(1, 2), self.fine_maps))
        added = torch.baddbmm(per_prompt(finest, batch), *_product(finest_maps.transpose(1, 2), self.finest_maps))
        added = added.view(batch, height * width * 4, -1)
        pixels = added.baddbmm_(*_product(pixels.relu_(), second))  # (B, g*g * 4, finest * 4)
        return pixels.relu_().view(batch, height * width * 16, -1)

    def hypernetworks(self, mask_tokens: Tensor) -> Tensor:
        """Turn each mask token into a linear classifier of pixels: (B, N, dim) to (B, N, finest + MAPS)."""
        networks: Any = self.output_hypernetworks_mlps

        def make() -> list[tuple[Tensor, Tensor]]:
            # Stacks corresponding layers of all networks into one product.
            layers = [[network.layers[i] for network in networks] for i in range(len(networks[0].layers))]
            return [
                (torch.stack([x.weight.T for x in layer]), torch.stack([x.bias[None] for x in layer]))
                for layer in layers
            ]

        *hidden, (weights, biases) = self._hypernetworks.get([], weights_of(networks), make)
        x = mask_tokens.transpose(0, 1)
        for weight, bias in hidden:
            x = relu(torch.baddbmm(bias, x, weight))
        return torch.baddbmm(biases, x, weights).transpose(0, 1)


def _product(factor: Tensor, layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """Return the two factors of the product that applies a layer, without its bias, to (B, P, C)."""
    return factor, layer.weight.T.expand(len(factor), -1, -1)


def expected_iou(logits: Tensor) -> Tensor:
    """Return the expected IoU of thresholded masks (B, N, h, w), assuming calibrated probabilities: (B, N)."""
    probability = logits.float().sigmoid()
    mask = (logits > 0).to(probability.dtype)
    agreed = (probability * mask).sum((-2, -1))
    either = probability.sum((-2, -1)) + mask.sum((-2, -1)) - agreed
    return agreed / either.clamp(min=1e-6)
