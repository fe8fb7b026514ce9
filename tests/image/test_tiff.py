"""TIFFs of microscopes, satellites and scanners: every bit and band, the right axes, and no data left out."""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from sam_widget.errors import ImageError, MissingExtraError
from sam_widget.image.reading import read_pixels, read_values, to_rgb
from sam_widget.image.rendering import Rendering, SourceImage

RNG = np.random.default_rng(0)
TWELVE = RNG.integers(0, 4096, (40, 50, 6), dtype=np.uint16)
PLANES = RNG.integers(0, 4096, (3, 40, 50), dtype=np.uint16)


def tiff(values: NDArray[Any], **options: Any) -> bytes:
    """The values as tifffile writes them."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


class TestBands:
    @pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
    @pytest.mark.parametrize("layout", ["contig", "separate"])
    def test_12_bits_in_16_keep_their_contrast(self, compression: str | None, layout: str) -> None:
        colours = TWELVE[..., :3]
        stored = colours if layout == "contig" else np.moveaxis(colours, 2, 0)
        data = tiff(stored, photometric="rgb", planarconfig=layout, compression=compression)
        np.testing.assert_array_equal(read_values(data), colours)
        np.testing.assert_array_equal(to_rgb(data), to_rgb(colours))

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.float16, np.float32, np.float64])
    @pytest.mark.parametrize("bands", [1, 2, 3, 5, 6])
    def test_all_types_and_numbers_of_bands(self, dtype: type, bands: int) -> None:
        values = (TWELVE[..., :bands] / 16).astype(dtype)
        stored = values if bands > 1 else values[..., 0]
        data = tiff(stored, photometric="minisblack", planarconfig="contig" if bands > 1 else None)
        read = read_values(data, any_channels=True)
        # Pillow holds one channel of 16-bit integers or floats in another type.
        shown = read[..., :1] if bands == 1 and dtype == np.uint8 else read
        np.testing.assert_allclose(shown, values, rtol=1e-6)
        assert SourceImage(data).channels == read.shape[2]

    @pytest.mark.parametrize("depth", [8, 16])
    def test_near_infrared_is_a_band_and_not_opacity(self, depth: int) -> None:
        four = (TWELVE[..., :4] >> (4 if depth == 8 else 0)).astype(f"u{depth // 8}")
        data = tiff(four, photometric="rgb", extrasamples=["unspecified"])
        image = SourceImage(data)
        np.testing.assert_array_equal(image.values, four)
        np.testing.assert_array_equal(image.rgb, to_rgb(four[..., :3]))
        np.testing.assert_array_equal(to_rgb(data), image.rgb)
        infrared = image.render(Rendering((3,), 0, 255 << (depth - 8)))
        assert infrared.std() > (50 if depth == 8 else 3)

    def test_opacity_is_laid_on_white(self) -> None:
        four = np.dstack([TWELVE[..., :3], np.where(TWELVE[..., 3] > 2000, 65535, 0).astype(np.uint16)])
        pixels = read_pixels(tiff(four, photometric="rgb", extrasamples=["unassalpha"]))
        assert pixels.opacity
        shown = to_rgb(tiff(four, photometric="rgb", extrasamples=["unassalpha"]))
        assert (shown[four[..., 3] == 0] == 255).all()

    def test_orders_of_bytes_and_big_files(self) -> None:
        for options in ({"byteorder": ">"}, {"bigtiff": True}, {"byteorder": ">", "bigtiff": True, "tile": (16, 16)}):
            np.testing.assert_array_equal(
                read_values(tiff(TWELVE[..., :3], photometric="rgb", **options)), TWELVE[..., :3]
            )

    def test_a_pillow_image_of_such_a_file_is_read_from_it(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff(TWELVE[..., :3], photometric="rgb"))
        with Image.open(tmp_path / "a.tif") as picture:
            np.testing.assert_array_equal(read_values(picture), TWELVE[..., :3])

    def test_complex_numbers_are_refused(self) -> None:
        with pytest.raises(ImageError, match="complex64; expected integers or floats"):
            read_values(tiff(np.zeros((8, 9), np.complex64)))

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
    def test_a_truncated_one_is_an_error(self, share: float) -> None:
        data = tiff(TWELVE[..., :5], photometric="minisblack", planarconfig="contig")
        with pytest.raises(ImageError, match="damaged or cut short"):
            read_values(data[: int(len(data) * share)])

    def test_a_bomb_is_refused_before_it_is_unpacked(self) -> None:
        data = tiff(
            np.zeros((6000, 6000, 5), np.uint16), photometric="minisblack", planarconfig="contig", compression="zlib"
        )
        with pytest.raises(ImageError, match=r"unpack to 360 MB .*decompression bomb"):
            read_values(data)


class TestAxes:
    @pytest.mark.parametrize(
        "options",
        [
            {"imagej": True, "metadata": {"axes": "CYX"}},
            {"ome": True, "metadata": {"axes": "CYX"}},
            {"metadata": {"axes": "CYX"}, "photometric": "minisblack"},
            {"ome": True, "metadata": {"axes": "CYX"}, "compression": "zlib"},
        ],
        ids=["ImageJ", "OME", "tifffile", "compressed"],
    )
    @pytest.mark.parametrize("count", [2, 3, 5])
    def test_channels_on_pages_of_their_own_are_channels(self, options: dict[str, Any], count: int) -> None:
        planes = RNG.integers(0, 4096, (count, 40, 50), dtype=np.uint16)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            values = read_values(tiff(planes, **{"photometric": "minisblack", **options}), any_channels=True)
        np.testing.assert_array_equal(values, np.moveaxis(planes, 0, 2))

    @pytest.mark.parametrize("axes", ["TZCYX", "TCZYX", "CTZYX"])
    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_of_a_stack_the_first_image_is_read_and_the_others_are_counted(
        self, axes: str, compression: str | None
    ) -> None:
        sides = {"T": 2, "Z": 3, "C": 4, "Y": 20, "X": 30}
        stack = RNG.integers(0, 255, [sides[axis] for axis in axes], dtype=np.uint8)
        data = tiff(stack, ome=True, metadata={"axes": axes}, photometric="minisblack", compression=compression)
        first = tuple(0 if axis in "TZ" else slice(None) for axis in axes)
        with pytest.warns(UserWarning, match="holds 6 images .*the first is read"):
            values = read_values(data, any_channels=True)
        np.testing.assert_array_equal(values, np.moveaxis(stack[first], 0, 2))

    def test_colours_in_a_stack(self) -> None:
        stack = RNG.integers(0, 255, (4, 20, 30, 3), dtype=np.uint8)
        with pytest.warns(UserWarning, match="holds 4 images"):
            values = read_values(tiff(stack, photometric="rgb", metadata={"axes": "ZYXS"}))
        np.testing.assert_array_equal(values, stack[0])

    def test_a_scan_of_several_pages(self) -> None:
        buffer = io.BytesIO()
        pages = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
        pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
        with pytest.warns(UserWarning, match="has 2 pages; the first is read"):
            assert (to_rgb(buffer.getvalue()) == (255, 0, 0)).all()

    def test_smaller_versions_are_no_other_pages(self) -> None:
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            writer.write(np.full((64, 64, 3), 9, np.uint8), photometric="rgb", metadata=None)
            writer.write(np.full((32, 32, 3), 9, np.uint8), photometric="rgb", subfiletype=1, metadata=None)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert to_rgb(buffer.getvalue()).shape == (64, 64, 3)

    def test_an_array_of_three_axes_without_names_is_read_as_the_array(self) -> None:
        for values in (TWELVE[..., :5], np.moveaxis(TWELVE, 2, 0)):
            read = read_values(tiff(values, photometric="minisblack"), any_channels=True)
            np.testing.assert_array_equal(read, read_values(values, any_channels=True))


class TestNoData:
    HEIGHTS = (300 + 40 * np.sin(np.mgrid[:40, :50][1] / 9)).astype(np.float32)

    @pytest.mark.parametrize("nodata", [-9999.0, np.nan, float(np.finfo(np.float32).min), -1.0, 1e6])
    @pytest.mark.parametrize("bands", [1, 3])
    def test_the_tag_of_gdal_says_what_does_not_count(self, nodata: float, bands: int) -> None:
        values = np.repeat(self.HEIGHTS[..., None], bands, axis=2)
        values[:8] = nodata
        shown = to_rgb(
            tiff(
                values,
                photometric="rgb" if bands == 3 else "minisblack",
                extratags=[(42113, "s", 0, str(nodata), True)],
            )
        )
        np.testing.assert_array_equal(shown[8:], to_rgb(self.HEIGHTS[8:]))
        assert not shown[:8].any()

    def test_integers(self) -> None:
        values = RNG.integers(1000, 5000, (40, 50), dtype=np.int16)
        values[:8] = -32768
        shown = to_rgb(tiff(values, extratags=[(42113, "s", 0, "-32768", True)]))
        np.testing.assert_array_equal(shown[8:], to_rgb(values[8:]))

    def test_a_tag_that_is_no_number_says_nothing(self) -> None:
        data = tiff(self.HEIGHTS, extratags=[(42113, "s", 0, "none", True)])
        np.testing.assert_array_equal(to_rgb(data), to_rgb(self.HEIGHTS))

    def test_nan_in_a_file_is_no_data(self) -> None:
        values = self.HEIGHTS.copy()
        values[3] = np.nan
        shown = to_rgb(tiff(values))
        assert (shown[4:].min(), shown[4:].max()) == (0, 255)
        assert not shown[3].any()


class TestWithoutTheLibrary:
    @pytest.fixture(autouse=True)
    def _missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data = {
            "16-bit": tiff(TWELVE[..., :3], photometric="rgb"),
            "bands": tiff(TWELVE, photometric="minisblack", planarconfig="contig"),
            "channels": tiff(PLANES, imagej=True, metadata={"axes": "CYX"}),
            "photo": tiff(np.full((6, 8, 3), 7, np.uint8), photometric="rgb"),
        }
        monkeypatch.setitem(sys.modules, "tifffile", None)

    @pytest.mark.parametrize("kind", ["16-bit", "bands"])
    def test_a_sentence_says_what_to_install(self, kind: str) -> None:
        with pytest.raises(MissingExtraError, match=r'takes tifffile to read: pip install "sam-widget\[images\]"'):
            to_rgb(self.data[kind])

    def test_channels_give_the_first_and_a_warning(self) -> None:
        with pytest.warns(UserWarning, match=r"has 3 pages, which may be its channels.*sam-widget\[images\]"):
            np.testing.assert_array_equal(read_values(self.data["channels"])[..., 0], PLANES[0])

    def test_usual_photos_need_it_not(self) -> None:
        assert (to_rgb(self.data["photo"]) == 7).all()


def test_without_codecs_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiff(TWELVE[..., :3], photometric="rgb", compression="lzw")

    def fail(*_: object, **__: object) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", fail)
    with pytest.raises(MissingExtraError, match="takes imagecodecs to read"):
        to_rgb(data)


@pytest.mark.parametrize("kind", ["infrared", "no data"])
def test_a_session_file_keeps_such_an_image(tmp_path: Path, kind: str) -> None:
    import sam_widget as sw

    if kind == "infrared":
        data = tiff(TWELVE[..., :4], photometric="rgb", extrasamples=["unspecified"])
    else:
        data = tiff(TestNoData.HEIGHTS - 9999 * (TestNoData.HEIGHTS < 270), extratags=[(42113, "s", 0, "-9999", True)])
    session = sw.Session(data)
    session.click(20, 20)
    session.accept("x")
    session.save(tmp_path / "a.sam")
    loaded = sw.Session.load(tmp_path / "a.sam")
    assert loaded.objects[0].label == "x"
    np.testing.assert_array_equal(loaded.source.rgb, session.source.rgb)
    np.testing.assert_array_equal(loaded.source.values, session.source.values)
