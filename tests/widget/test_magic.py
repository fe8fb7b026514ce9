"""`%load_ext sam_widget` and `%sam`."""

from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

import sam_widget as sw


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """A shell of its own, in a folder with a photo and a folder of photos."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("my photo.jpg", "photos/a.jpg"):
        Image.fromarray(sw.sample("cat")).save(name)
    shell = InteractiveShell()
    shell.extension_manager.load_extension("sam_widget")
    return shell


def size_of(opened: object) -> tuple[int, int]:
    assert isinstance(opened, sw.SamWidget)
    size = opened.session.size
    opened.close()
    return size


def test_files_variables_samples_and_folders(shell: InteractiveShell) -> None:
    assert size_of(shell.run_line_magic("sam", "'my photo.jpg'")) == (451, 300)
    shell.user_ns["scan"] = sw.sample("coffee")
    assert size_of(shell.run_line_magic("sam", "scan --model tiny")) == (600, 400)
    assert size_of(shell.run_line_magic("sam", "rocket")) == (640, 427)
    gallery = shell.run_line_magic("sam", "photos")
    assert isinstance(gallery, sw.Gallery)
    assert [row.name for row in gallery.overview] == ["a.jpg"]
    gallery.close()


def test_autosave_continues(shell: InteractiveShell) -> None:
    first = shell.run_line_magic("sam", "cat --autosave cat.sam")
    first.click(175, 130)
    first.accept("cat")
    first.close()
    again = shell.run_line_magic("sam", "cat -a cat.sam")
    assert [item.label for item in again.session.objects] == ["cat"]
    again.close()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nothing.jpg", "'nothing.jpg' is neither a variable, a file, a folder nor a URL"),
        ("photos --autosave x.sam", "leave --autosave out"),
        ("", "required: image"),
    ],
)
def test_mistakes_are_told_in_one_line(shell: InteractiveShell, line: str, message: str) -> None:
    with pytest.raises((UsageError, SystemExit), match=message):
        shell.run_line_magic("sam", line)


def test_importing_the_package_does_not_import_ipython_magic() -> None:
    import subprocess
    import sys

    code = "import sam_widget, sys; print('IPython' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert out.stdout.strip() == "False"
