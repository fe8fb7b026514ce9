"""Files of named tensors, with facts as text and a checksum: safetensors, written whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from sam_widget.atomic import write_whole
from sam_widget.errors import ModelError, StoreError


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str], *, what: str) -> None:
    """Write a file, replacing an existing one atomically.

    Args:
        path: Path of the file.
        tensors: Tensors on any device.
        facts: Text stored next to them.
        what: What the file holds, for error messages, such as "the embedding".

    Raises:
        StoreError: The file cannot be written.
    """
    try:
        write_whole(path, packed(tensors, facts))
    except OSError as error:
        raise StoreError(
            f"{what} cannot be written to {str(path)!r} ({error.strerror or error}); free some space or choose another "
            "folder"
        ) from error


def packed(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> bytes:
    """Return the file that `save_tensors` writes."""
    kept = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    return save(kept, {**facts, "checksum": _checksum(kept)})


def load_tensors(path: Path, *, form: str, what: str, again: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file that `save_tensors` wrote; returns its tensors, sorted by name, and its facts.

    Args:
        path: Path of the file.
        form: The fact "format" of such files.
        what: What such a file is, for error messages, such as "a saved embedding".
        again: What to do about a file that cannot be read.

    Raises:
        ModelError: The file is missing, damaged, or of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            if facts.get("format") != form:
                raise ModelError(f"{path} is not {what}; {again}")
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            if _checksum(tensors) != facts["checksum"]:
                raise ModelError(f"{path} is damaged: its checksum is wrong; {again}")
            return tensors, facts
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} cannot be read as {what} ({error}); {again}") from error


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
