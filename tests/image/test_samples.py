"""The bundled photos are scikit-image's, pixel by pixel."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import sam_widget.image.samples
from sam_widget.errors import ImageError
from sam_widget.image.samples import sample, samples

SOURCES = {"cat": "chelsea", "coffee": "coffee", "astronaut": "astronaut", "rocket": "rocket"}


def test_names() -> None:
    assert samples() == tuple(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_equal_scikit_images(name: str) -> None:
    data = pytest.importorskip("skimage.data")
    np.testing.assert_array_equal(sample(name), getattr(data, SOURCES[name])(), strict=True)


def test_the_default_is_the_cat() -> None:
    np.testing.assert_array_equal(sample(), sample("cat"))


@pytest.mark.parametrize("name", ["dog", "", "../cat", None])
def test_an_unknown_name_lists_the_known(name: str) -> None:
    with pytest.raises(ImageError, match="'cat', 'coffee', 'astronaut', 'rocket'"):
        sample(name)


def test_every_photo_has_its_licence_stated() -> None:
    folder = sam_widget.image.samples.PHOTOS
    licences = (folder / "LICENSES.md").read_text(encoding="utf-8")
    photos = [path.name for path in folder.iterdir() if path.suffix in (".png", ".jpg")]
    assert len(photos) == len(SOURCES)
    assert [name for name in photos if f"`{name}`" not in licences] == []


@pytest.mark.parametrize("module", ["image", "prompts", "masks", "photos"])
def test_the_bottom_layer_does_without_torch(module: str) -> None:
    code = f"import sys, sam_widget.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
