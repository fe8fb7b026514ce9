"""An old name of `sam_widget.image.rendering`: scripts that `to_code` wrote before version 0.2 import from here."""

from sam_widget.image.rendering import Rendering

__all__ = ["Rendering"]
