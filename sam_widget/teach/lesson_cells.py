"""What a lesson's notebook consists of: prose, and code with its panels, questions and stored outputs.

The panels of a page are those that the notebook's own code makes, so they are read from it: a call such as
`sw.teach.ClickLandscape(photo, lang=LANG)` gives the kind, and the photo is looked up where the code assigned it.
"""

from __future__ import annotations

import ast
import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Where an image comes from: "sample" or "scene", and its argument.
Source = tuple[str, Any]


@dataclass(frozen=True)
class PanelCall:
    """A panel that the code makes.

    Attributes:
        kind: The name of its class.
        image: Where its image comes from; None if it has none.
        options: Its literal arguments by keyword.
    """

    kind: str
    image: Source | None
    options: dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """A stored picture."""

    mime: str
    data: bytes


@dataclass
class Cell:
    """A cell: prose if `code` is None.

    Attributes:
        text: Its Markdown, in the words of a page where they differ from the notebook's; or what it printed.
        code: Its source.
        panels: The panels that it makes.
        asks: Arguments of `Guesses.ask`: number, choices, low, high.
        reveals: The number of the question that it answers.
        shows_guesses: Whether it shows the table of guesses.
        click: x and y of the click that it makes in a traced image.
        pictures: Its stored pictures.
    """

    text: str
    code: str | None = None
    panels: list[PanelCall] = field(default_factory=list)
    asks: dict[str, Any] | None = None
    reveals: int | None = None
    shows_guesses: bool = False
    click: tuple[float, float] | None = None
    pictures: list[Picture] = field(default_factory=list)


def cells_of(notebook: Path) -> list[Cell]:
    """Return the cells of a lesson, in order."""
    document = json.loads(notebook.read_text(encoding="utf-8"))
    reader, cells = _Reader(), []
    for cell in document["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            ours = cell.get("metadata", {}).get("sam_widget", {}).get("page")
            cells.append(Cell(source if ours is None else "".join(ours)))
            continue
        made = Cell("", source)
        reader.read(made)
        for output in cell["outputs"]:
            data = {kind: "".join(value) for kind, value in output.get("data", {}).items()}
            made.text += "".join(output.get("text", ""))
            pictures = [kind for kind in data if kind in ("image/png", "image/jpeg")]
            made.pictures += [Picture(kind, b64decode(data[kind])) for kind in pictures]
            if not any(kind.startswith(("image/", "text/html")) for kind in data):
                made.text += data.get("text/plain", "")
        cells.append(made)
    return cells


class _Reader:
    """Follows the names that the code of a notebook assigns, cell after cell."""

    def __init__(self) -> None:
        self._images: dict[str, Source] = {}

    def read(self, cell: Cell) -> None:
        tree = ast.parse(cell.code or "")
        for statement in tree.body:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else None
            name = target.id if isinstance(target, ast.Name) else ""
            for call in _calls(statement):
                self._take(call, name, cell)
        last = tree.body[-1] if tree.body else None
        shown = last.value if isinstance(last, ast.Expr) else None
        cell.shows_guesses = isinstance(shown, ast.Name) and shown.id == "guesses"

    def _take(self, call: ast.Call, name: str, cell: Cell) -> None:
        path = ast.unparse(call.func)
        literals = [_literal(argument) for argument in call.args]
        given = {keyword.arg: _literal(keyword.value) for keyword in call.keywords if keyword.arg}
        options = {key: value for key, value in given.items() if value is not None}
        if path in ("sw.sample", "sw.teach.scene"):
            self._images[name] = (path.rpartition(".")[2], literals[0])
        elif path == "guesses.ask":
            number, choices = [*literals, ""][:2]
            cell.asks = {"number": number, "choices": choices, "low": 0.0, "high": 1.0} | options
        elif path == "guesses.reveal":
            cell.reveals = literals[0]
        elif path.startswith("sw.teach.") and path[len("sw.teach.")].isupper() and path != "sw.teach.Guesses":
            image = self._image(call.args[0]) if call.args else None
            cell.panels.append(PanelCall(path.rpartition(".")[2], image, options))
            if image is not None:
                self._images[name] = image
        elif path.endswith(".click") and len(literals) == 2:
            cell.click = (float(literals[0]), float(literals[1]))

    def _image(self, node: ast.expr) -> Source | None:
        """Return where `photo`, `car.image` or a traced image comes from."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return self._images.get(node.id) if isinstance(node, ast.Name) else None


def _calls(statement: ast.stmt) -> Iterator[ast.Call]:
    return (node for node in ast.walk(statement) if isinstance(node, ast.Call))


def _literal(node: ast.expr) -> Any:
    """Return the value of a literal; None for anything else."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
