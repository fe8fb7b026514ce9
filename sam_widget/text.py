"""Sanitise external text: strings with lone surrogates cannot be encoded as UTF-8."""

from __future__ import annotations

import re
import unicodedata

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Return text that can be encoded as UTF-8.

    Python represents file name bytes that are not UTF-8 as lone surrogates. These become escapes such as `%E9`, as in a
    URL, so that distinct names stay distinct. Any other lone surrogate, which JSON can contain, becomes U+FFFD.
    """
    return _SURROGATE.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"%{code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else "\ufffd"


def name_key(name: str) -> str:
    """Normalise a file name for comparison: macOS decomposes accented letters, Windows uses backslashes."""
    return unicodedata.normalize("NFC", clean(name)).replace("\\", "/").removeprefix("./")
