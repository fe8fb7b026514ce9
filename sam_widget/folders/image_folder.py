"""A folder of images being labelled: the images, their session files, and which images are done.

Independent of models and views: the gallery displays it, and the command line iterates over it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from sam_widget.atomic import write_whole
from sam_widget.errors import ImageError, SessionError, StoreError
from sam_widget.image.files import Paths, Shard, find_images
from sam_widget.text import clean, name_key

SESSION_SUFFIX = ".sam"
# Stores which images are done; everything else is in the session files.
NOTES = ".sam_widget.json"


# File systems limit names to 255 bytes. This leaves room for suffixes of temporary files, such as
# `<name>.<8 digits>.partial`.
MAX_NAME_BYTES = 235


def session_name(image: str) -> str:
    """Return the file name of an image's session: the image's name plus a suffix, shortened if it would be too long.

    Args:
        image: Path of the image within its folder, with slashes.
    """
    folder, slash, name = image.rpartition("/")
    if len(name.encode()) + len(SESSION_SUFFIX) <= MAX_NAME_BYTES:
        return f"{image}{SESSION_SUFFIX}"
    # A hash keeps shortened names with a common prefix distinct.
    end = f"~{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}{PurePath(name).suffix[:10]}{SESSION_SUFFIX}"
    stem = name.encode()[: MAX_NAME_BYTES - len(end.encode())].decode(errors="ignore")
    return f"{folder}{slash}{stem}{end}"


class Album:
    """An ordered list of images, each with the path of its session file.

    Attributes:
        images: Their paths.
        root: Their common folder.
        sessions: The folder of the session files, which are named after the images; defaults to `root`.
        names: The images' paths relative to `root`, with forward slashes on every system, as printable text.
    """

    def __init__(
        self,
        images: Paths,
        *,
        sessions: str | Path | None = None,
        recursive: bool = False,
        shard: Shard | None = None,
    ) -> None:
        """Find the images; see `find_images`. With a shard, keep only that part of them.

        Raises:
            ImageError: The folder does not exist or contains no images.
        """
        images = [images] if isinstance(images, str | Path) else list(images)
        self.images = tuple(path.absolute() for path in find_images(images, recursive=recursive))
        given = [Path(source).expanduser() for source in images]
        if len(given) == 1 and given[0].is_dir():
            self.root = given[0].absolute()
        else:
            self.root = Path(os.path.commonpath([path.parent for path in self.images]))
        if shard is not None:
            self.images = tuple(path for path in self.images if shard.has(path))
        self.sessions = self.root if sessions is None else Path(sessions).expanduser().absolute()
        self.names = tuple(clean(path.relative_to(self.root).as_posix()) for path in self.images)

    @classmethod
    def within(cls, root: Path, images: Sequence[Path], *, sessions: Path) -> Album:
        """Return an album of images that are known to exist, without searching for them. All paths are absolute."""
        album = cls.__new__(cls)
        album.images, album.root, album.sessions = tuple(images), root, sessions
        album.names = tuple(clean(path.relative_to(root).as_posix()) for path in images)
        return album

    def session_path(self, index: int) -> Path:
        """Return the path of an image's session file, which need not exist."""
        return self.sessions / session_name(self.names[index])

    def find(self, image: int | str | Path) -> int:
        """Return the index of an image, given an index (negative ones count from the end), a name or a path.

        Raises:
            ImageError: The image is not in this album, or its name matches several.
        """
        if isinstance(image, int):
            if -len(self.images) <= image < len(self.images):
                return image % len(self.images)
            raise ImageError(f"there is no image {image}; expected 0 to {len(self.images) - 1}, or a name")
        wanted = Path(image).expanduser()
        text = name_key(wanted.as_posix())
        keys = [name_key(name) for name in self.names]
        if text in keys:
            return keys.index(text)
        absolute = name_key(str(wanted.absolute()))
        for index, path in enumerate(self.images):
            if name_key(str(path)) == absolute:
                return index
        found = [index for index, key in enumerate(keys) if key.rpartition("/")[2] == text]
        if len(found) == 1:
            return found[0]
        if found:
            raise ImageError(f"{len(found)} images are called {text!r}; give the path from {str(self.root)!r}")
        raise ImageError(
            f"there is no image {text!r} in {str(self.root)!r}; it has {self.names[0]!r} and others like it"
        )

    @property
    def done(self) -> frozenset[str]:
        """The names of the images that are marked as done.

        Raises:
            SessionError: The file that stores the marks is damaged.
        """
        path = self.sessions / NOTES
        try:
            notes = json.loads(path.read_bytes())
            return frozenset(name for name in notes["done"] if isinstance(name, str))
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SessionError(
                f"{str(path)!r}, which remembers what is done, cannot be read ({error}); repair or remove it"
            ) from error

    def mark(self, index: int, *, done: bool) -> None:
        """Mark an image as done or not done, on disk. Marks of other albums in the same folder are preserved.

        Raises:
            SessionError: The file that stores the marks is damaged.
            StoreError: The file cannot be written.
        """
        before, name = self.done, {self.names[index]}
        after = before | name if done else before - name
        if after == before:
            return
        path = self.sessions / NOTES
        try:
            write_whole(path, json.dumps({"version": 1, "done": sorted(after)}, indent=1).encode())
        except OSError as error:
            raise StoreError(
                f"{str(path)!r} cannot be written ({error.strerror or error}); choose another folder: sessions=..."
            ) from error
