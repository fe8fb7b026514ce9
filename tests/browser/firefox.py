"""Drive a stock Firefox by WebDriver BiDi, which Playwright does not do.

`python tests/browser/firefox.py` prints its path; `--install` gets one first.

https://w3c.github.io/webdriver-bidi/
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

NAMES = ("firefox", "firefox-esr", "/Applications/Firefox.app/Contents/MacOS/firefox")
ADVICE = "no Firefox was found; install one: `apt-get install firefox-esr`"
START_SECONDS = 90
ANSWER_SECONDS = 60


def find() -> str | None:
    """The path of a Firefox that starts: Ubuntu's package is a stub without snap."""
    for name in NAMES:
        path = shutil.which(name)
        if path and _starts(path):
            return path
    return None


def _starts(path: str) -> bool:
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0 and "Firefox" in result.stdout


class Firefox:
    """One page of a running Firefox."""

    def __init__(self, address: str) -> None:
        # Firefox refuses connections that say which page they are from.
        self._socket = websocket.create_connection(f"{address}/session", timeout=ANSWER_SECONDS, suppress_origin=True)
        self._count = 0
        self._call("session.new", capabilities={})
        self._page = self._call("browsingContext.getTree")["contexts"][0]["context"]
        self._call("network.addIntercept", phases=["beforeRequestSent"], urlPatterns=_NETWORK)

    def open(self, url: str) -> None:
        """Open a page, and wait until it is loaded."""
        self._call("browsingContext.navigate", context=self._page, url=url, wait="complete")

    def before(self, function: str) -> None:
        """Call a function in every page that is opened, before its own scripts."""
        self._call("script.addPreloadScript", functionDeclaration=function)

    def evaluate(self, expression: str) -> Any:
        """Return a string, number, bool or null from the page."""
        answer = self._call("script.evaluate", expression=expression, target={"context": self._page}, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def mouse(self, *actions: dict[str, Any]) -> None:
        """Move and press as the specification describes actions of a pointer."""
        pointer = {"type": "pointer", "id": "mouse", "actions": list(actions)}
        self._call("input.performActions", context=self._page, actions=[pointer])

    def move(self, x: float, y: float) -> None:
        """Move the pointer to a place in the page."""
        self.mouse(_move(x, y))

    def click(self, x: float, y: float) -> None:
        """Click a place in the page."""
        self.mouse(_move(x, y), {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0})

    def drag(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Drag from one place in the page to another."""
        down, up = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self.mouse(_move(x0, y0), down, _move((x0 + x1) / 2, (y0 + y1) / 2), _move(x1, y1), up)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _call(self, method: str, **params: Any) -> Any:
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:  # Every wait for a message has a limit.
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._count:
                assert answer["type"] == "success", answer
                return answer["result"]


_NETWORK = [{"type": "pattern", "protocol": protocol} for protocol in ("http", "https")]


def _move(x: float, y: float) -> dict[str, Any]:
    return {"type": "pointerMove", "x": round(x), "y": round(y)}


@contextmanager
def running(path: str, profile: Path, downloads: Path) -> Iterator[Firefox]:
    """Run Firefox without a window, with a fresh profile, and a folder for what pages download."""
    preferences = {"browser.download.folderList": 2, "browser.download.dir": str(downloads)}
    lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines), "utf-8")
    command = [path, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    written: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process, written.put), daemon=True)
    reader.start()
    try:
        found = None
        while found is None:
            found = re.search(r"WebDriver BiDi listening on (ws://\S+)", written.get(timeout=START_SECONDS))
        firefox = Firefox(found[1])
        try:
            yield firefox
        finally:
            firefox.close()
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)
        reader.join(timeout=START_SECONDS)


def _read(process: subprocess.Popen[str], put: Callable[[str], None]) -> None:
    assert process.stderr
    for line in process.stderr:
        put(line)


def install() -> None:
    """Get Firefox from the system's packages, where that can be done."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "--yes", "--no-install-recommends", "firefox-esr"]
        subprocess.run(command, env=environment, check=False)


def main() -> None:
    """Print the path. Without Firefox its tests are skipped, so their absence is not an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="install Firefox if it is missing")
    if find() is None and parser.parse_args().install:
        install()
    print(find() or ADVICE)


if __name__ == "__main__":
    main()
