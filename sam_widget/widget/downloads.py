"""Export a session's objects as a single file for download. No path comes from a view or is sent to one."""

from __future__ import annotations

import io
import mimetypes
import tempfile
import zipfile
from pathlib import Path

from sam_widget.errors import SessionError
from sam_widget.session.session import Session


def packed(session: Session, format: str) -> tuple[str, str, bytes]:  # noqa: A002 - the name used by `export`
    """Return the objects in a format of `sam_widget.export`: name, MIME type and content of a file.

    A format that writes a folder is returned as a zip archive.

    Raises:
        SessionError: There are no objects.
        FormatError: The format does not exist, or cannot represent the objects.
        MissingExtraError: A library that the format requires is not installed.
    """
    from sam_widget.export import FORMATS, export
    from sam_widget.export.names import file_stem
    from sam_widget.text import clean

    if not session.objects:
        raise SessionError("there are no objects to export; accept a mask first")
    suffix = FORMATS[format].suffix if format in FORMATS else ""
    stem = clean(file_stem(session.image_name or "image", suffix=f"-{format}.zip"))
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
