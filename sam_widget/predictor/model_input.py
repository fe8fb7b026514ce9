"""Between the user's pixels and the model's: images, prompts and masks as model input, and logits as masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from sam_widget.errors import PromptError
from sam_widget.model.config import SamConfig
from sam_widget.predictor.fitting import fitted
from sam_widget.predictor.interface import CERTAIN
from sam_widget.predictor.ranking import is_inverse
from sam_widget.predictor.upsampling import Upscaling, upscaling
from sam_widget.prompts.prompt import Prompt

# Rows of a mask that are made floats at a time.
_ROWS = 256


def input_pixels(config: SamConfig, rgb: np.ndarray, device: torch.device) -> Tensor:
    """Resize (H, W, 3) uint8 to the model's size, antialiased and bilinear: (1, 3, h, w) of 0..255."""
    height, width = fitted(config, rgb.shape[0], rgb.shape[1])
    if config.resize == "square":  # As their authors do it, without rounding to integers.
        pixels = torch.from_numpy(rgb.copy()).to(device).permute(2, 0, 1)[None].float()
        return interpolate(pixels, (height, width), mode="bilinear", align_corners=False, antialias=config.antialias)
    resized = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None].to(device)


def input_points(config: SamConfig, points: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Scale x, y (..., 2) from pixels of the image to pixels of the model input."""
    height, width = image_size
    fitted_height, fitted_width = fitted(config, height, width)
    return points * (fitted_width / width, fitted_height / height)


def input_prompts(
    config: SamConfig, prompts: Sequence[Prompt], image_size: tuple[int, int], device: torch.device, *, model: str
) -> dict[str, Tensor]:
    """Return B prompts as the model's arguments, in pixels of its input.

    Args:
        config: Of the model.
        prompts: Without strokes, with at most one box each; all with the same number of points, and with or without a
            box and a mask.
        image_size: Height and width of the image, in pixels.
        device: Where the model computes.
        model: What errors call it.

    Raises:
        PromptError: A mask is of another size, or the model takes none.
    """
    height, width = image_size
    fitted_height, fitted_width = fitted(config, height, width)
    scale = torch.tensor([fitted_width / width, fitted_height / height], device=device)
    arguments: dict[str, Tensor] = {}
    if prompts[0].points:
        coords, labels = (np.stack(part) for part in zip(*(prompt.to_arrays() for prompt in prompts), strict=True))
        arguments["points"] = torch.from_numpy(coords).to(device) * scale
        arguments["labels"] = torch.from_numpy(labels).to(device)
    if prompts[0].boxes:
        corners = torch.tensor([prompt.boxes[-1].corners for prompt in prompts], dtype=torch.float32, device=device)
        arguments["boxes"] = (corners.view(-1, 2, 2) * scale).view(-1, 4)
    masks = [prompt.mask for prompt in prompts if prompt.mask is not None]
    for mask in masks:
        if not config.takes_masks:
            raise PromptError(f"{model} takes no mask as a prompt; give points or a box")
        side = config.mask_size
        if mask.shape != (side, side):
            raise PromptError(
                f"mask has shape {mask.shape}, expected ({side}, {side}) logits; pass logits[best] of an earlier "
                "prediction of this model"
            )
    if masks:
        arguments["masks"] = torch.tensor(np.stack(masks), dtype=torch.float32, device=device)[:, None]
    return arguments


def logits_from_mask(config: SamConfig, mask: np.ndarray) -> np.ndarray:
    """Make a mask prompt of a mask that the model did not predict: (H, W) bool to (h, w) float32 logits."""
    height, width = fitted(config, *mask.shape)
    # Across first, and some rows at a time: the image may be too large for an array of floats.
    bands = (torch.from_numpy(mask[top : top + _ROWS].astype(np.float32)) for top in range(0, len(mask), _ROWS))
    across = torch.cat([_resized(band, (len(band), width)) for band in bands])
    covered = _resized(across, (height, width))
    side = config.image_size
    padded = torch.zeros(1, 1, side, side)
    padded[..., :height, :width] = covered
    low = interpolate(padded, (config.mask_size, config.mask_size), mode="area")[0, 0]
    logits: np.ndarray = ((2 * low - 1) * CERTAIN).numpy()
    return logits


def upscaling_of(config: SamConfig, image_size: tuple[int, int]) -> Upscaling:
    """Return how low-resolution logits become masks of an image."""
    return upscaling(
        image_size,
        logits=config.mask_size,
        fitted=fitted(config, *image_size),
        side=config.image_size,
        resize=config.resize,
        mode=config.upsampling,
    )


def inverse_masks(config: SamConfig, prompt: Prompt, low: Tensor, image_size: tuple[int, int]) -> np.ndarray | None:
    """Return which masks, as logits (M, h, w), show what is around the one box; None if the prompt has more than it.

    A foreground point says that this is wanted.
    """
    if len(prompt.boxes) != 1 or any(point.label for point in prompt.points) or prompt.mask is not None:
        return None
    # From pixels of the image to logits.
    corners = input_points(config, np.array(prompt.boxes[0].corners).reshape(2, 2), image_size)
    x0, y0, x1, y1 = (corners * config.mask_size / config.image_size).reshape(-1).tolist()
    return is_inverse((low > config.mask_threshold).cpu().numpy(), (x0, y0, x1, y1))


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (h, w), antialiased and bilinear."""
    return interpolate(pixels[None, None], size, mode="bilinear", align_corners=False, antialias=True)[0, 0]
