"""What the commands of `sam-widget` share: arguments, how help looks, and what is printed of a piece of work."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam_widget.folders.batch import BatchReport


class Plain(argparse.RawDescriptionHelpFormatter):
    """Lines as they are written, and a column wide enough for most options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=100)

    def add_argument(self, action: argparse.Action) -> None:
        """Take note of an argument, and of a command with the indentation that it has."""
        super().add_argument(action)
        if action.nargs == argparse.PARSER:
            # argparse forgets it.
            self._action_max_length += self._indent_increment


def add_command(commands: Any, name: str, run: Callable[..., int], *, short: str, long: str, examples: str) -> Any:
    """Add a command: `run` is called with its arguments by name, and returns the exit status."""
    description = textwrap.fill(textwrap.dedent(long).strip().replace("\n", " "), 100)
    parser = commands.add_parser(
        name, help=short, description=description, epilog=textwrap.dedent(examples).strip(), formatter_class=Plain
    )
    parser.set_defaults(run=run)
    return parser


def add_images(parser: Any) -> None:
    """Add what is worked on."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a folder of photos, or a photo; any number of them")
    parser.add_argument("-r", "--recursive", action="store_true", help="look into the folders of a folder, too")


def add_sessions(parser: Any) -> None:
    """Add where session files go."""
    parser.add_argument(
        "-o",
        "--out",
        dest="sessions",
        metavar="FOLDER",
        required=True,
        help="where the session files go; it may be the folder of photos",
    )
    parser.add_argument("--overwrite", action="store_true", help="do photos again that have a session file")


def add_session_files(parser: Any) -> None:
    """Add the session files that are read."""
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="a session file, or a folder of them")


def add_model(parser: Any) -> None:
    """Add the model."""
    parser.add_argument(
        "-m", "--model", default="tiny", help="a name that `sam-widget models` lists, or a checkpoint (default: tiny)"
    )


def add_quiet(parser: Any) -> None:
    """Add the option to print little."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def bar(*, quiet: bool) -> bool | None:
    """A progress bar in a terminal; in a log it would be a mess."""
    return False if quiet else None


def tell(report: BatchReport, *, quiet: bool) -> int:
    """Print what became of the files; failures go to standard error. Returns the exit status."""
    if not quiet:
        print(str(report).partition("\n")[0])
    for failure in report.failed:
        print(failure, file=sys.stderr)
    return 1 if report.failed else 0


def numbers(*counts: int) -> Callable[[str], list[float]]:
    """Return a type of argument: so many numbers with commas between them."""

    def read(text: str) -> list[float]:
        try:
            found = [float(part) for part in text.split(",")]
        except ValueError:
            found = []
        if len(found) not in counts:
            wanted = " or ".join(map(str, counts))
            raise argparse.ArgumentTypeError(f"{text!r} is not made of {wanted} numbers with commas between them")
        return found

    return read


def size(text: str) -> int:
    """Read a size such as 500MB, in bytes."""
    found = re.fullmatch(r"([0-9.]+)\s*([kMGT]?)i?B?", text.strip(), re.IGNORECASE)
    try:
        number = float(found[1]) if found else -1.0
    except ValueError:
        number = -1.0
    if found is None or number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected one such as 500MB or 20GB")
    return int(number * 1000 ** " kmgt".index(found[2].lower() or " "))


def show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning as people read it, without the line of code that gave it."""
    print(f"sam-widget: {message}", file=sys.stderr)
