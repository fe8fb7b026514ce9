"""A real Ray cluster on this machine, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from sam_widget.serve.cluster import connected
from tests.serving import TOKENS


@contextmanager
def cluster(folder: Path, monkeypatch: pytest.MonkeyPatch, *, cpus: int = 2) -> Iterator[Any]:
    """Start a cluster with a token of its own, or use the one at $RAY_ADDRESS; yields the module `ray`."""
    if "RAY_ADDRESS" not in os.environ:
        monkeypatch.setenv("RAY_AUTH_TOKEN", "t" * 64)
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(folder / "cache"))
    ray = connected(cpus=cpus)
    try:
        yield ray
    finally:
        ray.shutdown()


def workers(name: str) -> list[psutil.Process]:
    """Return the worker processes of this cluster whose title begins with a name."""
    return [one for one in psutil.process_iter(["cmdline"]) if "".join(one.info["cmdline"] or ()).startswith(name)]


@contextmanager
def ray_serving(*, encoders: int = 1) -> Iterator[str]:
    """Run `sam-widget serve --ray` as a process; yields the address, without a token."""
    with TemporaryDirectory() as folder:
        people = Path(folder) / "people.txt"
        people.write_text("".join(f"{name} {token}\n" for name, token in TOKENS.items()), encoding="utf-8")
        log = Path(folder) / "log"
        served = subprocess.Popen(
            [
                *(sys.executable, "-m", "sam_widget", "serve", "--ray", "--people", str(people), "--no-store"),
                *("--encoders", str(encoders), "--device", "cpu"),
            ],
            env={"RAY_AUTH_TOKEN": "t" * 64, **os.environ, "SAM_WIDGET_CACHE": str(Path(folder) / "cache")},
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )
        assert served.stdout is not None
        try:
            address = served.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), log.read_text(encoding="utf-8")
            yield address
        finally:
            served.terminate()
            served.wait(120)
            served.stdout.close()
