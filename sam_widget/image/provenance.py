"""Where an image came from, so that it can be found again; its hash says whether what is found is it."""

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
    """Where an image came from.

    Attributes:
        name: What to call it.
        path: Absolute path of its file; None where it came from elsewhere.
        url: Its address, without user name, password and signed parameters; None where it came from elsewhere.
    """

    name: str
    path: str | None = None
    url: str | None = None

    @classmethod
    def of(cls, image: Any) -> Reference:
        """Return where an image came from: anything that `to_rgb` reads."""
        name = describe(image)
        if isinstance(image, str) and is_url(image):
            if urlsplit(image.strip()).scheme.lower() not in {"http", "https"}:
                return cls(name)
            return cls(name, url=without_secrets(image))
        if isinstance(image, str | os.PathLike):
            file: object = os.fsdecode(image)
        else:  # Pillow's name for it, and that of open files.
            file = getattr(image, "filename", None) or getattr(image, "name", None)
        if isinstance(file, str) and Path(file).expanduser().is_file():
            return cls(name, path=str(Path(file).expanduser().absolute()))
        return cls(name)

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> Reference:
        """Read it from the meta row `image` of a session file."""
        name, path, url = (meta[key] for key in ("name", "path", "url"))
        if not isinstance(name, str) or not all(part is None or isinstance(part, str) for part in (path, url)):
            raise TypeError("the reference of the image is malformed")
        return cls(name, path, url)

    def to_meta(self, folder: Path) -> dict[str, str | None]:
        """Return it for the meta row `image` of a session file in a folder."""
        relative = None
        if self.path is not None:
            try:
                relative = Path(os.path.relpath(self.path, folder)).as_posix()
            except ValueError:  # Another drive.
                relative = None
        return {"name": self.name, "path": self.path, "relative": relative, "url": self.url}

    def places(self, folder: Path, relative: object) -> Iterator[Path]:
        """Yield where the file may be: moved along with the session file, at its old place, next to the session file.

        Places on other machines are left out: accessing one would identify the user to that machine.
        """
        tried = [folder / relative] if isinstance(relative, str) else []
        if self.path is not None:
            tried += [Path(self.path), folder / Path(self.path).name]
        for place in dict.fromkeys(tried):
            if not str(place).startswith(("\\\\", "//")) and place.is_file():
                yield place
