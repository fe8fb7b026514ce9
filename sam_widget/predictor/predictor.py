"""Embed an image once, decode prompts often: prompts in the pixels of the original image, masks as NumPy arrays.

This file is longer than most, because it has one method for each thing that a model does, and their documentation.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sam_widget.errors import ModelError, PromptError, door
from sam_widget.image.reading import image_hash, to_rgb
from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import SamConfig
from sam_widget.model.fast.compiled import CompiledDecoder
from sam_widget.model.fast.parts import FastParts
from sam_widget.model.hub import Progress
from sam_widget.model.sam import ImageFeatures, Sam
from sam_widget.model.tuned import decode, only_clicks
from sam_widget.model.zoo import load_model, telling_of_memory
from sam_widget.predictor.embeddings import CACHE, Embedding, EmbeddingCache, tokens_first
from sam_widget.predictor.fitting import fitted, unpadded
from sam_widget.predictor.interface import refuse_words
from sam_widget.predictor.many import BATCH, CPU_BATCH, answered, prompts_from_arrays
from sam_widget.predictor.model_input import (
    input_pixels,
    input_points,
    input_prompts,
    inverse_masks,
    logits_from_mask,
    upscaling_of,
)
from sam_widget.predictor.prediction import Prediction, Predictions
from sam_widget.predictor.prompt_parts import parts
from sam_widget.predictor.trace import Trace, traced
from sam_widget.prompts.prompt import Box, Prompt

__all__ = ["CACHE", "Embedding", "EmbeddingCache", "Prediction", "Predictions", "Predictor"]


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
        self.cache = cache
        self._fast = FastParts(self.model)
        self._compiled = CompiledDecoder(self._fast.mask_decoder) if compile else None

    def __repr__(self) -> str:
        return f"Predictor({self.model.name} on {self.device})"

    def like(self, *, model: Sam | None = None, cache: EmbeddingCache | None = None) -> Predictor:
        """Return a predictor that embeds where this one does, with another cache, or a model with the same encoder."""
        found = copy.copy(self)
        Predictor.__init__(
            found,
            model or self.model,
            cache=self.cache if cache is None else cache,
            compile=self._compiled is not None,
        )
        return found

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
        weights_id = self.model.encoder_id
        with self.cache.making(digest, weights_id):
            embedding = self.cache.get(digest, weights_id, device=self.device)
            if embedding is None:
                made = self._encode([rgb], [digest])[0]
                embedding = self.cache.put(made) if keep else made
        self.warm_up(embedding)
        return embedding

    def has(self, image_hash: str) -> bool:
        """Whether the embedding of an image is cached, in memory or on disk, so that `embed` will be fast."""
        return self.cache.has(image_hash, self.model.encoder_id)

    @door
    def embed_many(self, images: Sequence[Any], *, keep: bool = True) -> list[Embedding]:
        """Embed images in one pass of the encoder, which uses a GPU better than one at a time.

        Images whose embeddings are cached, or that are of another size in the model input than the others, are embedded
        like `embed` does.

        Args:
            images: See `embed`.
            keep: See `embed`.

        Raises:
            ImageError: An image cannot be read.
            ModelError: The device has too little memory for this many images; give fewer.
        """
        rgbs = [to_rgb(image) for image in images]
        sizes = {fitted(self.config, *rgb.shape[:2]) for rgb in rgbs}
        hashes = [image_hash(rgb) for rgb in rgbs]
        if len(rgbs) < 2 or len(sizes) > 1 or any(self.has(digest) for digest in hashes):
            return [self.embed(rgb, keep=keep) for rgb in rgbs]
        made = self._encode(rgbs, hashes)
        return [self.cache.put(embedding) for embedding in made] if keep else made

    def _encode(self, rgbs: Sequence[np.ndarray], hashes: Sequence[str]) -> list[Embedding]:
        """Embed images of one size in the model input."""
        height, width = fitted(self.config, *rgbs[0].shape[:2])
        patch = self.config.patch_size
        with telling_of_memory(self.model, self.device), torch.inference_mode():
            pixels = torch.cat([input_pixels(self.config, rgb, self.device) for rgb in rgbs])
            features = self.model.encode(pixels, image_encoder=self._fast.image_encoder)
        kept = pixels.round().to("cpu", torch.uint8) if pixels.is_floating_point() else pixels.cpu()
        return [
            Embedding(
                features=tokens_first(features.embedding[one]),
                high_resolution=tuple(level[one] for level in features.high_resolution),
                image_size=(rgbs[k].shape[0], rgbs[k].shape[1]),
                image_hash=hashes[k],
                model_name=self.model.name,
                weights_id=self.model.encoder_id,
                shown=(-(-height // patch), -(-width // patch)),
                pixels=kept[one],
            )
            for k, one in enumerate(slice(k, k + 1) for k in range(len(rgbs)))
        ]

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
        words: str = "",
        multimask: bool = True,
    ) -> Prediction:
        """Answer a prompt.

        Args:
            embedding: An embedding from `embed`, of this predictor's model.
            points: (N, 2) x, y.
            labels: (N,): 1 foreground, 0 background; all foreground by default.
            box: x0, y0, x1, y1; or (N, 4), several boxes around parts of one object.
            mask: (h, w) low-resolution logits of an earlier prediction.
            words: What the object is, for models that take words together with points and boxes, such as SAM 3.
            multimask: Return three masks, for an ambiguous prompt, or one, for an unambiguous prompt.

        Raises:
            PromptError: The prompt is empty, malformed or outside the image, or has words that the model does not take.
            ModelError: The embedding is from another model, or the device has too little memory for the model.
        """
        return self.answer(embedding, Prompt.from_arrays(points, labels, box, mask, words), multimask=multimask)

    def answer(self, embedding: Embedding, prompt: Prompt, *, multimask: bool = True) -> Prediction:
        """Answer a `Prompt`; see `predict`.

        A prompt that SAM does not accept as a whole is decoded in parts (see `prompt_parts.parts`): corresponding masks
        of the parts are merged by their maximum logit, and their scores are averaged.
        """
        self._check(embedding)
        refuse_words(prompt, self.config, self.model.name)
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
            decoded = [self._decode(embedding, [part]) for part in parts(prompt, (height, width), as_logits)]
            low = torch.stack([logits[0, chosen] for logits, _ in decoded]).amax(dim=0).float()
            scores = torch.stack([scores[0, chosen] for _, scores in decoded]).float().mean(dim=0)
            limit = self.config.logit_limit
            return Prediction(
                scores=scores.cpu().numpy(),
                logits=low.clamp(-limit, limit).cpu().numpy(),
                _exact=low,
                _upscaling=upscaling_of(self.config, embedding.image_size),
                _level=self.config.mask_threshold,
                _inverse=inverse_masks(self.config, prompt, low, embedding.image_size),
            )

    def predict_many(
        self,
        embedding: Embedding,
        *,
        points: Sequence[Any] | np.ndarray | None = None,
        labels: Sequence[Any] | np.ndarray | None = None,
        boxes: Sequence[Any] | np.ndarray | None = None,
        masks: Sequence[np.ndarray] | np.ndarray | None = None,
        multimask: bool = True,
    ) -> Predictions:
        """Answer N prompts in batches, with the results of N calls of `predict`.

        Args:
            embedding: An embedding from `embed`, of this predictor's model.
            points: (N, P, 2) x, y.
            labels: (N, P): 1 foreground, 0 background, -1 for no point, if prompts differ in their number of points;
                all foreground by default.
            boxes: (N, 4) x0, y0, x1, y1, one for each prompt.
            masks: (N, h, w) low-resolution logits of earlier predictions.
            multimask: Return three masks for ambiguous prompts, or one for unambiguous prompts.

        Returns:
            Masks as row runs, scores, stability and areas.

        Raises:
            PromptError: There is no prompt, or one is malformed or outside the image; the message gives its number.
            ModelError: See `predict`.
        """
        self._check(embedding)
        prompts = prompts_from_arrays(points, labels, boxes, masks, embedding.image_size)
        with telling_of_memory(self.model, self.device):
            return answered(
                prompts,
                lambda alike: self._decode(embedding, alike),
                self.config,
                embedding.image_size,
                multimask=multimask,
                batch=CPU_BATCH if self.device.type == "cpu" else BATCH,
            )

    def _check(self, embedding: Embedding) -> None:
        if embedding.weights_id != self.model.encoder_id:
            raise ModelError(
                f"the embedding was made by {embedding.model_name} ({embedding.weights_id}), but this predictor runs "
                f"{self.model.encoder_id}; embed the image with this predictor"
            )

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
        pixels = embedding.pixels if image is None else input_pixels(self.config, to_rgb(image), self.device)
        arguments = self._arguments(embedding, [prompt])
        later = self.model.later
        return traced(
            self.model if later is None or only_clicks(arguments) else later.base,
            ImageFeatures(embedding.features.to(self.device), embedding.to(self.device).high_resolution),
            None if pixels is None else pixels.to(self.device),
            arguments,
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
        return upscaling_of(self.config, image_size).masks(torch.tensor(logits, device=self.device), level)

    def binarize_one(self, logits: np.ndarray, image_size: tuple[int, int], *, threshold: float = 0.0) -> StoredMask:
        """Convert logits (h, w) to a mask like `binarize`, but as row runs, without building a pixel array."""
        return upscaling_of(self.config, image_size).stored(
            torch.tensor(logits), self.config.mask_threshold + threshold
        )

    def mask_to_logits(self, mask: np.ndarray) -> np.ndarray:
        """Convert any mask, (H, W) bool, to a mask prompt, (h, w) float32 logits."""
        return logits_from_mask(self.config, mask)

    def unpad(self, logits: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        """Return the part of (N, h, w) low-resolution logits that covers the image, without the padding."""
        return unpadded(self.config, logits, image_size)

    def _decode(self, embedding: Embedding, prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor]:
        """Decode prompts of one kind; see `input_prompts`."""
        arguments: dict[str, Any] = self._arguments(embedding, prompts)
        # A compiled decoder would compile again for every size of batch.
        compiled = self._compiled if len(prompts) == 1 else None
        logits, scores = decode(
            self.model,
            self._fast,
            embedding.features.to(self.device),
            high_resolution=tuple(level.to(self.device) for level in embedding.high_resolution),
            mask_decoder=compiled or self._fast.mask_decoder,
            **arguments,
        )
        return logits, self._calibrated(scores)

    def _calibrated(self, scores: Tensor) -> Tensor:
        return scores if self.model.calibration is None else self.model.calibration(scores.float())

    def _arguments(self, embedding: Embedding, prompts: Sequence[Prompt]) -> dict[str, Tensor]:
        return input_prompts(self.config, prompts, embedding.image_size, self.device, model=self.model.name)

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
        coords = input_points(self.config, points, embedding.image_size)
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
            scores = self._calibrated(scores)
            which, mask = (scores[:, 1:] > minimum_score).nonzero(as_tuple=True)
            return logits[which, mask + 1].float(), scores[which, mask + 1].float(), which

    def upscaling(self, embedding: Embedding) -> tuple[Tensor, Tensor]:
        """Return the weights of low-resolution logits in the pixels of the image: a linear map, equal for all masks.

        Returns:
            Weights of rows (H, h) and of columns (W, w): a mask is where `rows @ logits @ columns.T` exceeds the
            threshold.
        """
        return upscaling_of(self.config, embedding.image_size).weights(self.device)
