"""How a mask gets its name: a crop around it, the features under it, and what two crops agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
import torch
from PIL import Image, ImageDraw

from sam_widget.automatic.finding.embedded import CROPS, EmbeddedFinder, crop_around, describe, load_namer, resized
from sam_widget.automatic.finding.store import STORE
from sam_widget.errors import PromptError
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.interface import ModelLike
from sam_widget.prompts.words import vocabulary
from sam_widget.teach.drawing import GREY, LEVELS, YOURS, dim, tint
from sam_widget.teach.panel import Line, Panel, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.subject import Subject
from sam_widget.teach.texts import Lang

WAYS = ("crop", "under", "agreed")
SIDE = 220
# Names in a chart.
MOST = 4


@dataclass(frozen=True, eq=False)
class Naming:
    """Probabilities of ImageNet's classes for one mask, in three ways.

    Attributes:
        crop: (1000,), of everything in a crop around the mask.
        under: (1000,), of the features under the mask, in the same crop.
        agreed: (3, 1000), the opinions that the finder asks: under the mask in this crop, in a wider one, and both.
    """

    crop: np.ndarray
    under: np.ndarray
    agreed: np.ndarray

    def best(self, way: str, count: int = MOST) -> list[tuple[str, float]]:
        """Return the most probable classes in one of the ways, "crop", "under" or "agreed", with probabilities."""
        values = self.agreed.min(axis=0) if way == "agreed" else getattr(self, way)
        return [(vocabulary().names[k], float(values[k])) for k in values.argsort()[::-1][:count].tolist()]

    def of(self, word: str) -> dict[str, float]:
        """Return the probability of a word, such as "dog", which stands for 118 classes, in each of the ways.

        Raises:
            PromptError: The word is not in the vocabulary.
        """
        classes = list(vocabulary().parse(word).classes)
        return {
            "crop": float(self.crop[classes].sum()),
            "under": float(self.under[classes].sum()),
            "agreed": float(self.agreed[:, classes].sum(axis=1).min()),
        }


def name_mask(image: np.ndarray, mask: np.ndarray) -> Naming:
    """Name a mask (H, W) bool of an image (H, W, 3) uint8 with the classifier of the embedded finder.

    >>> photo = sw.sample("coffee")
    >>> name_mask(photo, sw.Session(photo).drag(120, 10, 520, 330)[0].mask).best("under")
    """
    stored = StoredMask(np.asarray(mask, bool))
    namer, part = load_namer(), crop_around(stored, *CROPS[0])
    with torch.inference_mode():
        features = namer.features(resized(image[part]))
        inside = resized(np.uint8(255) * stored.array[part])[:, 0] > 127
        pooled = (namer.pool(features, torch.ones_like(inside)), namer.pool(features, inside))
        crop, under = (namer.probabilities(one)[0].numpy() for one in pooled)
    return Naming(crop, under, describe(image, [stored])[0][0])


class MaskNames(Panel):
    """A photo segmented; click on it to name the smallest mask there, in three ways next to each other.

    The usual way classifies a crop, surroundings included. The finder averages the network's features under the mask
    alone. It answers only as far as two crops, and both together, agree.

    >>> panel = MaskNames(sw.sample("coffee"))
    >>> panel.look_at(300, 150)
    >>> panel.naming.best("under")
    """

    def __init__(
        self, image: Any, *, x: float | None = None, y: float | None = None, word: str = "", model: ModelLike = "tiny",
        lang: Lang = "en",
    ) -> None:  # fmt: skip
        """Segment the image, which takes several seconds unless it was searched before.

        Args:
            image: Any image that `SamWidget` accepts.
            x: Where to look at first; None for the middle.
            y: As x.
            word: A word whose probability is shown.
            model: A name, a loaded model or a predictor, which makes the masks.
            lang: "en" or "zh-TW".
        """
        super().__init__(lang=lang)
        self.subject = Subject(image, model)
        regions = STORE.features(EmbeddedFinder(), self.subject.photo, self.subject.predictor)
        self.masks: list[StoredMask] = sorted((one.stored for one in regions.records), key=lambda one: one.area)
        self.word = ipywidgets.Text(value=word, description=self.say("named.word"), continuous_update=False)
        self.photo = Picture(self.say("named.photo"), width=330, on_press=self.look_at)
        self.crop = Picture(self.say("named.crop"), width=SIDE, height=SIDE)
        self.under = Picture(self.say("named.under"), width=SIDE, height=SIDE)
        self.charts = {way: Picture(self.say(f"named.chart_{way}"), width=SIDE, height=MOST * 32) for way in WAYS}
        self.says = {way: Line(width=f"{SIDE}px") for way in WAYS}
        self.note = Line(self.say("named.click"), width="330px")
        self.naming: Naming | None = None
        self._mask: StoredMask | None = None
        self.word.observe(lambda _change: self._tell(), "value")
        self.arrange(
            self.word,
            row(
                [
                    column([self.photo, self.note], width="330px"),
                    column([self.crop, self.says["crop"], self.charts["crop"]], width=f"{SIDE}px"),
                    column([self.under, self.says["under"], self.charts["under"]], width=f"{SIDE}px"),
                    column([self.says["agreed"], self.charts["agreed"]], width=f"{SIDE}px"),
                ]
            ),
        )
        width, height = self.subject.size
        self.photo.show(self.subject.photo)
        self.look_at(width / 2 if x is None else x, height / 2 if y is None else y)

    def look_at(self, x: float, y: float) -> None:
        """Name the smallest mask at a position of the photo."""
        here = next((one for one in self.masks if one.array[int(y), int(x)]), None)
        if here is None:
            self.note.text = self.say("named.no_mask")
            return
        self._mask, photo = here, self.subject.photo
        self.naming = name_mask(photo, here.array)
        part = crop_around(here, *CROPS[0])
        self.photo.show(tint(photo, here.array, YOURS))
        # Stretched to squares, as the network sees them.
        shown = np.asarray(Image.fromarray(photo[part]).resize((SIDE, SIDE)))
        inside = np.asarray(Image.fromarray(here.array[part]).resize((SIDE, SIDE)))
        self.crop.show(shown)
        self.under.show(dim(shown, inside))
        self._tell()

    def _tell(self) -> None:
        if self.naming is None or self._mask is None:
            return
        for way, colour in zip(WAYS, LEVELS, strict=True):
            self.charts[way].show(_bars(self.naming.best(way), colour))
            self.says[way].text = self.say(f"named.says_{way}")
        share = f"{self._mask.area / self.subject.photo[..., 0].size:.0%}"
        self.note.text = self.say("named.here", share=share)
        if not self.word.value.strip():
            return
        try:
            found = self.naming.of(self.word.value)
        except PromptError:
            self.note.text = self.say("find.unknown", word=self.word.value)
            return
        for way in WAYS:
            self.says[way].text += " " + self.say("named.of", word=self.word.value, value=f"{found[way]:.2f}")


def _bars(names: list[tuple[str, float]], colour: tuple[int, int, int]) -> np.ndarray:
    """Return names with bars below them, (MOST * 32, SIDE, 4) uint8, transparent."""
    picture = Image.new("RGBA", (SIDE, MOST * 32), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    for number, (name, value) in enumerate(names):
        top = 32 * number
        pen.text((2, top + 2), f"{value:.2f}  {name}"[:34], fill=GREY, font_size=12)
        pen.rectangle([2, top + 19, 2 + max(1, value * (SIDE - 4)), top + 27], fill=(*colour, 255))
    return np.asarray(picture)
