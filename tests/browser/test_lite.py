"""JupyterLite as `make lite` builds it. Its kernel is not started: Pyodide comes from the network."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from notebooks.docs import address
from notebooks.docs.lite import INSTALL, build


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("docs") / "lite")


@pytest.fixture
def url(site: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_the_site_has_the_package_the_lesson_and_a_photo(site: Path) -> None:
    (wheel,) = json.loads((site / "pypi" / "all.json").read_text())["sam-widget"]["releases"].values()
    assert (site / "pypi" / wheel[0]["filename"]).stat().st_size > 10e6
    kernel = "@jupyterlite/pyodide-kernel-extension"
    assert kernel in (site / "jupyter-lite.json").read_text()
    names = {entry["name"] for entry in json.loads((site / "api/contents/all.json").read_text())["content"]}
    assert names == {"01_quickstart.ipynb", "01_quickstart.zh-TW.ipynb", "cat.png"}
    notebook = json.loads((site / "files/01_quickstart.ipynb").read_text())
    assert [cell["cell_type"] for cell in notebook["cells"][:2]] == ["markdown", "code"]
    assert "".join(notebook["cells"][1]["source"]) == INSTALL


def test_the_link_of_the_readme_opens_the_lesson(url: str, page: Page) -> None:
    link = address.links("https://github.com/someone/sam-widget")["JupyterLite"]
    page.goto(f"{url}/{link.partition('/lite/')[2]}")
    expect(page.get_by_role("tab", name="01_quickstart.ipynb")).to_be_visible()
    notebook = page.locator(".jp-Notebook")
    expect(notebook).to_contain_text("the widget runs the model itself")
    expect(notebook).to_contain_text(INSTALL)
