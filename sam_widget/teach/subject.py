"""What a panel is about: a photo with its embedding, or a scene whose masks are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sam_widget.engine.generic import generic_photos
from sam_widget.errors import ImageError, ModelError
from sam_widget.image.reading import to_rgb
from sam_widget.predictor.embeddings import Embedding
from sam_widget.predictor.interface import ModelLike, predictor_of
from sam_widget.predictor.predictor import Predictor


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
