"""A session's objects as one file for a browser to keep: no path comes from a view, and none goes there."""

from __future__ import annotations

import io
import mimetypes
import tempfile
import zipfile
from pathlib import Path

from sam_widget.errors import SessionError
from sam_widget.session.session import Session


def packed(session: Session, format: str) -> tuple[str, str, bytes]:  # noqa: A002 - as `export` calls it
    """Return the objects in a format of `sam_widget.export`: name and type of a file, and what is in it.

    A format that is a folder comes as a zip archive of it.

    Raises:
        SessionError: There are no objects.
        FormatError: There is no such format, or it cannot hold the objects.
        MissingExtraError: A library that the format needs is not installed.
    """
    from sam_widget.export import FORMATS, export
    from sam_widget.export.names import file_stem
    from sam_widget.masks.annotations import readable

    if not session.objects:
        raise SessionError("there are no objects to export; accept a mask first")
    suffix = FORMATS[format].suffix if format in FORMATS else ""
    stem = readable(file_stem(session.image_name or "image", suffix=f"-{format}.zip"))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / (f"{stem}-{format}" if suffix == "/" else f"{stem}{suffix}")
        export(session, target, format=format)
        if suffix != "/":
            return target.name, mimetypes.guess_type(target.name)[0] or "application/octet-stream", target.read_bytes()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            for path in sorted(target.rglob("*")):
                zipped.write(path, path.relative_to(target.parent))
        return f"{target.name}.zip", "application/zip", archive.getvalue()
