"""Finding the photos in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from sam_widget.errors import ImageError

# What is looked for in a folder. A file that is named outright is taken whatever its name.
IMAGE_SUFFIXES = frozenset({".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def find_images(sources: str | Path | Iterable[str | Path], *, recursive: bool = False) -> list[Path]:
    """Return the image files that are meant: folders give theirs, in the order people count in; files give themselves.

    Args:
        sources: A folder, a file, or several of either.
        recursive: Look into the folders of a folder, too. Hidden files and folders are passed over.

    Raises:
        ImageError: There is no such file or folder, or no image in any of them.
    """
    given = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    found: dict[Path, None] = {}  # a set that keeps the order
    for source in given:
        path = Path(source).expanduser()
        if path.is_dir():
            found |= dict.fromkeys(_in_folder(path, recursive=recursive))
        elif path.exists():
            found[path] = None
        else:
            raise ImageError(f"there is no file or folder {str(path)!r}; check the path and the working folder")
    if not found:
        places = ", ".join(repr(str(source)) for source in given) or "nothing"
        deeper = "" if recursive else ", and folders inside it only if told to be recursive"
        raise ImageError(
            f"there is no image in {places}; looked for {', '.join(sorted(IMAGE_SUFFIXES))}{deeper}. Give a folder of "
            "photos, or name the files"
        )
    return list(found)


def _in_folder(folder: Path, *, recursive: bool) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        images = (name for name in names if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith("."))
        found += [Path(place, name) for name in images]
    return sorted(found, key=lambda path: [_counting(part) for part in path.relative_to(folder).parts])


def _counting(name: str) -> list[tuple[int, str]]:
    """Sort by this to have "photo 2" before "photo 10"."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(int(piece), "") if piece[0] in "0123456789" else (-1, piece.casefold()) for piece in pieces] + [(0, name)]
