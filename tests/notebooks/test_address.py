"""One line in pyproject.toml says where the repository is; badges, PyPI's page and the documentation follow it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from notebooks.docs import address

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = "https://github.com/someone/sam-widget"
README = (REPOSITORY / "README.md").read_text("utf-8")
PYPROJECT = (REPOSITORY / "pyproject.toml").read_text("utf-8")


def filled_in(text: str) -> str:
    """A pyproject.toml in which the address is known, whether or not it is yet."""
    if address.repository(text) is None:
        text = text.replace("# [project.urls]\n# Repository", "[project.urls]\nRepository")
    return re.sub(r'^Repository = ".*"$', f'Repository = "{HERE}/"', text, flags=re.MULTILINE)


def test_one_line_is_the_address() -> None:
    assert address.repository(filled_in(PYPROJECT)) == HERE
    assert address.repository('[project]\nname = "x"') is None
    with pytest.raises(ValueError, match=r"'http://x'.*https://github\.com/OWNER/NAME"):
        address.repository('[project.urls]\nRepository = "http://x"')


def test_the_badges_are_up_to_date() -> None:
    assert address.with_badges(README, address.repository()) == README, "make badges"


def test_binder_colab_and_jupyterlite_open_the_first_lesson_once_the_address_is_known() -> None:
    known = address.with_badges(README, HERE)
    assert (
        "(https://mybinder.org/v2/gh/someone/sam-widget/HEAD?urlpath=lab/tree/notebooks/01_quickstart.ipynb)" in known
    )
    colab = "https://colab.research.google.com/github/someone/sam-widget/blob/main/notebooks/01_quickstart.ipynb"
    assert f"({colab})" in known
    lite = "https://someone.github.io/sam-widget/lite/lab/index.html?path=01_quickstart.ipynb"
    assert f"({lite})" in known
    assert (REPOSITORY / address.FIRST).exists()
    assert address.with_badges(known, None) == address.with_badges(README, None)
    with pytest.raises(ValueError, match="needs <!-- badges"):
        address.with_badges("# sam_widget", HERE)


def test_no_link_is_relative_on_pypi() -> None:
    text = address.absolute(address.with_badges(README, HERE), HERE)
    links = [part for found in re.findall(r'\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"', text) for part in found if part]
    assert len(links) > 30
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    assert f"[![CI]({HERE}/actions/workflows/ci.yml/badge.svg)]({HERE}/actions/workflows/ci.yml)" in text
    assert f'src="{HERE}/raw/HEAD/notebooks/docs/pictures/widget-light.webp"' in text
    assert f"]({HERE}/blob/HEAD/sam_widget/weights/tiny.md#whose-photos-and-masks)" in text
    assert address.absolute(README, None) == README


def test_the_build_uses_the_address(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(filled_in(PYPROJECT), "utf-8")
    (tmp_path / "notebooks/docs").mkdir(parents=True)
    for name in ("README.md", "LICENSE", "notebooks/docs/address.py", "notebooks/docs/distribution.py"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    command = [sys.executable, "-m", "hatchling", "metadata"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    metadata = json.loads(result.stdout)
    assert metadata["urls"] == {"Repository": f"{HERE}/"}
    assert metadata["readme"]["text"] == address.absolute(README, HERE)
