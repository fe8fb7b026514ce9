"""The installed package is complete: bundle, photos, weights and type marker."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from notebooks.docs.address import absolute, repository

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "sam_widget"
# Bytes, of the bundle after gzip.
BUDGET = 60_000
BUNDLE = {f"sam_widget/widget/static/{name}" for name in ("loader.js", "widget.js", "widget.css")}
# Written into pages, and not part of what a notebook loads.
OF_PAGES = {
    f"sam_widget/page/static/{name}" for name in ("page.js", "page.css", "worker.js", "runtime.js", "runtime.wasm.gz")
}


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
    return {path.relative_to(REPOSITORY).as_posix() for path in found} | BUNDLE | OF_PAGES | {"sam_widget/py.typed"}


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


def test_the_description_is_the_readme(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        described = archive.read(name).decode().replace("\r\n", "\n").partition("\n\n")[2]
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    assert described.strip() == absolute(readme, repository()).strip()


def test_the_sdist_brings_the_bundle_and_its_sources(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert data_files() - names == set()
    assert names >= {"js/src/widget.ts", "js/package-lock.json", "LICENSE", "README.md", "pyproject.toml"}
    assert [name for name in names if "node_modules" in name] == []


# What a user does first, in the folder given: a mask, an export, the widget's bundle, a lesson.
FIRST_STEPS = """
import pathlib, shutil, sys
import sam_widget as sw
assert shutil.which("node") is None
assert pathlib.Path(sw.__file__).is_relative_to(sys.prefix), sw.__file__
w = sw.SamWidget(sw.sample("cat"))
w.click(250, 170)
w.accept("cat")
w.export("cat.json")
assert w.save_page("cat.html").is_file()
assert sw.lessons("05", lang="zh-TW", folder="class").is_file()
assert str(w._esm) and "sam-widget" in str(w._code) and str(w._css)
"""


def test_the_wheel_works_in_an_environment_of_its_own_without_node(distributions: Path, tmp_path: Path) -> None:
    """Its dependencies are those of this environment; only the package comes from the wheel."""
    (wheel,) = distributions.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=120)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([python, "-c", where], text=True).strip())
    # Comes after the wheel's own folder; files there that make this checkout importable are not followed.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel]
    subprocess.run(install, check=True, timeout=300)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JUPYTER"))}
    environment |= {"PATH": str(scripts), "HF_HUB_OFFLINE": "1"}

    def run(*command: str | Path) -> str:
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    run(python, "-c", FIRST_STEPS)
    assert (tmp_path / "cat.json").exists()
    assert "tiny" in run(scripts / "sam-widget", "models")
    assert (tmp_path / "venv/share/jupyter/labextensions/sam-widget/static/remoteEntry.js").exists()
    listed = run(python, "-m", "jupyter_server.extension.serverextension", "list")
    assert re.search(r"sam_widget\.widget\.server_extension\s.*OK", listed), listed


def test_the_distributions_are_as_the_package_index_wants_them(distributions: Path) -> None:
    files = sorted(distributions.iterdir())
    result = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr


# What conda-forge calls by another name.
CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base", "lazy_loader": "lazy-loader"}


def requirements(listed: list[str]) -> dict[str, str]:
    """Versions by conda-forge's name of the package, without the markers of systems that conda does not have."""
    split = [re.fullmatch(r"([\w.-]+) ?([^;]*)(; sys_platform != 'emscripten')?", one) for one in listed]
    return {CONDA.get(found[1], found[1]): found[2] for found in split if found}


def test_the_conda_recipe_agrees_with_the_project() -> None:
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    project = pyproject["project"]
    recipe = yaml.safe_load((REPOSITORY / ".conda" / "recipe.yaml").read_text("utf-8"))
    assert recipe["context"]["version"] == project["version"]
    assert recipe["about"]["license"] == project["license"]
    assert recipe["about"]["summary"] == project["description"]
    scripts = [f"{name} = {target}" for name, target in project["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    run = requirements(recipe["requirements"]["run"])
    assert run.pop("python") == ">=${{ python_min }}"
    assert run == requirements(project["dependencies"])
    host = requirements(recipe["requirements"]["host"])
    assert requirements(pyproject["build-system"]["requires"]).items() <= host.items()
    assert recipe["source"]["url"].endswith("/sam_widget-${{ version }}.tar.gz"), (
        "the name that hatchling gives the sdist"
    )
