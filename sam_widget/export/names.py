"""Names of images: converting them to file names and URLs, and looking images up by name."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote, urlsplit

from sam_widget.errors import FormatError
from sam_widget.text import clean

# Maximum number of bytes in a file name; Windows counts UTF-16 units, which are never more.
_LONGEST = 255
_WINDOWS = os.name == "nt"

# ------------------------------------------------------------------------------------------------ files


def safe_name(text: str) -> str:
    """Return a text as a safe part of a file name: letters, digits, dots, dashes and underscores, never a path."""
    plain = re.sub(r"[^\w.-]+", "_", text).strip("._")[:80]
    return plain.encode()[:200].decode("utf-8", "ignore") or "unnamed"


def file_stem(name: str, *, suffix: str = ".json") -> str:
    """Return the file name for an image: the image's own name, without its suffix.

    The name changes only if the file system does not allow it: invalid characters become "_", and a name that is too
    long is truncated and ends in eight digits of its hash.

    Args:
        name: Name of the image.
        suffix: The longest suffix that will be appended.
    """
    return _held(PurePath(name).stem or "image", len(suffix))


def file_path(name: str, *, suffix: str = ".json") -> str:
    """Return the relative path of a file for an image: its folders, excluding upward ones, and `file_stem`."""
    folders = [_held(part, 0) for part in PurePath(name).parent.parts if part not in ("..", PurePath(name).anchor)]
    return "/".join([*folders, file_stem(name, suffix=suffix)])


def path_in(path: Path, folder: Path) -> str:
    """Return the path of a file relative to a folder, without its suffix, with "/" as separator."""
    return path.relative_to(folder).with_suffix("").as_posix()


def below_common_folder(names: Sequence[str]) -> list[str]:
    """Return the names of images, with absolute ones relative to their innermost common folder."""
    rooted = [name for name in names if PurePath(name).is_absolute()]
    try:
        common = os.path.commonpath([str(PurePath(name).parent) for name in rooted]) if rooted else ""
    except ValueError:  # on different drives
        return list(names)
    return [str(PurePath(name).relative_to(common)) if PurePath(name).is_absolute() else name for name in names]


def _held(part: str, beside: int) -> str:
    """Return a part of a path that the file system allows, with room for `beside` more bytes."""
    held = part.replace("/", "_").replace("\0", "_")
    if _WINDOWS:
        held = re.sub(r'[<>:"|?*\\\x00-\x1f]', "_", held).rstrip(". ") or "_"
    try:
        coded = os.fsencode(held)
    except UnicodeEncodeError:
        coded = os.fsencode(clean(held))
    if len(coded) > _LONGEST - beside:
        digest = "-" + hashlib.sha256(coded).hexdigest()[:8]
        coded = _cut(coded, _LONGEST - beside - len(digest)) + digest.encode()
    return os.fsdecode(coded)


def _cut(coded: bytes, length: int) -> bytes:
    """Truncate a name, but not within a UTF-8 character."""
    for stop in range(length, length - 4, -1):
        try:
            coded[:stop].decode()
        except UnicodeDecodeError:
            continue
        return coded[:stop]
    return coded[:length]


def name_in_file(text: str) -> str:
    """Return the name of an image from a path in a file: the path, or its last part if the path leads elsewhere."""
    plain = clean(text)
    posix = PureWindowsPath(plain).as_posix() if "\\" in plain and "/" not in plain else plain
    path = PurePosixPath(posix)
    leads_away = path.is_absolute() or ".." in path.parts or bool(PureWindowsPath(posix).drive)
    return path.name if leads_away else str(path)


# ------------------------------------------------------------------------------------------------ addresses


def address_of(name: str, prefix: str) -> str:
    """Return the address of an image: a prefix and the name, which is quoted if the prefix is part of a URL.

    Keys of S3 and other object stores are not quoted, because Label Studio uses them verbatim.
    """
    readable_name = clean(name)
    return prefix + (quote(readable_name, safe="/") if _is_quoted(prefix) else readable_name)


def name_in_address(address: str) -> str:
    """Return the name of the image at an address, including its path if that is relative."""
    plain = clean(address)
    if not _is_quoted(plain):
        _, scheme, key = plain.partition("://")
        return PurePosixPath(key).name if scheme else name_in_file(plain)
    _, local, path = plain.partition("?d=")
    if local:
        return name_in_file(unquote(re.split(r"&\w+=", path)[0]).lstrip("/"))
    try:
        return PurePosixPath(unquote(urlsplit(plain).path)).name
    except ValueError:  # such as an unclosed bracket in the host
        return PurePosixPath(unquote(plain)).name


def _is_quoted(address: str) -> bool:
    return address.startswith("/") or "?" in address or re.match(r"https?://", address, re.IGNORECASE) is not None


# ------------------------------------------------------------------------------------------------ looking up


def pick(names: Sequence[str | None], wanted: str | None) -> list[int]:
    """Return the indices of the images that match a name: all of them if `wanted` is None.

    Tries, in this order: the whole path; the end of the path; the name without its suffix; only the file name of
    `wanted`, among images without a folder; the name with another suffix. Unicode's composed and decomposed forms are
    equal.

    Raises:
        FormatError: No image, or more than one, matches.
    """
    if wanted is None:
        return list(range(len(names)))
    plain, sought = [_plain(name or "") for name in names], _plain(wanted)
    for fits in _FITS:
        if found := [number for number, name in enumerate(plain) if name and fits(name, sought)]:
            if len(found) == 1:
                return found
            break
    listed = ", ".join(repr(name or "") for name in names[:10]) + (", ..." if len(names) > 10 else "")
    what = "several of them are" if found else "none of them is"
    raise FormatError(f"there are {len(names)} images in it, and {what} called {wanted!r}; give one of {listed}")


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", clean(name))


def _bare(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")) if PurePosixPath(name).name else name


_FITS: tuple[Callable[[str, str], bool], ...] = (
    lambda name, wanted: name == wanted,
    lambda name, wanted: name.endswith("/" + wanted),
    lambda name, wanted: _bare(name) == wanted or _bare(name).endswith("/" + wanted),
    lambda name, wanted: name == PurePosixPath(wanted).name,
    lambda name, wanted: _bare(name) == _bare(wanted) or _bare(name).endswith("/" + _bare(wanted)),
    lambda name, wanted: _bare(name) == _bare(PurePosixPath(wanted).name),
)
