"""Other hosts: Jupyter Notebook 7, marimo, Colab as far as it can be imitated, and a plain page without a kernel."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import anywidget
import pytest
from ipywidgets.embed import dependency_state, embed_minimal_html
from playwright.sync_api import Page, Route, expect

import sam_widget as sw
from tests.browser.colab import Colab
from tests.browser.hovering import hovered, move, switch
from tests.browser.lab import TIMEOUT_MS, Lab, end, write_notebook
from tests.browser.view import FACE, SHOW_CAT, View
from tests.waiting import until


def try_out(page: Page) -> View:
    """Click, choose, accept, and take it back."""
    root = page.locator(".sam-widget")
    expect(root).to_have_attribute("data-state", "ready", timeout=TIMEOUT_MS)
    view = View(page, root)
    view.click(*FACE)
    expect(view.candidates).to_have_count(3)
    assert view.painted() > 500
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    view.press("Control+z")
    expect(view.objects).to_have_count(0)
    return view


def test_jupyter_notebook(lab: Lab, page: Page) -> None:
    lines: list[str] = []
    page.on("websocket", lambda websocket: lines.append(websocket.url))
    write_notebook(lab.root / "notebook7.ipynb", [SHOW_CAT])
    page.goto(f"{lab.url}/notebooks/notebook7.ipynb")
    # Until then the page says "idle", too, and runs no cell.
    lab.wait_for_kernel("notebook7.ipynb")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached", timeout=TIMEOUT_MS)
    page.locator(".jp-CodeCell .jp-InputArea-editor").first.click()
    page.wait_for_selector(".jp-CodeCell.jp-mod-active .cm-focused", state="attached")
    page.keyboard.press("Shift+Enter")
    try_out(page)
    assert len([line for line in lines if "/sam-widget/direct/" in line]) == 1
    lab.shut_down_kernels("notebook7.ipynb")


MARIMO = """import marimo
app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import sam_widget as sw

    w = mo.ui.anywidget(sw.SamWidget(sw.sample("cat")))
    w
    return


if __name__ == "__main__":
    app.run()
"""


@pytest.fixture
def marimo(tmp_path: Path) -> Iterator[str]:
    """The address of a marimo app that shows the widget."""
    app = tmp_path / "app.py"
    app.write_text(MARIMO, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "--quiet", "run", str(app), "--headless", "--no-token"]
    log = (tmp_path / "marimo.log").open("wb")
    server = subprocess.Popen(
        [*command, "--host=127.0.0.1", f"--port={port}"], cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def answers() -> bool:
        with contextlib.suppress(OSError):
            opener.open(url, timeout=30).close()
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=0.1)
            pytest.fail((tmp_path / "marimo.log").read_text())
        return False

    try:
        until(answers, seconds=TIMEOUT_MS / 1000, what="marimo answers")
        yield url
    finally:
        end(server)
        log.close()


def test_marimo(marimo: str, page: Page) -> None:
    page.goto(marimo)
    try_out(page)


@pytest.fixture(scope="module")
def colab() -> Iterator[Colab]:
    """A notebook that treats widgets as Colab does."""
    host = Colab()
    yield host
    host.close()


# Nothing of a Jupyter server.
LOADED_IN_COLAB = {"/", "/require.js", "/embed-amd.js", "/cdn/anywidget"}


def test_colab(colab: Colab, page: Page) -> None:
    errors: list[str] = []
    sockets: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("websocket", lambda websocket: sockets.append(websocket.url))
    (output,) = colab.run("import sam_widget as sw\nw = sw.SamWidget(sw.sample('cat'))\nw")
    page.goto(colab.page_of(output))
    root = page.locator(".sam-widget")
    expect(root).to_have_attribute("data-state", "ready", timeout=TIMEOUT_MS)
    view = View(page, root)
    if switch(view).get_attribute("aria-checked") == "false":  # This machine is slow, or busy.
        switch(view).click()
    move(view, *FACE)
    until(lambda: hovered(view), what="the mask under the pointer is shown")
    try_out(page)
    # What a page did is in the kernel, and in the next output of the same widget. Undone, it is a candidate again.
    expect(view.candidates).to_have_count(3)
    view.button("Accept").click()
    expect(view.objects).to_have_count(1)
    (printed,) = colab.run("print(len(w.objects), w.objects[0].mask.any())")
    assert printed["text"] == "1 True\n"
    (again,) = colab.run("display(w)")
    page.goto(colab.page_of(again))
    expect(view.objects).to_have_count(1, timeout=TIMEOUT_MS)
    # Neither a Jupyter server nor a direct line to the kernel was looked for.
    assert {url.rpartition("/")[2] for url in sockets} == {"socket"}
    assert {re.sub("@.*", "", path) for path in colab.requested} == {
        "/",
        "/require.js",
        "/embed-amd.js",
        "/cdn/anywidget",
    }
    assert errors == []


def test_panels_in_colab(colab: Colab, page: Page) -> None:
    code = "import sam_widget as sw\ntraced = sw.teach.TracedImage(sw.sample('cat'))\nsw.teach.MaskMaker(traced)"
    (output,) = colab.run(code)
    page.goto(colab.page_of(output))
    canvas = page.locator("canvas").first
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    page.wait_for_function(drawn, arg=canvas.element_handle(), timeout=TIMEOUT_MS)


def test_colab_refuses_a_widget_that_does_not_name_its_manager(colab: Colab) -> None:
    """The imitation is as strict as Colab: nothing of ipywidgets alone would be shown in a cell's result."""
    (output,) = colab.run("import ipycanvas\nipycanvas.Canvas()")
    with pytest.raises(LookupError, match="third party"):
        colab.page_of(output)


# What the page that ipywidgets writes fetches from the web, and where it is on this machine.
MODULES = Path(__file__).resolve().parents[2] / "js/node_modules"
FETCHED = {
    r"/require\.min\.js$": MODULES / "requirejs/require.js",
    r"/html-manager@[^/]*/dist/embed-amd\.js$": MODULES / "@jupyter-widgets/html-manager/dist/embed-amd.js",
    r"/anywidget@[^/]*/dist/index\.js$": Path(anywidget.__file__).parent / "nbextension/index.js",
}


def fetch(route: Route) -> None:
    """Fulfil what is of the page itself or known, and nothing else."""
    url = route.request.url
    if url.startswith("file:"):
        route.continue_()
        return
    (path,) = (path for pattern, path in FETCHED.items() if re.search(pattern, url))
    route.fulfill(path=path, content_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"})


def test_the_page_that_ipywidgets_saves(page: Page, tmp_path: Path) -> None:
    widget = sw.SamWidget(sw.sample("cat"))
    widget.click(*FACE)
    widget.accept("cat </script><b>")
    widget.click(300, 200)
    file = tmp_path / "embedded.html"
    # Not the widgets that other tests of this process have left.
    embed_minimal_html(file, views=[widget], state=dependency_state([widget]))
    widget.close()
    # The digest is of the very file that is on the web.
    file.write_text(re.sub(r' integrity="[^"]*"', "", file.read_text(encoding="utf-8")), encoding="utf-8")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("**/*", fetch)
    page.goto(file.as_uri())
    root = page.locator(".sam-widget")
    expect(root).to_have_attribute("data-state", "ready", timeout=TIMEOUT_MS)
    view = View(page, root)
    expect(view.status).to_contain_text("Saved without a kernel")
    expect(view.objects.first).to_contain_text("cat </script><b>")
    expect(view.candidates).to_have_count(3)
    assert view.painted() > 500
    expect(view.root.locator(".sam-veil")).to_be_hidden()
    for name in ("Accept", "Remove"):
        expect(view.root.get_by_role("button", name=name)).to_be_hidden()
    view.canvas.click(position=view.position(*FACE))
    view.canvas.press("Control+z")
    expect(view.candidates).to_have_count(3)
    for _ in range(2):
        view.canvas.press("+")
    expect(view.root.locator(".sam-minimap")).to_be_visible()
    expect(view.button("Sharpen here")).to_be_disabled()
    expect(view.button("Sharpen here")).to_have_attribute("title", re.compile("needs a kernel"))
    assert errors == []
