"""What the image encoder sees: its features as colours, and which patches are similar."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import ImageDraw

from sam_widget.predictor.interface import ModelLike
from sam_widget.predictor.pca import pca_picture
from sam_widget.teach.drawing import heat
from sam_widget.teach.panel import Line, Panel, column, row
from sam_widget.teach.picture import CURSOR, Picture
from sam_widget.teach.subject import Subject
from sam_widget.teach.texts import Lang
from sam_widget.teach.traced import TracedImage

WIDTH = 330


class EmbeddingExplorer(Panel):
    """The photo, its embedding as colours, and, under the pointer, the similarity of one patch to all others.

    >>> panel = EmbeddingExplorer(sw.sample("cat"))
    >>> panel.look_at(160, 115)  # or with the pointer
    >>> panel.similarity.shape
    """

    def __init__(self, image: Any, *, model: ModelLike = "tiny", lang: Lang = "en") -> None:
        """Embed the image.

        Args:
            image: Any image that `SamWidget` accepts, or a `TracedImage`.
            model: A name, a loaded model or a predictor.
            lang: "en" or "zh-TW".
        """
        super().__init__(lang=lang)
        self.subject = image.subject if isinstance(image, TracedImage) else Subject(image, model)
        embedding = self.subject.embedding
        rows, columns = self.subject.grid
        self._features = embedding.features[0, :, :rows, :columns].float().cpu()
        flat = self._features.flatten(1).T.numpy()
        # The mean is common to all patches, and would make them all alike.
        flat = flat - flat.mean(axis=0)
        self._units = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
        # (rows, columns) of -1..1: cosine similarity to the patch under the pointer, of features less their mean.
        self.similarity = np.zeros((rows, columns))
        self._patch: tuple[int, int] | None = None
        names = [self.say("embed.photo"), self.say("embed.colours"), self.say("embed.similar")]
        act = self.look_at
        self.photo, self.colours, self.map = (
            Picture(name, width=WIDTH, on_hover=act, on_press=act, on_drag=act) for name in names
        )
        self.here = Line(self.say("embed.hover"))
        shown = zip((self.photo, self.colours, self.map), names, strict=True)
        self.arrange(row([column([picture, Line(name)], width=f"{WIDTH}px") for picture, name in shown]), self.here)
        width, height = self.subject.size
        self._colours = self.subject.spread(np.asarray(pca_picture(self._features, cell=1)))
        self.look_at(width / 2, height / 2)

    def look_at(self, x: float, y: float) -> None:
        """Compare the patch at a position of the image with all others."""
        rows, columns = self.subject.grid
        patch = self.subject.cell_at(x, y)
        if patch == self._patch:
            return
        self._patch = patch
        self.similarity = (self._units @ self._units[patch[0] * columns + patch[1]]).reshape(rows, columns)
        self.photo.show(self.subject.photo, draw=self._mark)
        self.colours.show(self._colours, draw=self._mark)
        self.map.show(self.subject.over(heat(self.similarity, low=-0.3, high=1)), draw=self._mark)
        alike = int((self.similarity > 0.5).sum()) - 1
        self.here.text = self.say(
            "embed.here", row=patch[0], column=patch[1], channels=len(self._features), alike=alike,
            count=rows * columns,
        )  # fmt: skip

    def _mark(self, pen: ImageDraw.ImageDraw, scale: float) -> None:
        (row, column), (tall, wide) = self._patch or (0, 0), self.subject.cell
        box = [column * wide, row * tall, (column + 1) * wide, (row + 1) * tall]
        pen.rectangle([value * scale for value in box], outline=CURSOR, width=2)
