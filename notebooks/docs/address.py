"""The repository's address: `Repository` in pyproject.toml's [project.urls] is the only place that has it.

    python notebooks/docs/address.py    # write the badges of README.md that depend on it

Until that line exists, links stay relative, as on GitHub, and the README has no links to Binder, Colab and JupyterLite.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRST = "notebooks/01_quickstart.ipynb"
# In the README, what is written by this program.
BEGIN, END = "<!-- badges: make badges -->", "<!-- end -->"
BADGES = """[![CI](../../actions/workflows/ci.yml/badge.svg)](../../actions/workflows/ci.yml)
[![PyPI](https://img.shields.io/pypi/v/sam-widget)](https://pypi.org/project/sam-widget/)
[![Python](https://img.shields.io/pypi/pyversions/sam-widget)](https://pypi.org/project/sam-widget/)
[![Licence](https://img.shields.io/badge/licence-Apache--2.0-blue)](LICENSE)"""


def repository(pyproject: str | None = None) -> str | None:
    """Return the repository's address, without a slash at the end; None if it is not known.

    Raises:
        ValueError: It is not the address of a repository on GitHub.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8") if pyproject is None else pyproject
    found = tomllib.loads(text)["project"].get("urls", {}).get("Repository")
    if found is not None and not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/?", found):
        raise ValueError(f"Repository = {found!r} in pyproject.toml; give https://github.com/OWNER/NAME")
    return None if found is None else str(found).rstrip("/")


def links(address: str) -> dict[str, str]:
    """Return where the first lesson opens: addresses by name."""
    name = address.removeprefix("https://github.com/")
    owner, _, project = name.partition("/")
    return {
        "Binder": f"https://mybinder.org/v2/gh/{name}/HEAD?urlpath=lab/tree/{FIRST}",
        "Colab": f"https://colab.research.google.com/github/{name}/blob/main/{FIRST}",
        # Where GitHub publishes the documentation, which holds what `make lite` writes.
        "JupyterLite": f"https://{owner.lower()}.github.io/{project}/lite/lab/index.html?path={Path(FIRST).name}",
    }


def badges(address: str | None) -> str:
    """Return the README's badges."""
    if address is None:
        return BADGES
    images = {
        "Binder": "https://mybinder.org/badge_logo.svg",
        "Colab": "https://colab.research.google.com/assets/colab-badge.svg",
        "JupyterLite": "https://jupyterlite.rtfd.io/en/latest/_static/badge.svg",
    }
    return "\n".join([BADGES, *(f"[![{name}]({images[name]})]({url})" for name, url in links(address).items())])


def with_badges(readme: str, address: str | None) -> str:
    """Return a README with its badges up to date.

    Raises:
        ValueError: The README does not say where they belong.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md needs {BEGIN} and {END} around its badges")
    return f"{before}{BEGIN}\n{badges(address)}\n{END}{after}"


def absolute(readme: str, address: str | None) -> str:
    """Return a README whose links and pictures also work away from the repository, as on PyPI."""
    if address is None:
        return readme

    def target(path: str, *, picture: bool) -> str:
        if re.match(r"[a-z]+:|#", path):
            return path
        if path.startswith("../../"):  # From blob/HEAD: what GitHub has besides files.
            return f"{address}/{path.removeprefix('../../')}"
        return f"{address}/{'raw' if picture else 'blob'}/HEAD/{path}"

    # The pictures first: one may be the text of a link.
    readme = re.sub(r"(!\[[^\]]*\]\()([^)\s]+)\)", lambda found: f"{found[1]}{target(found[2], picture=True)})", readme)
    readme = re.sub(r"(\]\()([^)\s]+)\)", lambda found: f"{found[1]}{target(found[2], picture=False)})", readme)
    return re.sub(
        r"((?:src|srcset)=\")([^\"]+)\"", lambda found: f'{found[1]}{target(found[2], picture=True)}"', readme
    )


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_badges(path.read_text(encoding="utf-8"), repository()), encoding="utf-8")
