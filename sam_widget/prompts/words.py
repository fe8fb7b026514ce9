"""Words as prompts: the phrases that the embedded vocabulary understands.

A phrase is a noun with optional colours, sizes and places, such as "cat", "red cup", "largest dog" or "左邊的貓". Nouns
are the 1,000 classes of ImageNet, their synonyms, and the broader terms that WordNet gives them: "dog" stands for 118
breeds, "vehicle" for 67 kinds. Colours, sizes and places are measured on pixels and need no vocabulary. A noun that is
not in the vocabulary is refused with the nearest ones that are, instead of guessed.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sam_widget.errors import PromptError

Colour = Literal["black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"]
"""The eleven basic colour terms of English (Berlin and Kay, 1969)."""

Order = Literal["largest", "smallest", "left", "right", "top", "bottom", "centre"]
"""Selects one instance: by area, or by the place of its centroid."""

_COLOURS: dict[str, Colour] = {
    **{colour: colour for colour in Colour.__args__},  # type: ignore[attr-defined]
    "gray": "grey",
    "violet": "purple",
    "黑": "black",
    "白": "white",
    "灰": "grey",
    "紅": "red",
    "橘": "orange",
    "橙": "orange",
    "黃": "yellow",
    "綠": "green",
    "藍": "blue",
    "紫": "purple",
    "粉紅": "pink",
    "棕": "brown",
    "咖啡": "brown",
    "褐": "brown",
}
_ORDERS: dict[str, Order] = {
    **{order: order for order in Order.__args__},  # type: ignore[attr-defined]
    "biggest": "largest",
    "leftmost": "left",
    "rightmost": "right",
    "upper": "top",
    "topmost": "top",
    "lower": "bottom",
    "bottommost": "bottom",
    "center": "centre",
    "middle": "centre",
    "最大": "largest",
    "最小": "smallest",
    "左邊": "left",
    "左": "left",
    "右邊": "right",
    "右": "right",
    "上面": "top",
    "上方": "top",
    "下面": "bottom",
    "下方": "bottom",
    "中間": "centre",
    "中央": "centre",
}
# Nouns that stand for a mask of anything.
_ANYTHING = frozenset({"", "thing", "things", "object", "objects", "one", "東西", "物體", "物件"})
_ARTICLES = frozenset({"a", "an", "the", "some", "all", "every", "each", "in", "on", "at", "most"})
_ENGLISH = re.compile(r"[\w'-]+")
_CJK = re.compile(r"[\u3400-\u9fff]")
MAX_LENGTH = 100
"""Characters of a phrase."""


@dataclass(frozen=True)
class Phrase:
    """A phrase, understood.

    Attributes:
        text: As given.
        noun: The vocabulary's word; empty where the phrase has only colours or places.
        classes: Indices of the ImageNet classes that the noun stands for; empty without a noun.
        colours: Colours that an instance must all show.
        order: Selects a single instance among those found.
    """

    text: str
    noun: str = ""
    classes: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()
    order: Order | None = None


class Vocabulary:
    """Words of English and Traditional Chinese, and the ImageNet classes that each stands for."""

    def __init__(
        self, names: Iterable[str], words: Mapping[str, tuple[int, ...]], translations: Mapping[str, str]
    ) -> None:
        """Build a vocabulary.

        Args:
            names: Names of the classes, in their order.
            words: Class indices of each English word, in lower case.
            translations: English word of each Chinese one.
        """
        self.names = tuple(names)
        self._words = dict(words)
        self._translations = dict(translations)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self._find(word.strip().lower()) is not None

    def __len__(self) -> int:
        return len(self._words) + len(self._translations)

    def parse(self, text: str) -> Phrase:
        """Parse a phrase.

        Raises:
            PromptError: The phrase is empty or too long, or its noun is not in the vocabulary; the message lists near
                words.
        """
        given: object = text
        if not isinstance(given, str) or not given.strip():
            raise PromptError(f"{text!r} is not a word to find; expected text such as 'cat' or 'red cup'")
        if len(text) > MAX_LENGTH:
            raise PromptError(f"a phrase of {len(text)} characters is too long; expected at most {MAX_LENGTH}")
        plain = text.strip().lower()
        parts = self._chinese_parts(plain) if _CJK.search(plain) else _ENGLISH.findall(plain)
        parts = [part for part in parts if part and part not in _ARTICLES]
        if not parts:
            raise PromptError(f"{text!r} is not a word to find; expected text such as 'cat' or 'red cup'")
        # The longest run of words that is a noun, where all the others modify it: "red fox" is an animal, "red cup" a
        # cup that is red.
        for length in range(len(parts), -1, -1):
            for start in range(len(parts) - length + 1):
                others = parts[:start] + parts[start + length :]
                word = " ".join(parts[start : start + length])
                noun = "" if word in _ANYTHING else self._find(word)
                if noun is not None and all(other in _COLOURS or other in _ORDERS for other in others):
                    colours = tuple(dict.fromkeys(_COLOURS[other] for other in others if other in _COLOURS))
                    orders = [_ORDERS[other] for other in others if other in _ORDERS]
                    classes = self._words[noun] if noun else ()
                    return Phrase(text, noun, classes, colours, orders[-1] if orders else None)
        unknown = " ".join(part for part in parts if part not in _COLOURS and part not in _ORDERS)
        near = ", ".join(self.near(unknown))
        raise PromptError(
            f"{text.strip()!r} is not one of the {len(self.names):,} things that the embedded model knows by name; "
            "search by an example, or with a published model, which takes any words"
            + (f"; near words: {near}" if near else "")
        )

    def near(self, word: str, count: int = 5) -> tuple[str, ...]:
        """Return up to `count` words of the vocabulary that are spelt like this one, or contain it."""
        import difflib  # These are imported late, to open a session quickly.

        word = word.strip().lower()
        known = [*self._words, *self._translations]
        containing = sorted((other for other in known if word in other.split()), key=len)
        alike = difflib.get_close_matches(word, known, n=count, cutoff=0.75)
        return tuple(dict.fromkeys([*alike, *containing]))[:count]

    def _chinese_parts(self, text: str) -> list[str]:
        """Split a phrase into its modifiers and its noun.

        Modifiers end in 的, or come directly before the noun, where colours may end in 色: 左邊的紅色杯子, 橘貓.
        """
        parts = [part.removesuffix("的") for part in re.findall(r"[^的\s]+的", text)]
        noun = re.sub(r"[^的\s]+的|\s", "", text)
        modifiers = sorted((word for word in (*_COLOURS, *_ORDERS) if _CJK.search(word)), key=len, reverse=True)
        while noun not in self:
            first = next((word for word in modifiers if noun.startswith(word)), None)
            if first is None:
                break
            parts.append(first)
            noun = noun.removeprefix(first).removeprefix("色")
        return [*(part if part in _COLOURS or part in _ORDERS else part.removesuffix("色") for part in parts), noun]

    def _find(self, noun: str) -> str | None:
        """Return the word of the vocabulary: as it is, translated, or in the singular."""
        for form in (noun, self._translations.get(noun, ""), *_singular(noun)):
            if form in self._words:
                return form
        return None


@functools.cache
def vocabulary() -> Vocabulary:
    """Return the embedded vocabulary."""
    import importlib.resources

    folder = importlib.resources.files("sam_widget") / "weights"
    data = json.loads((folder / "words.json").read_text(encoding="utf-8"))
    words = {word: tuple(k for a, b in _pairs(ranges) for k in range(a, b)) for word, ranges in data["words"].items()}
    return Vocabulary(data["names"], words, data["translations"])


def _pairs(flat: list[int]) -> Iterable[tuple[int, int]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _singular(noun: str) -> Iterable[str]:
    """Yield what an English plural may come from."""
    irregular = {"mice": "mouse", "geese": "goose", "people": "person", "knives": "knife", "wolves": "wolf"}
    irregular |= {"sheep": "sheep", "oxen": "ox", "leaves": "leaf", "loaves": "loaf", "calves": "calf"}
    head, _, last = noun.rpartition(" ")
    forms = [irregular.get(last, "")]
    if last.endswith("ies"):
        forms.append(last[:-3] + "y")
    if last.endswith("es"):
        forms.append(last[:-2])
    if last.endswith("s") and not last.endswith("ss"):
        forms.append(last[:-1])
    return (f"{head} {form}".strip() for form in forms if form)
