"""A direct line from a view to the kernel, for requests made while the pointer moves.

For each Jupyter message, the kernel reports that it is busy and then idle, and the page displays both, which takes
longer than a decode of `tiny`. If the kernel and the Jupyter server run on the same machine, and the server runs this
package's extension, read-only requests take another path: over a websocket from the page to the extension
(`server_extension`), and over a second one from there to a listener in the kernel (`direct_line`). Requests that change
the session always use Jupyter's own messages; without a direct line, all requests do.

The listener accepts connections only from this machine, and only from a peer that knows its key. The key is in a file
next to the kernel's connection file and, like the kernel's own key, readable only by the user. It never crosses the
line: each side proves that it knows the key with an HMAC of two random numbers, one from each side. A kernel that was
killed leaves the file behind, and another process may get its port; that process learns nothing.
"""

from __future__ import annotations

import atexit
import hmac
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sam_widget.widget.direct_line import Listener

log = logging.getLogger(__name__)

# Sends a message and its binary data.
Send = Callable[[dict[str, Any], Sequence[bytes]], None]
# Receives a message, and a function that replies over the same connection.
Receive = Callable[[object, Send], None]


@dataclass(frozen=True)
class Address:
    """The address at which a kernel listens.

    Attributes:
        port: Port on the loopback interface.
        key: 64 hexadecimal digits, known to the kernel and to anyone who can read the file.
        process: Process id of the kernel.
        path: The file that contains the address.
    """

    port: int
    key: str = field(repr=False)
    process: int
    path: Path

    @classmethod
    def beside(cls, connection_file: str | Path) -> Address | None:
        """Return the address written by the kernel with this connection file, or None if there is none.

        Removes the file if its process no longer runs.
        """
        path = path_near(connection_file)
        try:
            written = json.loads(path.read_text(encoding="utf-8"))
            key = str(written["key"])
            bytes.fromhex(key)
            address = cls(int(written["port"]), key, int(written["process"]), path)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if _runs(address.process):
            return address
        address.forget()
        return None

    def write(self) -> None:
        """Write the file, replacing an earlier one.

        Raises:
            OSError: The file cannot be written.
        """
        self.path.unlink(missing_ok=True)
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"port": self.port, "key": self.key, "process": self.process}, file)

    def forget(self) -> None:
        """Remove the file, unless another kernel has overwritten it."""
        try:
            if json.loads(self.path.read_text(encoding="utf-8"))["key"] == self.key:
                self.path.unlink(missing_ok=True)
        except (OSError, ValueError, KeyError, TypeError):
            return

    def proof(self, of: Literal["kernel", "server"], nonces: Sequence[str]) -> str:
        """Return the proof that one side knows the key: HMAC-SHA256 of its name and the nonces of both sides."""
        return hmac.new(bytes.fromhex(self.key), json.dumps([of, *nonces]).encode(), "sha256").hexdigest()

    def proves(self, shown: object, of: Literal["kernel", "server"], nonces: Sequence[str]) -> bool:
        """Whether a value from the other side is its proof."""
        return isinstance(shown, str) and hmac.compare_digest(shown.encode(), self.proof(of, nonces).encode())


def path_near(connection_file: str | Path) -> Path:
    """Return the path at which a kernel with this connection file writes its address."""
    # Must not match Jupyter's own connection files: `kernel-*.json`.
    path = Path(connection_file)
    return path.parent / f"sam_widget-{path.stem}.json"


def remove_left_over(folder: Path) -> None:
    """Remove the addresses of kernels whose connection file Jupyter has removed."""
    for path in folder.glob("sam_widget-kernel-*.json"):
        if not path.with_name(path.name.removeprefix("sam_widget-")).exists():
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True  # the check would kill it on Windows; connecting will tell
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's process, so not the kernel; connecting will tell
        return True
    return True


_lock = threading.Lock()
# The process that first called `listener`, and the result.
_made: list[tuple[int, Listener | None]] = []


def listener() -> Listener | None:
    """Return this process's listener, or None if it is not a Jupyter kernel or cannot listen."""
    with _lock:
        if not _made:
            _made.append((os.getpid(), _listen()))
        ((process, made),) = _made
    # A forked process does not receive messages, and must not take over the listener.
    return made if process == os.getpid() else None


def _listen() -> Listener | None:
    # A process that has not imported ipykernel is not a Jupyter kernel.
    app: Any = getattr(sys.modules.get("ipykernel.kernelapp"), "IPKernelApp", None)
    if app is None or not app.initialized():
        return None
    try:
        from sam_widget.widget.direct_line import Listener  # imports tornado, a dependency of ipykernel

        made = Listener(Path(app.instance().abs_connection_file))
    except (ImportError, OSError, AttributeError) as error:
        log.debug("no direct line: %s", error)
        return None
    atexit.register(made.close)
    return made
