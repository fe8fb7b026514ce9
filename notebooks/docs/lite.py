"""Build a JupyterLite site: a JupyterLab that runs in the browser, with the first lesson. Called by `make lite`.

    python notebooks/docs/lite.py build/docs/lite

The site is static files, built without a network once JupyterLite is installed. The browser that opens it loads Pyodide
from its usual address, and what this package requires from PyPI; the package itself is in the site.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
LESSONS = ("01_quickstart.ipynb", "01_quickstart.zh-TW.ipynb")
PHOTO = ROOT / "sam_widget" / "photos" / "chelsea.png"
# In a folder of its own: JupyterLab would load the browser's kernel from its environment, too, and fail.
TOOLS = ROOT / "build" / "jupyterlite"
PACKAGES = ("jupyterlite-core==0.8.6", "jupyterlite-pyodide-kernel==0.8.6", "doit==0.37.0", "pkginfo==1.12.1.2")
TARGET = ROOT / "build" / "docs" / "lite"
INSTALL = "%pip install -q sam-widget"
NOTE = """\
**JupyterLite.** Python runs in this browser, without PyTorch, and the widget runs the model itself: hover, click, drag
a box, accept, then read `w.objects`. Cells that call the model from Python, such as `s.click(...)`, say that they need
PyTorch; they run in a JupyterLab, on Binder or in Colab."""


def lesson(path: Path) -> nbformat.NotebookNode:
    """Return a lesson that begins by installing the package."""
    notebook = nbformat.read(path, as_version=4)
    install = nbformat.v4.new_code_cell(INSTALL, id="install")
    notebook.cells[:0] = [nbformat.v4.new_markdown_cell(NOTE, id="jupyterlite"), install]
    notebook.metadata["kernelspec"] = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
    return notebook


def installed() -> dict[str, str]:
    """Install JupyterLite, unless it is; returns the environment in which it is found."""
    stamp = TOOLS / ".installed"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != repr(PACKAGES):
        shutil.rmtree(TOOLS, ignore_errors=True)
        run = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(TOOLS), *PACKAGES]
        subprocess.run(run, check=True)
        stamp.write_text(repr(PACKAGES), encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(TOOLS)}


def build(target: Path = TARGET) -> Path:
    """Write the site to a folder, which is replaced; returns it.

    Raises:
        subprocess.CalledProcessError: The package or the site cannot be built.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contents, wheels, site = folder / "contents", folder / "wheels", folder / "site"
        contents.mkdir()
        for each in LESSONS:
            nbformat.write(lesson(ROOT / "notebooks" / each), contents / each)
        shutil.copyfile(PHOTO, contents / "cat.png")
        run = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
        # `make build` has made the bundle.
        subprocess.run([*run, str(ROOT)], check=True, env={**os.environ, "HATCH_JUPYTER_BUILDER_SKIP_NPM": "1"})
        command = [sys.executable, "-m", "jupyterlite_core", "build", "--contents", str(contents), "--no-libarchive"]
        extensions = TOOLS / "share" / "jupyter" / "labextensions"
        command += [f"--FederatedExtensionAddon.extra_labextensions_path={extensions}"]
        command += ["--output-dir", str(site), *(f"--piplite-wheels={wheel}" for wheel in wheels.iterdir())]
        subprocess.run(command, check=True, cwd=folder, env=installed(), capture_output=True)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(site, target)
    return target


if __name__ == "__main__":
    print(build(*map(Path, sys.argv[1:])))
