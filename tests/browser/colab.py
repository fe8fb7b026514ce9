"""A host that treats widgets as Google Colab does, with a real kernel behind it.

After Colab's own sources, github.com/googlecolab/colabtools (`google/colab/output/_widgets.py`) and
github.com/googlecolab/colab-cdn-widget-manager (`src/api.ts`, `src/manager.ts`):

- an output with a widget from outside ipywidgets names a widget manager in its metadata, or is not shown;
- each output is a page of its own, with models of its own, made from the state that the notebook has collected;
- comm messages take 200 ms in each direction; buffers travel one by one and arrive as `ArrayBuffer`s;
- "idle" is reported when a message has been sent, not when the kernel has handled it;
- there is neither a Jupyter server to ask (no server extension, no list of comms) nor a kernel connection to watch.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anywidget
from jupyter_client.manager import AsyncKernelManager
from tornado import httpserver, netutil, web, websocket

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
VIEW = "application/vnd.jupyter.widget-view+json"
MANAGER = "https://ssl.gstatic.com/colaboratory-static/widgets/colab-cdn-widget-manager/simulated/manager.min.js"
# Seconds that a message is under way.
DELAY = 0.2
# Seconds that a cell, and the start of a kernel, may take.
PATIENCE = 200
MODULES = REPOSITORY / "js/node_modules"
# What a page may load, by the beginning of its path.
FILES = {
    "/": HERE / "colab.html",
    "/require.js": MODULES / "requirejs/require.js",
    "/embed-amd.js": MODULES / "@jupyter-widgets/html-manager/dist/embed-amd.js",
    "/cdn/anywidget@": Path(anywidget.__file__).parent / "nbextension/index.js",
    "/cdn/ipycanvas@": Path(sys.prefix) / "share/jupyter/nbextensions/ipycanvas/index.js",
}
# What Colab's package provides, as far as widgets use it: a switch, and a hook for what is displayed.
GOOGLE = f"""
import sys, types
from IPython import get_ipython

def _hook(message):
    content = message.get("content", {{}})
    if {VIEW!r} in content.get("data", {{}}):
        about = content.setdefault("metadata", {{}}).setdefault({VIEW!r}, {{}})
        about["colab"] = {{"custom_widget_manager": {{"url": {MANAGER!r}}}}}
    return message

def _enable():
    if output._widgets._installed_url is None:
        get_ipython().display_pub.register_hook(_hook)
    output._widgets._installed_url = {MANAGER!r}

output = types.ModuleType("google.colab.output")
output._widgets = types.SimpleNamespace(_installed_url=None)
output.enable_custom_widget_manager = _enable
for _name in ("google", "google.colab"):
    sys.modules[_name] = types.ModuleType(_name)
sys.modules["google.colab.output"] = output
"""


@dataclass
class Model:
    """The state of a widget, as the notebook has collected it."""

    state: dict[str, Any] = field(default_factory=dict)
    # By the JSON of their path.
    buffers: dict[str, bytes] = field(default_factory=dict)

    def update(self, data: dict[str, Any], buffers: list[Any]) -> None:
        """Take in what a message says."""
        self.state |= data.get("state", {})
        paths = data.get("buffer_paths", [])
        self.buffers |= {json.dumps(path): bytes(one) for path, one in zip(paths, buffers, strict=False)}

    def __str__(self) -> str:
        """The JSON that a page asks for."""
        encoded = {path: base64.b64encode(content).decode() for path, content in self.buffers.items()}
        return json.dumps({"state": self.state, "buffers": encoded})


class Colab:
    """The notebook's side: it runs cells, and carries messages between outputs and the kernel."""

    def __init__(self) -> None:
        """Start a kernel and a server of pages, in a thread of their own."""
        # What pages have asked for.
        self.requested: list[str] = []
        self.url = ""
        self._models: dict[str, Model] = {}
        self._pages: set[Socket] = set()
        self._cells: dict[str, tuple[list[dict[str, Any]], asyncio.Event]] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="colab").start()
        self._wait(self._start())
        self.run(GOOGLE)

    def run(self, code: str) -> list[dict[str, Any]]:
        """Run a cell and return the contents of its outputs.

        Raises:
            RuntimeError: it raised.
        """
        return self._wait(self._run(code))

    def page_of(self, output: dict[str, Any]) -> str:
        """Return the address of an output's page.

        Raises:
            LookupError: The output does not name a manager for its widget.
        """
        about = output.get("metadata", {}).get(VIEW, {})
        if about.get("colab", {}).get("custom_widget_manager", {}).get("url") != MANAGER:
            raise LookupError("Support for third party widgets needs to be enabled separately")
        return f"{self.url}/?{output['data'][VIEW]['model_id']}"

    def close(self) -> None:
        """End the kernel and the server."""
        self._wait(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=PATIENCE)

    async def _start(self) -> None:
        self._manager = AsyncKernelManager(kernel_name="python3")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JPY_")}
        await self._manager.start_kernel(env={**environment, "PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1"})
        self._client = self._manager.client()
        self._client.start_channels()
        await self._client.wait_for_ready(timeout=PATIENCE)
        self._pump = asyncio.ensure_future(self._listen())
        routes = [(r"/socket", Socket, {"colab": self}), (r"/model/(.*)", State, {"colab": self})]
        application = web.Application([*routes, (r"(/.*)", Static, {"colab": self})])
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        self._server = httpserver.HTTPServer(application)
        self._server.add_sockets(sockets)
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        self._pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pump
        self._server.stop()
        self._client.stop_channels()
        await self._manager.shutdown_kernel(now=True)

    async def _run(self, code: str) -> list[dict[str, Any]]:
        outputs, done = self._cells[self._client.execute(code)] = ([], asyncio.Event())
        await done.wait()
        for output in outputs:
            if "evalue" in output:
                raise RuntimeError("\n".join(output["traceback"]))
        return outputs

    async def _listen(self) -> None:
        while True:
            message = await self._client.get_iopub_msg()
            kind, content = message["msg_type"], message["content"]
            outputs, done = self._cells.get(message["parent_header"].get("msg_id"), ([], asyncio.Event()))
            if kind in ("execute_result", "display_data", "stream", "error"):
                outputs.append(content)
            elif kind == "status" and content["execution_state"] == "idle":
                done.set()
            elif kind == "comm_open":
                self._models[content["comm_id"]] = Model()
            if kind in ("comm_open", "comm_msg") and content["data"].get("method", "update") == "update":
                self._models[content["comm_id"]].update(content["data"], message["buffers"])
            if kind in ("comm_msg", "comm_close"):
                parts = [bytes(one) for one in message["buffers"]]
                head = json.dumps(
                    {"kind": kind, "id": content["comm_id"], "data": content["data"], "parts": len(parts)}
                )
                self._loop.call_later(DELAY, self._deliver, head, parts)

    def _deliver(self, head: str, parts: list[bytes]) -> None:
        for page in self._pages:
            page.write_message(head)
            for part in parts:
                page.write_message(part, binary=True)

    def _forward(self, message: dict[str, Any]) -> None:
        content = {"comm_id": message["id"], "data": message["data"]}
        built = self._client.session.msg("comm_msg", content)
        parts = [base64.b64decode(part) for part in message["buffers"]]
        self._client.session.send(self._client.shell_channel.socket, built, buffers=parts)


class Socket(websocket.WebSocketHandler):
    """Between one page and the notebook."""

    def initialize(self, colab: Colab) -> None:
        """Know the notebook."""
        self.colab = colab

    def open(self, *_: str, **__: str) -> None:
        """A page is there."""
        self.colab._pages.add(self)

    def on_close(self) -> None:
        """It has gone."""
        self.colab._pages.discard(self)

    def on_message(self, message: str | bytes) -> None:
        """Pass a comm message on to the kernel, after its time under way."""
        asyncio.get_running_loop().call_later(DELAY, self.colab._forward, json.loads(message))


class State(web.RequestHandler):
    """The state of a model."""

    def initialize(self, colab: Colab) -> None:
        """Know the notebook."""
        self.colab = colab

    def get(self, name: str) -> None:
        """Answer with its JSON."""
        self.write(str(self.colab._models[name]))


class Static(web.RequestHandler):
    """The files that make up a page."""

    def initialize(self, colab: Colab) -> None:
        """Know the notebook."""
        self.colab = colab

    def get(self, path: str) -> None:
        """Answer with a file, or that there is none."""
        self.colab.requested.append(path)
        found = [file for start, file in FILES.items() if path == start or ("@" in start and path.startswith(start))]
        if not found:
            raise web.HTTPError(404)
        self.set_header("Content-Type", "text/html" if path == "/" else "text/javascript")
        self.write(found[0].read_bytes())
