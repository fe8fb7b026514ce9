"""`make demo`: start JupyterLab on the first notebook, and say where it is once it answers."""

import argparse
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import webbrowser

NOTEBOOK = "notebooks/01_quickstart.ipynb"
HOST = "127.0.0.1"


def free_port() -> int:
    """Jupyter's usual port, or any free one where that is taken."""
    for port in (8888, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    sys.exit("no free port on this machine")


def serve(port: int, *, browse: bool) -> int:
    """Run JupyterLab until it ends or is interrupted.

    Returns:
        The exit status.
    """
    # Anyone on this machine can reach a loopback port; only the user who started it knows the token in the URL.
    # It travels in the environment, because command lines are readable by everyone.
    token = secrets.token_hex(16)
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *("--ServerApp.log_level=WARN", "--LabApp.log_level=WARN"),
            *(f"--ServerApp.ip={HOST}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        ],
        env={**os.environ, "JUPYTER_TOKEN": token},
    )
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        wait_until_ready(server, port, token)
        url = f"http://{HOST}:{port}/lab/tree/{NOTEBOOK}?token={token}"
        print(f"Open {url}", flush=True)
        if browse:
            webbrowser.open(url)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait()


def wait_until_ready(server: subprocess.Popen[bytes], port: int, token: str) -> None:
    """Return once the server answers; exit if it ends before."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"http://{HOST}:{port}/api/status", headers={"Authorization": f"token {token}"})
    while True:
        with contextlib.suppress(OSError), opener.open(request, timeout=5):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            sys.exit(f"JupyterLab ended with status {server.wait(timeout=0.2)}; is port {port} taken?")


def main() -> int:
    """Read the command line and serve.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", choices=("0", "1"), default="1", help="open a browser, 1 or 0")
    parser.add_argument("--port", default="", help="port on loopback; a free one when left out")
    arguments = parser.parse_args()
    port = int(arguments.port) if arguments.port else free_port()
    return serve(port, browse=arguments.open == "1")


if __name__ == "__main__":
    sys.exit(main())
