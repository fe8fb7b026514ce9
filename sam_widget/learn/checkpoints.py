"""Shared by both kinds of training runs: checkpoints, a log without gaps, parameter groups, averaged weights."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sam_widget.errors import ModelError


def write_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint atomically, replacing an older one."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint that `write_checkpoint` wrote, onto the CPU.

    Raises:
        ModelError: The file is missing, unreadable or not a checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for missing, damaged or unsafe files
        raise ModelError(f"{path} cannot be read as a checkpoint ({error}); pass the checkpoint.pt of a run") from error
    if not isinstance(state, dict):
        raise ModelError(f"{path} is not a training checkpoint; pass the checkpoint.pt of a run")
    return state


@contextmanager
def log_from(path: Path, columns: Sequence[str], *, step: int) -> Iterator[tuple[Any, TextIO]]:
    """Open a run's log, with one row per step; yields its CSV writer and its file.

    Args:
        path: The CSV file. Rows up to `step` are kept; steps logged after the checkpoint will be run again.
        columns: Column names; the first is the step.
        step: The last step of the checkpoint.
    """
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(row for row in rows[1:] if row and int(row[0]) <= step)
        yield writer, file


def parameter_groups(parameters: Iterable[nn.Parameter], weight_decay: float, **options: Any) -> list[dict[str, Any]]:
    """Return an optimiser's parameter groups: matrices with weight decay, vectors without."""
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if (p.ndim > 1) == matrices], "weight_decay": decay, **options}
        for matrices, decay in ((True, weight_decay), (False, 0.0))
    ]


def average_weights(average: dict[str, Tensor], model: nn.Module, *, step: int, decay: float) -> None:
    """Update an exponential moving average of a model's weights after step `step`.

    The average's horizon is short at first, so that it forgets the random initialisation.
    """
    decay = min(decay, step / (step + 10))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                average[name].lerp_(value, 1 - decay)


def mean_of_weights(files: Sequence[Path], out: Path) -> None:
    """Write the mean of the weights of several safetensors files that `export` wrote for one network.

    If one was trained from the other, the mean is often as good as either (Wortsman et al., "Model soups", arXiv
    2203.05482).

    Raises:
        ModelError: A file cannot be read, or the files belong to different networks.
    """
    every = []
    for file in files:
        try:
            every.append(load_file(file))
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{file} cannot be read as safetensors: {error}") from error
    first = every[0]
    for file, weights in zip(files, every, strict=True):
        if {name: value.shape for name, value in weights.items()} != {n: value.shape for n, value in first.items()}:
            raise ModelError(f"{file} and {files[0]} belong to different networks; give exports of one network")
    mean = {
        name: torch.stack([weights[name].float() for weights in every]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in first.items()
    }
    save_file(mean, out, metadata={"format": "pt"})
