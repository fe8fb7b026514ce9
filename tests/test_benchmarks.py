"""Benchmarks start as they are documented: `python tests/benchmarks/NAME.py`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parent / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_a_benchmark_finds_the_helpers_of_the_tests(path: Path) -> None:
    """Some package in the environment may bring a folder `tests` of its own, so this one's parent has to come first."""
    statements = ast.parse(path.read_text(encoding="utf-8")).body
    imports = [
        number
        for number, one in enumerate(statements)
        if isinstance(one, ast.ImportFrom) and (one.module or "").partition(".")[0] == "tests"
    ]
    inserts = [number for number, one in enumerate(statements) if ast.unparse(one).startswith("sys.path.insert(0, ")]
    assert not imports or (inserts and inserts[0] < imports[0])
