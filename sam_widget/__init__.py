"""Segment Anything in a notebook cell, live.

The public names are listed in `__init__.pyi`; each is imported on first use (SPEC 1), so that `import sam_widget` costs
nothing and never imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import a public name.

    Raises:
        ModelError: It needs torch or timm, which are not installed.
    """
    try:
        return _find(name)
    except ModuleNotFoundError as error:
        from sam_widget.errors import MODEL_LIBRARIES, NEEDS_TORCH, ModelError

        if error.name not in MODEL_LIBRARIES:
            raise
        raise ModelError(f"sam_widget.{name} {NEEDS_TORCH}") from error


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add `%sam` to IPython and Jupyter: called by `%load_ext sam_widget`."""
    from sam_widget.widget.magic import register

    register(shell)
