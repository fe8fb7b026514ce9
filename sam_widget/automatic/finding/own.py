"""Examples compared by the image embedding of the session's own model: any SAM's.

An image is embedded for clicks anyway, so an example costs everything mode and nothing else. The embedding knows what
belongs together, but not what it is called: words are left to other finders.

Measured with `tiny` on human masks of 48 held-out photos (`tests/benchmarks/words.py`): mean average precision of more
like this is 0.80 within a photo and 0.25 across photos. The embedded finder, on tiny's trunk, reaches 0.88 and 0.55,
histograms of colours 0.76 and 0.13. Without subtracting the embedding's average, cosines of masks with the same and
with another name hardly differ (medians of 0.84 and 0.82; with it, 0.56 and 0.37).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from sam_widget.automatic.finding.regions import Described, RegionFinder, Regions
from sam_widget.errors import PromptError
from sam_widget.image.reading import RGB
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.interface import CERTAIN
from sam_widget.predictor.predictor import Predictor


@dataclass(frozen=True, eq=False)
class Seen:
    """An image (H, W, 3) and the predictor that embeds it, when a mask of it is described."""

    image: RGB
    predictor: Predictor

    @functools.cached_property
    def grid(self) -> np.ndarray:
        """The embedding of the image without its average, (C, g, g) float32.

        The average includes the padding: without, the figures above are 0.77 and 0.24.
        """
        grid: np.ndarray = self.predictor.embed(self.image).features[0].float().cpu().numpy().copy()
        grid -= grid.mean((1, 2), keepdims=True)
        return grid

    @property
    def nbytes(self) -> int:
        """The size of the embedding, in bytes; 0 if it was not needed yet."""
        return self.grid.nbytes if "grid" in vars(self) else 0


class OwnFinder(RegionFinder):
    """Finds what resembles examples, in this and in other images that the same model embeds."""

    name = "own"
    weights_id = "own"
    threshold = 0.5
    width = None
    # The median of masks with different names, and a cosine that two in a hundred of them exceed.
    unrelated = 0.37
    like_without_example = 0.8

    def check_word(self, word: str) -> None:
        """Refuse any word.

        Raises:
            PromptError: Always.
        """
        raise PromptError(
            f"'own' compares examples and knows no words, such as {word!r}; give examples alone, or leave model= out"
        )

    def look(self, image: RGB, predictor: Predictor) -> Seen:
        """Return an image (H, W, 3), to be embedded when it is needed."""
        return Seen(image, predictor)

    def described(self, image: RGB, masks: Sequence[StoredMask], seen: Seen) -> Described:  # noqa: ARG002  it is embedded
        """Average the embedding under each mask."""
        channels = len(seen.grid)
        if not masks:
            return Described(np.zeros((0, channels), np.float32))
        under = np.stack([_share(mask, seen) for mask in masks])  # (N, g, g)
        weights = under / under.sum((1, 2), keepdims=True).clip(1e-6)
        pooled = np.einsum("ngh,cgh->nc", weights, seen.grid)
        return Described(pooled / np.linalg.norm(pooled, axis=1, keepdims=True).clip(1e-6))

    def word_scores(self, regions: Regions, word: str) -> np.ndarray:  # noqa: ARG002  see `check_word`
        """See `check_word`."""
        self.check_word(word)
        raise AssertionError  # It has raised.


def _share(mask: StoredMask, seen: Seen) -> np.ndarray:
    """Return how much of each cell of the embedding a mask covers: (g, g)."""
    covered = seen.predictor.mask_to_logits(mask.array) / CERTAIN / 2 + 0.5
    share: np.ndarray = adaptive_avg_pool2d(torch.from_numpy(covered)[None], seen.grid.shape[1:])[0].numpy()
    return share
