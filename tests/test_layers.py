"""Imports point down: each room may use the floors below its own, and rooms of one floor do not know each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sam_widget"

# From the ground up.
FLOORS = (
    ("errors", "atomic", "text"),
    ("image", "prompts", "model"),
    ("masks",),
    ("predictor", "export"),
    ("automatic", "learn"),
    ("session",),
    ("folders", "page"),
    ("engine", "serve"),
    ("widget",),
    ("teach",),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Names for people who import the package; nothing inside it goes through them.
FACES = {"", "__main__", "rendering"}


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imports(source: str) -> set[str]:
    """Every module of the package that a file imports, wherever in the file, type checking included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "sam_widget" else set()
    return {name.removeprefix("sam_widget.") for name in found if name.startswith("sam_widget.")}


def upward(room: str, source: str) -> set[str]:
    """The imports of a file that do not point down."""
    rooms = {name.split(".")[0] for name in imports(source)} - {room}
    return {other for other in rooms if other in FLOOR and FLOOR[other] >= FLOOR[room]}


FILES = sorted(path for path in PACKAGE.rglob("*.py") if room_of(path) not in FACES)


def test_every_room_has_a_floor() -> None:
    assert {room_of(path) for path in FILES} <= set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path: Path) -> None:
    assert upward(room_of(path), path.read_text(encoding="utf-8")) == set()


def test_an_upward_import_is_found() -> None:
    hidden = "def f():\n    from sam_widget.session.session import Session\n"
    assert upward("predictor", hidden) == {"session"}
    assert upward("image", "import sam_widget.masks.runs\n") == {"masks"}
    assert upward("automatic", "from sam_widget.learn import data\n") == {"learn"}
    assert upward("session", "from sam_widget.masks.runs import StoredMask\n") == set()


def test_every_room_says_what_it_is() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
