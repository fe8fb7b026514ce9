"""Embed an image once, decode prompts often: prompts in the pixels of the original image, masks as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from sam_widget.errors import ModelError, PromptError, door
from sam_widget.image.reading import image_hash, to_rgb
from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import SamConfig
from sam_widget.model.fast.compiled import CompiledDecoder
from sam_widget.model.fast.parts import FastParts
from sam_widget.model.hub import Progress
from sam_widget.model.sam import ImageFeatures, Sam
from sam_widget.model.zoo import load_model, telling_of_memory
from sam_widget.predictor.embeddings import CACHE, Embedding, EmbeddingCache, tokens_first
from sam_widget.predictor.interface import CERTAIN
from sam_widget.predictor.prompt_parts import parts
from sam_widget.predictor.ranking import best_of, is_inverse
from sam_widget.predictor.trace import Trace, traced
from sam_widget.predictor.upsampling import Upscaling, upscaling
from sam_widget.prompts.prompt import Box, Prompt

__all__ = ["CACHE", "Embedding", "EmbeddingCache", "Prediction", "Predictor"]

# Number of rows of a mask converted to floats at a time.
_ROWS = 256


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer to a prompt: masks in the model's own order, subpart, part, whole.

    Attributes:
        scores: (N,) float32, the predicted IoU of each mask.
        logits: (N, h, w) float32 at low resolution; `logits[best]` can be passed back as `mask`.
    """

    scores: np.ndarray
    logits: np.ndarray
    _exact: Tensor = field(repr=False)  # logits before clamping, on the model's device
    _upscaling: Upscaling = field(repr=False)
    _level: float = field(repr=False)
    # Whether each mask shows the surroundings of the prompt's box, (N,) bool; None without a box.
    _inverse: np.ndarray | None = field(default=None, repr=False)
    _stored: dict[int, StoredMask] = field(default_factory=dict, repr=False)

    @cached_property
    def masks(self) -> np.ndarray:
        """(N, H, W) bool at image resolution, computed on first access."""
        return self._upscaling.masks(self._exact, self._level)

    @cached_property
    def stored(self) -> tuple[StoredMask, ...]:
        """The masks as row runs, computed without building pixel arrays."""
        return tuple(self.stored_mask(index) for index in range(len(self.scores)))

    def stored_mask(self, index: int) -> StoredMask:
        """Return one of `stored`, without computing the others."""
        known = self._stored.get(index)
        if known is None:
            known = self._stored[index] = self._upscaling.stored(self._exact[index], self._level)
        return known

    def __repr__(self) -> str:
        height, width = self.size
        scores = ", ".join(f"{score:.2f}" for score in self.scores)
        return f"Prediction({len(self.scores)} masks of {height} x {width}, scores {scores}, best {self.best})"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the masks, in pixels."""
        return self._upscaling.size

    @property
    def best(self) -> int:
        """Index of the highest score, passing over masks that show what is around a box; see `ranking`."""
        return best_of(self.scores, self._inverse)


class Predictor:
    """Answers prompts on images with one model. Coordinates are pixels of the original image.

    Methods may be called from any thread.
    """

    @door
    def __init__(
        self,
        model: Sam | str | Path = "tiny",
        *,
        cache: EmbeddingCache = CACHE,
        progress: Progress | None = None,
        compile: bool = False,  # noqa: A002  torch's own name for it
    ) -> None:
        """Wrap a model.

        Args:
            model: A loaded model, or an argument of `load_model`.
            cache: Cache of embeddings. By default, a cache shared by the whole process, which also includes the
                embeddings stored by `embed_folder` and `sam-widget embed`.
            progress: Called with the bytes done and the total while the model's weights are downloaded.
            compile: Compile the mask decoder, which is worthwhile on a GPU. Compilation starts after an image is
                embedded, in a background thread; until it is done, or if it fails, the uncompiled decoder is used.

        Raises:
            ModelError: The model cannot be loaded.
        """
        self.model = model if isinstance(model, Sam) else load_model(model, progress=progress)
        self._cache = cache
        self._fast = FastParts(self.model)
        self._compiled = CompiledDecoder(self._fast.mask_decoder) if compile else None

    def __repr__(self) -> str:
        return f"Predictor({self.model.name} on {self.device})"

    @property
    def config(self) -> SamConfig:
        """Sizes of the model."""
        return self.model.config

    @property
    def device(self) -> torch.device:
        """The model's device."""
        # Of the prompt encoder, because finding the first of all weights, the image encoder's, is slow.
        return next(self.model.prompt_encoder.parameters()).device

    def embed(self, image: Any, *, keep: bool = True) -> Embedding:
        """Embed an image, or return its embedding from the cache.

        Args:
            image: Anything that `to_rgb` reads: path, URL, bytes, PIL image, array, tensor.
            keep: Whether to store the embedding in the cache.

        Raises:
            ImageError: The image cannot be read.
            ModelError: The device has too little memory for the model.
        """
        rgb = to_rgb(image)
        digest = image_hash(rgb)
        weights_id = self.model.weights_id
        with self._cache.making(digest, weights_id):
            embedding = self._cache.get(digest, weights_id, device=self.device)
            if embedding is None:
                made = self._encode(rgb, digest)
                embedding = self._cache.put(made) if keep else made
        self.warm_up(embedding)
        return embedding

    def has(self, image_hash: str) -> bool:
        """Whether the embedding of an image is cached, in memory or on disk, so that `embed` will be fast."""
        return self._cache.has(image_hash, self.model.weights_id)

    def _encode(self, rgb: np.ndarray, digest: str) -> Embedding:
        height, width = self._fitted(rgb.shape[0], rgb.shape[1])
        patch = self.config.patch_size
        with telling_of_memory(self.model, self.device), torch.inference_mode():
            pixels = self._pixels(rgb)
            features = self.model.encode(pixels, image_encoder=self._fast.image_encoder)
        return Embedding(
            features=tokens_first(features.embedding),
            high_resolution=features.high_resolution,
            image_size=(rgb.shape[0], rgb.shape[1]),
            image_hash=digest,
            model_name=self.model.name,
            weights_id=self.model.weights_id,
            shown=(-(-height // patch), -(-width // patch)),
            pixels=pixels.round().to("cpu", torch.uint8) if pixels.is_floating_point() else pixels.cpu(),
        )

    def warm_up(self, embedding: Embedding, *, wait: bool = False) -> None:
        """If `compile` is set, start compiling for common prompts, and optionally wait. Called by `embed`."""
        if self._compiled is None:
            return
        if not self._compiled.begun:
            # The results are discarded.
            centre = (embedding.image_size[1] / 2, embedding.image_size[0] / 2)
            self.predict(embedding, points=[centre])
            self.predict(embedding, points=[centre, (0, 0)])
        if wait:
            self._compiled.join()

    def predict(
        self,
        embedding: Embedding,
        *,
        points: Sequence[Any] | np.ndarray | None = None,
        labels: Sequence[int] | np.ndarray | None = None,
        box: Sequence[Any] | np.ndarray | Box | None = None,
        mask: np.ndarray | None = None,
        multimask: bool = True,
    ) -> Prediction:
        """Answer a prompt.

        Args:
            embedding: An embedding from `embed`, of this predictor's model.
            points: (N, 2) x, y.
            labels: (N,): 1 foreground, 0 background; all foreground by default.
            box: x0, y0, x1, y1; or (N, 4), several boxes around parts of one object.
            mask: (h, w) low-resolution logits of an earlier prediction.
            multimask: Return three masks, for an ambiguous prompt, or one, for an unambiguous prompt.

        Raises:
            PromptError: The prompt is empty, malformed or outside the image.
            ModelError: The embedding is from another model, or the device has too little memory for the model.
        """
        return self.answer(embedding, Prompt.from_arrays(points, labels, box, mask), multimask=multimask)

    def answer(self, embedding: Embedding, prompt: Prompt, *, multimask: bool = True) -> Prediction:
        """Answer a `Prompt`; see `predict`.

        A prompt that SAM does not accept as a whole is decoded in parts (see `prompt_parts.parts`): corresponding masks
        of the parts are merged by their maximum logit, and their scores are averaged.
        """
        if embedding.weights_id != self.model.weights_id:
            raise ModelError(
                f"the embedding was made by {embedding.model_name} ({embedding.weights_id}), but this predictor runs "
                f"{self.model.weights_id}; embed the image with this predictor"
            )
        if prompt.is_empty:
            raise PromptError("the prompt is empty; give points, a box or a mask")
        if prompt.mask_crop is not None:
            raise PromptError(
                f"the prompt's mask covers only the part {prompt.mask_crop.corners} of an image; give it to the "
                "session that made it"
            )
        height, width = embedding.image_size
        prompt = prompt.check_inside(width, height)
        chosen = slice(1, None) if multimask else slice(0, 1)
        as_logits = self.mask_to_logits if self.config.takes_masks else None
        with telling_of_memory(self.model, self.device), torch.inference_mode():
            decoded = [self._decode(embedding, part) for part in parts(prompt, (height, width), as_logits)]
            low = torch.stack([logits[0, chosen] for logits, _ in decoded]).amax(dim=0).float()
            scores = torch.stack([scores[0, chosen] for _, scores in decoded]).float().mean(dim=0)
            limit = self.config.logit_limit
            return Prediction(
                scores=scores.cpu().numpy(),
                logits=low.clamp(-limit, limit).cpu().numpy(),
                _exact=low,
                _upscaling=self._upscaling(embedding.image_size),
                _level=self.config.mask_threshold,
                _inverse=self._inverse(prompt, low, embedding.image_size),
            )

    def _inverse(self, prompt: Prompt, low: Tensor, image_size: tuple[int, int]) -> np.ndarray | None:
        """Return which masks show what is around the one box; a foreground point says that this is wanted."""
        if len(prompt.boxes) != 1 or any(point.label for point in prompt.points) or prompt.mask is not None:
            return None
        (height, width), box = image_size, prompt.boxes[0]
        fitted_height, fitted_width = self._fitted(height, width)
        # From pixels of the image to logits.
        scale = self.config.mask_size / self.config.image_size
        across, down = scale * fitted_width / width, scale * fitted_height / height
        cells = (box.x0 * across, box.y0 * down, box.x1 * across, box.y1 * down)
        return is_inverse((low > self.config.mask_threshold).cpu().numpy(), cells)

    def trace(
        self,
        embedding: Embedding,
        *,
        image: Any = None,
        points: Sequence[Any] | np.ndarray | None = None,
        labels: Sequence[int] | np.ndarray | None = None,
        box: Sequence[Any] | np.ndarray | Box | None = None,
        mask: np.ndarray | None = None,
        multimask: bool = True,
    ) -> Trace:
        """Answer a prompt like `predict`, and return every intermediate tensor by name.

        The encoder and the decoder run again, in the plain version that follows the papers, so this takes as long as
        `embed`. If the prompt takes two passes of the decoder (`tiny` with points or a box), the trace records
        the second.

        Args:
            embedding: An embedding from `embed`, of this predictor's model.
            image: The embedded image; required for the image encoder's steps if the embedding comes from a file.
            points: See `predict`.
            labels: See `predict`.
            box: See `predict`; one box at most.
            mask: See `predict`.
            multimask: See `predict`.

        Returns:
            See `Trace` for the names and their shapes: `patch_embedding` (1, g, g, C), `blocks` (1, g, g, C) each,
            `image_embedding` (1, prompt_dim, g, g), `prompt_tokens` (1, M, prompt_dim), `dense_prompt`
            (1, prompt_dim, g, g), `layers` with attention weights (1, heads, queries, keys), `upscaled`
            (1, c, 4g, 4g), `hypernetworks` (1, 4, c), `logits` (N, 4g, 4g) and `scores` (N,).

        Raises:
            PromptError: See `predict`; also raised for several boxes.
            ModelError: See `predict`.
        """
        prompt = Prompt.from_arrays(points, labels, box, mask)
        if len(prompt.boxes) > 1:
            raise PromptError(f"a trace records one pass of the decoder, got {len(prompt.boxes)} boxes; give one")
        answer = self.answer(embedding, prompt, multimask=multimask)
        pixels = embedding.pixels if image is None else self._pixels(to_rgb(image))
        return traced(
            self.model,
            ImageFeatures(embedding.features.to(self.device), embedding.to(self.device).high_resolution),
            None if pixels is None else pixels.to(self.device),
            self._tensors(prompt, embedding),
            answer=(torch.from_numpy(answer.logits), torch.from_numpy(answer.scores)),
        )

    def binarize(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> np.ndarray:
        """Convert low-resolution logits to masks like `predict`, at another threshold.

        Args:
            logits: (N, h, w), from a prediction.
            image_size: Height and width of the original image, in pixels.
            threshold: Added to the model's own threshold.

        Returns:
            (N, H, W) bool.
        """
        level = self.config.mask_threshold + threshold
        return self._upscaling(image_size).masks(torch.tensor(logits, device=self.device), level)

    def binarize_one(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> StoredMask:
        """Convert logits (h, w) to a mask like `binarize`, but as row runs, without building a pixel array."""
        return self._upscaling(image_size).stored(torch.tensor(logits), self.config.mask_threshold + threshold)

    def mask_to_logits(self, mask: np.ndarray) -> np.ndarray:
        """Convert any mask, (H, W) bool, to a mask prompt, (h, w) float32 logits."""
        height, width = self._fitted(*mask.shape)
        # Columns first, a few rows at a time, because the image may be too large for an array of floats.
        bands = (torch.from_numpy(mask[top : top + _ROWS].astype(np.float32)) for top in range(0, len(mask), _ROWS))
        across = torch.cat([_resized(band, (len(band), width)) for band in bands])
        covered = _resized(across, (height, width))
        side = self.config.image_size
        padded = torch.zeros(1, 1, side, side)
        padded[..., :height, :width] = covered
        low = interpolate(padded, (self.config.mask_size, self.config.mask_size), mode="area")[0, 0]
        logits: np.ndarray = ((2 * low - 1) * CERTAIN).numpy()
        return logits

    def unpad(self, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        """Return the part of (N, h, w) low-resolution logits that covers the image, without the padding."""
        height, width = self._fitted(*image_size)
        ratio = self.config.image_size // self.config.mask_size
        return logits[..., : -(-height // ratio), : -(-width // ratio)]

    def _decode(self, embedding: Embedding, prompt: Prompt) -> tuple[Tensor, Tensor]:
        return self.model.decode(
            embedding.features.to(self.device),
            high_resolution=tuple(level.to(self.device) for level in embedding.high_resolution),
            prompt_encoder=self._fast.prompt_encoder,
            mask_decoder=self._compiled or self._fast.mask_decoder,
            **self._tensors(prompt, embedding),
        )

    def masks_at(
        self, embedding: Embedding, points: np.ndarray, *, minimum_score: float = -np.inf
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decode many independent clicks at once, and return the masks with a sufficient score.

        A model that decodes a click twice, as `tiny` does, decodes each of these once.

        Args:
            embedding: An embedding from `embed`, of this predictor's model.
            points: (B, 2) x, y, all foreground, inside the image.
            minimum_score: Masks with a predicted IoU of at most this are dropped.

        Returns:
            For M masks, up to three per point: logits (M, h, w) float32 at low resolution, predicted IoUs (M,), and the
            index of the point (M,). `upscaling` maps the logits to pixels.
        """
        height, width = embedding.image_size
        fitted_height, fitted_width = self._fitted(height, width)
        coords = points * (fitted_width / width, fitted_height / height)
        with telling_of_memory(self.model, self.device), torch.inference_mode():
            logits, scores = self.model.decode(
                embedding.features.to(self.device),
                high_resolution=tuple(level.to(self.device) for level in embedding.high_resolution),
                points=torch.from_numpy(coords.astype(np.float32)).to(self.device)[:, None],
                labels=torch.ones(len(points), 1, dtype=torch.int64, device=self.device),
                prompt_encoder=self._fast.prompt_encoder,
                mask_decoder=self._fast.mask_decoder,
                again=False,
            )
            which, mask = (scores[:, 1:] > minimum_score).nonzero(as_tuple=True)
            return logits[which, mask + 1].float(), scores[which, mask + 1].float(), which

    def upscaling(self, embedding: Embedding) -> tuple[Tensor, Tensor]:
        """Return the weights of low-resolution logits in the pixels of the image: a linear map, equal for all masks.

        Returns:
            Weights of rows (H, h) and of columns (W, w): a mask is where `rows @ logits @ columns.T` exceeds the
            threshold.
        """
        return self._upscaling(embedding.image_size).weights(self.device)

    def _upscaling(self, image_size: tuple[int, int]) -> Upscaling:
        return upscaling(
            image_size,
            logits=self.config.mask_size,
            fitted=self._fitted(*image_size),
            side=self.config.image_size,
            resize=self.config.resize,
            mode=self.config.upsampling,
        )

    # ----------------------------------------------------------------------------- between the user's pixels and SAM's

    def _fitted(self, height: int, width: int) -> tuple[int, int]:
        """Return the image's height and width in the model input, where its longest side, or both, are the input's."""
        if self.config.resize == "square":
            return self.config.image_size, self.config.image_size
        # Rounded like the reference's ResizeLongestSide.
        scale = self.config.image_size / max(height, width)
        # At least 1: the reference rounds the short side of a very thin image to 0 and fails.
        return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))

    def _pixels(self, rgb: np.ndarray) -> Tensor:
        """Resize (H, W, 3) uint8 to the model's size, antialiased and bilinear: (1, 3, h, w) of 0..255."""
        height, width = self._fitted(rgb.shape[0], rgb.shape[1])
        if self.config.resize == "square":  # like the authors' code, without rounding to integers
            pixels = torch.from_numpy(rgb.copy()).to(self.device).permute(2, 0, 1)[None].float()
            antialias = self.config.antialias
            return interpolate(pixels, (height, width), mode="bilinear", align_corners=False, antialias=antialias)
        resized = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None].to(self.device)

    def _tensors(self, prompt: Prompt, embedding: Embedding) -> dict[str, Any]:
        """Return the prompt as the model's arguments, in pixels of its input."""
        height, width = embedding.image_size
        fitted_height, fitted_width = self._fitted(height, width)
        scale = torch.tensor([fitted_width / width, fitted_height / height], device=self.device)
        arguments: dict[str, Tensor] = {}
        if prompt.points:
            coords, labels = prompt.to_arrays()
            arguments["points"] = torch.from_numpy(coords).to(self.device)[None] * scale
            arguments["labels"] = torch.from_numpy(labels).to(self.device)[None]
        if prompt.box is not None:
            b = prompt.box
            corners = torch.tensor([[b.x0, b.y0], [b.x1, b.y1]], dtype=torch.float32, device=self.device)
            arguments["boxes"] = (corners * scale).view(1, 4)
        if prompt.mask is not None:
            if not self.config.takes_masks:
                raise PromptError(f"{self.model.name} takes no mask as a prompt; give points or a box")
            side = self.config.mask_size
            if prompt.mask.shape != (side, side):
                raise PromptError(
                    f"mask has shape {prompt.mask.shape}, expected ({side}, {side}) logits; pass logits[best] of an "
                    "earlier prediction of this model"
                )
            arguments["masks"] = torch.tensor(prompt.mask, dtype=torch.float32, device=self.device)[None, None]
        return arguments


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (h, w), antialiased and bilinear."""
    return interpolate(pixels[None, None], size, mode="bilinear", align_corners=False, antialias=True)[0, 0]
