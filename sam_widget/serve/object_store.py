"""Photos and session files in an object store, through fsspec: s3://, gs://, az:// and others.

Each photo is copied to a temporary folder, and its session file is copied back, so that everything else sees files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from sam_widget.errors import ImageError, StoreError
from sam_widget.folders.image_folder import Album
from sam_widget.image.addresses import without_secrets
from sam_widget.image.files import IMAGE_SUFFIXES, natural_key

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_remote(place: object) -> bool:
    """Whether text is an address of fsspec, such as s3://bucket/photos."""
    return isinstance(place, str) and _ADDRESS.match(place) is not None


@dataclass(frozen=True)
class RemoteFolder:
    """A folder in an object store. It is pickled; credentials are those of the machine that uses it.

    Attributes:
        url: Its address.
    """

    url: str

    def __str__(self) -> str:
        return without_secrets(self.url)

    def list_images(self, *, recursive: bool) -> list[str]:
        """Return the images in it by their paths relative to it, in natural order. Hidden files are left out.

        Raises:
            ImageError: It cannot be listed, or has no images.
        """
        found = [
            name
            for name in self.list_files(deep=recursive)
            if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
            and not any(part.startswith(".") for part in PurePosixPath(name).parts)
        ]
        if not found:
            deeper = "" if recursive else ", and folders inside it only if told to be recursive"
            raise ImageError(f"there is no image in {self}; looked for {', '.join(sorted(IMAGE_SUFFIXES))}{deeper}")
        return sorted(found, key=lambda name: [natural_key(part) for part in name.split("/")])

    def list_files(self, *, deep: bool = True) -> set[str]:
        """Return the files in it by their paths relative to it.

        Raises:
            ImageError: It cannot be listed.
        """
        fs, root = self._open()
        try:
            files = fs.find(root, maxdepth=None if deep else 1)
        except FileNotFoundError:
            return set()
        except Exception as error:  # each store raises errors of its own
            raise ImageError(f"{self} cannot be listed: {error}; check the address and the credentials") from error
        return {str(file)[len(root) :].strip("/") for file in files}

    def has(self, name: str) -> bool:
        """Whether it has a file."""
        fs, root = self._open()
        return bool(fs.exists(f"{root}/{name}"))

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file from it.

        Raises:
            StoreError: The file cannot be read.
        """
        self._copy("get_file", f"{self._open()[1]}/{name}", str(target))

    def put(self, source: Path, name: str) -> None:
        """Copy a file to it.

        Raises:
            StoreError: The file cannot be written.
        """
        fs, root = self._open()
        fs.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
        self._copy("put_file", str(source), f"{root}/{name}")

    def _copy(self, method: str, source: str, target: str) -> None:
        try:
            getattr(self._open()[0], method)(source, target)
        except Exception as error:  # each store raises errors of its own
            raise StoreError(f"{self}: {type(error).__name__}: {error}") from error

    def _open(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs

            fs, root = url_to_fs(self.url)
        except (ImportError, ValueError) as error:  # an unknown scheme, or a store whose package is missing
            raise ImageError(f"{self} cannot be used: {error}") from error
        return fs, str(root).rstrip("/")


@contextmanager
def copied(photos: RemoteFolder, name: str, sessions: Path | RemoteFolder | None, *, again: bool) -> Iterator[Album]:
    """Yield an album of one photo that is copied from an object store; its session file is copied back.

    Args:
        photos: The folder of the photo.
        name: Its path in this folder.
        sessions: The folder of the session files, here or in an object store.
        again: Copy the session file that exists, to continue it. Otherwise it is replaced.

    Raises:
        StoreError: The photo cannot be read, or the session file cannot be written.
    """
    with TemporaryDirectory(prefix="sam-widget-") as folder:
        root = Path(folder).resolve() / "photos"
        photo = root / name
        photo.parent.mkdir(parents=True)
        photos.fetch(name, photo)
        here = sessions if isinstance(sessions, Path) else Path(folder).resolve() / "sessions"
        album = Album.within(root, [photo], sessions=here)
        file = album.session_path(0)
        if not isinstance(sessions, RemoteFolder):
            yield album
            return
        target = file.relative_to(here).as_posix()
        if again and sessions.has(target):
            file.parent.mkdir(parents=True, exist_ok=True)
            sessions.fetch(target, file)
        before = file.read_bytes() if file.exists() else None
        yield album
        if file.exists() and file.read_bytes() != before:
            sessions.put(file, target)
