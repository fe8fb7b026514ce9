"""Fetching from a Hub: a small one of the tests' own, on this machine."""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from huggingface_hub import HfApi, constants, hf_api

import sam_widget as sw
from sam_widget.model import hub
from tests.hub import FolderHub, Hub, serving, serving_folder

CONTENT = os.urandom(200_000)
REPOSITORY, FILENAME = "someone/a-model", "model.safetensors"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(REPOSITORY, FILENAME, CONTENT) as server:
        pattern = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


def test_a_file_is_downloaded_once(server: Hub) -> None:
    path = hub.fetch(REPOSITORY, FILENAME)
    assert path.read_bytes() == CONTENT
    assert hub.published_sha256(path) == server.published
    asked = len(server.requests)
    assert hub.fetch(REPOSITORY, FILENAME) == path == hub.cached(REPOSITORY, FILENAME)
    assert len(server.requests) == asked


@pytest.mark.usefixtures("server")
def test_progress_is_reported() -> None:
    seen: list[tuple[int, int]] = []
    hub.fetch(REPOSITORY, FILENAME, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


class Terminal(io.StringIO):
    """Where bars are drawn: into a file they are not."""

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("server")
def test_a_script_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    hub.fetch(REPOSITORY, FILENAME)
    bar = terminal.getvalue()
    assert FILENAME in bar
    assert "100%" in bar
    assert "200k/200k" in bar


def test_a_wrong_file_is_refused_and_removed(server: Hub) -> None:
    server.content = CONTENT[::-1]
    with pytest.raises(sw.ModelError, match=r"has SHA-256 .* was published"):
        hub.fetch(REPOSITORY, FILENAME)
    assert hub.cached(REPOSITORY, FILENAME) is None
    server.content = CONTENT
    assert hub.fetch(REPOSITORY, FILENAME).read_bytes() == CONTENT


def test_a_broken_download_leaves_nothing(server: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.sent = 1000
    monkeypatch.setattr(time, "sleep", lambda _: None)  # between the Hub's own tries
    with pytest.raises(sw.ModelError, match="could not be downloaded"):
        hub.fetch(REPOSITORY, FILENAME)
    assert hub.cached(REPOSITORY, FILENAME) is None
    assert not list(cache.rglob("blobs/*"))


def test_a_download_that_breaks_off_goes_on_where_it_was(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.sent = 150_000
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)

    def repaired(_: float) -> None:
        server.sent = len(CONTENT)

    monkeypatch.setattr(time, "sleep", repaired)  # between the Hub's own tries
    assert hub.fetch(REPOSITORY, FILENAME).read_bytes() == CONTENT
    assert server.asked_from == [0, 150_000]


def test_a_file_that_is_not_there_is_a_clear_error(server: Hub) -> None:
    with pytest.raises(sw.ModelError, match=r"has no other\.pt in someone/a-model"):
        hub.fetch(REPOSITORY, "other.pt")
    assert server.requests


def test_offline_mode_is_respected(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    path = hub.fetch(REPOSITORY, FILENAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.fetch(REPOSITORY, FILENAME) == path
    asked = len(server.requests)
    with pytest.raises(sw.ModelError, match="HF_HUB_OFFLINE is set"):
        hub.fetch(REPOSITORY, "other.pt")
    assert len(server.requests) == asked


def test_no_network_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> NoReturn:
        raise OSError("no route to host")

    waits: list[float] = []
    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.setattr(time, "sleep", waits.append)
    with pytest.raises(sw.ModelError, match=r"facebook/sam-vit-base/model\.safetensors is not on this machine"):
        sw.load_model("vit_b")
    assert waits == [], "it is not tried again and again"


def test_a_network_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def silent(*_: object, **__: object) -> NoReturn:
        ended.wait()
        raise OSError("no answer")

    monkeypatch.setattr(socket, "create_connection", silent)
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.05")
    with pytest.raises(sw.ModelError, match=r"cannot be reached \(tried for 0\.05 s at most"):
        sw.load_model("mobile_sam")
    ended.set()


FILES = {
    "config.json": b"{}",
    "model.safetensors": CONTENT,
    "pytorch_model.bin": b"code",
    "onnx/config.json": b"{}",
}
PATTERNS = ("*.json", "*.safetensors")


@pytest.fixture
def folder_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FolderHub]:
    with serving_folder(REPOSITORY, dict(FILES)) as server:
        pattern = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(hf_api, "ENDPOINT", server.endpoint, raising=False)
        monkeypatch.setattr(HfApi, "__init__", with_endpoint(server.endpoint))
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


def with_endpoint(endpoint: str) -> Callable[..., None]:
    """The initializer of `HfApi`, whose default address is fixed when it is imported."""
    initialize = HfApi.__init__

    def initialized(self: HfApi, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **{**kwargs, "endpoint": endpoint})

    return initialized


def test_a_folder_is_downloaded_once_and_only_what_is_needed(folder_server: FolderHub) -> None:
    assert hub.cached_folder(REPOSITORY, PATTERNS) is None
    folder = hub.fetch_folder(REPOSITORY, PATTERNS)
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        "config.json",
        "model.safetensors",
    ]
    asked = len(folder_server.requests)
    assert hub.fetch_folder(REPOSITORY, PATTERNS) == folder == hub.cached_folder(REPOSITORY, PATTERNS)
    assert len(folder_server.requests) == asked


@pytest.mark.usefixtures("folder_server")
def test_a_folder_that_lacks_weights_is_not_complete() -> None:
    folder = hub.fetch_folder(REPOSITORY, PATTERNS)
    (folder / "model.safetensors").unlink()
    assert hub.cached_folder(REPOSITORY, PATTERNS) is None
    assert (hub.fetch_folder(REPOSITORY, PATTERNS) / "model.safetensors").read_bytes() == CONTENT


def test_all_parts_of_large_weights_belong_to_a_folder(folder_server: FolderHub) -> None:
    parts = {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}
    folder_server.files.pop("model.safetensors")
    folder_server.files["model.safetensors.index.json"] = json.dumps({"weight_map": parts}).encode()
    folder_server.files |= dict.fromkeys(parts.values(), CONTENT)
    folder = hub.fetch_folder(REPOSITORY, PATTERNS)
    assert hub.cached_folder(REPOSITORY, PATTERNS) == folder
    (folder / parts["b"]).unlink()
    assert hub.cached_folder(REPOSITORY, PATTERNS) is None


def test_refused_access_says_what_to_do(folder_server: FolderHub) -> None:
    folder_server.gated = True
    with pytest.raises(sw.ModelError, match=r"access to someone/a-model was refused: .* Sign in at http.*HF_TOKEN"):
        hub.fetch_folder(REPOSITORY, PATTERNS)
    assert hub.cached_folder(REPOSITORY, PATTERNS) is None


@pytest.mark.usefixtures("folder_server")
def test_a_repository_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(sw.ModelError, match="the Hugging Face Hub has no someone/else for you; check the name"):
        hub.fetch_folder("someone/else", PATTERNS)


@pytest.mark.usefixtures("folder_server")
def test_a_wrong_file_of_a_folder_is_refused_and_removed() -> None:
    folder = hub.fetch_folder(REPOSITORY, PATTERNS)
    (folder / "model.safetensors").resolve().write_bytes(CONTENT[::-1])
    with pytest.raises(sw.ModelError, match=r"model\.safetensors has SHA-256 .* was published"):
        hub.fetch_folder(REPOSITORY, PATTERNS)
    assert hub.cached_folder(REPOSITORY, PATTERNS) is None
