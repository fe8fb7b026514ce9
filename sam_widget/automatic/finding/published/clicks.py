"""SAM 3's model for clicks, on the vision tower of its model for words.

SAM 3 answers clicks and boxes as SAM 2 does: its decoder is SAM 2's, on a neck of its own. The vision tower, most of
the weights, is the one that `concepts` uses. It is loaded once, and an image that was searched is not encoded again
for clicks, nor the other way round.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sam_widget.automatic.finding.published.checkpoints import Checkpoint, refuse_differences, weight_files
from sam_widget.errors import ModelError
from sam_widget.model.checkpoint import read_tensors
from sam_widget.model.config import Sam2Config
from sam_widget.model.layouts import State, from_hugging_face_sam2
from sam_widget.model.sam import Sam
from sam_widget.model.sam2 import Sam2, Sam2MaskDecoder

# Largest difference between the pixels of the same image, in the model's input: each way of resizing rounds to its own
# side, by one level of 0 to 255, which are mapped to -1 to 1.
ROUNDING = 1.01 * 2 / 255


class Tower(nn.Module):
    """A vision tower that returns what it computed for the last image, if it is shown it again."""

    def __init__(self, backbone: nn.Module) -> None:
        """Wrap the backbone of a vision encoder."""
        super().__init__()
        self.backbone = backbone
        self.last: list[tuple[Tensor, Any]] = []  # a list, so that twins of this module share it

    def forward(self, pixel_values: Tensor, **options: Any) -> Any:
        """Return the backbone's output for pixels (I, 3, S, S) from -1 to 1."""
        for pixels, output in self.last:
            if pixels.shape == pixel_values.shape and (pixels - pixel_values).abs().max() <= ROUNDING:
                return output
        output = self.backbone(pixel_values, **options)
        self.last[:] = [(pixel_values, output)]
        return output


class ClickEncoder(nn.Module):
    """The vision tower with the neck for clicks."""

    def __init__(self, tower: nn.Module, neck: nn.Module) -> None:
        """Join both."""
        super().__init__()
        self.tower = tower
        self.neck = neck

    def forward_features(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map normalised pixels (I, 3, S, S) to levels (I, dim, 4g, 4g), (I, dim, 2g, 2g) and (I, dim, g, g)."""
        tokens = self.tower(pixels).last_hidden_state  # (I, g * g, C)
        side = round(tokens.shape[1] ** 0.5)
        finest, fine, embedding, *_ = self.neck(tokens.transpose(1, 2).unflatten(2, (side, side)))[0]
        return finest, fine, embedding


class Sam3(Sam2):
    """SAM 2's prompt encoder and mask decoder on SAM 3's image encoder."""

    def __init__(self, config: Sam2Config, encoder: nn.Module, *, name: str) -> None:
        """Build the model; prompt encoder and mask decoder have random weights."""
        Sam.__init__(self, config, name=name, encoder=encoder, decoder=Sam2MaskDecoder(config))
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, config.prompt_dim))

    def standardised(self, pixels: Tensor) -> Tensor:
        """Convert pixels to the image encoder's input; they are rounded, as SAM 3's own resizing does."""
        return super().standardised(pixels.float().round())


def model_for_clicks(name: str, checkpoint: Checkpoint) -> Sam3:
    """Return the model for clicks, which shares the vision tower of a loaded `Sam3Model`.

    Args:
        name: Name of the checkpoint.
        checkpoint: The loaded model, whose files also hold the weights for clicks.

    Raises:
        ModelError: The files have no such weights, or they are not complete.
    """
    vision = checkpoint.model.vision_encoder
    neck = copy.deepcopy(vision.neck)
    state: State = {}
    for path in weight_files(checkpoint.folder):
        state |= {key: tensor for key, tensor in read_tensors(path).items() if key.startswith("tracker_")}
    if not state:
        raise ModelError(
            f"{name} answers words only: its files have no weights for clicks (tracker_model, tracker_neck); use "
            "facebook/sam3, or another model for clicks"
        )
    if not isinstance(vision.backbone, Tower):
        vision.backbone = Tower(vision.backbone)
    model = Sam3(_config(checkpoint), ClickEncoder(vision.backbone, neck), name=name)
    _fill(neck, _part(state, "tracker_neck."), f"{name}, the neck for clicks,")
    _fill(model, _renamed(_part(state, "tracker_model."), name), name, apart="image_encoder.")
    model.weights_id = f"{checkpoint.weights_id}-clicks"
    return model.to(checkpoint.device).eval().requires_grad_(requires_grad=False)


def _config(checkpoint: Checkpoint) -> Sam2Config:
    """Return the sizes of the model for clicks."""
    path = Path(checkpoint.folder) / "config.json"
    sizes = json.loads(path.read_text(encoding="utf-8")).get("tracker_config") or {}
    # What the file leaves out is as in SAM 2.
    decoder: Mapping[str, Any] = sizes.get("mask_decoder_config") or {}
    prompts: Mapping[str, Any] = sizes.get("prompt_encoder_config") or {}
    images = checkpoint.processor.image_processor
    backbone = checkpoint.model.config.vision_config.backbone_config
    usual = Sam2Config()
    red, green, blue = (255 * value for value in images.image_mean)
    deviations = [255 * value for value in images.image_std]
    return Sam2Config(
        takes_words=True,
        image_size=int(backbone.image_size),
        patch_size=int(backbone.patch_size),
        prompt_dim=decoder.get("hidden_size", usual.prompt_dim),
        decoder_depth=decoder.get("num_hidden_layers", usual.decoder_depth),
        decoder_heads=decoder.get("num_attention_heads", usual.decoder_heads),
        decoder_mlp_dim=decoder.get("mlp_dim", usual.decoder_mlp_dim),
        iou_hidden_dim=decoder.get("iou_head_hidden_dim", usual.iou_hidden_dim),
        mask_channels=prompts.get("mask_input_channels", usual.mask_channels),
        stability_delta=decoder.get("dynamic_multimask_stability_delta", usual.stability_delta),
        stability_threshold=decoder.get("dynamic_multimask_stability_thresh", usual.stability_threshold),
        pixel_mean=(red, green, blue),
        pixel_std=(deviations[0], deviations[1], deviations[2]),
    )


def _part(state: State, prefix: str) -> State:
    """Return the weights below a prefix; transformers 5.24 writes it twice when it saves the model for videos."""
    return {
        key.removeprefix(prefix).removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)
    }


def _renamed(state: State, name: str) -> State:
    """Rename the keys of `transformers.Sam3TrackerModel` to ours; they are those of SAM 2 there.

    Raises:
        ModelError: A key that every such checkpoint has is missing, or the matrix that is stored twice is not the same.
    """
    copies = ("shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding")
    needed = (*copies, "prompt_encoder.point_embed.weight")
    refuse_differences({"missing_keys": {*needed} - state.keys()}, name, "Sam3TrackerModel")
    if not torch.equal(*(state[copy] for copy in copies)):
        raise ModelError(
            f"{name} has two position embeddings for clicks, {' and '.join(copies)}; expected the same matrix twice"
        )
    return from_hugging_face_sam2(state)


def _fill(module: nn.Module, state: State, name: str, *, apart: str = "(none)") -> None:
    """Load all weights of a module but those whose keys begin with `apart`.

    Raises:
        ModelError: Weights are missing, unknown, or of another shape.
    """
    expected = {key: tensor for key, tensor in module.state_dict().items() if not key.startswith(apart)}
    report = {
        "missing_keys": expected.keys() - state.keys(),
        "unexpected_keys": state.keys() - expected.keys(),
        "mismatched_keys": {key for key in expected.keys() & state.keys() if expected[key].shape != state[key].shape},
    }
    refuse_differences(report, name, "Sam3TrackerModel")
    module.load_state_dict({**module.state_dict(), **state})
