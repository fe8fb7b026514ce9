"""Checkpoint files: read them without executing code, and detect their model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sam_widget.errors import ModelError
from sam_widget.model.config import Sam2Config, SamConfig, TinyConfig, TinyVitConfig
from sam_widget.model.layouts import LAYOUTS, Layout, State
from sam_widget.model.sam import Sam

# Keys under which training scripts store a state dict, and prefixes that module wrappers add to every key.
_WRAPPERS = (
    "model",
    "state_dict",
    "model_state_dict",
    "model_state",
    "module",
    "net",
    "network",
    "weights",
    "params",
    "ema",
)
# Share of a checkpoint's keys that start with a prefix if it is a wrapper's.
MOST = 0.9
_PREFIXES = ("module.", "model.", "sam.", "sam_model.", "_orig_mod.")


def read_tensors(path: Path) -> State:
    """Read a checkpoint's tensors, without the wrappers that training scripts add.

    Raises:
        ModelError: The file is damaged, contains more than plain weights, has no table of tensors, or has weights that
            are NaN or infinite.
    """
    try:
        if path.suffix == ".safetensors":
            # Copied, because views of the file would change if the file were replaced.
            content: object = {key: tensor.clone() for key, tensor in load_file(path).items()}
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise ModelError(f"{path} is not a complete safetensors file ({error}); download it again") from error
    except Exception as error:  # torch raises half a dozen types for damaged or unsafe pickles
        raise ModelError(
            f"{path} cannot be read as plain weights ({type(error).__name__}); it is damaged or holds code. "
            "Download it again, or convert it to safetensors with the program that made it"
        ) from error
    state = _unwrapped(content, path)
    diverged = [key for key, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if diverged:
        raise ModelError(
            f"{path} holds weights that are not finite, in {_few(diverged)}: the training that made it diverged. "
            "Take an earlier checkpoint of it"
        )
    return state


def recognise(state: State, path: Path, layouts: Sequence[Layout] = LAYOUTS) -> State:
    """Rename a checkpoint's tensors from any published layout to ours.

    Raises:
        ModelError: The keys match no known layout.
    """
    for layout in layouts:
        if all(mark in state for mark in layout.marks):
            return layout.to_ours(state)
    known = "; ".join(f"{layout.name} (has {', '.join(layout.marks)})" for layout in layouts)
    raise ModelError(f"{path} has no known layout: its keys are {_few(state)}. Known layouts are {known}")


def builder_for(
    state: State, path: Path, candidates: Iterable[tuple[SamConfig, Callable[[], Sam]]]
) -> Callable[[], Sam]:
    """Return the builder of the model whose width, depth and parts match a state dict in our keys.

    Raises:
        ModelError: No model matches.
    """
    candidates = tuple(candidates)
    found = _signature_of_state(state)
    for config, builder in candidates:
        if found == signature(config, hq=builder.__name__.startswith("hq_")):
            return builder
    known = ", ".join(builder.__name__ for _, builder in candidates)
    trunk, width, depth, hq = found
    raise ModelError(
        f"{path} fits none of {known}: it has a {trunk} of {width} channels and {depth} blocks"
        f"{' and the HQ token' if hq else ''}"
    )


def fill(model: nn.Module, state: State, path: Path) -> None:
    """Assign a state dict to a model that was built on the meta device.

    Raises:
        ModelError: Keys are missing or unexpected, or shapes differ.
    """
    expected = model.state_dict()
    missing, left_over = expected.keys() - state.keys(), state.keys() - expected.keys()
    reshaped = [key for key in expected.keys() & state.keys() if expected[key].shape != state[key].shape]
    if missing or left_over or reshaped:
        key = min(reshaped, default="")
        shapes = f"{key} has shape {tuple(state[key].shape)}, expected {tuple(expected[key].shape)}" if key else ""
        differences = (
            f"{len(missing)} keys are missing ({_few(missing)})" if missing else "",
            f"{len(left_over)} are left over ({_few(left_over)})" if left_over else "",
            f"{len(reshaped)} have another shape ({shapes})" if reshaped else "",
        )
        raise ModelError(
            f"{path} looks like {model.name} but does not fit: {'; '.join(filter(None, differences))}. "
            "Pass the checkpoint of an unchanged architecture"
        )
    # BatchNorm counters are integers and must keep their type.
    model.load_state_dict(state, assign=True)


def sha256(path: Path) -> str:
    """Return a file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def signature(config: SamConfig, *, hq: bool) -> tuple[str, int, int, bool]:
    """Return the properties that identify a model by its weights: trunk, width, depth, and presence of an HQ token."""
    if isinstance(config, Sam2Config):
        return "Hiera", config.embed_dim, sum(config.stages), hq
    if isinstance(config, TinyVitConfig):
        return "TinyViT", config.widths[0], sum(config.depths), hq
    if isinstance(config, TinyConfig):
        return "EfficientNet", config.prompt_dim, 2 * config.context_depth, hq
    return "ViT", config.embed_dim, config.depth, hq


def _signature_of_state(state: State) -> tuple[str, int, int, bool]:
    hq = "mask_decoder.hf_token.weight" in state
    trunk = "image_encoder.trunk."
    blocks = {key[: key.index(".", key.index(".blocks.") + 8)] for key in state if ".blocks." in key}
    if (convolution := state.get(f"{trunk}patch_embed.conv2.conv.weight")) is not None:
        return "TinyViT", convolution.shape[0], len(blocks), hq
    if (middle := state.get("image_encoder.middle.weight")) is not None:
        return "EfficientNet", middle.shape[0], len({key.split(".")[2] for key in state if ".context." in key}), hq
    name = "Hiera" if f"{trunk}pos_embed" in state else "ViT"
    norm = state.get(f"{trunk if name == 'Hiera' else 'image_encoder.'}blocks.0.norm1.weight")
    return name, 0 if norm is None else norm.shape[0], len(blocks), hq


def _unwrapped(content: object, path: Path) -> State:
    # Ignores a loss, an epoch or an optimiser's state stored next to the weights.
    while isinstance(content, dict):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), dict) and content[key]), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise ModelError(f"{path} holds no flat table of tensors; pass the model's state dict")
    state: State = {str(key): value for key, value in content.items()}
    # Most keys, not all: what else is there, such as a loss's own weights, is named as left over.
    while (prefix := next((p for p in _PREFIXES if _share(p, state) > MOST), None)) is not None:
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _share(prefix: str, keys: Iterable[str]) -> float:
    starts = [key.startswith(prefix) for key in keys]
    return sum(starts) / len(starts)


def _few(keys: Iterable[str]) -> str:
    ordered = sorted(keys)
    return ", ".join(ordered[:3]) + (", ..." if len(ordered) > 3 else "")
