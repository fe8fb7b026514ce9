"""What a source is called, and the bytes of files and streams; downloads are in `test_download`."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_widget.errors import ImageError
from sam_widget.image import sources
from sam_widget.image.rendering import SourceImage
from sam_widget.image.sources import describe, file_name, is_pillow, is_tensor, read_file, read_stream

PHOTO = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def encoded() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("folder/cat.jpg", "cat.jpg"),
        (Path("/photos/cat.jpg"), "cat.jpg"),
        ("https://example.org/a/b/cat.jpg?size=3#top", "example.org/cat.jpg"),
        ("https://user:secret@example.org/cat.jpg", "example.org/cat.jpg"),
        ("HTTP://example.org", "example.org"),
        ("http://[bad", "[bad"),
        ("data:image/png;base64,AAAA", "data URL (image/png)"),
        ("data:,hello", "data URL (text/plain)"),
        (b"abc", "3 bytes"),
        (np.zeros((480, 640)), "array 480x640"),
        (PHOTO, "array 6x8x3"),
        (Image.fromarray(PHOTO), "Pillow image 8x6"),
        (io.BytesIO(), "file"),
        (None, "NoneType"),
        (np.float64(1), "float64"),
    ],
)
def test_describe(source: object, name: str) -> None:
    assert describe(source) == name


def test_describe_open_things(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(encoded())
    with path.open("rb") as file, Image.open(path) as picture:
        assert (describe(file), describe(picture)) == ("cat.png", "cat.png")


def test_describe_stays_short() -> None:
    assert len(describe("x" * 1000)) == 80


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("photos/cat.jpg", "cat.jpg"),
        (Path("photos") / "cat 2.jpg", "cat 2.jpg"),
        ("https://example.org/a/cat%20one.jpg?size=2#top", "cat one.jpg"),
        ("https://example.org/", None),
        ("data:image/png;base64,AAAA", None),
        (b"bytes", None),
        (np.zeros((2, 2)), None),
        (Image.new("RGB", (2, 2)), None),
    ],
)
def test_file_name(source: object, name: str | None) -> None:
    assert file_name(source) == name


def test_file_name_of_what_was_opened(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "cat.png")
    with (tmp_path / "cat.png").open("rb") as file, Image.open(tmp_path / "cat.png") as picture:
        assert (file_name(file), file_name(picture)) == ("cat.png", "cat.png")
        assert SourceImage(picture).name == "cat.png"
    assert file_name(io.BytesIO(b"")) is None


def test_kinds_are_told_apart_by_what_they_are() -> None:
    torch = pytest.importorskip("torch")
    assert is_pillow(Image.new("L", (1, 1)))
    assert not is_pillow(PHOTO)
    assert is_tensor(torch.zeros(1))
    assert not is_tensor(PHOTO)


def test_a_file_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(b"12345")
    monkeypatch.setattr(sources, "MAX_BYTES", 5)
    assert read_file(path) == read_file(str(path)) == b"12345"
    with path.open("rb") as file:
        assert file.read(2) == b"12"
        assert read_stream(file) == b"345", "from where it is"
    monkeypatch.setattr(sources, "MAX_BYTES", 4)
    with pytest.raises(ImageError, match=r"cat\.png is larger than"):
        read_file(path)
    with pytest.raises(ImageError, match="file is larger than"):
        read_stream(io.BytesIO(b"12345"))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing.png", r"no such file: '.*missing\.png'"),
        ("", "is a folder, expected an image file"),
        ("nul\0.png", "cannot open 'nul"),
        ("ftp://example.org/cat.png", "only http, https and data URLs"),
        ("s3://bucket/cat.png", "only http, https and data URLs"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, complaint: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match=complaint):
        read_file(name or str(tmp_path))


def test_a_stream_must_give_bytes() -> None:
    with pytest.raises(ImageError, match="gives str, expected bytes"):
        read_stream(io.StringIO("text"))
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(ImageError, match="cannot read from file"):
        read_stream(closed)
