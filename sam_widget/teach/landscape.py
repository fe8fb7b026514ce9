"""The click landscape: what the model would answer to a click anywhere in the photo."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import ipywidgets
import numpy as np
from PIL import ImageDraw

from sam_widget.masks.measures import iou
from sam_widget.model.config import TinyConfig
from sam_widget.predictor.interface import ModelLike
from sam_widget.teach.drawing import LEVELS, dim, enlarged, heat, star, tint
from sam_widget.teach.panel import Line, Panel, button, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.subject import Subject
from sam_widget.teach.texts import Lang
from sam_widget.teach.threads import one_thread

VIEWS = ("score", "level", "agreement")
# How much of the photo remains visible under the colours.
SEEN = 0.4
# Clicks per batch; a picture is drawn after each.
BATCH = 24


class ClickLandscape(Panel):
    """A grid of clicks, each decoded on its own: its best score, which mask has it, and how much the three agree.

    The photo fills with colours while clicks are decoded. Move the pointer over it to see the answer to a click there.
    Each click is decoded once; `Predictor.predict` refines the best mask of `tiny` in a second pass.

    >>> panel = ClickLandscape(sw.sample("cat"))
    >>> panel.run()  # or the button
    >>> panel.agreement.mean()
    """

    def __init__(self, image: Any, *, model: ModelLike = "tiny", side: int = 24, lang: Lang = "en") -> None:
        """Show the photo; `run`, or the button, decodes the grid.

        Args:
            image: Any image that `SamWidget` accepts.
            model: A name, a loaded model or a predictor.
            side: Clicks per row and column.
            lang: "en" or "zh-TW".
        """
        super().__init__(lang=lang)
        self.subject = Subject(image, model)
        width, height = self.subject.size
        steps = (np.arange(side) + 0.5) / side
        # (side * side, 2), row by row.
        self.points = np.stack(np.meshgrid(steps * width, steps * height), axis=-1).reshape(-1, 2)
        # (side, side) each, NaN where no click is decoded yet.
        self.score, self.level, self.agreement = (np.full((side, side), np.nan) for _ in VIEWS)
        self.seconds: float | None = None
        self._masks: list[np.ndarray] = []  # the best mask of each click, at low resolution
        self._running = threading.Lock()
        self._hovered: int | None = None
        self.view = ipywidgets.ToggleButtons(
            options=[(self.say(f"land.{name}"), name) for name in VIEWS], style={"button_width": "auto"}
        )
        self.start_button = button(self.say("land.start"), primary=True)
        self.map = Picture(self.say("land.map"), width=420, on_hover=self.look_at, on_press=self.look_at)
        self.mask = Picture(self.say("land.mask"), width=300)
        self.note, self.here = Line(self.say("land.ready", count=side * side)), Line(width="300px")
        self.legend = Line(width="420px")
        self.start_button.on_click(lambda _button: self.start())
        self.view.observe(lambda _change: self._draw(), "value")
        left = column([self.map, self.legend], width="420px")
        self.arrange(row([self.start_button, self.view]), self.note, row([left, column([self.mask, self.here])]))
        self.mask.show(dim(self.subject.photo, np.zeros(self.subject.photo.shape[:2], bool)))
        self._draw()

    def run(self) -> None:
        """Decode all clicks, and return when it is done."""
        small = isinstance(self.subject.predictor.config, TinyConfig)
        with self._running, one_thread() if small else contextlib.nullcontext():
            for _ in self._steps():
                self._draw()
            self.note.text = self.say("land.done", count=len(self.points), seconds=f"{self.seconds:.1f}")

    def start(self) -> threading.Thread:
        """Decode all clicks in the background."""
        thread = threading.Thread(target=self._run_unless_running, name="sam_widget click landscape", daemon=True)
        thread.start()
        return thread

    def _run_unless_running(self) -> None:
        if not self._running.locked():
            self.run()

    def _steps(self) -> Iterator[int]:
        predictor, embedding = self.subject.predictor, self.subject.embedding
        threshold = predictor.config.mask_threshold
        self._masks.clear()
        for values in (self.score, self.level, self.agreement):
            values.fill(np.nan)
        began = time.perf_counter()
        for first in range(0, len(self.points), BATCH):
            points = self.points[first : first + BATCH]
            logits, scores, _ = predictor.masks_at(embedding, points)
            low = predictor.unpad(logits.cpu().numpy(), embedding.image_size) > threshold
            masks, each = low.reshape(len(points), -1, *low.shape[1:]), scores.cpu().numpy().reshape(len(points), -1)
            best = each.argmax(axis=1)
            here = slice(first, first + len(points))
            self.score.reshape(-1)[here] = each.max(axis=1)
            self.level.reshape(-1)[here] = best
            self.agreement.reshape(-1)[here] = agreement_of(masks)
            self._masks += [*masks[np.arange(len(points)), best]]
            self.seconds = time.perf_counter() - began
            self.note.text = self.say("land.so_far", done=len(self._masks), count=len(self.points))
            yield len(self._masks)

    # ------------------------------------------------------------------------------------------------ drawing

    def overlay(self) -> np.ndarray:
        """Return the photo with the values that `view` selects as colours, (H, W, 3) uint8."""
        values = getattr(self, self.view.value)
        if self.view.value == "level":
            colours = np.array(LEVELS, np.uint8)[np.nan_to_num(values).astype(int) % len(LEVELS)]
        else:
            colours = heat(values, low=0, high=1)
        width, height = self.subject.size
        cells = enlarged(colours, height, width)
        known = enlarged(np.where(np.isnan(values), np.uint8(0), np.uint8(255)), height, width) > 0
        mixed = (SEEN * self.subject.photo + (1 - SEEN) * cells).astype(np.uint8)
        return np.where(known[..., None], mixed, self.subject.photo)

    def look_at(self, x: float, y: float) -> None:
        """Show the best mask of the click nearest to a position, and its numbers."""
        number = int(((self.points - (x, y)) ** 2).sum(axis=1).argmin())
        if number == self._hovered or number >= len(self._masks):
            return
        self._hovered = number
        width, height = self.subject.size
        mask = enlarged(self._masks[number].astype(np.uint8) * np.uint8(255), height, width, smooth=True) > 127
        level = int(self.level.reshape(-1)[number])
        px, py = self.points[number]
        self.mask.show(
            tint(dim(self.subject.photo, mask), mask, LEVELS[level % len(LEVELS)], alpha=0.4),
            draw=lambda pen, scale: star(pen, px * scale, py * scale),
        )
        self.here.text = self.say(
            "land.here",
            x=f"{px:.0f}",
            y=f"{py:.0f}",
            number=level + 1,
            score=f"{self.score.reshape(-1)[number]:.2f}",
            agreement=f"{self.agreement.reshape(-1)[number]:.2f}",
        )

    def _draw(self) -> None:
        self.legend.text = self.say(f"land.legend_{self.view.value}")
        self.map.show(self.overlay(), draw=self._key)

    def _key(self, pen: ImageDraw.ImageDraw, _scale: float) -> None:
        """Draw the key of the colours into the lower left corner."""
        if self.view.value == "level":
            for number, colour in enumerate(LEVELS):
                left = 6 + 26 * number
                pen.rectangle([left, self.map.height - 24, left + 22, self.map.height - 6], fill=colour)
                pen.text((left + 11, self.map.height - 15), str(number + 1), fill="black", anchor="mm", font_size=13)
            return
        for step, colour in enumerate(heat(np.linspace(0, 1, 60)[None], low=0, high=1)[0]):
            pen.line([6 + step, self.map.height - 18, 6 + step, self.map.height - 6], fill=tuple(colour.tolist()))
        for text, left, anchor in (("0", 6, "ls"), ("1", 66, "rs")):
            pen.text(
                (left, self.map.height - 20), text, fill="white", anchor=anchor, font_size=12,
                stroke_width=2, stroke_fill="black",
            )  # fmt: skip


def agreement_of(masks: np.ndarray) -> np.ndarray:
    """Return how much masks (B, N, h, w) of the same click agree, (B,): the mean IoU of all pairs."""
    pairs = [iou(masks[:, a], masks[:, b]) for a, b in combinations(range(masks.shape[1]), 2)]
    return np.asarray(np.mean(pairs, axis=0)) if pairs else np.ones(len(masks))
