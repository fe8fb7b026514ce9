"""A slow link to a server on this machine: a TCP proxy that delays, throttles and counts what passes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Link:
    """Passes bytes on to a port of this machine.

    Attributes:
        port: Where it listens.
        up: Bytes passed to the server.
        down: Bytes passed back.
        connections: How many were opened.
    """

    def __init__(self, target: int, *, bits_per_second: float, delay: float) -> None:
        """Prepare; `delay` is that of one direction, in seconds."""
        self._target, self._rate, self._delay = target, bits_per_second / 8, delay
        self.port = self.up = self.down = self.connections = 0
        # When each direction has sent what it was given: all connections share the link.
        self._free = {"up": 0.0, "down": 0.0}

    @property
    def bytes(self) -> int:
        """Bytes passed in both directions."""
        return self.up + self.down

    async def _pass(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                setattr(self, way, getattr(self, way) + len(data))
                sent = self._free[way] = max(time.monotonic(), self._free[way]) + len(data) / self._rate
                queue.put_nowait((sent + self._delay, data))
                # No more is read than the link can take.
                await asyncio.sleep(max(0.0, sent - time.monotonic()))
        queue.put_nowait((0.0, b""))
        with contextlib.suppress(OSError):
            await delivering

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        # At the end, connections that are still open are cancelled.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(self._pass("up", reader, back), self._pass("down", there, writer))

    async def serve(self, ready: threading.Event) -> None:
        """Pass bytes on until `end`."""
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await self._ended.wait()

    def end(self) -> None:
        """End from another thread."""
        self._loop.call_soon_threadsafe(self._ended.set)


@contextmanager
def slow_link(target: int, *, bits_per_second: float, delay: float) -> Iterator[Link]:
    """Open a link to a port of this machine."""
    link, ready = Link(target, bits_per_second=bits_per_second, delay=delay), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(link.serve(ready)), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield link
    finally:
        link.end()
        thread.join(5)
