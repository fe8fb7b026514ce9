"""Prompts in a file, for many images: JSON or CSV, one row an object.

JSON: a list of objects with `image`, `points` (a list of [x, y]), `labels` (1 foreground, 0 background; all foreground
when left out), `box` ([x0, y0, x1, y1]) and `label` (what the object is called); or a dict with such a list as
`prompts`. CSV: a table with a header and the columns `image`, `x`, `y`, `positive` (1 or 0), `x0`, `y0`, `x1`, `y1`,
`label`; rows of one image with the same `object` are points and box of one object. A row needs what it says and no
more; without an image it is meant for every image.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_widget.errors import PromptError
from sam_widget.prompts.prompt import Box, Prompt

_JSON_KEYS = frozenset({"image", "points", "labels", "box", "label"})
_CSV_COLUMNS = frozenset({"image", "object", "label", "x", "y", "positive", "x0", "y0", "x1", "y1"})


@dataclass(frozen=True, eq=False)
class ObjectPrompt:
    """What to segment, and what to call it.

    Attributes:
        prompt: Points and box.
        label: What the object is called; None lets the session name it.
        image: Name of the image that it is meant for; None for every image.
    """

    prompt: Prompt
    label: str | None = None
    image: str | None = None

    def meant_for(self, name: str) -> bool:
        """Whether this is meant for an image, given its path within the folder: by that path or its file name."""
        return self.image is None or self.image == name or self.image == name.rpartition("/")[2]


def read_prompts(path: str | Path) -> list[ObjectPrompt]:
    """Read prompts from a JSON or CSV file.

    Raises:
        PromptError: The file cannot be read, or is malformed; says where.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"prompts cannot be read from {str(path)!r}: {error}. Give a JSON or CSV file") from error
    prompts = _from_csv(text, path.name) if path.suffix.lower() == ".csv" else _from_json(text, path.name)
    if not prompts:
        raise PromptError(f"{path.name} holds no prompt; expected a row for each object")
    return prompts


def unused(prompts: Sequence[ObjectPrompt], names: Iterable[str]) -> list[str]:
    """Return the images that prompts are meant for and that are not among `names`."""
    known = list(names)
    missing = (item.image for item in prompts if not any(item.meant_for(name) for name in known))
    return list(dict.fromkeys(name for name in missing if name is not None))


def _from_json(text: str, name: str) -> list[ObjectPrompt]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise PromptError(f"{name} is no JSON: {error}. Give a list of objects with points or a box") from error
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


def _from_csv(text: str, name: str) -> list[ObjectPrompt]:
    table = csv.DictReader(io.StringIO(text))
    columns = set(table.fieldnames or ())
    if (unknown := columns - _CSV_COLUMNS) or not columns & {"x", "x0"}:
        found = f"unknown columns {', '.join(sorted(unknown))}" if unknown else "neither x, y nor x0, y0, x1, y1"
        raise PromptError(f"{name} has {found}; known columns are {', '.join(sorted(_CSV_COLUMNS))}")
    objects: dict[object, tuple[Prompt, str, str, str]] = {}
    for row in table:
        where = f"{name}, line {table.line_num}"
        if None in row:
            raise PromptError(f"{where} has more values than there are columns")
        values = {key: (value or "").strip() for key, value in row.items()}
        key = (values.get("image"), values["object"]) if values.get("object") else table.line_num
        prompt, label, image, first = objects.get(key, (Prompt(), "", values.get("image", ""), where))
        if values.get("x"):
            x, y, positive = (_number(values, column, where) for column in ("x", "y", "positive"))
            prompt = prompt.with_point(x, y, int(positive))
        if values.get("x0"):
            prompt = prompt.with_box(
                Box.from_corners(*(_number(values, side, where) for side in ("x0", "y0", "x1", "y1")))
            )
        objects[key] = prompt, values.get("label") or label, image, first
    return [_checked(prompt, label or None, image or None, where) for prompt, label, image, where in objects.values()]


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
    return ObjectPrompt(prompt, label, image)
