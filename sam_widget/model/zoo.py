"""Where weights come from: the table of models, and loading one by name or from a checkpoint file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sam_widget.errors import ModelError
from sam_widget.model import sam
from sam_widget.model.config import TINY, VIT_B, VIT_H, VIT_L, SamConfig
from sam_widget.model.sam import Sam

BUILDERS: tuple[tuple[SamConfig, Callable[[], Sam]], ...] = (
    (TINY, sam.tiny),
    (VIT_B, sam.vit_b),
    (VIT_L, sam.vit_l),
    (VIT_H, sam.vit_h),
)
WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True)
class ModelInfo:
    """A row of the table of models.

    Attributes:
        name: What `load_model` takes.
        parameters: Number of parameters.
        image_size: Side of the model input, in pixels.
        licence: Of the weights.
        source: Where the weights come from.
        sha256: Of the weights file, where it is known.
        local: Whether the weights are on this machine.
    """

    name: str
    parameters: int
    image_size: int
    licence: str
    source: str
    sha256: str | None
    local: bool


def models() -> tuple[ModelInfo, ...]:
    """Return the models that `load_model` knows by name."""
    path = WEIGHTS / "tiny.safetensors"
    tensors = load_file(path)
    return (
        ModelInfo(
            name="tiny",
            parameters=sum(tensor.numel() for tensor in tensors.values()),
            image_size=TINY.image_size,
            licence="Apache-2.0",
            source="in the package; trained on scenes rendered by sam_widget.learn",
            sha256=_sha256(path),
            local=True,
        ),
    )


def load_model(
    name: str | Path, *, device: str | torch.device | None = None, dtype: torch.dtype | None = None
) -> Sam:
    """Load a model, ready to answer.

    Args:
        name: "tiny", or the path of a checkpoint (.safetensors, .pth, .pt) of a SAM ViT-B, -L or -H in the published
            layout, or of a `tiny` trained here.
        device: None picks cuda, mps or cpu, in this order.
        dtype: None picks bfloat16 on cuda and float32 elsewhere.

    Raises:
        ModelError: The name is unknown, the file is missing or damaged, or its keys fit no known model.
    """
    device = torch.device(device) if device is not None else best_device()
    if dtype is None:
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    path = WEIGHTS / "tiny.safetensors" if name == "tiny" else Path(name)
    if not path.is_file():
        if path.suffix in {".safetensors", ".pth", ".pt"}:
            raise ModelError(f"there is no checkpoint at {path}; check the path")
        raise ModelError(f"unknown model {str(name)!r}; expected 'tiny' or the path of a checkpoint file")
    state = published_to_ours(_read_tensors(path))
    builder = _recognise(state, path)
    model = builder()
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"{path} looks like {model.name} but its tensors do not fit: {error}") from error
    if name != "tiny":
        model.name = path.stem if model.name == "tiny" else model.name
    model.weights_id = f"{model.name}-{_sha256(path)[:16]}-{str(dtype).removeprefix('torch.')}"
    return model.to(device=device, dtype=dtype).eval().requires_grad_(requires_grad=False)


def best_device() -> torch.device:
    """Return cuda where there is one, else mps, else cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def published_to_ours(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of Meta's published checkpoints to ours: only the ViT's MLPs differ, which are timm's here."""
    return {
        key.replace(".mlp.lin1.", ".mlp.fc1.").replace(".mlp.lin2.", ".mlp.fc2.")
        if key.startswith("image_encoder.")
        else key: value
        for key, value in state.items()
    }


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint without running code from it."""
    try:
        if path.suffix == ".safetensors":
            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise ModelError(f"{path} is no whole safetensors file ({error}); download it again") from error
    except Exception as error:  # torch raises half a dozen kinds for a damaged or unsafe pickle
        raise ModelError(
            f"{path} cannot be read as plain weights ({type(error).__name__}); it is damaged or holds code. "
            "Download it again, or convert it to safetensors with the program that made it"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{path} holds no flat table of tensors; pass the model's state dict")
    return {str(key): value for key, value in state.items()}


def _recognise(state: dict[str, Tensor], path: Path) -> Callable[[], Sam]:
    """Return the builder whose image encoder has the checkpoint's width."""
    table = state.get("image_encoder.pos_embed")
    width = table.shape[-1] if table is not None and table.ndim == 4 else None
    for config, builder in BUILDERS:
        if width == config.embed_dim:
            return builder
    known = ", ".join(builder.__name__ for _, builder in BUILDERS)
    found = ", ".join(sorted(state)[:3]) or "none"
    raise ModelError(f"{path} fits none of {known}; its first keys are {found}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
