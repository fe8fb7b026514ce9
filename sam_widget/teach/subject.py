"""What a panel is about: a photo with its embedding, or a scene whose masks are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sam_widget.engine.generic import generic_photos
from sam_widget.errors import ImageError, MaskError, ModelError
from sam_widget.image.reading import to_rgb
from sam_widget.predictor.embeddings import Embedding
from sam_widget.predictor.fitting import fitted
from sam_widget.predictor.interface import ModelLike, predictor_of
from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.drawing import blend, enlarged


class Subject:
    """A photo, a predictor, and the embedding, which is computed on first access."""

    def __init__(self, image: Any, model: ModelLike) -> None:
        """Read the image and load the model.

        Raises:
            ImageError: The image cannot be read.
            ModelError: The model cannot be loaded, or is not computed here.
        """
        self.photo: np.ndarray = to_rgb(image)
        predictor = predictor_of(model)
        if not isinstance(predictor, Predictor):
            raise ModelError(f"{predictor.model.name} is not computed here; give the name of a model, such as 'tiny'")
        self.predictor = predictor

    @cached_property
    def embedding(self) -> Embedding:
        """The embedding of the photo."""
        return self.predictor.embed(self.photo)

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the embedding that cover the photo; the last ones may extend over its edge."""
        side = self.embedding.features.shape[-1]
        return self.embedding.shown or (side, side)

    @cached_property
    def cell(self) -> tuple[float, float]:
        """Height and width of a grid cell, in pixels of the photo."""
        height, width = self.photo.shape[:2]
        rows, columns = fitted(self.predictor.config, height, width)
        patch = self.predictor.config.patch_size
        return height * patch / rows, width * patch / columns

    def cell_at(self, x: float, y: float) -> tuple[int, int]:
        """Return the row and the column of the grid cell at a position of the photo."""
        return min(int(y / self.cell[0]), self.grid[0] - 1), min(int(x / self.cell[1]), self.grid[1] - 1)

    def spread(self, colours: np.ndarray) -> np.ndarray:
        """Return colours of the grid's cells (rows, columns, 3), where the cells are in the photo: (H, W, 3)."""
        height, width = self.photo.shape[:2]
        (rows, columns), (tall, wide) = self.grid, self.cell
        large = enlarged(colours, max(round(rows * tall), height), max(round(columns * wide), width))
        return large[:height, :width]

    def over(self, colours: np.ndarray) -> np.ndarray:
        """Return the photo in grey under colours of the grid's cells (rows, columns, 3): (H, W, 3)."""
        return blend(self.photo, self.spread(colours))

    def true_masks(self, masks: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray]:
        """Return the true masks of the photo's objects, (H, W) bool each.

        Raises:
            MaskError: No mask is given, or one is empty or has another size than the photo.
        """
        found = [np.asarray(mask, bool) for mask in masks]
        if not found or any(mask.shape != self.photo.shape[:2] or not mask.any() for mask in found):
            raise MaskError(
                f"masks={masks!r:.60}; give at least one (H, W) mask of the image's size, with pixels in it"
            )
        return found

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the photo."""
        height, width = self.photo.shape[:2]
        return width, height


@dataclass(frozen=True, eq=False)
class Scene:
    """A rendered picture whose masks are exactly known, because a program drew it.

    Attributes:
        image: (H, W, 3) uint8.
        masks: (N, H, W) bool, wholes and parts, largest first.
    """

    image: np.ndarray
    masks: np.ndarray


def scene(number: int) -> Scene:
    """Return one of the rendered scenes that come with the package; `tiny` was not trained on any of them.

    >>> car = scene(6)
    >>> car.image.shape, len(car.masks)

    Raises:
        ImageError: There is no scene of that number.
    """
    scenes = generic_photos()
    if not 0 <= number < len(scenes):
        raise ImageError(f"there is no scene {number}; give a number from 0 to {len(scenes) - 1}")
    chosen = scenes[number]
    return Scene(chosen.read(), np.stack([mask.stored.array for mask in chosen.masks]))
