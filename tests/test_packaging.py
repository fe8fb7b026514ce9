"""The installed package is complete: bundle, photos, weights and type marker."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "sam_widget"
# Bytes, of the bundle after gzip.
BUDGET = 60_000
BUNDLE = {"sam_widget/widget/static/widget.js", "sam_widget/widget/static/widget.css"}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist of this repository as it is."""
    folder = tmp_path_factory.mktemp("dist")
    # The bundle is built by make, and needs no second look at npm's registry.
    environment = {**os.environ, "HATCH_JUPYTER_BUILDER_SKIP_NPM": "1"}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def data_files() -> set[str]:
    """Everything in the package that is not Python, as git and the build have it."""
    found = {
        path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix in (".safetensors", ".md", ".png", ".jpg")
    }
    return {path.relative_to(REPOSITORY).as_posix() for path in found} | BUNDLE | {"sam_widget/py.typed"}


def test_the_bundle_stays_small() -> None:
    """What every notebook loads: script and style, compressed as a server sends them."""
    size = sum(len(gzip.compress((REPOSITORY / name).read_bytes())) for name in BUNDLE)
    assert size <= BUDGET, f"{size} bytes"


def test_the_wheel_brings_everything_and_nothing_else(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert data_files() - names == set()
    assert [name for name in names if not name.startswith(("sam_widget/", "sam_widget-"))] == []
    assert [name for name in names if "__pycache__" in name] == []
    lessons = {f"sam_widget/teach/notebooks/{path.name}" for path in (REPOSITORY / "notebooks").glob("*.ipynb")}
    assert {name for name in names if "/notebooks/" in name} == lessons


def test_the_sdist_brings_the_bundle_and_its_sources(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert data_files() - names == set()
    assert names >= {"js/src/widget.ts", "js/package-lock.json", "LICENSE", "README.md", "pyproject.toml"}
    assert [name for name in names if "node_modules" in name] == []
