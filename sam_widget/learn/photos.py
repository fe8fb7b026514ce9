"""The photos used in training: those bundled with scikit-image, scikit-learn and matplotlib.

All are free to use, and none has labels. The package's own sample photos (`image.samples`) come from the same
sources and are held out: they show how a model performs on unseen photos.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from sam_widget.image.reading import to_rgb
from sam_widget.image.samples import sample, samples


@dataclass(frozen=True)
class Photo:
    """A photo that a library ships.

    Attributes:
        package: The importable package that contains it.
        file: Its path in the package.
        credit: Author and licence.
        share: How often surfaces in scenes are cut from it, relative to the others; few photos show everyday things.
    """

    package: str
    file: str
    credit: str
    share: float = 1.0

    def load(self) -> np.ndarray:
        """Read the photo: (H, W, 3) uint8 RGB."""
        return to_rgb(files(self.package).joinpath(self.file).read_bytes())


TRAINING = (
    Photo("sklearn.datasets.images", "china.jpg", "danielbuechele, CC BY 2.0", share=4),
    Photo("sklearn.datasets.images", "flower.jpg", "danielbuechele, CC BY 2.0", share=4),
    Photo("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "US Navy, public domain", share=4),
    Photo("skimage.data", "camera.png", "Lav Varshney, CC0"),
    Photo("skimage.data", "clock_motion.png", "Stefan van der Walt, public domain"),
    Photo("skimage.data", "coins.png", "Brooklyn Museum, no known copyright restrictions"),
    Photo("skimage.data", "hubble_deep_field.jpg", "NASA, public domain", share=0.3),
    Photo("skimage.data", "retina.jpg", "Mikael Häggström, CC0"),
    Photo("skimage.data", "brick.png", "cc0textures.com, CC0"),
    Photo("skimage.data", "grass.png", "Poly Haven, CC0"),
    Photo("skimage.data", "gravel.png", "cc0textures.com, CC0"),
)
"""Photos that pre-training uses besides rendered scenes, and that surfaces in scenes are cut from."""


def held_out() -> dict[str, np.ndarray]:
    """Return the photos that are never used in training, by name: the package's own samples, (H, W, 3) uint8."""
    return {name: sample(name) for name in samples()}
