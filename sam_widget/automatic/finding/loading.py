"""Get a finder by its name."""

from __future__ import annotations

from typing import Any, cast

from sam_widget.automatic.finding.finder import Finder
from sam_widget.errors import ModelError

EMBEDDED = "tiny"
_MEMBERS = ("name", "weights_id", "threshold", "check", "encode", "find", "describe")


def finder_of(model: Any = None) -> Finder:
    """Return a finder: by its name, or `model` itself if it is one; None for the embedded one.

    Raises:
        ModelError: There is no such finder, or it cannot be loaded.
    """
    if model is None or model == EMBEDDED:
        from sam_widget.automatic.finding.embedded import EmbeddedFinder  # Imports torch.

        return EmbeddedFinder()
    if isinstance(model, str):
        raise ModelError(f"there is no finder {model!r}; expected {EMBEDDED!r}")
    if all(hasattr(model, member) for member in _MEMBERS):
        return cast("Finder", model)
    raise ModelError(
        f"{type(model).__name__} is not a finder; expected a name, or an object with {', '.join(_MEMBERS)}"
    )
