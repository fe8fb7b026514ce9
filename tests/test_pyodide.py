"""Whether the package can be installed in Pyodide: each requirement is pure Python, or compiled by Pyodide."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
# Of the compiled packages in pyodide-lock.json of Pyodide 314.0.7 (npm), those that are needed.
COMPILED = {
    "contourpy",
    "fonttools",
    "kiwisolver",
    "markupsafe",
    "matplotlib",
    "msgspec",
    "numpy",
    "pillow",
    "pyyaml",
    "safetensors",
    "scipy",
    "wcwidth",
}
# These are compiled here, and have a wheel in pure Python on PyPI, too.
BOTH = {"psygnal"}
ENVIRONMENT = {
    "sys_platform": "emscripten",
    "platform_system": "Emscripten",
    "platform_machine": "wasm32",
    "python_version": "3.14",
    "python_full_version": "3.14.2",
    "extra": "",
}


def needed(requirements: list[str]) -> set[str]:
    wanted = [Requirement(text) for text in requirements]
    return {canonicalize_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate(ENVIRONMENT)}


def test_every_requirement_is_pure_python_or_compiled_by_pyodide() -> None:
    todo = needed(tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"])
    assert not todo & {"torch", "timm", "torchvision", "pycocotools"}
    done, lacking = set[str](), set[str]()
    while todo:
        name = todo.pop()
        done.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # only there, such as a transport that uses the browser's own
            continue
        is_pure = "Root-Is-Purelib: true" in (found.read_text("WHEEL") or "")
        if not is_pure and name not in COMPILED | BOTH:
            lacking.add(name)
        if name not in COMPILED:
            todo |= needed(found.requires or []) - done
    assert not lacking, "no wheel for Pyodide: give it a marker in pyproject.toml, and import it where it is used"
    assert {"anywidget", "ipywidgets", "numpy", "msgspec"} <= done
