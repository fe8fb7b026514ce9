"""The colours of objects and candidates, outside a browser: those of `js/src/palette.ts`, and a test compares them."""

from __future__ import annotations

OBJECTS = ("#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#56b4e9", "#8a63d2", "#b8b8b8")
CANDIDATE = "#1e88ff"
BACKGROUND = "#c94a00"


def object_color(index: int) -> str:
    """Return the colour of an object by its `color`, as "#rrggbb"."""
    return OBJECTS[index % len(OBJECTS)]


def rgb(color: str) -> tuple[int, int, int]:
    """Return red, green and blue of "#rrggbb", 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
