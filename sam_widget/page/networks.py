"""Parts of a model as ONNX files, for onnxruntime in a page: an image encoder, and what answers prompts.

torch's older exporter is used: it needs only `onnx`, and takes 5 seconds where the newer one takes 30.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sam_widget.errors import ModelError, import_extra
from sam_widget.model.config import EfficientSamConfig, SamConfig
from sam_widget.model.efficient_sam import EfficientPromptEncoder
from sam_widget.model.fast.twin import twin
from sam_widget.model.fast.two_way import FastAttention, FastTwoWayTransformer
from sam_widget.model.mask_decoder import Attention, TwoWayTransformer
from sam_widget.model.prompt_encoder import NOT_A_POINT, PromptEncoder
from sam_widget.model.sam import Sam
from sam_widget.model.tiny.tiny import Tiny
from sam_widget.predictor.embeddings import Embedding

_OPSET = 17
# Weights and features keep 20 of 24 significant bits. That changes logits no more than adding up in another order, and
# saves an eighth.
_DROPPED_BITS = 4
_LARGE = 1024


class _Encoder(nn.Module):
    """Images (1, 3, S, S) of 0..255 to features (pixels, C), finest first."""

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        features = self.model.encode(pixels)
        return tuple(level[0].flatten(1).T for level in (*features.high_resolution, features.embedding))


class _WholeNorm(nn.GroupNorm):
    """A norm of one group over all channels and pixels, whose sums are added axis by axis.

    EfficientSAM's has 1,048,576 numbers. onnxruntime's own adds them up one after the other in single precision.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (1, C, H, W)."""
        centred = x - _mean(x)
        scale = torch.rsqrt(_mean(centred * centred) + self.eps)
        return centred * scale * self.weight[:, None, None] + self.bias[:, None, None]


def _mean(x: Tensor) -> Tensor:
    return x.mean(3, keepdim=True).mean(2, keepdim=True).mean(1, keepdim=True)


class _PromptTokens(nn.Module):
    """A prompt encoder whose points include the corners of a box, labelled 2 and 3, and padding, labelled -1."""

    def __init__(self, encoder: PromptEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def image_positions(self) -> Tensor:
        """Return the positions of the image's grid, which onnxruntime computes once."""
        return self.encoder.image_positions()

    def forward(
        self, points: Tensor, labels: Tensor, _boxes: None, masks: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """Embed points (1, N, 2) with labels (1, N), and a mask (1, 1, 4g, 4g) if (1,) is not zero."""
        encoder, kinds = self.encoder, labels.long() - NOT_A_POINT
        positions = encoder.pe_layer((points + 0.5) / encoder.config.image_size)
        embeddings: Any = encoder.point_embeddings
        padding, learned = encoder.not_a_point_embed.weight, [kind.weight for kind in embeddings]
        grid = encoder.config.grid_size
        if isinstance(encoder, EfficientPromptEncoder):
            # It has no embedding of a background point, and pads with positions.
            table = torch.cat([padding, torch.zeros_like(padding), *learned])
            return positions + table[kinds], padding.new_zeros(1, encoder.config.prompt_dim, grid, grid)
        table = torch.cat([padding, *learned])
        sparse = torch.where(labels[..., None] == NOT_A_POINT, 0.0, positions) + table[kinds]
        none = encoder.no_mask_embed.weight.view(1, -1, 1, 1).expand(1, -1, grid, grid)
        if masks is None:
            return sparse, none
        mask, given = masks
        return sparse, torch.where(given.view(1, 1, 1, 1) > 0, encoder.mask_downscaling(mask), none)


class _Decoder(nn.Module):
    """Features of an image and a prompt to masks (4, 4g, 4g) and scores (4,)."""

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.model = model
        self.tokens = _PromptTokens(model.prompt_encoder)
        # Without the other fast parts: they keep what they compute, or use what ONNX lacks.
        self.decoder = twin(
            model.mask_decoder,
            {Attention: FastAttention, TwoWayTransformer: FastTwoWayTransformer, nn.GroupNorm: _WholeNorm},
        )

    def forward(self, points: Tensor, labels: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
        masked = self.model.config.takes_masks
        (*finer, embedding), masks = (given[2:], given[:2]) if masked else (given, None)
        found, scores = self.model.decode(
            embedding,
            high_resolution=tuple(finer),
            points=points,
            labels=labels,
            masks=masks,  # type: ignore[arg-type]
            prompt_encoder=self.tokens,
            mask_decoder=self.decoder,
        )
        return found[0], scores[0]


def encoder_network(model: Sam) -> bytes:
    """Return a model's image encoder: `pixels` (1, 3, S, S) of 0..255 to `photo.0` and so on, (pixels, C) each.

    Raises:
        MissingExtraError: `onnx` is not installed.
        ModelError: The model cannot be exported.
    """
    side = model.config.image_size
    count = 3 if isinstance(model, Tiny) else 1
    names = [f"photo.{level}" for level in range(count)]
    return _export(_Encoder(model), (torch.zeros(1, 3, side, side),), ["pixels"], names, model.name)


def encoder_without_weights(model: Sam) -> bytes:
    """Return `encoder_network` with the names of the model's parameters instead of their values.

    onnxruntime is given the values by these names, as external data.

    Raises:
        MissingExtraError: `onnx` is not installed.
        ModelError: The model cannot be exported.
    """
    onnx: Any = import_extra("onnx", "page")
    made = onnx.load_from_string(encoder_network(model))
    for tensor in made.graph.initializer:
        name = tensor.name.removeprefix("model.")
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=name)
    data: bytes = made.SerializeToString()
    return data


def decoder_network(model: Sam, embedding: Embedding) -> bytes:
    """Return what answers a model's prompts on an image.

    Inputs are `points` (1, N, 2) in pixels of the model's input; `labels` (1, N) as float: 0, 1, 2 and 3 for the
    corners of a box, -1 for padding; for models that take a mask `mask` (1, 1, 4g, 4g) and `given` (1,), 0 without one;
    and the features of the image, `photo.0` and so on, as `features` returns them. Outputs are `masks` (4, 4g, 4g) and
    `scores` (4,).

    Raises:
        MissingExtraError: `onnx` is not installed.
        ModelError: The model cannot be exported.
    """
    if model.tuned is not None or model.tokens is not None or model.calibration:
        raise ModelError(
            f"a page cannot hold {model.name!r}, because it was tuned; write a session file with `save`, or open the "
            "image with the model that it was tuned from"
        )
    levels = _levels(embedding)
    side = model.config.mask_size
    points, labels = torch.full((1, 2, 2), 9.0), torch.tensor([[1.0, NOT_A_POINT]])
    masks = {"mask": torch.zeros(1, 1, side, side), "given": torch.zeros(1)} if model.config.takes_masks else {}
    inputs = {"points": points, "labels": labels, **masks}
    inputs |= {f"photo.{index}": level for index, level in enumerate(levels)}
    variable = {"points": {1: "count"}, "labels": {1: "count"}}
    return _export(
        _Decoder(model), tuple(inputs.values()), list(inputs), ["masks", "scores"], model.name, variable=variable
    )


def features(embedding: Embedding) -> dict[str, Tensor]:
    """Return an embedding's features by their names in `decoder_network`."""
    return {f"photo.{index}": torch.from_numpy(_fewer_bits(v.numpy())) for index, v in enumerate(_levels(embedding))}


def frame(config: SamConfig) -> dict[str, Any]:
    """Return how a photo is fitted to the model's input, as `Frame` in `js/src/local/model.ts` describes it."""
    stretched = config.resize == "square"
    cubic = stretched and config.upsampling == "bicubic"
    return {"input": config.image_size, "logits": config.mask_size, "stretched": stretched, "cubic": cubic}


def prompting(config: SamConfig) -> dict[str, Any]:
    """Return how the decoder takes prompts, as `Prompting` in `js/src/local/network.ts` describes it."""
    tokens = config.prompt_tokens if isinstance(config, EfficientSamConfig) else 0
    return {"padsBoxes": config.pads_boxes, "tokens": tokens, "takesMasks": config.takes_masks}


def in_planes(data: bytes) -> bytes:
    """Put first bytes of four together, then second ones and so on: numbers with few digits compress far better.

    The length (4 bytes, little-endian) comes first, since zeros fill up the last four.
    """
    whole = len(data).to_bytes(4, "little") + data + bytes(-len(data) % 4)
    return np.frombuffer(whole, np.uint8).reshape(-1, 4).T.tobytes()


def _levels(embedding: Embedding) -> tuple[Tensor, ...]:
    levels = (*embedding.high_resolution, embedding.features)
    return tuple(level.detach().float().cpu().contiguous() for level in levels)


def _export(
    network: nn.Module,
    inputs: tuple[Tensor, ...],
    names: Sequence[str],
    outputs: Sequence[str],
    model: str,
    *,
    variable: Any = None,
) -> bytes:
    onnx: Any = import_extra("onnx", "page")
    try:
        with warnings.catch_warnings(), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.onnx"
            # Of a trace, which is made for these inputs alone; and that there is a newer exporter.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network.eval(),
                inputs,
                file,
                dynamo=False,
                do_constant_folding=False,
                opset_version=_OPSET,
                input_names=list(names),
                output_names=list(outputs),
                dynamic_axes=variable,
            )
            made = onnx.load(file)
    except Exception as error:
        raise ModelError(
            f"a page cannot hold {model!r}: torch cannot export it ({type(error).__name__}: {error}); open the image "
            "with model='tiny', or write a session file with `save`"
        ) from error
    for tensor in made.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.raw_data) > 4 * _LARGE:
            tensor.raw_data = _fewer_bits(np.frombuffer(tensor.raw_data, np.float32)).tobytes()
    data: bytes = made.SerializeToString()
    return data


def _fewer_bits(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to fewer significant bits; what half precision holds is unchanged."""
    half = np.uint32(1 << (_DROPPED_BITS - 1))
    bits = (values.view(np.uint32) + half) & np.uint32(2**32 - (1 << _DROPPED_BITS))
    return bits.view(np.float32)
