"""The names of the models, without their loaders, so that a misspelt name is rejected before torch is imported."""

from __future__ import annotations

import difflib
import os
import re
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
# Models that find words too, and are loaded as a predictor, through the transformers library.
WORDED = ("facebook/sam3",)
# Environment variables: the address of the server whose model is used where none is given, and the token for an
# address without one.
SERVER, TOKEN = "SAM_WIDGET_SERVER", "SAM_WIDGET_TOKEN"
# Suffixes of checkpoint files.
SUFFIXES = frozenset({".safetensors", ".pth", ".pt", ".bin", ".ckpt"})


def default_model() -> str:
    """Return the model where none is given: the address of the server in $SAM_WIDGET_SERVER, or else "tiny"."""
    return os.environ.get(SERVER, "") or "tiny"


def is_worded(name: str | Path) -> bool:
    """Whether a name is one of `WORDED`, or the path of a folder written by `save_pretrained`."""
    return str(name) in WORDED or (Path(name) / "config.json").is_file()


def is_served(name: object) -> bool:
    """Whether a name is the address of a server, such as "https://lab:9000/?token=..."; see `predictor.served`."""
    return isinstance(name, str) and name.startswith(("http://", "https://"))


def check_name(name: str | Path) -> None:
    """Check that a name is that of a model or the path of a file.

    Raises:
        ModelError: It is neither; the message suggests a similar name.
    """
    if is_served(name):
        return
    path = Path(name)
    if is_worded(name):
        raise ModelError(
            f"{name} is loaded with a predictor of its own; give the name to Session, SamWidget or Gallery, or call "
            f"sam_widget.automatic.finding.published.load_published({str(name)!r}).predictor()"
        )
    if (isinstance(name, str) and name in NAMES) or path.is_file():
        return
    if path.suffix in SUFFIXES:
        raise ModelError(f"there is no checkpoint at {path}; check the path")
    near = difflib.get_close_matches(str(name).lower().replace("-", "_"), NAMES, n=1)
    near = near or [known for known in WORDED if known.endswith(f"/{str(name).lower()}")]
    meant = f"did you mean {near[0]!r}? Expected" if near else "expected"
    raise ModelError(
        f"unknown model {str(name)!r}; {meant} the path of a checkpoint file or one of {', '.join((*NAMES, *WORDED))}"
    )


def without_precision(weights_id: str) -> str:
    """Return what names weights, whatever precision they are computed in: that is the machine's affair."""
    return re.sub("-(float32|float16|bfloat16|float64)$", "", weights_id)
