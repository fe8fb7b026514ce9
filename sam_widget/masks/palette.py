"""The colours of objects, candidates and prompts. `js/src/palette.ts` is generated from this module.

The objects' colours are distinguishable for colour-blind readers: those of Okabe and Ito (Color Universal Design, 2008)
without black and without the blue reserved for the candidate, and two more.
"""

from __future__ import annotations

import sys
from pathlib import Path

OBJECTS = ("#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#56b4e9", "#8a63d2", "#b8b8b8")
CANDIDATE = "#1e88ff"
FOREGROUND = "#0064b0"
BACKGROUND = "#c94a00"


def object_color(index: int) -> str:
    """Return the colour of an object, given its `color`, as "#rrggbb"."""
    return OBJECTS[index % len(OBJECTS)]


def rgb(color: str) -> tuple[int, int, int]:
    """Return red, green and blue of "#rrggbb", 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def typescript() -> str:
    """Return the source of `js/src/palette.ts`."""
    objects = "\n".join(f'  "{color}",' for color in OBJECTS)
    return f"""// Generated from sam_widget/masks/palette.py by `make protocol`. Do not edit.

/** Objects, by `ObjectData.color`. */
export const OBJECTS = [
{objects}
] as const;

/** The candidate under discussion. */
export const CANDIDATE = "{CANDIDATE}";
export const FOREGROUND = "{FOREGROUND}";
export const BACKGROUND = "{BACKGROUND}";

/** The colour of an object, whatever its index. */
export function objectColor(index: number): string {{
  const n = OBJECTS.length;
  return OBJECTS[((Math.trunc(index) % n) + n) % n] ?? OBJECTS[0];
}}
"""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(typescript(), encoding="utf-8")
