"""A private JupyterLab, and a notebook in it as a person's browser shows it.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator, Page, expect

# A kernel that imports torch on two busy cores needs a while; a test that waits longer than this has failed.
TIMEOUT_MS = 120_000


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
        while True:
            with contextlib.suppress(OSError):
                self._api("GET", "status")
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.1)
                raise RuntimeError(f"JupyterLab ended:\n{self.log}")

    @property
    def log(self) -> str:
        """What the server and its kernels have printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def shut_down_kernels(self) -> None:
        """Give back the memory of every kernel."""
        for session in json.loads(self._api("GET", "sessions")):
            self._api("DELETE", f"sessions/{session['id']}")

    def close(self) -> None:
        """End the server and its kernels."""
        with contextlib.suppress(OSError):
            self.shut_down_kernels()
        self._process.terminate()
        self._process.wait()

    def _api(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method)
        with self._opener.open(request, timeout=30) as response:
            return bytes(response.read())


@dataclass
class CellError(Exception):
    """A cell raised."""

    name: str
    value: str
    traceback: str

    def __str__(self) -> str:
        """The traceback, as the notebook shows it."""
        return f"{self.name}: {self.value}\n{self.traceback}"


class Notebook:
    """One notebook, open in a page, with a kernel of its own."""

    def __init__(self, page: Page, lab: Lab, name: str, cells: list[str]) -> None:
        """Write the notebook, open it, and return once its kernel is idle."""
        self.page = page
        self.path = lab.root / name
        self._url = f"{lab.url}/lab/tree/{urllib.parse.quote(name)}?reset"
        document = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(document, self.path)
        page.goto(self._url)
        self.wait_until_idle()

    @property
    def widget(self) -> Locator:
        """The root element of the widget; two views of it are two matches."""
        return self.page.locator(".sam-widget")

    def expect_state(self, state: str, *, view: int = 0) -> None:
        """Wait until a view of the widget says it is in this state: loading, embedding, ready, predicting or error."""
        expect(self.widget.nth(view)).to_have_attribute("data-state", state, timeout=TIMEOUT_MS)

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
        self._command("notebook:run-all-cells")
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
        self._command("notebook:run-cell")
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
        self._command("docmanager:save")
        self._wait("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
        return nbformat.read(self.path, as_version=4)

    def reload(self) -> None:
        """Load the page anew, as F5 does; the kernel lives on."""
        self.page.goto(self._url)
        self.wait_until_idle()

    def _command(self, command: str) -> None:
        """Execute a JupyterLab command and wait for its promise."""
        self.page.evaluate(
            """command => {
                window.labCommand = 'running'
                window.jupyterapp.commands.execute(command).then(
                    () => { window.labCommand = 'done' },
                    error => { window.labCommand = `failed: ${error}` },
                )
            }""",
            command,
        )
        self._wait("() => window.labCommand !== 'running'")
        outcome = self.page.evaluate("window.labCommand")
        if outcome != "done":
            raise RuntimeError(f"{command} {outcome}")

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


def _text(outputs: list[dict[str, Any]]) -> str:
    """What a person reads of a cell's outputs: an nbformat string may be a list of its lines."""
    texts = (output["text"] if "text" in output else output.get("data", {}).get("text/plain", "") for output in outputs)
    return "".join("".join(text) for text in texts)


def _raise_error(outputs: list[dict[str, Any]]) -> None:
    for output in outputs:
        if output["output_type"] == "error":
            raise CellError(output["ename"], output["evalue"], "\n".join(output["traceback"]))
