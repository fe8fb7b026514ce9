"""The names of the models, without their loaders, so that a misspelt name is rejected before torch is imported."""

from __future__ import annotations

import difflib
from pathlib import Path

from sam_widget.errors import ModelError

NAMES = (
    "tiny",
    "vit_b",
    "vit_l",
    "vit_h",
    "sam2.1_hiera_tiny",
    "sam2.1_hiera_small",
    "sam2.1_hiera_base_plus",
    "sam2.1_hiera_large",
    "mobile_sam",
    "efficient_sam_ti",
    "efficient_sam_s",
    "hq_vit_b",
    "hq_vit_l",
    "hq_vit_h",
)
# Suffixes of checkpoint files.
SUFFIXES = frozenset({".safetensors", ".pth", ".pt", ".bin", ".ckpt"})


def check_name(name: str | Path) -> None:
    """Check that a name is that of a model or the path of a file.

    Raises:
        ModelError: It is neither; the message suggests a similar name.
    """
    path = Path(name)
    if (isinstance(name, str) and name in NAMES) or path.is_file():
        return
    if path.suffix in SUFFIXES:
        raise ModelError(f"there is no checkpoint at {path}; check the path")
    near = difflib.get_close_matches(str(name).lower().replace("-", "_"), NAMES, n=1)
    meant = f"did you mean {near[0]!r}? Expected" if near else "expected"
    raise ModelError(f"unknown model {str(name)!r}; {meant} the path of a checkpoint file or one of {', '.join(NAMES)}")
