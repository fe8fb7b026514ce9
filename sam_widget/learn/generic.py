"""Build the generic photos that come with the package: rendered scenes that a tuned model must not get worse on."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from sam_widget.learn.scenes.canvas import Effects
from sam_widget.learn.scenes.scenes import render_scene

SIZE = 384
# Seeds of training start at 0 and 11; these were never trained on.
FIRST_SEED = 900_000


def build(path: Path, *, count: int = 24) -> None:
    """Write scenes and their regions into a zip file: `NN.jpg`, and `NN.png` with the three levels as channels.

    Surfaces cut from photos are left out, so that the file contains no one else's photos.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(count):
            scene = render_scene(FIRST_SEED + number, size=SIZE, effects=Effects(photos=False))
            for name, pixels in (("jpg", scene.image), ("png", np.moveaxis(scene.labels, 0, -1))):
                buffer = io.BytesIO()
                Image.fromarray(pixels).save(buffer, {"jpg": "JPEG", "png": "PNG"}[name], quality=88, optimize=True)
                # A fixed date, so that the same scenes give the same file.
                archive.writestr(zipfile.ZipInfo(f"{number:02d}.{name}", (1980, 1, 1, 0, 0, 0)), buffer.getvalue())
