"""From the decoder's tokens to a mask: upscaled features, a classifier of pixels, logits, and a threshold."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np

from sam_widget.predictor.interface import ModelLike
from sam_widget.predictor.pca import pca_picture
from sam_widget.teach.drawing import LEVELS, dim, heat, strip, tint
from sam_widget.teach.panel import Line, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.texts import Lang
from sam_widget.teach.traced import TracePanel

WIDTH = 270


class MaskMaker(TracePanel):
    """The last steps for one of the three masks: features of the pixels, times a vector, are the logits.

    >>> panel = MaskMaker(sw.sample("cat"))
    >>> panel.level.value = 2
    >>> panel.logits.shape
    """

    def __init__(self, image: Any, *, model: ModelLike = "tiny", lang: Lang = "en") -> None:
        """Follow the prompts of an image; see `TracePanel`."""
        super().__init__(image, model=model, lang=lang)
        self.level = ipywidgets.ToggleButtons(
            options=[(self.say("expect.mask", number=number + 1), number) for number in range(3)],
            style={"button_width": "auto"},
        )
        self.threshold = ipywidgets.FloatSlider(
            value=0, min=-6, max=6, step=0.25, description=self.say("maker.threshold"), readout_format=".2f"
        )
        # (h, w), the part of the logits that covers the image.
        self.logits = np.zeros((1, 1))
        names = [self.say(f"maker.{part}") for part in ("upscaled", "weights", "logits", "mask")]
        self.upscaled, self.weights, self.map, self.mask = (Picture(name, width=WIDTH) for name in names)
        self._says = [Line(name) for name in names]
        self.level.observe(lambda _change: self.draw(), "value")
        self.threshold.observe(lambda _change: self._cut(), "value")
        shown = zip((self.upscaled, self.weights, self.map, self.mask), self._says, strict=True)
        self.arrange(row([self.level, self.threshold]), row([column(pair, width=f"{WIDTH}px") for pair in shown]))
        self.traced.follow(self.draw)

    def draw(self) -> None:
        """Draw the mask that is selected."""
        traced, trace, number = self.traced, self.traced.last_trace, self.level.value
        predictor, size = traced.subject.predictor, traced.embedding.image_size
        rows, columns = self._pixels()
        pixels = trace.upscaled[0, :, :rows, :columns].float()
        self.upscaled.show(np.asarray(pca_picture(pixels, cell=1)))
        vector = trace.hypernetworks[0, 1 + number].float().numpy()
        self.weights.show(strip(vector, cell=16), smooth=False)
        self.logits = predictor.unpad(trace.logits[number : number + 1].numpy(), size)[0]
        largest = max(float(np.abs(self.logits).max()), 1e-6)
        self.map.show(heat(self.logits, low=-largest, high=largest, name="RdBu_r"))
        self._says[0].text = self.say("maker.upscaled_row", channels=len(pixels), rows=rows, columns=columns)
        self._says[1].text = self.say("maker.weights_row", size=len(vector), number=number + 1)
        self._says[2].text = self.say(
            "maker.logits_row", low=f"{self.logits.min():.1f}", high=f"{self.logits.max():.1f}"
        )
        self._cut()

    def _pixels(self) -> tuple[int, int]:
        """Return the rows and columns of the upscaled features that cover the image."""
        side = self.traced.embedding.features.shape[-1]
        rows, columns = self.traced.embedding.shown or (side, side)
        factor = self.traced.last_trace.upscaled.shape[-1] // side
        return rows * factor, columns * factor

    def _cut(self) -> None:
        """Draw the mask at the threshold."""
        traced, trace, number = self.traced, self.traced.last_trace, self.level.value
        predictor, photo = traced.subject.predictor, traced.subject.photo
        mask = predictor.binarize(
            trace.logits[number : number + 1].numpy(), traced.embedding.image_size, threshold=self.threshold.value
        )[0]
        self.mask.show(tint(dim(photo, mask), mask, LEVELS[number], alpha=0.4))
        self._says[3].text = self.say("maker.mask_row", score=f"{trace.scores[number]:.2f}", share=f"{mask.mean():.0%}")
