"""Photos and session files in a bucket that speaks S3, read and written by the workers of a real Ray cluster."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.folders.prompt_files import ObjectPrompt
from sam_widget.session.file.reader import Record
from tests.serve.cluster import cluster

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        any(find_spec(module) is None for module in ("ray", "moto", "s3fs")),
        reason="Ray, moto or s3fs is not installed",
    ),
]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket with three photos, one of which is damaged, on a server of this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    store.mkdir("lab")
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "png")
        store.pipe_file(f"lab/photos/{number}.png", buffer.getvalue())
    store.pipe_file("lab/photos/bad.png", b"not a photo")
    yield store
    server.stop()


def test_photos_of_a_bucket_become_session_files_in_it(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sam_widget.serve.many_machines import segment_folder

    prompts = [ObjectPrompt(sw.Prompt(points=[sw.Point(30, 20)]), "it")]
    with cluster(tmp_path, monkeypatch):
        report = segment_folder("s3://lab/photos", prompts, sessions="s3://lab/work", progress=False)
        assert len(report.done) == 2
        assert [failure.path.name for failure in report.failed] == ["bad.png"]
        again = segment_folder("s3://lab/photos", prompts, sessions="s3://lab/work", progress=False)
        assert (len(again.done), len(again.skipped)) == (0, 2)
    bucket.invalidate_cache()
    files = sorted(bucket.find("lab/work"))
    assert len(files) == 2
    for number, file in enumerate(files):
        path = tmp_path / f"{number}.sam"
        bucket.get_file(file, str(path))
        assert [item.label for item in Record.read(path).objects] == ["it"]
