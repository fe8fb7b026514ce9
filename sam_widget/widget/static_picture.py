"""A PNG of the photo and its masks, shown by saved notebooks where no view can run (GitHub, nbconvert, a PDF)."""

from __future__ import annotations

import base64
import io
import os

from PIL import Image

from sam_widget.image.reading import RGB
from sam_widget.image.rendering import USUAL, SourceImage
from sam_widget.masks.overlay import overlay
from sam_widget.session.session import Session

# Longest side of the picture: about the width of a page, and about 100 kB in the notebook.
LONGEST = 640


def drawn_of(shown: Session | SourceImage) -> tuple[object, ...]:
    """Return what a picture of this depends on. None of it ever changes, so identity tells whether it is the same."""
    if isinstance(shown, SourceImage):
        return (shown,)
    now = shown.state
    return shown, now.objects, now.chosen, now.prompt, now.rendering


def picture_of(shown: Session | SourceImage) -> tuple[str, dict[str, int]]:
    """Return a PNG of a session's current state, or of an image without a session.

    Returns:
        The PNG in base64, the encoding in notebooks, and its width and height.
    """
    pixels = pixels_of(shown)
    size = {"width": pixels.shape[1], "height": pixels.shape[0]}
    return base64.b64encode(png(pixels)).decode("ascii"), size


def pixels_of(shown: Session | SourceImage) -> RGB:
    """Return the pixels of that picture, (H, W, 3) uint8."""
    if isinstance(shown, SourceImage):
        return overlay(shown.rgb, max_side=LONGEST)
    now = shown.state
    image = shown.image if now.rendering == USUAL else shown.source.render(now.rendering)
    mask = None if now.chosen is None else now.chosen.mask
    return overlay(image, now.objects, candidate=mask, prompt=now.prompt, max_side=LONGEST)


def png(pixels: RGB) -> bytes:
    """Return (H, W, 3) uint8 as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def nobody_is_there() -> bool:
    """Whether a program rather than a user runs the cell (nbconvert --execute, nbclient, papermill, Jupyter Book).

    Such programs do not allow cells to ask for input. Neither does Voila, but it shows live widgets.
    """
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None or os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return False
    request = kernel.get_parent("shell") or {}
    return request.get("content", {}).get("allow_stdin") is False
