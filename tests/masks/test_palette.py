"""The palette, and the view's copy of it."""

from __future__ import annotations

from pathlib import Path

from sam_widget.masks import palette

ROOT = Path(__file__).resolve().parents[2]


def test_the_view_has_the_same_colours() -> None:
    assert (ROOT / "js/src/palette.ts").read_text(encoding="utf-8") == palette.typescript()


def test_every_index_has_a_colour() -> None:
    assert [palette.object_color(index) for index in (0, 9, -1)] == [palette.OBJECTS[k] for k in (0, 1, -1)]


def test_a_colour_as_numbers() -> None:
    assert palette.rgb("#0064b0") == (0, 0x64, 0xB0)
