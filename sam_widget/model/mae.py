"""The masked autoencoder of "Masked Autoencoders Are Scalable Vision Learners" (He et al., arXiv 2111.06377).

Most patches of an image are masked; a ViT (timm's) encodes the few visible ones, and a light decoder reconstructs the
others. No labels are needed, and the encoder's features transfer to other tasks: SAM's image encoder was pre-trained
this way.
Steps are named as in the paper, with shapes next to them: B images, N patches, V of them visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from sam_widget.errors import ImageError, ModelError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class MaeConfig:
    """The sizes of a masked autoencoder; the defaults are the paper's ViT-Base.

    Attributes:
        image_size: Side of the square input, in pixels.
        patch_size: Side of a patch; there are N = (image_size / patch_size) ** 2 of them.
        embed_dim: Channels of the encoder (D).
        depth: Blocks of the encoder.
        num_heads: Attention heads of an encoder block.
        decoder_embed_dim: Channels of the decoder (E).
        decoder_depth: Blocks of the decoder.
        decoder_num_heads: Attention heads of a decoder block.
        mask_ratio: Share of the patches that are masked.
        norm_pix_loss: Whether the decoder predicts pixels standardised per patch. That yields better features, but
            the predictions lack absolute colours.
        pixel_mean: Mean RGB subtracted from the image, 0 to 255.
        pixel_std: Standard deviation by which the image is divided.
    """

    image_size: int = 224
    patch_size: int = 16
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    decoder_embed_dim: int = 512
    decoder_depth: int = 8
    decoder_num_heads: int = 16
    mask_ratio: float = 0.75
    norm_pix_loss: bool = False
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise ModelError(f"an image of {self.image_size} px has no whole number of patches of {self.patch_size} px")
        if not 0 < self.mask_ratio < 1:
            raise ModelError(f"the mask ratio is {self.mask_ratio}; expected a share between 0 and 1")

    @property
    def grid_size(self) -> int:
        """Number of patches on a side."""
        return self.image_size // self.patch_size


MAE_BASE = MaeConfig()
MAE_LARGE = MaeConfig(embed_dim=1024, depth=24, num_heads=16)
MAE_HUGE = MaeConfig(patch_size=14, embed_dim=1280, depth=32, num_heads=16)
# Blocks have the size of the small SAM's, so that they can become its image encoder. Patches of 8 px on a grid of
# 16 x 16: few enough pixels per patch for a small decoder, in photos that are still recognisable at 128 px.
MAE_TINY = MaeConfig(
    image_size=128,
    patch_size=8,
    embed_dim=192,
    depth=8,
    num_heads=6,
    decoder_embed_dim=128,
    decoder_depth=3,
    decoder_num_heads=4,
)


class Masking(NamedTuple):
    """Which patches are masked, and how to restore their order.

    Attributes:
        ids_keep: (B, V) indices of the visible patches.
        ids_restore: (B, N) position of each patch of the image in the sequence of visible, then masked patches.
        mask: (B, N) 0 for a visible patch, 1 for a masked one.
    """

    ids_keep: Tensor
    ids_restore: Tensor
    mask: Tensor


class MaeOutput(NamedTuple):
    """The output of a masked autoencoder.

    Attributes:
        loss: Mean squared error on the masked patches.
        prediction: (B, N, p * p * 3) pixels of every patch, in the units of the input.
        mask: (B, N) 0 for a visible patch, 1 for a masked one.
        latent: (B, 1 + V, D) encoded class token and visible patches.
    """

    loss: Tensor
    prediction: Tensor
    mask: Tensor
    latent: Tensor


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """The reconstruction of an image by a masked autoencoder; pictures are (S, S, 3) uint8 RGB.

    Attributes:
        original: The model's input: the central square of the image at the model's size.
        masked: The original with masked patches in grey; the encoder sees only the rest.
        prediction: The prediction of every patch, including visible ones, for which the decoder was not trained.
        pasted: The visible patches of the original, with predictions for the masked ones.
        mask: (g, g) bool, true where a patch was masked.
        loss: Mean squared error on the masked patches, in the units of the model's input.
    """

    original: np.ndarray
    masked: np.ndarray
    prediction: np.ndarray
    pasted: np.ndarray
    mask: np.ndarray
    loss: float

    def figure(self, *, width: float = 12.0) -> Figure:
        """Return the four pictures side by side, as in the paper's figure 2.

        Args:
            width: Of the figure, in inches.
        """
        from matplotlib import pyplot as plt

        figure, panels = plt.subplots(1, 4, figsize=(width, width / 4 + 0.4), layout="constrained")
        plt.close(figure)  # Otherwise a notebook shows it twice.
        hidden = f"masked: {self.mask.mean():.0%}"
        pictures = (self.masked, self.prediction, self.pasted, self.original)
        titles = (hidden, f"prediction, loss {self.loss:.3f}", "prediction in the masked patches", "original")
        for axes, picture, title in zip(panels, pictures, titles, strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set_title(title, fontsize="medium")
            axes.set_axis_off()
        return figure


class MaskedAutoencoder(nn.Module):
    """Encoder, mask token and decoder (paper, section 3).

    Attributes:
        config: The sizes of the model.
        name: The name it was loaded under.
    """

    # timm's types do not include the possible replacements of a ViT's parts.
    encoder: Any

    def __init__(self, config: MaeConfig, *, name: str = "mae") -> None:
        """Build the model with random weights, drawn as in the authors' code."""
        super().__init__()
        self.config, self.name = config, name
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        self.encoder = VisionTransformer(
            img_size=config.image_size,
            patch_size=config.patch_size,
            embed_dim=config.embed_dim,
            depth=config.depth,
            num_heads=config.num_heads,
            num_classes=0,
            norm_layer=norm,
        )
        width = config.decoder_embed_dim
        self.decoder_embed = nn.Linear(config.embed_dim, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_blocks = nn.Sequential(
            *(
                Block(width, config.decoder_num_heads, qkv_bias=True, norm_layer=norm)
                for _ in range(config.decoder_depth)
            )
        )
        self.decoder_norm = norm(width)
        self.decoder_pred = nn.Linear(width, config.patch_size**2 * 3)
        # Positions are fixed sines and cosines, excluded from training.
        grid = config.grid_size
        self.encoder.pos_embed = nn.Parameter(sincos_positions(config.embed_dim, grid), requires_grad=False)
        self.decoder_pos_embed = nn.Parameter(sincos_positions(width, grid), requires_grad=False)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        projection = self.encoder.patch_embed.proj  # a linear map of patches, though written as a convolution
        nn.init.xavier_uniform_(projection.weight.data.view(projection.out_channels, -1))
        nn.init.normal_(self.encoder.cls_token, std=0.02)
        nn.init.normal_(self.mask_token, std=0.02)

    # ------------------------------------------------------------------------------------------ patches

    def patchify(self, pixels: Tensor) -> Tensor:
        """Cut images (B, 3, S, S) into patches (B, N, p * p * 3), row by row."""
        g, p = self.config.grid_size, self.config.patch_size
        x = pixels.reshape(len(pixels), 3, g, p, g, p)
        return x.permute(0, 2, 4, 3, 5, 1).reshape(len(pixels), g * g, p * p * 3)

    def unpatchify(self, patches: Tensor) -> Tensor:
        """Join patches (B, N, p * p * 3) to images (B, 3, S, S)."""
        g, p = self.config.grid_size, self.config.patch_size
        x = patches.reshape(len(patches), g, g, p, p, 3)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), 3, g * p, g * p)

    # ------------------------------------------------------------------------------------------ the paper's steps

    def random_masking(self, noise: Tensor, *, visible: int | None = None) -> Masking:
        """Choose the visible patches: those with the least noise.

        Args:
            noise: (B, N) random numbers. The same noise gives the same patches.
            visible: Number of visible patches (V); None derives it from the config's mask ratio.
        """
        count = noise.shape[1]
        if visible is None:
            visible = int(count * (1 - self.config.mask_ratio))
        ids_shuffle = noise.argsort(dim=1)  # (B, N) patches in the order of their noise
        ids_restore = ids_shuffle.argsort(dim=1)  # (B, N) its inverse
        mask = (ids_restore >= visible).to(noise.dtype)  # (B, N)
        return Masking(ids_shuffle[:, :visible], ids_restore, mask)

    def forward_encoder(self, pixels: Tensor, masking: Masking) -> Tensor:
        """Encode only the visible patches of images (B, 3, S, S): (B, 1 + V, D).

        Pre-training is cheap because three quarters of the tokens are never computed.
        """
        vit = self.encoder
        x = vit.patch_embed(pixels) + vit.pos_embed[:, 1:]  # (B, N, D), each patch by itself
        x = _gather(x, masking.ids_keep)  # (B, V, D)
        cls_token = (vit.cls_token + vit.pos_embed[:, :1]).expand(len(x), -1, -1)  # (B, 1, D)
        x = torch.cat([cls_token, x], dim=1)  # (B, 1 + V, D)
        return vit.norm(vit.blocks(x))

    def forward_decoder(self, latent: Tensor, masking: Masking) -> Tensor:
        """Predict every patch from the latent (B, 1 + V, D): (B, N, p * p * 3).

        All masked patches share one learned token; only their positions tell them apart.
        """
        x = self.decoder_embed(latent)  # (B, 1 + V, E)
        hidden = masking.ids_restore.shape[1] + 1 - x.shape[1]
        mask_tokens = self.mask_token.to(x.dtype).expand(len(x), hidden, -1)  # (B, N - V, E)
        patches = torch.cat([x[:, 1:], mask_tokens], dim=1)  # (B, N, E), visible ones first
        patches = _gather(patches, masking.ids_restore)  # (B, N, E), in their places
        x = torch.cat([x[:, :1], patches], dim=1) + self.decoder_pos_embed  # (B, 1 + N, E)
        x = self.decoder_norm(self.decoder_blocks(x))
        return self.decoder_pred(x)[:, 1:]  # (B, N, p * p * 3), without the class token

    def forward_loss(self, pixels: Tensor, prediction: Tensor, mask: Tensor) -> Tensor:
        """Return the mean squared error on the masked patches; visible ones would only teach the model to copy."""
        target = self.patchify(pixels)  # (B, N, p * p * 3)
        if self.config.norm_pix_loss:
            mean, variance = target.mean(dim=-1, keepdim=True), target.var(dim=-1, keepdim=True)
            target = (target - mean) / (variance + 1e-6) ** 0.5
        error = ((prediction.float() - target) ** 2).mean(dim=-1)  # (B, N)
        return (error * mask).sum() / mask.sum()

    def forward(self, pixels: Tensor, *, noise: Tensor | None = None, visible: int | None = None) -> MaeOutput:
        """Mask, encode, decode and compare.

        Args:
            pixels: (B, 3, S, S) normalised images.
            noise: (B, N) random numbers that determine which patches are visible; None draws them.
            visible: Number of visible patches; None derives it from the config's mask ratio.
        """
        if noise is None:
            noise = torch.rand(len(pixels), self.config.grid_size**2, device=pixels.device)
        masking = self.random_masking(noise, visible=visible)
        latent = self.forward_encoder(pixels, masking)
        prediction = self.forward_decoder(latent, masking)
        return MaeOutput(self.forward_loss(pixels, prediction, masking.mask), prediction, masking.mask, latent)

    # ------------------------------------------------------------------------------------------ pictures

    def normalise(self, images: Tensor) -> Tensor:
        """Convert images (B, 3, S, S) of 0..255 to the model's input."""
        return (images.float() - self._row(self.config.pixel_mean)) / self._row(self.config.pixel_std)

    def denormalise(self, pixels: Tensor) -> Tensor:
        """Convert the model's input or prediction (B, 3, S, S) to images of 0..255, unrounded and unclipped."""
        return pixels.float() * self._row(self.config.pixel_std) + self._row(self.config.pixel_mean)

    def _row(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, device=self.mask_token.device).view(1, -1, 1, 1)

    @torch.inference_mode()
    def reconstruct(self, image: np.ndarray, *, seed: int = 0, mask: np.ndarray | None = None) -> Reconstruction:
        """Mask an image and reconstruct the masked patches.

        Models trained with `norm_pix_loss` do not predict absolute colours: as in the paper's figures, each predicted
        patch gets the mean and deviation of the true one.

        Args:
            image: (H, W, 3) uint8 RGB, such as `sw.to_rgb` returns; its central square is used.
            seed: Seed of the random mask, at the config's mask ratio.
            mask: (g, g) bool, the patches to mask instead.

        Raises:
            ImageError: The image has another shape or type.
            ModelError: The mask has the wrong shape or type, or leaves nothing visible or nothing masked.
        """
        config, device = self.config, self.mask_token.device
        rgb8 = isinstance(image, np.ndarray) and image.dtype == np.uint8  # type: ignore[redundant-expr]
        if not (rgb8 and image.ndim == 3 and image.shape[2] == 3):
            raise ImageError(f"expected an RGB image, (H, W, 3) uint8, got {_described(image)}; read it with sw.to_rgb")
        original = middle_square(image, config.image_size)
        pixels = self.normalise(torch.from_numpy(original).permute(2, 0, 1)[None].to(device))  # (1, 3, S, S)
        noise = torch.rand(1, config.grid_size**2, generator=torch.Generator().manual_seed(seed)).to(device)
        visible = None
        if mask is not None:
            given = self._checked(mask)
            noise = torch.from_numpy(given).reshape(1, -1).to(noise)
            visible = int((~given).sum())
        output = self(pixels, noise=noise, visible=visible)

        patches, true = output.prediction.float(), self.patchify(pixels)
        if config.norm_pix_loss:
            deviation = (true.var(dim=-1, keepdim=True) + 1e-6) ** 0.5
            patches = patches * deviation + true.mean(dim=-1, keepdim=True)
        masked = output.mask.reshape(config.grid_size, config.grid_size).bool().cpu().numpy()
        prediction = _picture(self.denormalise(self.unpatchify(patches)))
        there = masked.repeat(config.patch_size, 0).repeat(config.patch_size, 1)[..., None]  # (S, S, 1)
        return Reconstruction(
            original=original,
            masked=np.where(there, np.uint8(128), original),
            prediction=prediction,
            pasted=np.where(there, prediction, original),
            mask=masked,
            loss=float(output.loss),
        )

    def _checked(self, mask: np.ndarray) -> np.ndarray:
        mask, side = np.asarray(mask), self.config.grid_size
        if mask.shape != (side, side) or mask.dtype != bool:
            raise ModelError(
                f"the mask is {mask.dtype} of shape {mask.shape}; expected bool of shape {(side, side)}, true = masked"
            )
        if mask.all() or not mask.any():
            raise ModelError("the mask hides all patches or none; hide some, and leave some")
        return mask


def sincos_positions(channels: int, grid_size: int) -> Tensor:
    """Return the fixed positions of the class token (zero) and of a grid of patches: (1, 1 + g * g, channels).

    The first half of the channels codes the column, the second the row; each half is sines, then cosines, at
    frequencies from 1 down to 1/10000 (paper, appendix A.1; "Attention Is All You Need", arXiv 1706.03762).
    """
    if channels % 4:
        raise ModelError(f"{channels} channels cannot hold sines and cosines of two axes; expected a multiple of 4")
    frequencies = 10_000.0 ** -(torch.arange(channels // 4, dtype=torch.float64) / (channels // 4))  # (C/4,)
    line = torch.arange(grid_size, dtype=torch.float64)[:, None] * frequencies  # (g, C/4)
    code = torch.cat([line.sin(), line.cos()], dim=1)  # (g, C/2)
    columns = code[None].expand(grid_size, -1, -1)  # (g, g, C/2)
    rows = code[:, None].expand(-1, grid_size, -1)  # (g, g, C/2)
    table = torch.cat([columns, rows], dim=2).reshape(1, -1, channels)
    return torch.cat([torch.zeros(1, 1, channels), table.float()], dim=1)


def middle_square(image: np.ndarray, size: int) -> np.ndarray:
    """Return the largest central square of an image (H, W, 3), scaled to (size, size, 3) uint8."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(np.ascontiguousarray(image[top : top + side, left : left + side]))
    return np.array(square.resize((size, size), Image.Resampling.BICUBIC))


def _gather(x: Tensor, indices: Tensor) -> Tensor:
    """Gather tokens (B, V, C) at indices (B, V) from (B, N, C)."""
    return x.gather(1, indices[..., None].expand(-1, -1, x.shape[-1]))


def _picture(pixels: Tensor) -> np.ndarray:
    picture: np.ndarray = pixels[0].round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    return picture


def _described(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
