"""The photos that come with the package, so that every example runs without a file or a network.

Where they are from and under which licence is in `LICENSES.md` beside them.
"""

from __future__ import annotations

from pathlib import Path

from sam_widget.errors import ImageError
from sam_widget.image.reading import RGB, to_rgb

_FILES = {"cat": "chelsea.png", "coffee": "coffee.png", "astronaut": "astronaut.png", "rocket": "rocket.jpg"}


def samples() -> tuple[str, ...]:
    """The names that `sample` knows."""
    return tuple(_FILES)


def sample(name: str = "cat") -> RGB:
    """A bundled photo as RGB uint8 (H, W, 3).

    Raises:
        ImageError: there is no photo of this name.
    """
    if name not in _FILES:
        msg = f"no sample photo named {name!r}; there are {', '.join(map(repr, _FILES))}."
        raise ImageError(msg)
    return to_rgb(Path(__file__).with_name(_FILES[name]))
