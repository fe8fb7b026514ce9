"""Find the photos in a folder."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from sam_widget.errors import ImageError
from sam_widget.image.decoding import load_heif

Paths: TypeAlias = str | Path | Iterable[str | Path]

# Suffixes searched for in folders. A file given by its own path may have any suffix.
IMAGE_SUFFIXES = frozenset(
    [".avif", ".bmp", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"],
)
# Photo formats that Pillow alone cannot read, and what to do about them.
_HEIF = frozenset({".heic", ".heif", ".hif"})
_RAW = frozenset([".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"])
_ADVICE = {**dict.fromkeys(_HEIF, "pip install pillow-heif"), **dict.fromkeys(_RAW, "convert them to TIFF or JPEG")}


@dataclass(frozen=True)
class Shard:
    """One of several parts of a list of photos, for as many processes or machines.

    A photo belongs to a part by the hash of its name, so no other photo that comes or goes moves it to another one.

    Attributes:
        number: Which part, from 1.
        of: How many parts there are.

    Raises:
        ImageError: The number is not between 1 and `of`.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.number <= self.of:
            raise ImageError(
                f"there is no shard {self.number} of {self.of}; expected one from 1/{self.of} to {self.of}/{self.of}, "
                f"with SLURM: --array=1-{self.of} and --shard $SLURM_ARRAY_TASK_ID/{self.of}"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read text such as "3/16".

        Raises:
            ImageError: It is something else.
        """
        found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text, re.ASCII)
        if found is None:
            raise ImageError(f"invalid shard {text!r}; expected one such as 3/16")
        return cls(int(found[1]), int(found[2]))

    def has(self, path: Path) -> bool:
        """Whether a photo belongs to this part."""
        digest = hashlib.blake2b(os.fsencode(path.name), digest_size=8).digest()
        return int.from_bytes(digest) % self.of == self.number - 1


def find_images(sources: Paths, *, recursive: bool = False) -> list[Path]:
    """Return the given image files and the image files in the given folders, in natural order ("2" before "10").

    Photos in formats that cannot be read, such as HEIC without its plug-in, are counted in a single warning.

    Args:
        sources: A folder, a file, or several of either.
        recursive: Include subfolders. Hidden files and folders are skipped.

    Raises:
        ImageError: A file or folder does not exist, or none of them contains an image.
    """
    given = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    found: dict[Path, None] = {}  # an ordered set
    over: Counter[str] = Counter()
    for source in given:
        path = Path(source).expanduser()
        if path.is_dir():
            found |= dict.fromkeys(_in_folder(path, over, recursive=recursive))
        elif path.exists():
            found[path] = None
        else:
            raise ImageError(f"there is no file or folder {str(path)!r}; check the path and the working folder")
    told = ", ".join(f"{count} {suffix[1:].upper()} ({_ADVICE[suffix]})" for suffix, count in sorted(over.items()))
    if not found:
        places = ", ".join(repr(str(source)) for source in given) or "nothing"
        deeper = "" if recursive else ", and folders inside it only if told to be recursive"
        raise ImageError(
            f"there is no image in {places}; looked for {', '.join(sorted(IMAGE_SUFFIXES))}{deeper}. "
            + (f"Skipped: {told}" if told else "Give a folder of photos, or name the files")
        )
    if told:
        warnings.warn(f"skipped: {told}", stacklevel=2)
    return list(found)


def _in_folder(folder: Path, over: Counter[str], *, recursive: bool) -> list[Path]:
    """Return the images in a folder, and count in `over` the photos that cannot be read, by suffix."""
    found: list[Path] = []
    suffixes = IMAGE_SUFFIXES
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        for name in names:
            suffix = Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix in _HEIF and suffix not in suffixes and load_heif():
                suffixes = suffixes | _HEIF
            if suffix in suffixes:
                found.append(Path(place, name))
            elif suffix in _ADVICE:
                over[suffix] += 1
    return sorted(found, key=lambda path: [natural_key(part) for part in path.relative_to(folder).parts])


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts "photo 2" before "photo 10"."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(int(piece), "") if piece[0] in "0123456789" else (-1, piece.casefold()) for piece in pieces] + [(0, name)]
