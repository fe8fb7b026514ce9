"""The losses of a mask: move a mask over the true one, and see what each term of the loss says about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
import torch
from PIL import Image
from scipy.ndimage import distance_transform_edt

from sam_widget.errors import MaskError
from sam_widget.image.reading import to_rgb
from sam_widget.learn.losses import PAPER, dice_loss, focal_loss
from sam_widget.masks.measures import iou
from sam_widget.teach.drawing import LEVELS, YOURS, heat, tint
from sam_widget.teach.panel import Line, Panel, button, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.texts import Lang
from sam_widget.teach.threads import one_thread

WIDTH = 280
# Side of the picture on which losses are computed, about that of a mask decoder's output.
SIDE = 192
# Pixels by which a mask is grown or moved.
GROWTH, SHIFT = 40, 60


class LossTerms(Panel):
    """A mask that you grow, shrink, move and make more or less certain: its focal and dice loss, and its IoU.

    The mask is what a model might answer. Losses are those of training, `sam_widget.learn.losses`.

    >>> car = sw.teach.scene(6)
    >>> panel = LossTerms(car.image, masks=car.masks, target=7)
    >>> panel.grow.value = -40  # or the slider: an empty mask
    >>> panel.focal, panel.dice, panel.iou
    """

    def __init__(
        self,
        image: Any,
        *,
        masks: Sequence[np.ndarray] | np.ndarray,
        target: int = 0,
        lang: Lang = "en",
    ) -> None:
        """Begin with the true mask.

        Args:
            image: Any image that `SamWidget` accepts.
            masks: The true masks of its objects, (H, W) bool each.
            target: Number of the object, from 0.
            lang: "en" or "zh-TW".

        Raises:
            MaskError: No mask is given, or one is empty or has another size than the image.
        """
        super().__init__(lang=lang)
        photo = to_rgb(image)
        found = [np.asarray(mask, bool) for mask in masks]
        if not found or any(mask.shape != photo.shape[:2] or not mask.any() for mask in found):
            raise MaskError(
                "the masks do not fit; give at least one (H, W) mask of the image's size, with pixels in it"
            )
        scale = SIDE / max(photo.shape[:2])
        size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
        self.photo = np.asarray(Image.fromarray(photo).resize(size))
        self.masks = [np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)) for mask in found]
        # Of the mask that is shown: the terms of the loss, unweighted, its IoU, and the focal loss per pixel (h, w).
        self.focal = self.dice = self.iou = 0.0
        self.focal_map = np.zeros(self.photo.shape[:2])
        self.given = self.masks[target]
        self.choice = self.object_choice(len(self.masks), target)
        self.grow = ipywidgets.IntSlider(value=0, min=-GROWTH, max=GROWTH, description=self.say("loss.grow"))
        self.shift = ipywidgets.IntSlider(value=0, min=-SHIFT, max=SHIFT, description=self.say("loss.shift"))
        self.sure = ipywidgets.FloatSlider(
            value=4, min=0.25, max=8, step=0.25, description=self.say("loss.sure"), readout_format=".2f"
        )
        self.empty_button, self.true_button = button(self.say("loss.empty")), button(self.say("loss.true"))
        self.shown = Picture(self.say("loss.shown"), width=WIDTH)
        self.map = Picture(self.say("loss.map"), width=WIDTH)
        self.chart = Picture(self.say("loss.chart"), width=WIDTH)
        self._says = [Line(width=f"{WIDTH}px") for _ in range(3)]
        for control in (self.choice, self.grow, self.shift, self.sure):
            control.observe(lambda _change: self._draw(), "value")
        self.empty_button.on_click(lambda _button: self._set(grow=None))
        self.true_button.on_click(lambda _button: self._set(grow=0))
        pictures = zip((self.shown, self.map, self.chart), self._says, strict=True)
        self.arrange(
            row([self.choice, self.empty_button, self.true_button]),
            row([self.grow, self.shift, self.sure]),
            row([column(pair, width=f"{WIDTH}px") for pair in pictures]),
        )
        self._empty = False
        self._draw()

    @property
    def total(self) -> float:
        """The mask loss of the paper: 20 times the focal loss, and the dice loss."""
        return PAPER.focal * self.focal + PAPER.dice * self.dice

    def set_mask(self, mask: np.ndarray) -> None:
        """Compute the losses of any mask (h, w), of the size of `photo`, with the certainty of the slider."""
        true = torch.tensor(self.masks[self.choice.value]).float()
        logits = torch.from_numpy(np.where(mask, self.sure.value, -self.sure.value)).float()
        ones = torch.ones_like(logits)
        with one_thread(), torch.inference_mode():
            self.focal, self.dice = (float(loss(logits, true, ones)) for loss in (focal_loss, dice_loss))
            # The mean over a picture of a single pixel is the loss of this pixel.
            pixels = (values[..., None, None] for values in (logits, true, ones))
            self.focal_map = focal_loss(*pixels).numpy()
        self.given, self.iou = mask, float(iou(mask, self.masks[self.choice.value]))

    def _set(self, *, grow: int | None) -> None:
        """Show the empty mask if `grow` is None, else the true one, grown."""
        self._empty = grow is None
        before = (self.grow.value, self.shift.value)
        self.grow.value, self.shift.value = grow or 0, 0
        if before == (self.grow.value, 0) or self._empty:
            self._empty = grow is None
            self._draw(keep=True)

    def _draw(self, *, keep: bool = False) -> None:
        if not keep:
            self._empty = False
        true = self.masks[self.choice.value]
        mask = np.zeros_like(true) if self._empty else moved(true, grow=self.grow.value, shift=self.shift.value)
        self.set_mask(mask)
        both = tint(tint(self.photo, true, YOURS, alpha=0.35), mask, LEVELS[0], alpha=0.45)
        self.shown.show(both)
        self.map.show(heat(self.focal_map, low=0, high=max(float(self.focal_map.max()), 0.01), name="inferno"))
        self.chart.show(self._bars())
        say = self.say
        self._says[0].text = say("loss.shown_row", iou=f"{self.iou:.2f}", share=f"{true.mean():.1%}")
        self._says[1].text = say("loss.map_row", mean=f"{self.focal:.4f}")
        self._says[2].text = say(
            "loss.chart_row",
            focal=f"{PAPER.focal * self.focal:.2f}",
            dice=f"{self.dice:.2f}",
            total=f"{self.total:.2f}",
        )

    def _bars(self) -> np.ndarray:
        """Return bars for 20 x focal, dice, and 1 - IoU, from 0 to 2 or more: transparent, (h, w, 4)."""
        from PIL import ImageDraw

        from sam_widget.teach.drawing import GREY, SERIES

        height = round(WIDTH * self.photo.shape[0] / self.photo.shape[1])
        picture = Image.new("RGBA", (WIDTH, height), (0, 0, 0, 0))
        pen = ImageDraw.Draw(picture)
        bars = (("20 x focal", PAPER.focal * self.focal), ("dice", self.dice), ("1 - IoU", 1 - self.iou))
        highest, bottom = max(2.0, *(value for _, value in bars)), height - 26
        pen.line([20, bottom, WIDTH - 10, bottom], fill=GREY)
        for number, (name, value) in enumerate(bars):
            left = 30 + number * 82
            top = bottom - value / highest * (bottom - 30)
            pen.rectangle([left, top, left + 56, bottom], fill=(*SERIES[number], 255))
            pen.text((left + 28, top - 4), f"{value:.2f}", fill=GREY, anchor="ms", font_size=14)
            pen.text((left + 28, bottom + 6), name, fill=GREY, anchor="mt", font_size=13)
        return np.asarray(picture)


def moved(mask: np.ndarray, *, grow: int, shift: int) -> np.ndarray:
    """Return a mask (h, w), grown by a number of pixels on all sides, or shrunk, and shifted to the right."""
    outside, inside = distance_transform_edt(~mask), distance_transform_edt(mask)
    grown = outside <= grow if grow >= 0 else inside > -grow
    found = np.zeros_like(mask)
    width = mask.shape[1]
    if abs(shift) < width:
        found[:, max(shift, 0) : width + min(shift, 0)] = grown[:, max(-shift, 0) : width - max(shift, 0)]
    return found
