"""Load masked autoencoders: the bundled one, published ones by name, and checkpoint files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sam_widget.errors import ModelError
from sam_widget.model import hub
from sam_widget.model.checkpoint import fill, read_tensors, recognise
from sam_widget.model.layers.unfilled import unfilled
from sam_widget.model.layouts import Layout, State, rename
from sam_widget.model.mae import MAE_BASE, MAE_HUGE, MAE_LARGE, MaeConfig, MaskedAutoencoder, sincos_positions
from sam_widget.model.names import SUFFIXES
from sam_widget.model.zoo import WEIGHTS, best_device

EMBEDDED_MAE = WEIGHTS / "mae.safetensors"
PUBLISHED_MAE: dict[str, tuple[MaeConfig, str]] = {
    "vit_mae_base": (MAE_BASE, "facebook/vit-mae-base"),
    "vit_mae_large": (MAE_LARGE, "facebook/vit-mae-large"),
    "vit_mae_huge": (MAE_HUGE, "facebook/vit-mae-huge"),
}
"""Configuration and repository on the Hugging Face Hub; Apache-2.0 there, the authors' own files are CC BY-NC 4.0."""
_POSITIONS = ("encoder.pos_embed", "decoder_pos_embed")


def load_mae(
    name: str | Path = "mae",
    *,
    config: MaeConfig | None = None,
    device: str | torch.device | None = None,
    progress: hub.Progress | None = None,
) -> MaskedAutoencoder:
    """Load a masked autoencoder, ready to reconstruct.

    Args:
        name: "mae", the small bundled one; "vit_mae_base", "vit_mae_large" or "vit_mae_huge", the published ones; or
            the path of a checkpoint (.safetensors, .pth, .pt, .bin) in the layout of this package, of the authors
            (`mae_visualize_vit_*.pth`) or of Hugging Face.
        config: Sizes of a checkpoint with an unknown architecture; detected by default.
        device: None picks cuda, mps or cpu, in this order.
        progress: Called with the bytes done and the total while downloading; None draws a bar with tqdm.

    Raises:
        ModelError: The name is unknown, the weights cannot be fetched, or the file is missing, damaged or not a masked
            autoencoder.
    """
    path = _find(name, progress)
    state = recognise(read_tensors(path), path, LAYOUTS)
    if config is None:
        config = _written_config(path) or config_of(state, path)
    for key, channels in zip(_POSITIONS, (config.embed_dim, config.decoder_embed_dim), strict=True):
        state.setdefault(key, sincos_positions(channels, config.grid_size))  # fixed, so files may omit them
    with unfilled():
        model = MaskedAutoencoder(config, name=path.stem if path == Path(name) else str(name))
    fill(model, state, path)
    model.to(device=torch.device(device) if device is not None else best_device(), dtype=torch.float32)
    return model.eval().requires_grad_(requires_grad=False)


def save_mae(config: MaeConfig, state: State, path: Path) -> None:
    """Write a masked autoencoder for `load_mae`: half-precision safetensors with its sizes, without fixed positions."""
    weights = {key: value.half().cpu().contiguous() for key, value in state.items() if key not in _POSITIONS}
    save_file(weights, path, metadata={"format": "pt", "mae": json.dumps(dataclasses.asdict(config))})


def _find(name: str | Path, progress: hub.Progress | None) -> Path:
    if name == "mae":
        return EMBEDDED_MAE
    if isinstance(name, str) and name in PUBLISHED_MAE:
        return hub.fetch(PUBLISHED_MAE[name][1], "pytorch_model.bin", progress=progress)
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix in SUFFIXES:
        raise ModelError(f"there is no checkpoint at {path}; check the path")
    known = ", ".join(("mae", *PUBLISHED_MAE))
    raise ModelError(
        f"unknown masked autoencoder {str(name)!r}; expected the path of a checkpoint file or one of {known}"
    )


# --------------------------------------------------------------------------------------------------- layouts


def from_meta_mae(state: State) -> State:
    """Rename the authors' keys: their model is a single module, while ours contains timm's ViT."""
    return rename(state, [(r"^(cls_token|pos_embed|patch_embed\.|blocks\.|norm\.)", r"encoder.\1")])


def from_hugging_face_mae(state: State) -> State:
    """Rename the keys of all versions of `ViTMAEForPreTraining`, and join queries, keys and values."""
    renamed = rename(
        state,
        [
            (r"^vit\.embeddings\.cls_token$", "encoder.cls_token"),
            (r"^vit\.embeddings\.position_embeddings$", "encoder.pos_embed"),
            (r"^vit\.embeddings\.patch_embeddings\.projection\.", "encoder.patch_embed.proj."),
            (r"^vit\.layernorm\.", "encoder.norm."),
            (r"^vit\.(?:encoder\.layer|layers)\.", "encoder.blocks."),
            (r"^decoder\.(?:decoder_encoder\.layer|decoder_layers)\.", "decoder_blocks."),
            (r"^decoder\.(?=decoder_|mask_token)", ""),
            (r"\.layernorm_before\.", ".norm1."),
            (r"\.layernorm_after\.", ".norm2."),
            (r"\.attention\.(?:attention\.(query|key|value)|([qkv])_proj)\.", r".attn.\1\2."),
            (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
            (r"\.intermediate\.dense\.", ".mlp.fc1."),
            (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
        ],
    )
    joined: State = {}
    for key, tensor in renamed.items():
        prefix, dot, after = key.partition(".attn.")
        part, _, kind = after.partition(".")
        if part in _THIRDS[0]:
            thirds = [_third(renamed, prefix + dot, names, kind) for names in _THIRDS]
            joined[f"{prefix}.attn.qkv.{kind}"] = torch.cat(thirds)  # (3 * C, C) or (3 * C,)
        elif not any(part in names for names in _THIRDS):
            joined[key] = tensor
    return joined


_THIRDS = (("query", "q"), ("key", "k"), ("value", "v"))


def _third(state: State, prefix: str, names: tuple[str, str], kind: str) -> Tensor:
    for name in names:
        if (key := f"{prefix}{name}.{kind}") in state:
            return state[key]
    raise ModelError(f"the checkpoint has {prefix}* but no {names[0]}.{kind}; it is incomplete, download it again")


LAYOUTS = (
    Layout("sam_widget's", ("mask_token", "encoder.patch_embed.proj.weight"), dict),
    Layout("the authors'", ("mask_token", "patch_embed.proj.weight", "decoder_embed.weight"), from_meta_mae),
    Layout(
        "Hugging Face's",
        ("decoder.mask_token", "vit.embeddings.patch_embeddings.projection.weight"),
        from_hugging_face_mae,
    ),
)
"""Known layouts of masked autoencoders, in the order in which they are tried."""


# --------------------------------------------------------------------------------------------------- sizes


def config_of(state: State, path: Path) -> MaeConfig:
    """Return the published configuration that matches the width, depth and patches of a state dict in our keys.

    The image size is derived from the positions. A checkpoint does not record its number of attention heads, so only
    known widths can be recognised. Nor does it record whether it predicts standardised pixels; those published for
    visualisation do not.

    Raises:
        ModelError: No configuration matches.
    """
    weight, depth = state["encoder.patch_embed.proj.weight"], _depth(state)
    width, patch = weight.shape[0], weight.shape[-1]
    for config in (MAE_BASE, MAE_LARGE, MAE_HUGE):
        if (config.embed_dim, config.depth, config.patch_size) == (width, depth, patch):
            tokens = state["encoder.pos_embed"].shape[1] - 1 if "encoder.pos_embed" in state else config.grid_size**2
            return dataclasses.replace(config, image_size=round(tokens**0.5) * patch)
    raise ModelError(
        f"{path} has an encoder of {width} channels, {depth} blocks and patches of {patch} px, which is none of the "
        "published sizes; pass its sizes as config=MaeConfig(...)"
    )


def _depth(state: State) -> int:
    return len({key.split(".")[2] for key in state if key.startswith("encoder.blocks.")})


def _written_config(path: Path) -> MaeConfig | None:
    """Return the sizes stored in a file by `save_mae`, or None."""
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, framework="pt") as file:
            written = (file.metadata() or {}).get("mae")
        if written is None:
            return None
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(written).items()
        }
        return MaeConfig(**fields)
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"the sizes stored in {path} are invalid ({error}); export it again") from error
