"""Photos and session files in an object store, without a cluster."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.errors import ImageError, StoreError
from sam_widget.folders.prompt_files import ObjectPrompt
from sam_widget.serve.jobs import SegmentJob
from sam_widget.serve.object_store import RemoteFolder, copied, is_remote
from sam_widget.serve.spread import Photos, Worker
from sam_widget.session.file.reader import Record

PHOTOS = "memory://bucket/photos"
JOB = SegmentJob(model="tiny", prompts=[ObjectPrompt(sw.Prompt(points=[sw.Point(30, 20)]), "it")], overwrite=False)


@pytest.fixture(autouse=True)
def bucket() -> Iterator[fsspec.AbstractFileSystem]:
    """An object store with three photos, one of them damaged, and other files."""
    store = fsspec.filesystem("memory")
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(buffer, "png")
    for name in ("photo 10.png", "photo 9.PNG", "in/deep.png", ".hidden.png", "in/.trash/x.png", "notes.txt"):
        store.pipe_file(f"/bucket/photos/{name}", buffer.getvalue())
    store.pipe_file("/bucket/photos/bad.png", b"not a photo")
    yield store
    store.rm("/bucket", recursive=True)


def test_images_are_listed_as_in_a_folder() -> None:
    folder = RemoteFolder(PHOTOS)
    assert folder.list_images(recursive=False) == ["bad.png", "photo 9.PNG", "photo 10.png"]
    assert folder.list_images(recursive=True) == ["bad.png", "in/deep.png", "photo 9.PNG", "photo 10.png"]
    with pytest.raises(ImageError, match=r"no image in memory://bucket/nothing"):
        RemoteFolder("memory://bucket/nothing").list_images(recursive=True)


def test_addresses_are_told_from_paths() -> None:
    assert [is_remote(place) for place in ("s3://bucket", "memory://x", "C:/photos", "photos", Path("s3://x"))] == [
        *(True, True, False, False, False)
    ]


def test_an_unknown_store_is_refused() -> None:
    with pytest.raises(ImageError, match="nothing://photos cannot be used"):
        RemoteFolder("nothing://photos").list_images(recursive=True)


def test_a_worker_puts_session_files_into_the_store_and_reports_bad_files(
    tmp_path: Path, bucket: fsspec.AbstractFileSystem
) -> None:
    photos = Photos.found(PHOTOS, sessions="memory://bucket/work", recursive=True, shard=None)
    worker = Worker(JOB, photos.without_names())
    rows = {"index": [0, 1], "path": [str(path).encode() for path in photos.album.images[:2]]}
    bad, good = worker(rows)["part"]
    assert [len(part.report.failed) for part in (bad, good)] == [1, 0]
    assert "cannot" in bad.report.failed[0].reason or "not" in bad.report.failed[0].reason
    assert photos.made() == {1}
    assert bucket.find("/bucket/work") == ["/bucket/work/in/deep.png.sam"]
    bucket.get_file("/bucket/work/in/deep.png.sam", str(tmp_path / "it.sam"))
    assert [item.label for item in Record.read(tmp_path / "it.sam").objects] == ["it"]


def test_a_session_file_is_continued_or_replaced(tmp_path: Path, bucket: fsspec.AbstractFileSystem) -> None:
    photos, work = RemoteFolder(PHOTOS), RemoteFolder("memory://bucket/work")
    bucket.pipe_file("/bucket/work/in/deep.png.sam", b"older")
    with copied(photos, "in/deep.png", work, again=True) as album:
        assert album.names == ("in/deep.png",)
        assert album.session_path(0).read_bytes() == b"older"
    with copied(photos, "in/deep.png", work, again=False) as album:
        assert not album.session_path(0).exists()
        album.session_path(0).parent.mkdir(parents=True)
        album.session_path(0).write_bytes(b"newer")
    assert bucket.cat_file("/bucket/work/in/deep.png.sam") == b"newer"
    with copied(photos, "in/deep.png", tmp_path, again=False) as album:
        assert album.session_path(0) == tmp_path / "in/deep.png.sam"
    with pytest.raises(StoreError, match="gone"), copied(photos, "gone.png", work, again=False):
        pytest.fail("it was copied")
