"""Any image becomes RGB uint8, and anything else is refused with a reason."""

from __future__ import annotations

import base64
import io
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sam_widget.errors import ImageError
from sam_widget.image import sources
from sam_widget.image.reading import image_hash, to_rgb

Array = NDArray[Any]

# 6 high, 8 wide; every channel differs and uses the whole of 0..255.
PHOTO = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
PHOTO[0, 0], PHOTO[0, 1] = 0, 255
GRAY = PHOTO[..., 0]
GRAY_RGB = np.repeat(GRAY[..., None], 3, axis=2)


def encoded(picture: Image.Image | Array, kind: str = "PNG", **options: Any) -> bytes:
    """The picture as a file of this kind."""
    buffer = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(buffer, kind, **options)
    return buffer.getvalue()


PNG = encoded(PHOTO)


def same(result: Array, expected: Array, tolerance: int = 0) -> None:
    """Compare, and check what every result must be."""
    assert (result.dtype, result.ndim, result.shape[2]) == (np.uint8, 3, 3)
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert result.shape == expected.shape
    assert np.abs(result.astype(int) - expected).max() <= tolerance


class TestFiles:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "a photo with spaces é.png"
        path.write_bytes(PNG)
        return path

    def test_path(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        same(to_rgb(path), PHOTO)
        same(to_rgb(str(path)), PHOTO)
        monkeypatch.chdir(path.parent)
        same(to_rgb(path.name), PHOTO)
        monkeypatch.setenv("HOME", str(path.parent))
        monkeypatch.setenv("USERPROFILE", str(path.parent))
        same(to_rgb(f"~/{path.name}"), PHOTO)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_bytes(self, kind: Callable[[bytes], object]) -> None:
        same(to_rgb(kind(PNG)), PHOTO)

    def test_file_like(self, path: Path) -> None:
        same(to_rgb(io.BytesIO(PNG)), PHOTO)
        with path.open("rb") as file:
            same(to_rgb(file), PHOTO)

    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
    def test_lossless_formats(self, kind: str) -> None:
        same(to_rgb(encoded(PHOTO, kind)), PHOTO)

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
    def test_lossy_formats(self, kind: str) -> None:
        smooth = np.full((16, 16, 3), (200, 100, 50), np.uint8)
        same(to_rgb(encoded(smooth, kind, quality=95)), smooth, tolerance=4)

    def test_an_animation_gives_its_first_frame(self) -> None:
        frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
        result = to_rgb(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        same(result, np.full((6, 8, 3), (255, 0, 0), np.uint8))

    def test_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ImageError, match="no such file: 'no.png', looked for at") as caught:
            to_rgb("no.png")
        assert str(tmp_path) in str(caught.value)
        with pytest.raises(ImageError) as caught:
            to_rgb(tmp_path / "no.png")
        assert str(caught.value).count("no.png") == 1

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="is a folder"):
            to_rgb(tmp_path)

    def test_not_a_regular_file(self) -> None:
        with pytest.raises(ImageError, match="not a regular file"):
            to_rgb("/dev/zero")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("with\0nul.png", "cannot open 'with.*null"),
            ("x" * 5000, "cannot open 'xxx"),
            ("~no-such-user/x.png", "cannot open '~no-such-user/x.png'"),
            ("", "folder"),
            ("\n", r"no such file: '\\n'"),
        ],
    )
    def test_impossible_names(self, name: str, message: str) -> None:
        with pytest.raises(ImageError, match=message):
            to_rgb(name)

    @pytest.mark.parametrize("url", ["ftp://host/x.png", "file:///x.png", "s3://bucket/x.png"])
    def test_other_schemes(self, url: str) -> None:
        with pytest.raises(ImageError, match="only http, https and data URLs"):
            to_rgb(url)

    def test_text_mode(self, path: Path) -> None:
        with pytest.raises(ImageError, match="binary mode"):
            to_rgb(io.StringIO("text"))
        with path.open("r", encoding="latin-1") as file, pytest.raises(ImageError, match='"rb"'):
            to_rgb(file)

    def test_closed_and_exhausted(self) -> None:
        file = io.BytesIO(PNG)
        file.read()
        with pytest.raises(ImageError, match=r"seek\(0\)"):
            to_rgb(file)
        file.close()
        with pytest.raises(ImageError, match="cannot read from"):
            to_rgb(file)

    def test_too_many_bytes(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        monkeypatch.setattr(sources, "MAX_BYTES", len(PNG) - 1)
        for source in (path, io.BytesIO(PNG)):
            with pytest.raises(ImageError, match="larger than"):
                to_rgb(source)


class TestNotImages:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "is empty"),
            (b"\n <svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made by hand --><svg>", "SVG drawing"),
            (b"<!DOCTYPE html><html><body>404", "web page"),
            (b"<HTML><img src='x.png'>", "web page"),
            (b"%PDF-1.7", "PDF"),
            (b"\0\0\0\x18ftypheic\0\0", "HEIF"),
            (b"\x93NUMPY\x01\0", r"numpy\.load"),
            (b"not an image at all", "not in an image format"),
            (PNG[:20], "PNG or JPEG|damaged"),
        ],
    )
    def test_content(self, data: bytes, message: str) -> None:
        with pytest.raises(ImageError, match=message):
            to_rgb(data)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
    def test_truncated(self, kind: str) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        data = encoded(noise, kind)
        with pytest.raises(ImageError, match=f"{len(data) // 2} bytes is"):
            to_rgb(data[: len(data) // 2])

    def test_garbled(self) -> None:
        """Decoders meet malformed bytes of every sort; whatever they raise is an ImageError, or an image comes out."""
        random = np.random.default_rng(2)
        noise = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        refused = 0
        for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"):
            data = np.frombuffer(encoded(noise, kind), np.uint8)
            for _ in range(30):
                broken = data.copy()
                broken[random.integers(0, len(data), 12)] = random.integers(0, 256, 12)
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        assert to_rgb(broken.tobytes(), max_pixels=10**6).shape[2] == 3
                except ImageError:
                    refused += 1
        assert refused > 30

    def test_too_many_pixels(self) -> None:
        with pytest.raises(ImageError, match="8 x 6 pixels, more than the limit of 47"):
            to_rgb(PNG, max_pixels=47)
        same(to_rgb(PNG, max_pixels=48), PHOTO)

    @pytest.mark.parametrize("pixels_allowed", [20, 40])
    def test_decompression_bombs(self, monkeypatch: pytest.MonkeyPatch, pixels_allowed: int) -> None:
        # Pillow warns above its limit (an exception under the test suite's filters) and refuses above twice that.
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels_allowed)
        with pytest.raises(ImageError, match="too large"), warnings.catch_warnings():
            warnings.simplefilter("error")
            to_rgb(PNG)

    @pytest.mark.parametrize("source", [None, 3, 2.5, True, [1, 2], (), {}, set(), object(), str, ["a.png", "b.png"]])
    def test_other_objects(self, source: object) -> None:
        with pytest.raises(ImageError, match="Expected a path"):
            to_rgb(source)


class TestPillow:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation(self, orientation: int) -> None:
        upright = PHOTO
        stored = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.transpose(1, 0, 2),
            6: np.rot90(upright, 1),
            7: np.rot90(upright, 2).transpose(1, 0, 2),
            8: np.rot90(upright, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encoded(np.ascontiguousarray(stored), exif=exif.tobytes())
        same(to_rgb(data), upright)
        same(to_rgb(Image.open(io.BytesIO(data))), upright)

    def test_rgb_and_gray(self) -> None:
        same(to_rgb(Image.fromarray(PHOTO)), PHOTO)
        same(to_rgb(Image.fromarray(GRAY)), GRAY_RGB)

    def test_one_bit(self) -> None:
        bits = GRAY > 127
        same(to_rgb(Image.fromarray(bits)), np.repeat(bits[..., None], 3, axis=2) * np.uint8(255))

    def test_rgba_and_la_lie_on_white(self) -> None:
        rgba = np.zeros((1, 3, 4), np.uint8)
        rgba[0, :, 3] = 255, 0, 128
        expected = np.array([[[0] * 3, [255] * 3, [127] * 3]], np.uint8)
        same(to_rgb(Image.fromarray(rgba)), expected)
        same(to_rgb(Image.fromarray(rgba).convert("LA")), expected)
        same(to_rgb(encoded(rgba)), expected)

    def test_palette(self) -> None:
        flat = Image.fromarray(np.repeat(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8), 4, axis=0))
        palette = flat.convert("P", palette=Image.Palette.ADAPTIVE)
        same(to_rgb(palette), np.asarray(flat))
        index = palette.getpixel((0, 0))
        expected = np.array(flat)
        expected[:, 0] = 255
        same(to_rgb(encoded(palette, transparency=index)), expected)

    def test_cmyk(self) -> None:
        smooth = Image.new("RGB", (8, 6), (200, 100, 50))
        same(to_rgb(encoded(smooth.convert("CMYK"), "TIFF")), np.asarray(smooth))

    def test_sixteen_bits(self) -> None:
        deep = (GRAY.astype(np.uint16) * 257).astype(np.uint16)
        same(to_rgb(encoded(Image.fromarray(deep))), GRAY_RGB)
        same(to_rgb(encoded(Image.fromarray(deep), "TIFF")), GRAY_RGB)

    def test_floats_and_integers(self) -> None:
        same(to_rgb(Image.fromarray(GRAY.astype(np.float32) / 255)), GRAY_RGB)
        same(to_rgb(Image.fromarray(GRAY.astype(np.int32))), GRAY_RGB)

    def test_closed(self) -> None:
        picture = Image.open(io.BytesIO(PNG))
        picture.close()
        with pytest.raises(ImageError, match="8x6.*closed"):
            to_rgb(picture)


class TestArrays:
    @pytest.mark.parametrize(
        "array",
        [
            PHOTO,
            PHOTO.transpose(2, 0, 1),
            PHOTO[None],
            PHOTO.transpose(2, 0, 1)[None],
            PHOTO[None, None],
            np.asfortranarray(PHOTO),
            np.repeat(np.repeat(PHOTO, 2, 0), 2, 1)[::2, ::2],
            PHOTO.astype(np.uint16) * 257,
            PHOTO.astype(np.int32) * 257,
            PHOTO.astype(np.int16),
            PHOTO.astype(np.uint16),
            PHOTO.astype(np.int64),
            PHOTO.astype(np.uint64),
            PHOTO.astype(">u2") * 257,
            PHOTO / 255,
            (PHOTO / 255).astype(np.float32),
            PHOTO.astype(np.float16),
            PHOTO.astype(np.float32),
            PHOTO.astype(np.float64),
            np.dstack((PHOTO, np.full((6, 8), 255, np.uint8))),
            np.dstack((PHOTO / 255, np.ones((6, 8)))),
            np.dstack((PHOTO.astype(np.uint16) * 257, np.full((6, 8), 65535, np.uint16))),
            np.dstack((PHOTO, np.full((6, 8), 255, np.uint8))).transpose(2, 0, 1),
            np.ma.masked_array(PHOTO),
        ],
    )
    def test_colour(self, array: Array) -> None:
        same(to_rgb(array), PHOTO)

    @pytest.mark.parametrize("array", [GRAY, GRAY[..., None], GRAY[None], GRAY[None, None], GRAY / 255])
    def test_gray(self, array: Array) -> None:
        same(to_rgb(array), GRAY_RGB)

    def test_bool(self) -> None:
        same(to_rgb(GRAY > 127), (GRAY_RGB > 127) * np.uint8(255))

    def test_half_precision_fractions(self) -> None:
        same(to_rgb((PHOTO / 255).astype(np.float16)), PHOTO, tolerance=1)

    @pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.uint32, np.float32, np.float64])
    def test_other_ranges_are_stretched(self, dtype: type) -> None:
        same(to_rgb((PHOTO.astype(np.int32) * 10 + 300).astype(dtype)), PHOTO)

    def test_negative_values_are_stretched(self) -> None:
        same(to_rgb(PHOTO.astype(np.float32) / 100 - 1.2), PHOTO)
        same(to_rgb(PHOTO.astype(np.int16) - 128), PHOTO)
        same(to_rgb((PHOTO.astype(np.int16) - 128).astype(np.int8)), PHOTO)

    def test_a_constant_image_is_black(self) -> None:
        same(to_rgb(np.full((2, 3), 1234, np.uint16)), np.zeros((2, 3, 3), np.uint8))

    def test_transparency_lies_on_white(self) -> None:
        rgba = np.zeros((1, 3, 4), np.uint8)
        rgba[0, :, 3] = 255, 0, 128
        expected = np.array([[[0] * 3, [255] * 3, [127] * 3]], np.uint8)
        same(to_rgb(rgba), expected)
        same(to_rgb(rgba / 255), expected)
        same(to_rgb(rgba.astype(np.float64)), expected)
        with pytest.raises(ImageError, match="fourth channel runs from -5 to -5"):
            to_rgb(np.full((2, 2, 4), (0, 0, 0, -5)))

    def test_both_readings_possible_means_channels_last(self) -> None:
        array = np.random.default_rng(3).integers(0, 256, (3, 5, 3), dtype=np.uint8)
        same(to_rgb(array), array)

    def test_one_pixel(self) -> None:
        same(to_rgb(np.zeros((1, 1))), np.zeros((1, 1, 3), np.uint8))

    def test_shares_no_memory(self) -> None:
        for array in (PHOTO.copy(), GRAY.copy()):
            result = to_rgb(array)
            assert not np.shares_memory(result, array)
            result[:] = 0
            assert array.any()

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, value: float) -> None:
        array = PHOTO / 255
        array[2, 3, 1] = value
        with pytest.raises(ImageError, match="1 values that are NaN or infinite"):
            to_rgb(array)

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (np.zeros((0, 8, 3)), "empty"),
            (np.zeros((0, 0)), "empty"),
            (np.zeros((6, 8, 2)), "no axis of 1, 3 or 4 channels"),
            (np.zeros((5, 6, 8)), "Pick the channels"),
            (np.zeros((2, 6, 8, 3)), r"one image of the 2: images\[0\]"),
            (np.zeros(8), "not an image"),
            (np.array(3), "not an image"),
            (np.zeros((6, 8), complex), "type complex128"),
            (np.full((6, 8), "a"), "type <U1"),
            (np.full((6, 8), None), "type object"),
            (np.zeros((6, 8), "datetime64[s]"), "type datetime64"),
            (np.zeros((6, 8), [("r", "u1")]), "expected bool, integers or floats"),
        ],
    )
    def test_refuses(self, array: Array, message: str) -> None:
        with pytest.raises(ImageError, match=message):
            to_rgb(array)


class TestForeignArrays:
    def test_array_protocol(self) -> None:
        class Lazy:
            def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
                return PHOTO

        same(to_rgb(Lazy()), PHOTO)

    def test_array_interface(self) -> None:
        class Interface:
            __array_interface__ = PHOTO.__array_interface__

        same(to_rgb(Interface()), PHOTO)

    def test_a_conversion_that_fails(self) -> None:
        class Device:
            def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
                raise RuntimeError("implicit conversion is not allowed")

        with pytest.raises(ImageError, match="implicit conversion"):
            to_rgb(Device())

    def test_tensors(self) -> None:
        torch = pytest.importorskip("torch")
        chw = torch.from_numpy(PHOTO.transpose(2, 0, 1).copy())
        same(to_rgb(chw), PHOTO)
        same(to_rgb(chw[None] / 255), PHOTO)
        same(to_rgb((chw / 255).requires_grad_()), PHOTO)
        same(to_rgb(chw.to(torch.bfloat16)), PHOTO)
        same(to_rgb(chw.permute(1, 2, 0)), PHOTO)
        same(to_rgb(chw[0] > 127), (GRAY_RGB > 127) * np.uint8(255))
        with pytest.raises(ImageError, match="cannot turn tensor 3x6x8 into an array"):
            to_rgb(torch.empty(3, 6, 8, device="meta"))

    def test_tensors_are_brought_home(self) -> None:
        """The order is detach, cpu, numpy: what a tensor on another device that requires grad needs."""
        calls = []

        class Tensor:
            dtype = "float32"

            def detach(self) -> Tensor:
                calls.append("detach")
                return self

            def cpu(self) -> Tensor:
                calls.append("cpu")
                return self

            def numpy(self) -> Array:
                calls.append("numpy")
                return PHOTO

        same(to_rgb(Tensor()), PHOTO)
        assert calls == ["detach", "cpu", "numpy"]


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        """Serve the test's little web."""
        status, headers, body = {
            "/photo.png": (200, {}, PNG),
            "/a%20b%C3%A9.png": (200, {}, PNG),
            "/page": (200, {"Content-Type": "text/html"}, b"<!doctype html><p>Sign in"),
            "/drawing.svg": (200, {}, b"<svg/>"),
            "/moved": (302, {"Location": "/photo.png"}, b""),
            "/moved-to-ftp": (302, {"Location": "ftp://127.0.0.1/photo.png"}, b""),
            "/moved-to-file": (302, {"Location": "file:///etc/hostname"}, b""),
            "/loop": (302, {"Location": "/loop"}, b""),
            "/cut": (200, {"Content-Length": str(len(PNG))}, PNG[: len(PNG) // 2]),
            "/who": (200, {}, PNG) if "sam-widget" in self.headers["User-Agent"] else (403, {}, b""),
        }.get(self.path, (404, {}, b"nothing here"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """The address of a local web server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class TestUrls:
    @pytest.fixture(autouse=True)
    def _no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("no_proxy", "*")

    @pytest.mark.parametrize("path", ["/photo.png", "/moved", "/a bé.png", "/who", "/photo.png#top"])
    def test_http(self, web: str, path: str) -> None:
        same(to_rgb(web + path), PHOTO)

    def test_data(self) -> None:
        text = base64.b64encode(PNG).decode()
        same(to_rgb(f"data:image/png;base64,{text}"), PHOTO)
        same(to_rgb(f" DATA:image/png;base64,{text}\n"), PHOTO)

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("/none.png", "none.png answered 404 Not Found"),
            ("/page", "web page"),
            ("/drawing.svg", "SVG"),
            ("/cut", "damaged or cut short"),
            ("/loop", "infinite loop"),
            ("/moved-to-ftp", "ftp"),
            ("/moved-to-file", "302|not allowed"),
        ],
    )
    def test_answers_that_are_no_image(self, web: str, path: str, message: str) -> None:
        with pytest.raises(ImageError, match=message):
            to_rgb(web + path)

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("http://", "cannot download .*no host"),
            ("http://[bad/x.png", r"cannot download \[bad/x\.png"),
            ("http://127.0.0.1:nonsense/x", "cannot download .*port"),
            ("data:", "cannot download data URL"),
            ("data:image/png;base64,%%%", r"data URL \(image/png\) is empty"),
            ("data:,hello", r"data URL \(text/plain\).*format"),
        ],
    )
    def test_malformed(self, url: str, message: str) -> None:
        with pytest.raises(ImageError, match=message):
            to_rgb(url)

    def test_refused_connection(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(ImageError, match="cannot download 127.0.0.1.*efused"):
                to_rgb(f"http://127.0.0.1:{taken.getsockname()[1]}/x.png")

    def test_unknown_host(self) -> None:
        with pytest.raises(ImageError, match="cannot download no-such-host.invalid/x.png"):
            to_rgb("http://no-such-host.invalid/x.png")

    def test_timeout(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "TIMEOUT_SECONDS", 0.05)
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ImageError, match="did not answer within"):
            to_rgb(f"http://127.0.0.1:{silent.getsockname()[1]}/x.png")

    def test_too_many_bytes(self, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "MAX_BYTES", len(PNG) - 1)
        with pytest.raises(ImageError, match="larger than"):
            to_rgb(f"{web}/photo.png")


class TestHash:
    def test_is_of_the_content(self) -> None:
        assert image_hash(PHOTO) == image_hash(np.asfortranarray(PHOTO))
        assert len(image_hash(PHOTO)) == 32
        changed = PHOTO.copy()
        changed[5, 7, 2] ^= 1
        assert image_hash(changed) != image_hash(PHOTO)

    def test_is_of_the_shape_too(self) -> None:
        assert image_hash(PHOTO.reshape(8, 6, 3)) != image_hash(PHOTO)

    def test_does_not_change_between_releases(self) -> None:
        """Embeddings are cached on disk under it."""
        assert image_hash(np.zeros((2, 3, 3), np.uint8)) == "3034a84a7690e6cd97747e2c803230b8"
