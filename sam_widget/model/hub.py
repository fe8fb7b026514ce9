"""Download published weights from the Hugging Face Hub, with its cache, resumption, offline mode and hash checks."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from sam_widget.errors import ModelError
from sam_widget.model.checkpoint import sha256

Progress = Callable[[int, int], None]
# Seconds: long enough for a distant host to respond, short enough to report a missing network promptly.
_SECONDS_TO_CONNECT = 0.8


def cached(repository: str, filename: str) -> Path | None:
    """Return the local path of a file of a Hub repository, or None if it is not cached."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repository, filename)
    return Path(path) if isinstance(path, str) else None


def fetch(repository: str, filename: str, *, progress: Progress | None = None) -> Path:
    """Return the path of a file of a Hub repository, downloading it on first use.

    The Hub publishes the SHA-256 of every large file, and its cache uses it as the file name; it is verified.

    Args:
        repository: "owner/name".
        filename: The file's path in it.
        progress: Called with the bytes done and the total while downloading, from any thread; None draws a bar with
            tqdm.

    Raises:
        ModelError: There is no network, the file does not exist, the disk is full, or the file differs from the
            published one, in which case it is removed from the cache.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    path = cached(repository, filename)
    if path is None:
        _refuse_offline(f"{repository}/{filename}")
        options: dict[str, Any] = {} if progress is None else {"tqdm_class": _bar(progress)}
        try:
            path = Path(hf_hub_download(repository, filename, **options))
        except HfHubHTTPError as error:
            raise ModelError(
                f"the Hugging Face Hub has no {filename} in {repository} for you ({error}); "
                "check the name, or download the checkpoint and pass its path"
            ) from error
        except Exception as error:  # from the HTTP client, the file system or the Hub's own checks
            raise ModelError(f"{repository}/{filename} could not be downloaded ({error}); try again") from error
    _check(path)
    return path


def cached_folder(repository: str, patterns: Sequence[str]) -> Path | None:
    """Return the local folder of a Hub repository, or None if its configuration or weights are not cached."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, **_selected(patterns), local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    index = folder / "model.safetensors.index.json"
    shards = {"model.safetensors"}
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    # A download that broke off leaves a folder too.
    complete = all((folder / name).is_file() for name in ("config.json", *shards))
    return folder if complete else None


def fetch_folder(repository: str, patterns: Sequence[str], *, page: str = "") -> Path:
    """Return the local folder of a Hub repository, downloading its files on first use; see `fetch`.

    Args:
        repository: "owner/name".
        patterns: The files to download, such as "*.safetensors".
        page: Where access to a gated repository is requested; by default, the repository's own page.

    Raises:
        ModelError: See `fetch`; also raised if access to the repository is refused.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    folder = cached_folder(repository, patterns)
    if folder is None:
        _refuse_offline(repository)
        page = page or f"{constants.ENDPOINT}/{repository}"
        try:
            folder = Path(snapshot_download(repository, **_selected(patterns)))
        except GatedRepoError as error:
            raise ModelError(
                f"access to {repository} was refused: its authors release it only to people who have accepted its "
                f"licence. Sign in at {page}, accept it there and wait for access; then sign in on this machine with "
                "`hf auth login`, or set HF_TOKEN, and load it again"
            ) from error
        except RepositoryNotFoundError as error:
            raise ModelError(
                f"the Hugging Face Hub has no {repository} for you; check the name, or sign in with `hf auth login` if "
                "it is private"
            ) from error
        except (HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"{repository} could not be downloaded ({error}); try again") from error
    for path in sorted(folder.glob("*.safetensors")):
        _check(path)
    return folder


def _selected(patterns: Sequence[str]) -> dict[str, Any]:
    """Return which files of a repository to take: none of its folders."""
    return {"allow_patterns": [*patterns], "ignore_patterns": ["*/*"]}


def published_sha256(path: Path) -> str | None:
    """Return the SHA-256 that the Hub published for a cached file, or None if the cache does not record it."""
    name = path.resolve().name
    return name if re.fullmatch(r"[0-9a-f]{64}", name) else None


def _check(path: Path) -> None:
    blob, expected = path.resolve(), published_sha256(path)
    if expected is None or (actual := sha256(path)) == expected:
        return
    path.unlink(missing_ok=True)
    blob.unlink(missing_ok=True)
    raise ModelError(
        f"{path.name} has SHA-256 {actual}, but {expected} was published; it was removed from the cache. "
        "Load the model again to download it again"
    )


def _refuse_offline(what: str) -> None:
    """Fail fast if a download cannot succeed: the Hub's own retries would take minutes."""
    from huggingface_hub import constants

    advice = "connect once to download it, pass the path of a checkpoint, or use 'tiny', which needs no network"
    if constants.HF_HUB_OFFLINE:
        raise ModelError(f"{what} is not on this machine, and HF_HUB_OFFLINE is set; {advice}")
    endpoint = urlsplit(constants.ENDPOINT)
    proxy = None if proxy_bypass(endpoint.hostname or "") else getproxies().get(endpoint.scheme)
    target = urlsplit(proxy if "://" in proxy else f"//{proxy}") if proxy else endpoint
    address = (target.hostname or "", target.port or (443 if target.scheme == "https" else 80))
    seconds = float(os.environ.get("HF_HUB_ETAG_TIMEOUT", _SECONDS_TO_CONNECT))
    if not _answers(address, seconds):
        raise ModelError(
            f"{what} is not on this machine, and {address[0]} cannot be reached (tried for {seconds:g} s at most; "
            f"HF_HUB_ETAG_TIMEOUT allows more); {advice}"
        )


def _answers(address: tuple[str, int], seconds: float) -> bool:
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection(address, timeout=seconds).close()
        except OSError:
            return
        answered.set()

    # In a separate thread, because a name lookup without a response ignores every timeout.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()


def _bar(progress: Progress) -> type:
    """Return a tqdm class that draws nothing and reports to `progress` instead."""
    # Not tqdm.auto's, which shows a widget in a notebook, whatever file it is given.
    from tqdm.std import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)  # the Hub passes a name, which tqdm does not accept
            super().__init__(*args, **{**kwargs, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            drawn = super().update(n)
            progress(int(self.n), int(self.total or 0))
            return bool(drawn)

    return Bar
