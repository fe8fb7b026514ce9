"""Prompt files for many images: JSON or CSV, one row per object.

JSON: a list of objects with `image`, `points` (a list of [x, y]), `labels` (1 foreground, 0 background; all foreground
when omitted), `box` ([x0, y0, x1, y1]) and `label` (the object's name); or a dict with such a list under `prompts`.
CSV: a table with a header and the columns `image`, `x`, `y`, `positive` (1 or 0), `x0`, `y0`, `x1`, `y1`, `label`;
rows of one image with the same `object` are the points and box of one object. Every column is optional; a row without
an image applies to every image. Spreadsheet dialects of CSV are accepted: see `_from_csv`.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sam_widget.errors import PromptError
from sam_widget.prompts.prompt import Box, Prompt
from sam_widget.text import clean, name_key

_JSON_KEYS = frozenset({"image", "points", "labels", "box", "label"})
_CSV_COLUMNS = frozenset({"image", "object", "label", "x", "y", "positive", "x0", "y0", "x1", "y1"})
# Enough for more than a hundred thousand prompts; a larger file is probably not a prompt file.
MAX_BYTES = 50 * 2**20

_key = lru_cache(maxsize=2**16)(name_key)


@dataclass(frozen=True, eq=False)
class ObjectPrompt:
    """A prompt and the name of the object it describes.

    Attributes:
        prompt: Points and box.
        label: The object's name; None lets the session choose one.
        image: Name of the image the prompt applies to; None for every image.
    """

    prompt: Prompt
    label: str | None = None
    image: str | None = None

    def meant_for(self, name: str) -> bool:
        """Whether the prompt applies to an image, given the image's path relative to the folder.

        Matches by that path or by file name. Composed and decomposed letters are equal ("é" as typed on Windows and as
        stored by macOS), and so are both kinds of slash.
        """
        if self.image is None:
            return True
        wanted, known = _key(self.image), _key(name)
        return wanted == known or wanted == known.rpartition("/")[2]


def read_prompts(path: str | Path) -> list[ObjectPrompt]:
    """Read prompts from a JSON or CSV file.

    Raises:
        PromptError: The file cannot be read or is malformed; the message gives the location.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise PromptError(f"{str(path)!r} is larger than {MAX_BYTES // 2**20} MB. Split it into several files")
        table = path.suffix.lower() in {".csv", ".tsv"}
        text = _text(data, table=table)
    except (OSError, ValueError) as error:
        if isinstance(error, PromptError):
            raise
        raise PromptError(f"prompts cannot be read from {str(path)!r}: {error}. Give a JSON or CSV file") from error
    name = clean(path.name)
    prompts = _from_csv(text, name) if table else _from_json(text, name)
    if not prompts:
        raise PromptError(f"{name} holds no prompt; expected a row for each object")
    return prompts


def unused(prompts: Sequence[ObjectPrompt], names: Iterable[str]) -> list[str]:
    """Return the images that prompts refer to but that are not among `names`."""
    keys = {_key(name) for name in names}
    keys |= {key.rpartition("/")[2] for key in keys}
    return list(dict.fromkeys(item.image for item in prompts if item.image and _key(item.image) not in keys))


def _text(data: bytes, *, table: bool) -> str:
    """Decode a file: UTF-8, UTF-16 with a BOM (Excel's "Unicode text") or, for tables, older Excel's code page."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if not table:
            raise
        # Bytes undefined in Windows-1252 are replaced, so decoding never fails.
        return data.decode("cp1252", errors="replace")


# ------------------------------------------------------------------------------------------------ JSON


def _from_json(text: str, name: str) -> list[ObjectPrompt]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PromptError(f"{name} is not JSON: {error}. Give a list of objects with points or a box") from error
    rows = data.get("prompts") if isinstance(data, dict) else data
    if not isinstance(rows, list):
        raise PromptError(f'{name} must be a list of prompts, such as [{{"image": "a.jpg", "points": [[12, 30]]}}]')
    return [_from_row(row, f"{name}, prompt {number}") for number, row in enumerate(rows, start=1)]


def _from_row(row: Any, where: str) -> ObjectPrompt:
    if not isinstance(row, Mapping):
        raise PromptError(f"{where} is {str(row)[:60]!r}; expected an object with points or a box")
    if unknown := sorted(map(str, row.keys() - _JSON_KEYS)):
        raise PromptError(f"{where} has unknown keys {', '.join(unknown)}; known are {', '.join(sorted(_JSON_KEYS))}")
    try:
        prompt = Prompt.from_arrays(row.get("points") or None, row.get("labels"), row.get("box"), None)
    except PromptError as error:
        raise PromptError(f"{where}: {error}") from error
    return _checked(prompt, row.get("label"), row.get("image"), where)


# ------------------------------------------------------------------------------------------------ CSV


def _from_csv(text: str, name: str) -> list[ObjectPrompt]:
    """Read a table as spreadsheets export it.

    Columns are separated by commas, semicolons or tabs, detected from the header or a first line such as `sep=;`. If
    the separator is not a comma, numbers may use a decimal comma. Headers may contain capitals and spaces; empty rows
    are skipped.
    """
    lines = list(io.StringIO(text, newline=""))
    skipped, separator = 0, ""
    if lines and (said := re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE)):
        skipped, separator = 1, said[1]
    header = next((line for line in lines[skipped:] if line.strip()), "")
    separator = separator or max(",;\t", key=header.count)
    table = csv.reader(lines[skipped:], delimiter=separator)
    objects: dict[object, tuple[Prompt, str, str, str]] = {}
    columns: list[str] = []
    try:
        for cells in table:
            cells = [cell.strip() for cell in cells]  # noqa: PLW2901 - as they were meant
            where = f"{name}, line {table.line_num + skipped}"
            if not any(cells):
                continue
            if not columns:
                columns = _columns(cells, name)
                continue
            if any(cells[len(columns) :]):
                raise PromptError(f"{where} has more values than there are columns")
            values = dict(zip(columns, cells, strict=False))
            if separator != ",":
                values |= {
                    key: value.replace(",", ".") for key, value in values.items() if key not in ("image", "label")
                }
            key = (values.get("image"), values["object"]) if values.get("object") else table.line_num
            before = objects.get(key, (Prompt(), "", values.get("image", ""), where))
            objects[key] = _with_row(before, values, where)
    except csv.Error as error:
        raise PromptError(f"{name}, line {table.line_num + skipped} cannot be read: {error}") from error
    if not columns:
        _columns([], name)
    return [_checked(prompt, label or None, image or None, where) for prompt, label, image, where in objects.values()]


def _columns(cells: list[str], name: str) -> list[str]:
    columns = [cell.lower() for cell in cells]
    while columns and not columns[-1]:  # separators at the end of every line
        columns.pop()
    if (unknown := set(columns) - _CSV_COLUMNS) or not set(columns) & {"x", "x0"}:
        found = f"unknown columns {', '.join(sorted(unknown))}" if unknown else "neither x, y nor x0, y0, x1, y1"
        raise PromptError(f"{name} has {found}; known columns are {', '.join(sorted(_CSV_COLUMNS))}")
    if len(set(columns)) < len(columns):
        raise PromptError(f"{name} has a column twice: {', '.join(columns)}; expected each once")
    return columns


def _with_row(
    before: tuple[Prompt, str, str, str], values: Mapping[str, str], where: str
) -> tuple[Prompt, str, str, str]:
    prompt, label, image, first = before
    try:
        if values.get("x"):
            x, y, positive = (_number(values, column, where) for column in ("x", "y", "positive"))
            prompt = prompt.with_point(x, y, int(positive))
        if values.get("x0"):
            sides = [_number(values, side, where) for side in ("x0", "y0", "x1", "y1")]
            prompt = prompt.with_box(Box.from_corners(*sides))
    except PromptError as error:
        raise error if str(error).startswith(where) else PromptError(f"{where}: {error}") from None
    return prompt, values.get("label") or label, image, first


def _number(values: Mapping[str, str], column: str, where: str) -> float:
    text = values.get(column) or ("1" if column == "positive" else "")
    try:
        number = float(text)
    except ValueError:
        raise PromptError(f"{where}: {column} is {text!r}, expected a number") from None
    if column == "positive" and number not in (0, 1):
        raise PromptError(f"{where}: positive is {text!r}, expected 1 for foreground or 0 for background")
    return number


def _checked(prompt: Prompt, label: Any, image: Any, where: str) -> ObjectPrompt:
    if prompt.is_empty:
        raise PromptError(f"{where} has neither points nor a box")
    for name, value in (("label", label), ("image", image)):
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise PromptError(f"{where}: {name} is {str(value)[:60]!r}, expected a name")
    return ObjectPrompt(prompt, None if label is None else clean(label), image)
