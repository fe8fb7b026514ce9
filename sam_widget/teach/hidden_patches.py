"""What a masked autoencoder sees of a picture, what it paints, and how wrong it is, patch by patch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import ipywidgets
import numpy as np
from PIL import ImageDraw

from sam_widget.image.reading import to_rgb
from sam_widget.learn.evaluate.inpainting import bilinear
from sam_widget.model.mae import MaskedAutoencoder, Reconstruction, middle_square
from sam_widget.model.mae_zoo import load_mae
from sam_widget.teach.drawing import YOURS, heat
from sam_widget.teach.panel import Line, Panel, column, row
from sam_widget.teach.patch_patterns import Pattern, hide
from sam_widget.teach.picture import Picture
from sam_widget.teach.texts import Lang
from sam_widget.teach.threads import one_thread

WIDTH = 190
# Channels of models that one core computes in no time.
SMALL = 384
# Grey of hidden patches, as in the paper's figures.
HIDDEN = 128


class HiddenPatches(Panel):
    """Hide patches of a photo, by a pattern or with the mouse, and see what a masked autoencoder paints there.

    Errors are mean squared errors of a patch, with colours between 0 and 1, times 1000. Those of the model are next to
    those of interpolation between the visible pixels, which has learned nothing.

    >>> panel = HiddenPatches(sw.sample("coffee"))
    >>> panel.ratio.value = 90  # or the slider
    >>> panel.set_mask(panel.mask ^ True)  # or paint: exactly the other patches
    >>> panel.error, panel.interpolation_error
    """

    def __init__(
        self,
        image: Any,
        *,
        mae: str | Path | MaskedAutoencoder = "mae",
        pattern: Pattern = "random",
        ratio: float = 0.75,
        seed: int = 0,
        lang: Lang = "en",
    ) -> None:
        """Hide patches of the central square of an image.

        Args:
            image: Any image that `SamWidget` accepts.
            mae: What `sw.load_mae` takes, or a loaded masked autoencoder.
            pattern: "random", "block" or "grid".
            ratio: Share of the patches that are hidden, 0 to 0.95.
            seed: Determines which.
            lang: "en" or "zh-TW".

        Raises:
            ImageError: The image cannot be read.
            ModelError: The masked autoencoder cannot be loaded.
        """
        super().__init__(lang=lang)
        self.model = mae if isinstance(mae, MaskedAutoencoder) else load_mae(mae)
        self.photo = to_rgb(image)
        self.side = self.model.config.grid_size
        self.original = middle_square(self.photo, self.model.config.image_size)
        # (g, g) bool, and the errors of each patch, NaN where it is visible.
        self.mask = np.zeros((self.side, self.side), bool)
        self.errors = self.interpolation_errors = np.full((self.side, self.side), np.nan)
        self.reconstruction: Reconstruction | None = None
        # What the present stroke does, and where it was last.
        self._hides = True
        self._last = (0.0, 0.0)
        self.pattern = ipywidgets.ToggleButtons(
            options=[(self.say(f"mae.{name}"), name) for name in (*get_args(Pattern), "hand")],
            value=pattern,
            style={"button_width": "auto"},
        )
        self.ratio = ipywidgets.IntSlider(
            value=round(100 * ratio), min=0, max=95, step=5, description=self.say("mae.ratio"), readout_format="d"
        )
        self.seed = ipywidgets.IntSlider(value=seed, min=0, max=20, description=self.say("mae.seed"))
        self.sees, self.painted, self.between, self.truth, self.wrong = (
            Picture(self.say(f"mae.{name}"), width=WIDTH, on_hover=self.look_at, on_press=press, on_drag=drag)
            for name, press, drag in (
                ("sees", self._press, self._drag),
                ("painted", self.look_at, None),
                ("between", self.look_at, None),
                ("truth", self.look_at, None),
                ("wrong", self.look_at, None),
            )
        )
        self._says = [Line(width=f"{WIDTH}px") for _ in range(5)]
        self.note, self.here = Line(), Line(self.say("mae.hover"))
        for control in (self.pattern, self.ratio, self.seed):
            control.observe(lambda _change: self._choose(), "value")
        pictures = (self.sees, self.painted, self.between, self.truth, self.wrong)
        columns = [column(pair, width=f"{WIDTH}px") for pair in zip(pictures, self._says, strict=True)]
        self.arrange(
            row([self.pattern]), row([self.ratio, self.seed]), row(columns), self.note, self.here,
        )  # fmt: skip
        self._choose()

    @property
    def error(self) -> float:
        """Mean error of the model in the hidden patches; NaN if none is hidden."""
        return float(self.errors[self.mask].mean()) if self.mask.any() else float("nan")

    @property
    def interpolation_error(self) -> float:
        """Mean error of interpolation in the hidden patches; NaN if none is hidden."""
        return float(self.interpolation_errors[self.mask].mean()) if self.mask.any() else float("nan")

    def set_mask(self, mask: np.ndarray) -> None:
        """Hide the patches where a mask (g, g) is true, as if painted, and draw what the model paints there.

        Raises:
            ModelError: The mask has another shape or type, or hides everything.
        """
        self._hide(np.asarray(mask))
        self.pattern.value = "hand"

    def _hide(self, mask: np.ndarray) -> None:
        if mask.shape != self.mask.shape or mask.dtype != bool or mask.any():
            with self._few_cores():
                found: Reconstruction | None = self.model.reconstruct(self.photo, mask=mask)
        else:
            found = None  # The loss of no patches is undefined.
        self.mask, self.reconstruction = mask.copy(), found
        self._compute()
        self._draw()

    def look_at(self, x: float, y: float) -> None:
        """Say how wrong the patch at a position of the square is."""
        row_, column_ = self._patch(x, y)
        which = "mae.here" if self.mask[row_, column_] else "mae.visible"
        self.here.text = self.say(
            which,
            row=row_,
            column=column_,
            model=f"{self.errors[row_, column_]:.1f}",
            between=f"{self.interpolation_errors[row_, column_]:.1f}",
        )

    # ------------------------------------------------------------------------------------------------ painting

    def _press(self, x: float, y: float) -> None:
        patch = self._patch(x, y)
        self._hides = not self.mask[patch]
        self._last = (x, y)
        self._paint([patch])

    def _drag(self, x: float, y: float) -> None:
        # A fast pointer jumps over patches.
        (x0, y0), self._last = self._last, (x, y)
        steps = 1 + int(2 * max(abs(x - x0), abs(y - y0)) / self.model.config.patch_size)
        shares = [(step + 1) / steps for step in range(steps)]
        self._paint([self._patch(x0 + share * (x - x0), y0 + share * (y - y0)) for share in shares])

    def _paint(self, patches: Sequence[tuple[int, int]]) -> None:
        mask = self.mask.copy()
        for patch in patches:
            mask[patch] = self._hides
        if (mask == self.mask).all():
            return
        if mask.all():
            self.note.text = self.say("mae.one_left")
            return
        self.set_mask(mask)

    def _choose(self) -> None:
        by_hand = self.pattern.value == "hand"
        self.ratio.disabled = self.seed.disabled = by_hand
        if not by_hand:
            ratio, seed = self.ratio.value / 100, self.seed.value
            self._hide(hide(self.pattern.value, side=self.side, ratio=ratio, seed=seed))

    def _patch(self, x: float, y: float) -> tuple[int, int]:
        size = self.model.config.patch_size
        return min(int(y) // size, self.side - 1), min(int(x) // size, self.side - 1)

    # ------------------------------------------------------------------------------------------------ drawing

    def _few_cores(self) -> contextlib.AbstractContextManager[None]:
        """Return what computes on one core if the model is small."""
        return one_thread() if self.model.config.embed_dim <= SMALL else contextlib.nullcontext()

    def _compute(self) -> None:
        found, true = self.reconstruction, self.original
        self._filled = self._pasted = true
        if found is not None:
            self._pasted = found.pasted
            self._filled = bilinear(true, self._pixels()).round().clip(0, 255).astype(np.uint8)
        self.errors, self.interpolation_errors = (
            np.where(self.mask, patch_errors(painted, true, self.side), np.nan)
            for painted in (self._pasted, self._filled)
        )

    def _draw(self) -> None:
        say, errors = self.say, self.errors
        self.sees.show(np.where(self._pixels()[..., None], np.uint8(HIDDEN), self.original))
        self.painted.show(self._pasted)
        self.between.show(self._filled)
        self.truth.show(self.original)
        both = np.concatenate([errors[self.mask], self.interpolation_errors[self.mask]])
        highest = float(np.quantile(both, 0.95)) if both.size else 1.0
        self.wrong.show(heat(errors, low=0, high=highest, name="inferno"), smooth=False, draw=self._grid)
        count, hidden = self.mask.size, int(self.mask.sum())
        texts = (
            say("mae.sees_row", visible=count - hidden, count=count),
            say("mae.painted_row", error=f"{self.error:.1f}") if hidden else say("mae.painted"),
            say("mae.between_row", error=f"{self.interpolation_error:.1f}") if hidden else say("mae.between"),
            say("mae.truth"),
            say("mae.wrong_row", high=f"{highest:.0f}") if hidden else say("mae.wrong"),
        )
        for line, text in zip(self._says, texts, strict=True):
            line.text = text
        if not hidden or self.reconstruction is None:
            self.note.text = say("mae.nothing")
            return
        won = int((errors < self.interpolation_errors)[self.mask].sum())
        self.note.text = say("mae.note", hidden=hidden, loss=f"{self.reconstruction.loss:.3f}", won=won)

    def _grid(self, pen: ImageDraw.ImageDraw, scale: float) -> None:
        """Outline the patch that the model paints worst."""
        if self.mask.any():
            row_, column_ = np.unravel_index(int(np.nanargmax(self.errors)), self.errors.shape)
            left, top = int(column_) * scale, int(row_) * scale
            pen.rectangle([left, top, left + scale, top + scale], outline=YOURS, width=2)

    def _pixels(self) -> np.ndarray:
        size = self.model.config.patch_size
        return self.mask.repeat(size, 0).repeat(size, 1)


def patch_errors(painted: np.ndarray, true: np.ndarray, side: int) -> np.ndarray:
    """Return the mean squared error of each patch of a picture (S, S, 3), colours 0 to 1, times 1000: (side, side)."""
    size = len(true) // side
    squares = ((painted.astype(float) - true) / 255) ** 2
    errors: np.ndarray = 1000 * squares.reshape(side, size, side, size, 3).mean(axis=(1, 3, 4))
    return errors
