"""A private JupyterLab, and a notebook in it as a browser shows it.

Every wait is for a state: of the server, of the kernel, of the page.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.waiting import until

# A kernel that imports torch on two busy cores needs a while; a test that waits longer than this has failed.
TIMEOUT_MS = 120_000
# Pictures of what a test saw when it failed.
ARTIFACTS = Path(__file__).parent / "artifacts"
VIEWPORT: ViewportSize = {"width": 1280, "height": 960}
# The kernel forgets what a notebook has done in it.
FORGET = """
import ipywidgets
ipywidgets.Widget.close_all()
get_ipython().reset()
"""
# Whether the page still shows JupyterLab with a notebook and its kernel.
STILL_THERE = """() => {
    const shell = window.jupyterapp?.shell
    return Boolean(shell?.node.isConnected && shell.currentWidget?.sessionContext?.session?.kernel)
}"""
# JupyterLab looks as at first.
RESTORE = """async () => {
    const {commands, shell} = window.jupyterapp
    shell.expandLeft()
    if (document.body.dataset.jpThemeName !== 'JupyterLab Light')
        await commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})
}"""
# Counts the decoded pictures that a page holds.
COUNT_BITMAPS = """
window.bitmaps = {live: 0, most: 0, largest: 0}
{
    const create = window.createImageBitmap, close = ImageBitmap.prototype.close
    window.createImageBitmap = async (...args) => {
        const bitmap = await create(...args)
        bitmaps.live++
        bitmaps.most = Math.max(bitmaps.most, bitmaps.live)
        bitmaps.largest = Math.max(bitmaps.largest, bitmap.width * bitmap.height)
        return bitmap
    }
    ImageBitmap.prototype.close = function () { bitmaps.live--; close.call(this) }
}
"""


class Lab:
    """A JupyterLab server that shares neither settings nor workspaces with the user's own."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Start it, with further options, and return once it answers; files are served from `folder / "root"`.

        Raises:
            RuntimeError: it ended instead; says what it printed.
        """
        self.root = folder / "root"
        self.root.mkdir()
        self._log = folder / "jupyterlab.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        private = {
            "IPYTHONDIR": "ipython",
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }
        # JupyterLab's question about its newsletter would lie over the page.
        notification = folder / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
        notification.parent.mkdir(parents=True)
        notification.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
                    *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
                    # The server lives for the tests alone, on loopback, and serves an empty folder.
                    *("--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"),
                    f"--ServerApp.root_dir={self.root}",
                    *options,
                ],
                env={**os.environ, **{name: str(folder / value) for name, value in private.items()}},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(self._answers, seconds=TIMEOUT_MS / 1000, what="JupyterLab answers")

    @property
    def log(self) -> str:
        """What the server and its kernels have printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_for_kernel(self, name: str) -> None:
        """Wait until a page is connected to the kernel of a notebook, which has nothing to do."""

        def idle() -> bool:
            kernels = [found["kernel"] for found in json.loads(self._api("GET", "sessions")) if found["path"] == name]
            return any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in kernels)

        until(idle, seconds=TIMEOUT_MS / 1000, what=f"the kernel of {name} is connected and idle")

    def shut_down_kernels(self, name: str | None = None) -> None:
        """End every kernel, or that of one notebook."""
        for session in json.loads(self._api("GET", "sessions")):
            if name in (None, session["path"]):
                self._api("DELETE", f"sessions/{session['id']}")

    def close(self) -> None:
        """End the server and its kernels."""
        with contextlib.suppress(OSError):
            self.shut_down_kernels()
        end(self._process)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            self._api("GET", "status")
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=0.1)
            raise RuntimeError(f"JupyterLab ended:\n{self.log}")
        return False

    def _api(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method)
        with self._opener.open(request, timeout=30) as response:
            return bytes(response.read())


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a server: terminate it, and kill it if it does not stop."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class CellError(Exception):
    """A cell raised."""

    name: str
    value: str
    traceback: str

    def __str__(self) -> str:
        """The traceback, as the notebook shows it."""
        return f"{self.name}: {self.value}\n{self.traceback}"


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """Write a notebook of these code cells."""
    document = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(document, path)


class Notebook:
    """One notebook, open in a page."""

    def __init__(self, page: Page, lab: Lab, name: str) -> None:
        """Say where it is; `reload` or `reopen` shows it."""
        self.page = page
        self.path = lab.root / name
        self._url = f"{lab.url}/lab/tree/{urllib.parse.quote(name)}?reset"

    @classmethod
    def of(cls, page: Page, lab: Lab, name: str, cells: Sequence[str]) -> Notebook:
        """Write a notebook of these code cells, and show it."""
        notebook = cls(page, lab, name)
        write_notebook(notebook.path, cells)
        notebook.reload()
        return notebook

    @property
    def widget(self) -> Locator:
        """The root element of the widget; two views of it are two matches."""
        return self.page.locator(".sam-widget")

    def expect_state(self, state: str, *, view: int = 0) -> None:
        """Wait until a view of the widget says it is in this state: loading, embedding, ready, predicting or error."""
        try:
            # Looks in each frame; after a quarter of a second, `expect` only looks twice a second.
            self._wait(
                "([view, state]) => document.querySelectorAll('.sam-widget')[view]?.dataset.state === state",
                [view, state],
            )
        except PlaywrightTimeout:
            # Says what the state is instead.
            expect(self.widget.nth(view)).to_have_attribute("data-state", state, timeout=1)

    def wait_until_idle(self) -> None:
        """Wait until the notebook is shown and its kernel has nothing to do."""
        self._wait(
            """path => {
                const panel = window.jupyterapp?.shell.currentWidget
                return panel?.context?.path === path && panel.context.isReady
                    && panel.sessionContext.session?.kernel?.status === 'idle'
                    && panel.content.widgets.length > 0 && panel.content.isVisible
            }""",
            self.path.name,
        )

    def run_all(self) -> None:
        """Run every cell and wait for the last.

        Raises:
            CellError: one raised.
        """
        self.command("notebook:run-all-cells")
        for outputs in self._raw_outputs():
            _raise_error(outputs)

    def run_cell(self, code: str) -> str:
        """Run code in a new last cell, and return its output as text.

        Raises:
            CellError: it raised.
        """
        self.page.evaluate(
            """async code => {
                const notebook = window.jupyterapp.shell.currentWidget.content
                notebook.activeCellIndex = notebook.widgets.length - 1
                await window.jupyterapp.commands.execute('notebook:insert-cell-below')
                notebook.activeCell.model.sharedModel.setSource(code)
            }""",
            code,
        )
        self.command("notebook:run-cell")
        outputs = self._raw_outputs()[-1]
        _raise_error(outputs)
        return _text(outputs)

    def start_cell(self, code: str) -> None:
        """Run code in a new last cell, and return as soon as the kernel is busy with it."""
        self.page.evaluate(
            """async code => {
                const notebook = window.jupyterapp.shell.currentWidget.content
                notebook.activeCellIndex = notebook.widgets.length - 1
                await window.jupyterapp.commands.execute('notebook:insert-cell-below')
                notebook.activeCell.model.sharedModel.setSource(code)
                window.jupyterapp.commands.execute('notebook:run-cell')
            }""",
            code,
        )
        self._wait("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'")

    def outputs(self) -> list[str]:
        """The output of every code cell as text: what it printed, then its result."""
        return [_text(outputs) for outputs in self._raw_outputs()]

    def save(self) -> nbformat.NotebookNode:
        """Save, wait until it is done, and return the notebook as it is on disk."""
        self.command("docmanager:save")
        self._wait("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
        return nbformat.read(self.path, as_version=4)

    def load(self) -> None:
        """Load the page, and wait for nothing that is in it."""
        self.page.goto(self._url)

    def reload(self) -> None:
        """Reload the page, as F5 does; the kernel keeps running."""
        self.load()
        self.wait_until_idle()

    def reopen(self) -> None:
        """Close everything without saving, and open the notebook as it is on disk; page and kernel stay."""
        self.execute(
            """async path => {
                const {commands, shell} = window.jupyterapp
                for (const widget of [...shell.widgets('main')]) widget.dispose()
                await commands.execute('docmanager:open', {path, factory: 'Notebook'})
            }""",
            self.path.name,
        )
        self.wait_until_idle()

    def run_silently(self, code: str) -> None:
        """Run code in the kernel without a trace: it is neither shown nor counted nor kept in the history.

        Raises:
            RuntimeError: it raised.
        """
        self.execute(
            """async code => {
                const {kernel} = window.jupyterapp.shell.currentWidget.sessionContext.session
                const {content} = await kernel.requestExecute({code, silent: true, store_history: false}).done
                if (content.status !== 'ok') throw new Error(`${content.ename}: ${content.evalue}`)
            }""",
            code,
        )

    def execute(self, function: str, argument: object = None) -> None:
        """Call an asynchronous function in the page, and wait for its promise as long as for any other state.

        Raises:
            RuntimeError: it failed.
        """
        self.page.evaluate(
            f"""argument => {{
                window.outcome = 'running'
                ;({function})(argument).then(
                    () => {{ window.outcome = 'done' }},
                    error => {{ window.outcome = `failed: ${{error}}` }},
                )
            }}""",
            argument,
        )
        self._wait("() => window.outcome !== 'running'")
        outcome = self.page.evaluate("window.outcome")
        if outcome != "done":
            raise RuntimeError(f"{function} {outcome}")

    def command(self, command: str) -> None:
        """Execute a JupyterLab command and wait for its promise.

        Raises:
            RuntimeError: it failed.
        """
        self.execute("command => window.jupyterapp.commands.execute(command)", command)

    def _wait(self, condition: str, argument: object = None) -> None:
        self.page.wait_for_function(condition, arg=argument, timeout=TIMEOUT_MS)

    def _raw_outputs(self) -> list[list[dict[str, Any]]]:
        """The outputs of every code cell, as nbformat has them."""
        found: list[list[dict[str, Any]]] = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .filter(cell => cell.model.type === 'code')
                .map(cell => cell.model.outputs.toJSON())"""
        )
        return found


class Desk:
    """One page with JupyterLab, and one kernel, on which test after test finds an empty notebook.

    To load JupyterLab and to import torch takes longer than most tests do.
    """

    def __init__(self, browser: Browser, lab: Lab, name: str = "notebook.ipynb") -> None:
        """Say where it is, and what its notebook is called; another name means another kernel."""
        self._browser, self._lab, self._name = browser, lab, name
        self._notebook: Notebook | None = None
        self._cells: tuple[str, ...] = ()

    def open(self, *cells: str) -> Notebook:
        """Open a notebook of these code cells: nothing is left in page and kernel of what was there before."""
        notebook = self._notebook or self._sit_down()
        page = notebook.page
        write_notebook(notebook.path, cells)
        page.set_viewport_size(VIEWPORT)
        page.emulate_media(reduced_motion="null", forced_colors="null")
        page.mouse.move(2, 2)
        if page.evaluate(STILL_THERE):
            notebook.run_silently(FORGET)
            notebook.reopen()
        else:
            notebook.reload()
            notebook.run_silently(FORGET)
        notebook.execute(RESTORE)
        self._notebook, self._cells = notebook, cells
        return notebook

    def open_once(self, *cells: str) -> Notebook:
        """Return the notebook of these cells, which another test may have opened and run; if none has, do so."""
        if self._notebook is not None and self._cells == cells:
            return self._notebook
        notebook = self.open(*cells)
        notebook.run_all()
        return notebook

    def leave(self) -> None:
        """Make the next notebook open in a freshly loaded page."""
        if self._notebook is not None:
            self._notebook.page.goto("about:blank")

    def photograph(self, path: Path) -> None:
        """Keep a picture of the page."""
        if self._notebook is not None:
            self._notebook.page.screenshot(path=path)

    def clear(self) -> None:
        """Close the page and end the kernel: a test has failed, and what it has left behind is not known."""
        if self._notebook is not None:
            self._notebook.page.context.close()
        self._notebook, self._cells = None, ()
        self._lab.shut_down_kernels(self._name)

    def _sit_down(self) -> Notebook:
        context = self._browser.new_context(viewport=VIEWPORT)
        context.add_init_script(COUNT_BITMAPS)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        return Notebook(page, self._lab, self._name)


def _text(outputs: list[dict[str, Any]]) -> str:
    """The visible text of a cell's outputs: an nbformat string may be a list of its lines."""
    texts = (output["text"] if "text" in output else output.get("data", {}).get("text/plain", "") for output in outputs)
    return "".join("".join(text) for text in texts)


def _raise_error(outputs: list[dict[str, Any]]) -> None:
    for output in outputs:
        if output["output_type"] == "error":
            raise CellError(output["ename"], output["evalue"], "\n".join(output["traceback"]))
