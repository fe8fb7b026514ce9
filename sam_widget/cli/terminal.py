"""Shared by the `sam-widget` commands: argument types, and printing of reports and warnings."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from sam_widget.model.names import SERVER

if TYPE_CHECKING:
    from sam_widget.folders.batch import BatchReport
    from sam_widget.image.files import Shard

Images = Annotated[list[str], Parameter(name="IMAGE", help="Photos and folders of photos.")]
SessionFiles = Annotated[list[str], Parameter(name="SESSION", help="Session files and folders of them.")]
Recursive = Annotated[bool, Parameter(alias="-r", show_default=False, help="Include subfolders.")]
Sessions = Annotated[
    str,
    Parameter(
        name=["--out", "-o"],
        metavar="FOLDER",
        help="Folder of the session files; may be the folder of photos.",
    ),
]
Overwrite = Annotated[bool, Parameter(show_default=False, help="Replace existing session files.")]
Model = Annotated[
    str,
    Parameter(
        alias="-m",
        metavar="MODEL",
        env_var=SERVER,
        help="A name listed by `sam-widget models`, a checkpoint, or a server's address.",
    ),
]
LocalModel = Annotated[
    str, Parameter(alias="-m", metavar="MODEL", help="A name listed by `sam-widget models`, or a checkpoint.")
]
ShardOption = Annotated[
    str | None,
    Parameter(name="--shard", metavar="N/OF", help="Process one part of the photos, such as 3/16, as one job of many."),
]
Ray = Annotated[
    bool,
    Parameter(show_default=False, help="Share the photos out to a Ray cluster; photos may be at s3://bucket/folder."),
]
Quiet = Annotated[bool, Parameter(alias="-q", show_default=False, help="Print errors only.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Batch:
    """The options of commands that make a session file for each photo."""

    sessions: Sessions
    recursive: Recursive = False
    overwrite: Overwrite = False
    shard: ShardOption = None
    ray: Ray = False
    model: Model = "tiny"
    quiet: Quiet = False

    def arguments(self) -> dict[str, Any]:
        """Return them as the functions of `folders.sessions` take them."""
        return {
            "sessions": self.sessions,
            "recursive": self.recursive,
            "overwrite": self.overwrite,
            "shard": shard_of(self.shard),
            "model": self.model,
            "progress": bar(quiet=self.quiet),
        }


def shard_of(text: str | None) -> Shard | None:
    """Read --shard.

    Raises:
        ImageError: It is malformed.
    """
    from sam_widget.image.files import Shard

    return None if text is None else Shard.parse(text)


def split_numbers(text: str) -> list[float]:
    """Parse comma-separated numbers; returns an empty list for anything else."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def numbers(*counts: int) -> Callable[[Any, Any], None]:
    """Return a validator for arguments, possibly repeated, of `counts` comma-separated numbers."""

    def check(_type: object, value: str | Sequence[str] | None) -> None:
        for text in [value] if isinstance(value, str) else value or ():
            if len(split_numbers(text)) not in counts:
                wanted = " or ".join(map(str, counts))
                raise ValueError(f"invalid value {text!r}; expected {wanted} numbers separated by commas")

    return check


def size(_type: object, tokens: Sequence[Any]) -> int:
    """Parse a size such as 500MB; returns bytes."""
    text = str(tokens[0].value)
    found = re.fullmatch(r"([0-9.]+)\s*([kMGT]?)i?B?", text.strip(), re.IGNORECASE)
    try:
        number = float(found[1]) if found else -1.0
    except ValueError:
        number = -1.0
    if found is None or number <= 0:
        raise ValueError(f"invalid size {text!r}; expected one such as 500MB or 20GB")
    return int(number * 1000 ** " kmgt".index(found[2].lower() or " "))


def bar(*, quiet: bool) -> bool | None:
    """Return whether to show a progress bar; None decides by whether the output is a terminal."""
    return False if quiet else None


def tell(report: BatchReport, *, quiet: bool) -> int:
    """Print the outcome, with failures on standard error, and return the exit status."""
    if not quiet:
        print(str(report).partition("\n")[0])
    for failure in report.failed:
        print(failure, file=sys.stderr)
    return 1 if report.failed else 0


def show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning without the source line that raised it."""
    print(f"sam-widget: {message}", file=sys.stderr)
