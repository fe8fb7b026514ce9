"""Files of which Pillow would give less than there is, and files that are not what they seem."""

from __future__ import annotations

import importlib.util
import io
import sys
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sam_widget.errors import ImageError, MissingExtraError
from sam_widget.image.pixels import MAX_PIXELS
from sam_widget.image.reading import read_pixels, read_values, to_rgb

TWELVE = np.random.default_rng(0).integers(0, 4096, (40, 50, 4), dtype=np.uint16)


def encoded(suffix: str, values: NDArray[Any], *options: int) -> bytes:
    """The values as OpenCV writes them."""
    swapped = values if values.ndim == 2 else values[..., [2, 1, 0, 3][: values.shape[2]]]
    return bytes(cv2.imencode(suffix, swapped, options)[1])


class TestSixteenBits:
    @pytest.mark.parametrize("suffix", [".png", ".ppm"])
    def test_12_bits_in_16_keep_their_contrast(self, suffix: str) -> None:
        data = encoded(suffix, TWELVE[..., :3])
        np.testing.assert_array_equal(read_values(data), TWELVE[..., :3])
        np.testing.assert_array_equal(to_rgb(data), to_rgb(TWELVE[..., :3]))

    def test_jpeg_2000(self) -> None:
        smooth = np.repeat(np.repeat(TWELVE[:4, :4, :3], 16, 0), 16, 1)
        read = read_values(encoded(".jp2", smooth, cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000))
        assert read.dtype == np.uint16
        assert abs(read.astype(int) - smooth).max() < 300

    def test_opacity(self) -> None:
        pixels = read_pixels(encoded(".png", TWELVE))
        np.testing.assert_array_equal(pixels.values, TWELVE)
        assert pixels.opacity

    def test_one_channel(self) -> None:
        np.testing.assert_array_equal(read_values(encoded(".png", TWELVE[..., 0]))[..., 0], TWELVE[..., 0])

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation(self, orientation: int) -> None:
        """As Pillow turns the same photo in 8 bits."""
        exif = Image.Exif()
        exif[0x0112] = orientation
        photo = (TWELVE[..., :3] >> 4).astype(np.uint8)
        plain = io.BytesIO()
        Image.fromarray(photo).save(plain, "PNG", exif=exif.tobytes())
        deep = encoded(".png", photo.astype(np.uint16) * 257)
        # The chunk eXIf, from one file into the other, after its header.
        chunk = plain.getvalue().index(b"eXIf") - 4
        size = int.from_bytes(plain.getvalue()[chunk : chunk + 4]) + 12
        deep = deep[:33] + plain.getvalue()[chunk : chunk + size] + deep[33:]
        np.testing.assert_array_equal(to_rgb(deep), to_rgb(plain.getvalue()))

    def test_a_pillow_image_of_such_a_file_is_read_from_it(self) -> None:
        with Image.open(io.BytesIO(encoded(".png", TWELVE[..., :3]))) as picture:
            np.testing.assert_array_equal(read_values(picture), TWELVE[..., :3])

    def test_without_opencv_a_sentence_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data, gray = encoded(".png", TWELVE[..., :3]), encoded(".png", TWELVE[..., 0])
        monkeypatch.setitem(sys.modules, "cv2", None)
        with pytest.raises(MissingExtraError, match=r'takes OpenCV to read: pip install "sam-widget\[images\]"'):
            to_rgb(data)
        assert to_rgb(gray).shape == (40, 50, 3)

    def test_a_truncated_one_is_an_error(self) -> None:
        data = encoded(".ppm", TWELVE[..., :3])
        with pytest.raises(ImageError, match="damaged or cut short"):
            to_rgb(data[:1000])


class TestBombs:
    @pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
    def test_a_small_file_that_unpacks_to_much_is_refused_at_once(self, mode: str) -> None:
        buffer = io.BytesIO()
        Image.new(mode, (7000, 7000)).save(buffer, "PNG")
        with pytest.raises(ImageError, match=r"unpack to 147 MB \(7000 x 7000 pixels\), .* decompression bomb"):
            to_rgb(buffer.getvalue())

    def test_if_trusted_it_is_read(self) -> None:
        buffer = io.BytesIO()
        Image.new("L", (11000, 10000)).save(buffer, "PNG")
        with pytest.raises(ImageError, match="too large|more than the limit"):
            read_values(buffer.getvalue())
        with pytest.warns(Image.DecompressionBombWarning):
            assert read_values(buffer.getvalue(), max_pixels=2 * MAX_PIXELS).shape[:2] == (10000, 11000)

    def test_flat_photos_of_usual_size_are_read(self) -> None:
        buffer = io.BytesIO()
        Image.new("RGB", (5000, 5000)).save(buffer, "PNG")
        assert to_rgb(buffer.getvalue()).shape == (5000, 5000, 3)


class TestHeif:
    @pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="pillow-heif is not installed")
    def test_with_the_plug_in_it_is_read(self) -> None:
        import pillow_heif

        photo = np.full((64, 48, 3), (200, 100, 50), np.uint8)
        buffer = io.BytesIO()
        pillow_heif.from_pillow(Image.fromarray(photo)).save(buffer, quality=95)
        shown = to_rgb(buffer.getvalue())
        assert shown.shape == photo.shape
        assert abs(shown.astype(int) - photo).max() < 8
        with pytest.raises(ImageError, match="HEIF photo that is damaged"):
            to_rgb(buffer.getvalue()[:40])

    def test_without_it_a_sentence_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        monkeypatch.setattr(Image, "registered_extensions", dict)
        with pytest.raises(ImageError, match="HEIF photo.*pip install pillow-heif"):
            to_rgb(b"\0\0\0\x18ftypheic" + bytes(100))
