"""Load a model of the transformers library from a folder, completely or not at all.

The library fills what a checkpoint lacks with random numbers, and leaves out what it does not know, with a warning at
most. Here both are errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from sam_widget.errors import ModelError, import_extra
from sam_widget.model import hub
from sam_widget.model.checkpoint import sha256
from sam_widget.model.zoo import best_device, is_out_of_memory

# Files of a repository that are needed. Nothing that could run code is among them.
FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
# Any of these holds a tokenizer's vocabulary. Without one, the library makes a tokenizer that knows no words.
VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")
# Keys named in an error.
_NAMED = 3


@dataclass(frozen=True)
class Architecture:
    """The classes of the transformers library that read a checkpoint.

    Attributes:
        model: Name of the model's class.
        processor: Name of the class that prepares its inputs and reads its outputs.
    """

    model: str
    processor: str


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded model.

    Attributes:
        folder: Where its files are.
        weights_id: Identifies its weights, and the settings of its processor.
        model: The model, in evaluation mode.
        processor: Prepares its inputs and reads its outputs.
        device: The model's device.
    """

    folder: Path
    weights_id: str
    model: Any
    processor: Any
    device: torch.device


def library() -> Any:
    """Return the transformers module.

    Raises:
        MissingExtraError: It is not installed.
    """
    return import_extra("transformers", "text")


def model_type(folder: Path) -> str:
    """Return the kind of model that a folder holds, as its `config.json` names it.

    Raises:
        ModelError: There is no such file, or it does not name a kind of model.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder} holds no model of the transformers library: its config.json cannot be read ({error!r}); give a "
            "folder written by save_pretrained"
        ) from error


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the safetensors files in a folder.

    Raises:
        ModelError: There are none.
    """
    files = tuple(sorted(folder.glob("*.safetensors")))
    if not files:
        others = ", ".join(path.name for path in sorted(folder.glob("*.bin")))
        raise ModelError(
            f"{folder} has no weights in the safetensors format{f', only {others}' if others else ''}; other formats "
            "can run code when they are read and are not loaded. Convert them: save_pretrained writes safetensors"
        )
    return files


def fetch(repository: str) -> Path:
    """Return the local folder of a repository of the Hugging Face Hub, downloading it on first use.

    Raises:
        ModelError: It cannot be downloaded; see `hub.fetch_folder`.
    """
    return hub.fetch_folder(repository, FILES)


def load(folder: Path, name: str, architecture: Architecture) -> Checkpoint:
    """Load a model and its processor.

    Raises:
        MissingExtraError: The transformers library is not installed.
        ModelError: Files are missing or damaged, weights are missing, unknown or of another shape, or the device has
            too little memory.
    """
    transformers = library()
    files = weight_files(folder)
    if not any(path for pattern in VOCABULARIES for path in folder.glob(pattern)):
        raise ModelError(f"{name} has no vocabulary (tokenizer.json); save its processor in the same folder")
    device = best_device()
    model_class = getattr(transformers, architecture.model)
    try:
        processor = getattr(transformers, architecture.processor).from_pretrained(folder, local_files_only=True)
        model, report = model_class.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # Reported, and refused here with the others.
            dtype=torch.float32,
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        raise ModelError(
            f"{name} cannot be loaded as {architecture.model} ({error}); give the name of a published model or a "
            "folder written by save_pretrained of the model and of its processor"
        ) from error
    refuse_differences(report, name, architecture.model)
    with enough_memory(name, device):
        model = model.to(device).eval().requires_grad_(requires_grad=False)
    # What the processor does to an image, and the words that the tokenizer knows, are in the other files.
    others = sorted({path for pattern in FILES for path in folder.glob(pattern)} - {*files})
    digest = new_sha256("".join(map(sha256, (*files, *others))).encode()).hexdigest()
    return Checkpoint(folder, f"{architecture.model}-{digest[:16]}", model, processor, device)


def refuse_differences(report: Mapping[str, Any], name: str, architecture: str) -> None:
    """Refuse a checkpoint that does not hold exactly the weights of a model.

    Args:
        report: `missing_keys`, `unexpected_keys` and `mismatched_keys`, as the transformers library returns them.
        name: Name of the checkpoint.
        architecture: Name of the model's class.

    Raises:
        ModelError: Weights are missing, unknown, or of another shape; the message names some.
    """
    kinds = {"missing": "missing_keys", "unknown": "unexpected_keys", "of another shape": "mismatched_keys"}
    said = []
    for kind, key in kinds.items():
        keys = sorted(str(one[0] if isinstance(one, tuple) else one) for one in report.get(key) or ())
        if keys:
            more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
            said.append(f"{len(keys)} weights are {kind} ({', '.join(keys[:_NAMED])}{more})")
    if said:
        raise ModelError(
            f"{name} does not fit {architecture}: {'; '.join(said)}. It was not loaded, because what is missing would "
            "be random numbers; look for another version of the checkpoint or of the transformers library"
        )


@contextmanager
def enough_memory(name: str, device: torch.device) -> Iterator[None]:
    """Turn out-of-memory errors into a `ModelError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ModelError(
            f"{device} has too little memory for {name}; choose a smaller model, or 'tiny', which needs little"
        ) from error
