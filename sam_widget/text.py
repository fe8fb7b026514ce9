"""Text from outside, made fit to be written: UTF-8 has no place for half a letter."""

from __future__ import annotations

import re
import unicodedata

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Return text that can be encoded as UTF-8.

    Python stands lone surrogates for the bytes of a file name that are not UTF-8; those become `%E9`, as in an address,
    so that names that differ still do. Any other is half a letter, as JSON can hold, and becomes U+FFFD.
    """
    return _SURROGATE.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"%{code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else "\ufffd"


def name_key(name: str) -> str:
    """Return what two spellings of one file name share: macOS stores accents apart, Windows writes other slashes."""
    return unicodedata.normalize("NFC", clean(name)).replace("\\", "/").removeprefix("./")
