"""Alias of `sam_widget.image.rendering`, for scripts that `to_code` generated before version 0.2."""

from sam_widget.image.rendering import Rendering

__all__ = ["Rendering"]
