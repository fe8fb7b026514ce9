"""What the commands of `sam-widget` share: arguments, and what is printed of a piece of work."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from sam_widget.folders.batch import BatchReport

Images = Annotated[list[str], Parameter(name="IMAGE", help="A folder of photos, or a photo; any number of them.")]
SessionFiles = Annotated[list[str], Parameter(name="SESSION", help="A session file, or a folder of them.")]
Recursive = Annotated[bool, Parameter(alias="-r", show_default=False, help="Look into the folders of a folder, too.")]
Sessions = Annotated[
    str,
    Parameter(
        name=["--out", "-o"],
        metavar="FOLDER",
        help="Where the session files go; it may be the folder of photos.",
    ),
]
Overwrite = Annotated[bool, Parameter(show_default=False, help="Do photos again that have a session file.")]
Model = Annotated[
    str, Parameter(alias="-m", metavar="MODEL", help="A name that `sam-widget models` lists, or a checkpoint.")
]
Quiet = Annotated[bool, Parameter(alias="-q", show_default=False, help="Print nothing but errors.")]


def split_numbers(text: str) -> list[float]:
    """Return numbers with commas between them; none where it is something else."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def numbers(*counts: int) -> Callable[[Any, Any], None]:
    """Return what checks an argument, which may be repeated, of so many numbers with commas between them."""

    def check(_type: object, value: str | Sequence[str] | None) -> None:
        for text in [value] if isinstance(value, str) else value or ():
            if len(split_numbers(text)) not in counts:
                wanted = " or ".join(map(str, counts))
                raise ValueError(f"{text!r} is not made of {wanted} numbers with commas between them")

    return check


def size(_type: object, tokens: Sequence[Any]) -> int:
    """Read a size such as 500MB, in bytes."""
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
    """Whether to show a progress bar: in a terminal; in a log it would be a mess."""
    return False if quiet else None


def tell(report: BatchReport, *, quiet: bool) -> int:
    """Print what became of the files; failures go to standard error. Returns the exit status."""
    if not quiet:
        print(str(report).partition("\n")[0])
    for failure in report.failed:
        print(failure, file=sys.stderr)
    return 1 if report.failed else 0


def show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning as people read it, without the line of code that gave it."""
    print(f"sam-widget: {message}", file=sys.stderr)
