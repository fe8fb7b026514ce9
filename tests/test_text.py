"""Text from outside can be written, and names are compared as people read them."""

from __future__ import annotations

import os
import unicodedata

import pytest

from sam_widget.text import clean, name_key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Größe 🐱", "Größe 🐱"),
        (os.fsdecode(b"caf\xe9.jpg"), "caf%E9.jpg"),
        ("cat \ud83d", "cat \ufffd"),
        ("\udc31 cat", "\ufffd cat"),
    ],
)
def test_clean(text: str, expected: str) -> None:
    assert clean(text) == expected
    clean(text).encode()


def test_name_key() -> None:
    spellings = [unicodedata.normalize(form, "in/Café.jpg") for form in ("NFC", "NFD")]
    assert {name_key(name) for name in (*spellings, ".\\in\\Café.jpg")} == {"in/Café.jpg"}
