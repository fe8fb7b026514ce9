"""An opened session file: its image, model and states, before a session is created from them."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import platform
import uuid
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sam_widget.errors import ImageError, SessionError
from sam_widget.image.npy import array_from_npy
from sam_widget.image.provenance import Reference
from sam_widget.image.rendering import SourceImage
from sam_widget.predictor.interface import check_model_is_here
from sam_widget.session.file.decoder import Decoder
from sam_widget.session.file.encoder import Encoder
from sam_widget.session.file.format import Blob, Contents, damaged, read
from sam_widget.session.file.writer import SessionFile, resolved
from sam_widget.session.state import Recall, SegmentedObject, SessionState

# Row runs count pixels in 32 bits.
_MAX_PIXELS = 2**32 - 1


class Record:
    """The content of a session file.

    Attributes:
        path: Path of the file.
        file: The file, if edits will be written to it; None if it was only read.
        contents: Its contents; None if there are none yet.
        live: Hashes of the documents and blobs that the history refers to, after `states` has read it.
    """

    def __init__(self, path: Path, file: SessionFile | None, contents: Contents | None) -> None:
        self.path, self.file, self.contents = path, file, contents
        self.live: set[str] = set()

    @classmethod
    def read(cls, path: str | Path) -> Record:
        """Open a session file for reading; see `format.read`."""
        path = resolved(path)
        return cls(path, None, read(path))

    @classmethod
    def claim(cls, path: str | Path) -> Record:
        """Open a path for writing, which may already contain a session; see `SessionFile.claim`."""
        file = SessionFile.claim(path)
        return cls(file.path, file, file.take() if file.exists else None)

    def close(self) -> None:
        """Release the file."""
        if self.file is not None:
            self.file.close()

    @property
    def model(self) -> str:
        """The argument of `load_model` for the model that was used last: a name, or the path of a checkpoint."""
        with self._damage():
            used = self._contents.meta["models"][self._contents.meta["model"]]
            return str(used["source"] or used["name"])

    def model_to_load(self) -> str:
        """Return `model` if it can be loaded from this machine.

        Raises:
            ModelError: The model is on another machine, or its weights would have to be downloaded.
        """
        check_model_is_here(self.model, self.path.name)
        return self.model

    @property
    def weights(self) -> str:
        """The weights of the model that was used last."""
        with self._damage():
            return str(self._contents.meta["model"])

    @property
    def reference(self) -> Reference:
        """The origin of the image."""
        with self._damage():
            return Reference.from_meta(self._contents.meta["image"])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image, in pixels."""
        with self._damage():
            meta = self._contents.meta["image"]
            width, height = int(meta["width"]), int(meta["height"])
            if min(width, height) < 1 or width * height > _MAX_PIXELS:
                raise ValueError(f"the image's size is {width} x {height}, expected 1 to {_MAX_PIXELS} pixels in all")
            return width, height

    @property
    def objects(self) -> tuple[SegmentedObject, ...]:
        """The accepted objects in the current state."""
        return self.states()[self._contents.position].objects

    def image(self, given: Any = None) -> SourceImage:
        """Return the image: the given one, the one in the file, or the one at the path in the file.

        URLs are never fetched, because an untrusted file must not choose network addresses.

        Raises:
            SessionError: The image is a different one, or cannot be found.
            ImageError: The given image cannot be read.
        """
        if given is not None:
            source = given if isinstance(given, SourceImage) else SourceImage(given)
            self.check(source)
            return source
        with self._damage():
            meta = self._contents.meta["image"]
            kept = meta["values"] or meta["png"]
            if kept is not None:
                data = self._contents.blobs[kept].data
                # Never a pickle, which would execute code from the file.
                source = SourceImage(data if meta["values"] is None else array_from_npy(data))
                if source.hash != meta["hash"] and meta["values"] and meta["png"]:
                    # The values alone do not say that a fourth channel is infrared,
                    # or which values are missing: the picture does.
                    source = SourceImage.restored(
                        source.values, SourceImage(self._contents.blobs[meta["png"]].data).rgb
                    )
                if source.hash != meta["hash"]:
                    raise ValueError("the image in it is another one")
                self._check_size(source)
                source.reference = self.reference
                return source
        for place in self.reference.places(self.path.parent, meta["relative"]):
            with contextlib.suppress(ImageError):
                source = SourceImage(place)
                if source.hash == meta["hash"]:
                    with self._damage():
                        self._check_size(source)
                    return source
        raise SessionError(
            f"{self.path.name} is about {self._what()}, which is not in the file and was not found; give it: "
            f"load({str(self.path.name)!r}, image=...)"
        )

    def check(self, source: SourceImage) -> None:
        """Check that an image is the one that the file belongs to.

        Raises:
            SessionError: The image is a different one; the message describes both.
        """
        with self._damage():
            expected = str(self._contents.meta["image"]["hash"])
        if source.hash != expected:
            width, height = source.size
            raise SessionError(
                f"{self.path.name} is about another image: it was made on {self._what()}, and {source.reference.name} "
                f"given here is {width} x {height} pixels, hash {source.hash[:12]}. Give that image, or choose another "
                "path for this one"
            )
        with self._damage():
            self._check_size(source)

    def _check_size(self, source: SourceImage) -> None:
        if source.size != self.size:
            raise ValueError(f"its masks are of {self.size} pixels, but its image has {source.size}")

    def states(self, encoder: Encoder | None = None, recall: Recall | None = None) -> list[SessionState]:
        """Return the states of the history; an encoder is told not to write them again.

        Args:
            encoder: What the states are written with from now on.
            recall: Gets the logits of answers again; without it, they are None.

        Raises:
            SessionError: The file is damaged.
        """
        with self._damage():
            meta = self._contents.meta["image"]
            decoder = Decoder(self._contents, self.size, recall)
            states = decoder.states()
        self.live = {*decoder.done, *filter(None, [meta["png"], meta["values"]])}
        if encoder is not None:
            encoder.learn(decoder)
        return states

    @property
    def _contents(self) -> Contents:
        if self.contents is None:
            raise SessionError(f"there is no session in {self.path.name} yet")
        return self.contents

    def _what(self) -> str:
        """Describe the file's image."""
        meta = self._contents.meta["image"]
        name = meta["path"] or meta["url"] or meta["name"]
        return f"{name} ({meta['width']} x {meta['height']} pixels, hash {str(meta['hash'])[:12]})"

    @contextlib.contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            if isinstance(error, SessionError):
                raise
            why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise damaged(self.path, why) from error


def new_meta(source: SourceImage, folder: Path, *, kept: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the meta rows of a new session file, except those of the model; `kept` are the blobs of the image."""
    width, height = source.size
    versions = {"python": platform.python_version()}
    for package in ("sam-widget", "torch", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "session": uuid.uuid4().hex,
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "image": {
            "hash": source.hash,
            "width": width,
            "height": height,
            "png": None,
            "values": None,
            **kept,
            **source.reference.to_meta(folder),
        },
        "versions": versions,
    }


def image_blobs(source: SourceImage) -> dict[str, Blob]:
    """Return an image's blobs for a file: a PNG and, if the PNG does not represent its values, the values."""
    width, height = source.size
    buffer = io.BytesIO()
    Image.fromarray(source.rgb).save(buffer, "PNG", compress_level=1)
    blobs = {"png": Blob("image", height, width, buffer.getvalue())}
    if source.values is not source.rgb:
        buffer = io.BytesIO()
        np.save(buffer, source.values, allow_pickle=False)
        blobs["values"] = Blob("values", height, width, buffer.getvalue())
    return blobs
