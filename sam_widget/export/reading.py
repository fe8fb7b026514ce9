"""Tolerant reading of annotation files: unreadable regions are skipped and reported in a single warning.

`Reading` records the outcome for each region of a file. The functions below it access JSON data; their messages use
JSON's terms rather than Python's, for users who do not program.
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
from sam_widget.masks.annotations import Annotation
from sam_widget.masks.runs import Runs, StoredMask
from sam_widget.text import clean

# Maximum total number of row runs in one file, 130 MB; a larger file may have as many as it has bytes.
_MAX_RUNS = 2**24
# Number of damaged regions described in a warning; the others are only counted.
_NAMED = 3


class Reading:
    """The outcome of reading the regions of one file.

    Args:
        source: The path or data being read.
        refusal: Start of the error message if no region can be read, such as "these are not COCO instances".
        size: Size of the file, in bytes.
    """

    def __init__(self, source: Any, refusal: str, *, size: int = 0) -> None:
        self._name = repr(os.fspath(source)) if isinstance(source, str | os.PathLike) else "this data"
        self._refusal = refusal
        # Descriptions of the damaged regions.
        self._damaged: list[str] = []
        # Number of regions that are not masks, by kind.
        self._passed: Counter[str] = Counter()
        self._plurals: dict[str, str] = {}
        # Parts left out of regions that were read.
        self._parts: Counter[str] = Counter()
        self._read = 0
        self._runs_left = max(_MAX_RUNS, size)

    @contextmanager
    def region(self, name: str) -> Iterator[None]:
        """Record errors of a damaged region, so that reading continues with the next."""
        try:
            yield
        except TooMuchError:
            raise
        except (FormatError, MaskError) as error:
            self._damaged.append(f"{name}: {error}")

    def annotation(
        self, label: str, runs: Runs, shape: tuple[int, int], score: float | None = None
    ) -> list[Annotation]:
        """Return a list with the region's annotation, empty if the region has no pixels.

        Raises:
            TooMuchError: The masks of the file would take too much memory.
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
        """Undo calls of `drop_part`, if the whole region turns out to be damaged."""
        self._parts[kind] -= count

    def finish(self) -> None:
        """Report everything that was skipped, in a single warning.

        Raises:
            FormatError: Every mask in the file is damaged.
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
            found.append(f"{left_out} of {whole} regions of {self._name} {passed} skipped: {', '.join(said)}")
        found += [
            f"{count} {kind}{'' if count == 1 else 's'} left out of the regions of {self._name} that were read"
            for kind, count in self._parts.items()
            if count
        ]
        if found:
            warn("; ".join(found))


class TooMuchError(FormatError):
    """The masks of a file would take too much memory: an error of the file rather than of one of its regions."""


def warn(message: str) -> None:
    """Issue a warning that points to the line that called this package."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] in (
        "sam_widget",
        "contextlib",
    ):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


# ------------------------------------------------------------------------------------------------ JSON


def shown(value: Any) -> str:
    """Describe a JSON value in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(clean(value[:40])) + ("..." if len(value) > 40 else "")
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence | np.ndarray):
        return "a list"
    return f"{value:g}" if isinstance(value, float) else "a number"


def items(value: Any, what: str) -> Sequence[Any]:
    """Validate a list.

    Raises:
        FormatError: The value is not a list.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise FormatError(f"{what} is {shown(value)}, expected a list")
    return value


def member(data: Any, name: str) -> Any:
    """Return a member of an object.

    Raises:
        FormatError: The member is missing, or the data is not an object.
    """
    if not isinstance(data, Mapping):
        raise FormatError(f"expected an object with {name!r}, got {shown(data)}")
    if name not in data:
        raise FormatError(f"{name!r} is missing")
    return data[name]


def optional(data: Any, name: str) -> Any:
    """Return a member of an object, or None if it is missing."""
    return data.get(name) if isinstance(data, Mapping) else None


def number(value: Any, what: str) -> float:
    """Validate a finite number, which may be given as text.

    Raises:
        FormatError: The value is not a finite number.
    """
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise FormatError(f"{what} is {shown(value)}, expected a finite number")
    return found


def score_of(value: Any) -> float | None:
    """Validate a score, which may be None.

    Raises:
        FormatError: The value is not a finite number.
    """
    return None if value is None else number(value, "the score")


def text_of(value: Any, what: str) -> str:
    """Return a name as text; null becomes an empty string.

    Raises:
        FormatError: The value is a list or an object.
    """
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise FormatError(f"{what} is {shown(value)}, expected text")
    try:
        return clean(str(value))
    except ValueError as error:  # an integer of more than 4300 digits
        raise FormatError(f"{what} is a number of thousands of digits, expected text") from error


def key_of(value: Any, what: str) -> str | int | float:
    """Validate an identifier.

    Raises:
        FormatError: The value is neither text nor a number.
    """
    if not isinstance(value, str | int | float):
        raise FormatError(f"{what} is {shown(value)}, expected a number or text")
    return value


def numbers(value: Any, what: str) -> NDArray[np.float64]:
    """Return a list of finite numbers, or of lists of them, as an array.

    Raises:
        FormatError: A value is not a finite number, or the lists differ in length.
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
    """Return the corners of a shape, (N, 2), given as pairs or as x, y, x, y, ...; further coordinates are dropped.

    Raises:
        FormatError: There are fewer than `least` corners, or they are not finite numbers.
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
