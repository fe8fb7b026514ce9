"""A trace of one prediction: every intermediate tensor between the pixels and the masks, by name.

The model's plain modules run again, on a copy of the module tree that shares their weights. Hooks and recording
attention exist only on that copy, so a trace does not modify the model and has no cost when it is not used.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from sam_widget.model.fast.twin import twin
from sam_widget.model.mask_decoder import Attention, in_order
from sam_widget.model.sam import ImageFeatures, Sam


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """One two-way layer of the mask decoder, with its attention weights: softmax rows, which sum to 1.

    The N tokens are the output tokens (the IoU token and four mask tokens; in SAM 2 the object-score token first, in
    HQ-SAM the high-quality token last), followed by the M prompt tokens. `g` is the side of the embedding grid, whose
    cells are in row-major order.

    Attributes:
        self_attention: (1, heads, N, N), attention of tokens to tokens.
        token_to_image: (1, heads, N, g*g), attention of tokens to the image.
        image_to_token: (1, heads, g*g, N), attention of the image to tokens.
        tokens: (1, N, prompt_dim) after this layer.
        image: (1, g*g, prompt_dim) after this layer.
    """

    self_attention: Tensor
    token_to_image: Tensor
    image_to_token: Tensor
    tokens: Tensor
    image: Tensor


@dataclass(frozen=True, eq=False)
class Trace:
    """The intermediate tensors of one prediction, on the CPU.

    g is the side of the embedding grid (64 for SAM at 1024 px, 24 for `tiny`), C the number of channels of the image
    encoder at that point, M the number of prompt tokens, and N the number of requested masks: 3 or 1.

    Attributes:
        patch_embedding: Output of the patch embedding: (1, g, g, C) for SAM's ViT, (1, 4g, 4g, C) for SAM 2's Hiera,
            and (1, C, h, w) for the convolutional stems of `tiny` and MobileSAM. None without the image.
        blocks: Output of each block of the image encoder: (1, g, g, C) for a ViT, (1, h, w, C) for Hiera, with fewer
            cells and more channels in later stages; (1, C, h, w) for convolutional blocks. Empty without the image.
        image_embedding: (1, prompt_dim, g, g), the input of the mask decoder.
        high_resolution: Finer image features, for the models that use them: (1, c, 4g, 4g) and (1, c', 2g, 2g).
        prompt_tokens: (1, M, prompt_dim), the sparse prompt embedding.
        dense_prompt: (1, prompt_dim, g, g), the dense prompt embedding, which is added to the image embedding.
        layers: Attention, tokens and image of each decoder layer.
        final_token_to_image: (1, heads, output tokens + M, g*g), weights of the last attention to the image.
        upscaled: (1, c, 4g, 4g), image features after upscaling.
        hypernetworks: (1, 4, c), a classifier of upscaled pixels for each mask: `hypernetworks @ upscaled` are the
            logits. In `tiny` it has additional weights for maps of the prompt.
        logits: (N, 4g, 4g), low-resolution mask logits, as in `Prediction`.
        scores: (N,), predicted IoUs, as in `Prediction`.
    """

    patch_embedding: Tensor | None
    blocks: tuple[Tensor, ...]
    image_embedding: Tensor
    high_resolution: tuple[Tensor, ...]
    prompt_tokens: Tensor
    dense_prompt: Tensor
    layers: tuple[LayerTrace, ...]
    final_token_to_image: Tensor
    upscaled: Tensor
    hypernetworks: Tensor
    logits: Tensor
    scores: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors in the order of computation, by names such as "blocks.0" and "layers.1.token_to_image"."""
        return dict(_flat("", self))

    def __repr__(self) -> str:
        return "Trace\n" + "\n".join(f"  {name}: {tuple(tensor.shape)}" for name, tensor in self.tensors().items())


def _flat(name: str, value: Any) -> list[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        return [(name, value)]
    if isinstance(value, tuple):
        return [item for i, part in enumerate(value) for item in _flat(f"{name}.{i}", part)]
    if value is None:
        return []
    prefix = f"{name}." if name else ""
    return [item for part in fields(value) for item in _flat(prefix + part.name, getattr(value, part.name))]


class _RecordingAttention(Attention):
    """Attention that records its weights (B, heads, Nq, Nk)."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q = self._separate_heads(self.q_proj(q))
        k = self._separate_heads(self.k_proj(k))
        v = self._separate_heads(self.v_proj(v))
        self.recorded = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).softmax(dim=-1)
        return self.out_proj(self._recombine_heads(self.recorded @ v))  # type: ignore[no-any-return]


class _Recorder:
    """Runs a copy of a model and records the outputs of its parts; if a part runs twice, the last output."""

    def __init__(self, model: Sam, *, encodes: bool) -> None:
        # Most of the modules belong to the encoder; copying them takes as long as a decoding.
        shared = () if encodes else (model.image_encoder,)
        self.model: Sam = twin(model, {Attention: _RecordingAttention}, hooks=False, shared=shared)
        for part in self.model.children():
            if part not in shared:
                part.eval()
        self.seen: dict[str, Any] = {}

    def encode(self, pixels: Tensor) -> None:
        stem, blocks = stem_and_blocks(self.model.image_encoder)
        self._watch(stem, "patch_embedding")
        for number, block in enumerate(blocks):
            self._watch(block, f"block {number}")
        self.model.encode(pixels)
        self.seen["blocks"] = tuple(self.seen[f"block {number}"] for number in range(len(blocks)))

    def decode(self, features: ImageFeatures, prompt: dict[str, Any]) -> None:
        decoder: Any = self.model.mask_decoder
        for number, layer in enumerate(decoder.transformer.layers):
            self._watch(layer, f"layer {number}")
        for step in ("upscale", "hypernetworks"):
            # An instance attribute takes precedence over the method of the class.
            vars(decoder)[step] = self._keeping(step, getattr(decoder, step))

        def decode(*given: Any) -> Any:
            _, _, self.seen["prompt_tokens"], self.seen["dense_prompt"], *_ = given
            return decoder(*given)

        self.model.decode(features.embedding, high_resolution=features.high_resolution, **prompt, mask_decoder=decode)

    def layers(self) -> tuple[LayerTrace, ...]:
        transformer: Any = self.model.mask_decoder.transformer
        return tuple(
            LayerTrace(
                self_attention=layer.self_attn.recorded.cpu(),
                token_to_image=layer.cross_attn_token_to_image.recorded.cpu(),
                image_to_token=layer.cross_attn_image_to_token.recorded.cpu(),
                tokens=self.seen[f"layer {number}"][0].cpu(),
                image=self.seen[f"layer {number}"][1].cpu(),
            )
            for number, layer in enumerate(transformer.layers)
        )

    def _watch(self, module: nn.Module, name: str) -> None:
        def keep(_: nn.Module, __: Any, output: Any) -> None:
            # Later steps may overwrite it.
            self.seen[name] = output.clone() if isinstance(output, Tensor) else output

        module.register_forward_hook(keep)

    def _keeping(self, name: str, step: Any) -> Any:
        def kept(*given: Any) -> Any:
            self.seen[name] = step(*given)
            return self.seen[name]

        return kept


def traced(
    model: Sam,
    features: ImageFeatures,
    pixels: Tensor | None,
    prompt: dict[str, Any],
    *,
    answer: tuple[Tensor, Tensor],
) -> Trace:
    """Run a model's plain modules on an image and a prompt, and return their outputs.

    Args:
        model: Any of the models; it is not modified.
        features: Features of the image, from `Sam.encode`.
        pixels: (1, 3, h, w) of 0..255, the image encoder's input; None omits its steps.
        prompt: The arguments of `Sam.decode`.
        answer: The logits and scores of the predictor.
    """
    recorder = _Recorder(model, encodes=pixels is not None)
    with torch.no_grad():
        if pixels is not None:
            recorder.encode(pixels)
        recorder.decode(features, prompt)
    seen = recorder.seen
    transformer: Any = recorder.model.mask_decoder.transformer
    upscaled: Tensor = seen["upscale"]
    if upscaled.ndim == 3:  # `tiny` does not reorder split pixels: (1, g*g*16, c)
        upscaled = in_order(upscaled.transpose(1, 2).contiguous(), *features.embedding.shape[2:])
    stem = seen.get("patch_embedding")
    return Trace(
        patch_embedding=None if stem is None else stem.cpu(),
        blocks=tuple(block.cpu() for block in seen.get("blocks", ())),
        image_embedding=features.embedding.cpu(),
        high_resolution=tuple(level.cpu() for level in features.high_resolution),
        prompt_tokens=seen["prompt_tokens"].cpu(),
        # Without a mask it is a view of a parameter.
        dense_prompt=seen["dense_prompt"].detach().contiguous().cpu(),
        layers=recorder.layers(),
        final_token_to_image=transformer.final_attn_token_to_image.recorded.cpu(),
        upscaled=upscaled.cpu(),
        hypernetworks=seen["hypernetworks"].cpu(),
        logits=answer[0],
        scores=answer[1],
    )


def stem_and_blocks(encoder: nn.Module) -> tuple[nn.Module, list[nn.Module]]:
    """Return the patch embedding and the blocks of any image encoder, in execution order."""
    trunk: Any = getattr(encoder, "trunk", encoder)
    trunk = getattr(trunk, "vit", trunk)
    stem = next(
        (getattr(trunk, name) for name in ("patch_embed", "conv_stem", "stem") if hasattr(trunk, name)),
        next(trunk.children()),
    )
    if isinstance(stem, nn.ModuleDict):
        stem = stem["proj"]
    if hasattr(trunk, "blocks"):
        # The blocks of a ViT or Hiera, or stages of blocks.
        blocks = [block for part in trunk.blocks for block in (part if isinstance(part, nn.Sequential) else [part])]
    elif hasattr(trunk, "stages"):
        blocks = [block for stage in trunk.stages for block in stage.blocks]
    else:
        blocks = [child for child in trunk.children() if child is not stem]
    return stem, [*blocks, *getattr(encoder, "context", ())]
