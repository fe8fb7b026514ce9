"""Photos bundled with the package, so that examples run without files or a network.

Their sources and licences are in `photos/LICENSES.md`.
"""

from __future__ import annotations

from pathlib import Path

from sam_widget.errors import ImageError
from sam_widget.image.reading import RGB, to_rgb

PHOTOS = Path(__file__).resolve().parents[1] / "photos"
_FILES = {"cat": "chelsea.png", "coffee": "coffee.png", "astronaut": "astronaut.png", "rocket": "rocket.jpg"}


def samples() -> tuple[str, ...]:
    """Return the names of the bundled photos."""
    return tuple(_FILES)


def sample(name: str = "cat") -> RGB:
    """Return a bundled photo as RGB uint8 (H, W, 3).

    Raises:
        ImageError: The name is unknown.
    """
    if name not in _FILES:
        msg = f"no sample photo named {name!r}; there are {', '.join(map(repr, _FILES))}."
        raise ImageError(msg)
    return to_rgb(PHOTOS / _FILES[name])
