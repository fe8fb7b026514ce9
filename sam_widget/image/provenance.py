"""The origin of an image, used to find it again. Its hash verifies that the right image was found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sam_widget.image.addresses import is_url, without_secrets
from sam_widget.image.sources import describe


@dataclass(frozen=True)
class Reference:
    """The origin of an image.

    Attributes:
        name: Display name.
        path: Absolute path of its file; None if it did not come from a file.
        url: Its address, without user name, password and signed parameters; None if it did not come from a URL.
    """

    name: str
    path: str | None = None
    url: str | None = None

    @classmethod
    def of(cls, image: Any) -> Reference:
        """Return the origin of an image, which may be anything that `to_rgb` reads."""
        name = describe(image)
        if isinstance(image, str) and is_url(image):
            if urlsplit(image.strip()).scheme.lower() not in {"http", "https"}:
                return cls(name)
            return cls(name, url=without_secrets(image))
        if isinstance(image, str | os.PathLike):
            file: object = os.fsdecode(image)
        else:  # Pillow images and open files have a name.
            file = getattr(image, "filename", None) or getattr(image, "name", None)
        if isinstance(file, str) and Path(file).expanduser().is_file():
            return cls(name, path=str(Path(file).expanduser().absolute()))
        return cls(name)

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> Reference:
        """Return the reference stored in the meta row `image` of a session file."""
        name, path, url = (meta[key] for key in ("name", "path", "url"))
        if not isinstance(name, str) or not all(part is None or isinstance(part, str) for part in (path, url)):
            raise TypeError("the reference of the image is malformed")
        return cls(name, path, url)

    def to_meta(self, folder: Path) -> dict[str, str | None]:
        """Return the meta row `image` of a session file in `folder`."""
        relative = None
        if self.path is not None:
            try:
                relative = Path(os.path.relpath(self.path, folder)).as_posix()
            except ValueError:  # on another drive
                relative = None
        return {"name": self.name, "path": self.path, "relative": relative, "url": self.url}

    def places(self, folder: Path, relative: object) -> Iterator[Path]:
        """Yield candidate paths: moved along with the session file, the original path, next to the session file.

        Paths on other machines are omitted: accessing one would identify the user to that machine.
        """
        tried = [folder / relative] if isinstance(relative, str) else []
        if self.path is not None:
            tried += [Path(self.path), folder / Path(self.path).name]
        for place in dict.fromkeys(tried):
            if not str(place).startswith(("\\\\", "//")) and place.is_file():
                yield place
