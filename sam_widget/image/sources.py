"""Image sources: read the bytes of files, streams and URLs, and name them in messages."""

from __future__ import annotations

import os
import re
import sys
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from sam_widget.errors import ImageError
from sam_widget.image.addresses import is_url
from sam_widget.text import clean

if TYPE_CHECKING:
    from PIL import Image

# Maximum number of bytes read from a file or a URL.
MAX_BYTES = 200 * 2**20
# Seconds until a response must begin, and for each pause in it.
TIMEOUT_SECONDS = 20

# ------------------------------------------------------------------------------------------------ names


def file_name(source: object) -> str | None:
    """Return the file name of a path, an open file or a URL; None for other sources."""
    if is_pillow(source):
        path = getattr(source, "filename", None)
    elif is_url(source):
        address = urllib.parse.urlsplit(str(source).strip())
        path = urllib.parse.unquote(address.path) if address.scheme.lower() != "data" else None
    elif isinstance(source, str | os.PathLike):
        path = os.fsdecode(source)
    else:
        path = getattr(source, "name", None) if callable(getattr(source, "read", None)) else None
    return (clean(Path(path).name) or None) if isinstance(path, str) else None


def describe(source: object) -> str:
    """Return a short description of a source, for status lines and error messages."""
    name = clean(_name(source))
    return name if len(name) <= 80 else f"{name[:77]}..."


def _name(source: object) -> str:
    if is_pillow(source):
        name = Path(str(getattr(source, "filename", "") or "")).name
        return name or f"Pillow image {source.width}x{source.height}"
    if isinstance(source, str) and is_url(source):
        scheme, _, rest = source.strip().partition(":")
        if scheme.lower() == "data":
            return f"data URL ({re.split('[;,]', rest)[0] or 'text/plain'})"
        address = re.split("[?#]", _after_password(rest.lstrip("/")))[0].split("/")
        return "/".join((address[0].rpartition("@")[2], *address[1:][-1:])).rstrip("/")
    if isinstance(source, str | os.PathLike):
        return Path(os.fsdecode(source)).name or os.fsdecode(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return f"{len(source)} bytes"
    shape = getattr(source, "shape", None)
    if isinstance(shape, tuple) and shape:
        kind = "tensor" if is_tensor(source) else "array"
        return f"{kind} {'x'.join(str(side) for side in shape)}"
    if callable(getattr(source, "read", None)):
        return Path(str(getattr(source, "name", "") or "")).name or "file"
    return type(source).__name__


def _after_password(address: str) -> str:
    """Cut off a password that holds one of the characters at which the host would end."""
    host = re.split("[/?#]", address)[0]
    _, colon, port = host.rpartition(":")
    odd = colon and not port.isdecimal() and "@" not in host and not host.startswith("[")
    return address.rpartition("@")[2] if odd and "@" in address else address


def is_pillow(source: object) -> TypeGuard[Image.Image]:
    """Whether `source` is a Pillow image. Does not import Pillow: without it, there is no such image."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(source, pillow.Image)


def is_tensor(source: object) -> bool:
    """Whether `source` has the methods of a torch tensor."""
    return all(callable(getattr(source, name, None)) for name in ("detach", "cpu", "numpy"))


# ------------------------------------------------------------------------------------------------ bytes


def read_file(source: str | os.PathLike[Any]) -> bytes:
    """Return the content of a file.

    Raises:
        ImageError: The file cannot be opened, or is too large.
    """
    text = os.fsdecode(source)
    if re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE):
        msg = f"cannot read {text!r}: only http, https and data URLs are read. For a file, give its path."
        raise ImageError(msg)
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            msg = f"{text!r} is a folder, expected an image file. Name one file in it."
            raise ImageError(msg)
        if path.exists() and not path.is_file():
            msg = f"{text!r} is not a regular file, expected an image file."
            raise ImageError(msg)
        with path.open("rb") as file:
            return _limited(file.read(MAX_BYTES + 1), text)
    except FileNotFoundError as error:
        absolute = str(path.absolute())
        where = "" if text == absolute else f", looked for at {absolute!r}"
        msg = f"no such file: {text!r}{where}. Check the path{' and the working folder' if where else ''}."
        raise ImageError(msg) from error
    except (OSError, ValueError, RuntimeError) as error:  # no permission; a NUL in the name; no home for ~
        if isinstance(error, ImageError):
            raise
        shown = text if len(text) <= 200 else f"{text[:200]}..."
        msg = f"cannot open {shown!r}: {error}. Give the path of an image file that you may read."
        raise ImageError(msg) from error


def read_stream(source: Any) -> bytes:
    """Return the rest of an open file, from its current position.

    Raises:
        ImageError: It does not return bytes, or too many.
    """
    try:
        data = source.read(MAX_BYTES + 1)
    except Exception as error:  # the caller's object may raise anything
        msg = f"cannot read from {describe(source)}: {error}. Give a file that is open for reading in binary mode."
        raise ImageError(msg) from error
    if not isinstance(data, bytes | bytearray):
        msg = f'{describe(source)} gives {type(data).__name__}, expected bytes. Open the file in binary mode, "rb".'
        raise ImageError(msg)
    return _limited(bytes(data), describe(source))


def download(url: str) -> bytes:
    """Return the content of an http, https or data URL.

    Raises:
        ImageError: The download fails, is too large, or takes too long.
    """
    from sam_widget.image.download import fetch  # urllib, http.client and ssl, which few images need

    return fetch(url, describe(url), max_bytes=MAX_BYTES, timeout=TIMEOUT_SECONDS)


def _limited(data: bytes, name: str) -> bytes:
    if len(data) > MAX_BYTES:
        msg = f"{name} is larger than {MAX_BYTES // 2**20} MB. Open it yourself and give the pixels as an array."
        raise ImageError(msg)
    return data
