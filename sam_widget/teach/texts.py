"""The texts of all panels, in English and in Traditional Chinese, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from sam_widget.errors import SamWidgetError

Lang = Literal["en", "zh-TW"]
# Returns the text of a key, filled in.
Say = Callable[..., str]

# key: English, Traditional Chinese as written in Taiwan.
TEXTS: dict[str, tuple[str, str]] = {
    "guess.button": ("This is my guess", "我猜這個"),
    "guess.kept": ("Kept: {guess}. Now do it, then look.", "記下來了：{guess}。接著動手做，再看結果。"),
    "guess.not_yet": ("Guess before you continue.", "先猜，再往下做。"),
    "guess.none": ("no guess", "沒有猜"),
    "guess.row": (
        "Question {number}: you guessed {guess}; it is {answer}.",
        "第 {number} 題：你猜 {guess}，結果是 {answer}。",
    ),
    "guess.question": ("Question", "題目"),
    "guess.yours": ("Your guess", "你的猜測"),
    "guess.answer": ("What came out", "實際結果"),
}


def check_lang(lang: str) -> None:
    """Raise if texts are not available in a language.

    Raises:
        SamWidgetError: It is neither "en" nor "zh-TW".
    """
    if lang not in get_args(Lang):
        raise SamWidgetError(f"lang={lang!r}; give 'en' or 'zh-TW'")


def texts(lang: Lang) -> Say:
    """Return a function that looks up texts in a language: `say("guess.row", number=1, guess="A", answer="B")`.

    Raises:
        SamWidgetError: The language is neither "en" nor "zh-TW".
    """
    check_lang(lang)
    column = get_args(Lang).index(lang)

    def say(key: str, **values: object) -> str:
        return TEXTS[key][column].format(**values)

    return say
