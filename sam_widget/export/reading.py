"""How annotation files are read: what can be read is read, the rest is counted and named in one warning.

`Reading` collects what became of a file's regions. The functions below it take JSON apart; their messages are in the
words of JSON, for a person who has never seen Python.
"""

from __future__ import annotations

import inspect
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_widget.errors import FormatError, MaskError
from sam_widget.masks.annotations import Annotation, readable
from sam_widget.masks.runs import Runs, StoredMask

# Row runs that the masks of one file may have in all, 130 MB; a larger file may have as many as it has bytes.
_MAX_RUNS = 2**24
# Damaged regions that a warning names; the others it counts.
_NAMED = 3


class Reading:
    """What becomes of the regions of one file.

    Args:
        source: What is read: a path, or data.
        refusal: What it is not where nothing in it can be read, such as "these are not COCO instances".
        size: Size of the file, in bytes.
    """

    def __init__(self, source: Any, refusal: str, *, size: int = 0) -> None:
        self._name = repr(os.fspath(source)) if isinstance(source, str | os.PathLike) else "this data"
        self._refusal = refusal
        # Damaged regions: what was wrong with each.
        self._damaged: list[str] = []
        # Number of regions that are not masks, by kind.
        self._passed: Counter[str] = Counter()
        self._plurals: dict[str, str] = {}
        # What was left out of regions that were read.
        self._parts: Counter[str] = Counter()
        self._read = 0
        self._runs_left = max(_MAX_RUNS, size)

    @contextmanager
    def region(self, name: str) -> Iterator[None]:
        """Read a region; if it is damaged, continue with the next."""
        try:
            yield
        except TooMuchError:
            raise
        except (FormatError, MaskError) as error:
            self._damaged.append(f"{name}: {error}")

    def annotation(
        self, label: str, runs: Runs, shape: tuple[int, int], score: float | None = None
    ) -> list[Annotation]:
        """Return a region that was read, or nothing where it has no pixel.

        Raises:
            TooMuchError: The masks of the file are too many for the memory they would take.
        """
        if not len(runs):
            self.pass_over("mask without a pixel in its image", plural="masks without a pixel in their images")
            return []
        self._runs_left -= len(runs)
        if self._runs_left < 0:
            raise TooMuchError(
                f"the masks of {self._name} take more than {_MAX_RUNS * 8 // 10**6} MB; read them one by one: "
                'load_masks(..., image="...")'
            )
        self._read += 1
        return [Annotation(label, StoredMask.of_runs(runs, shape), score)]

    def pass_over(self, kind: str, *, plural: str = "") -> None:
        """Count a region that is not a mask."""
        self._passed[kind] += 1
        self._plurals[kind] = plural or f"{kind}s"

    def drop_part(self, kind: str) -> None:
        """Count something that was left out of a region."""
        self._parts[kind] += 1

    def keep_parts(self, kind: str, count: int) -> None:
        """Take back what `drop_part` counted, where the whole region turns out to be damaged."""
        self._parts[kind] -= count

    def finish(self) -> None:
        """Warn of what was not read, once.

        Raises:
            FormatError: There were regions, but all that are masks are damaged.
        """
        if self._damaged and not self._read:
            others = f", and {len(self._damaged) - 1} more like it" if len(self._damaged) > 1 else ""
            raise FormatError(f"{self._refusal} that can be read: in {self._name}, {self._damaged[0]}{others}")
        said = [f"{count} {kind if count == 1 else self._plurals[kind]}" for kind, count in self._passed.items()]
        said += [f"1 damaged ({what})" for what in self._damaged[:_NAMED]]
        if len(self._damaged) > _NAMED:
            said.append(f"{len(self._damaged) - _NAMED} more damaged")
        left_out = self._passed.total() + len(self._damaged)
        found = []
        if left_out:
            passed = "was" if left_out == 1 else "were"
            whole = left_out + self._read
            found.append(f"{left_out} of {whole} regions of {self._name} {passed} passed over: {', '.join(said)}")
        found += [
            f"{count} {kind}{'' if count == 1 else 's'} left out of the regions of {self._name} that were read"
            for kind, count in self._parts.items()
            if count
        ]
        if found:
            warn("; ".join(found))


class TooMuchError(FormatError):
    """The masks of a file would take too much memory: a fault of the file, not of one of its regions."""


def warn(message: str) -> None:
    """Warn the caller of this package, at the line that called it."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] in (
        "sam_widget",
        "contextlib",
    ):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


# ------------------------------------------------------------------------------------------------ JSON


def shown(value: Any) -> str:
    """Return a value of JSON in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(readable(value[:40])) + ("..." if len(value) > 40 else "")
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence | np.ndarray):
        return "a list"
    return f"{value:g}" if isinstance(value, float) else "a number"


def items(value: Any, what: str) -> Sequence[Any]:
    """Return a list.

    Raises:
        FormatError: It is something else.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise FormatError(f"{what} is {shown(value)}, expected a list")
    return value


def member(data: Any, name: str) -> Any:
    """Return a member of an object.

    Raises:
        FormatError: It is missing, or the data is not an object.
    """
    if not isinstance(data, Mapping):
        raise FormatError(f"expected an object with {name!r}, got {shown(data)}")
    if name not in data:
        raise FormatError(f"{name!r} is missing")
    return data[name]


def optional(data: Any, name: str) -> Any:
    """Return a member of an object, or None where there is none."""
    return data.get(name) if isinstance(data, Mapping) else None


def number(value: Any, what: str) -> float:
    """Return a finite number; text that reads as one counts.

    Raises:
        FormatError: It is something else.
    """
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise FormatError(f"{what} is {shown(value)}, expected a finite number")
    return found


def score_of(value: Any) -> float | None:
    """Return a score, None where there is none.

    Raises:
        FormatError: It is not a finite number.
    """
    return None if value is None else number(value, "the score")


def text_of(value: Any, what: str) -> str:
    """Return a name as text; null is the empty text.

    Raises:
        FormatError: It is a list or an object.
    """
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise FormatError(f"{what} is {shown(value)}, expected text")
    try:
        return readable(str(value))
    except ValueError as error:  # a whole number of more than 4300 digits
        raise FormatError(f"{what} is a number of thousands of digits, expected text") from error


def key_of(value: Any, what: str) -> str | int | float:
    """Return an identifier.

    Raises:
        FormatError: It is neither text nor a number.
    """
    if not isinstance(value, str | int | float):
        raise FormatError(f"{what} is {shown(value)}, expected a number or text")
    return value


def numbers(value: Any, what: str) -> NDArray[np.float64]:
    """Return a list of finite numbers, or of lists of them, as an array.

    Raises:
        FormatError: One of them is not a finite number, or the lists differ in length.
    """
    items(value, what)
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{what} has something that is not a number, or pairs and single numbers mixed") from error
    if not np.isfinite(array).all():
        raise FormatError(f"{what} has a coordinate that is not finite (null, NaN or infinity)")
    return array


def corners(value: Any, what: str, *, least: int = 3) -> NDArray[np.float64]:
    """Return the corners of a shape, (N, 2): pairs, or x, y, x, y, ...; further coordinates are left out.

    Raises:
        FormatError: They are fewer than `least`, or not finite numbers.
    """
    array = numbers(value, what)
    few = f"{what} has fewer than {('one', 'two', 'three')[least - 1]} corners"
    if array.ndim == 1 and array.size < 2 * least:
        raise FormatError(few)
    if array.ndim == 1 and array.size % 2:
        raise FormatError(f"{what} has a coordinate too many or too few: {array.size} numbers")
    if array.ndim == 1:
        array = array.reshape(-1, 2)
    if array.ndim != 2 or array.shape[1] < 2:
        raise FormatError(f"{what} is not a list of pairs x, y")
    if len(array) < least:
        raise FormatError(few)
    return array[:, :2]
