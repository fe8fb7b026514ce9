"""Images that are not in memory are read block by block, each block once, and no more of them than is asked for."""

from __future__ import annotations

import threading
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

import sam_widget as sw
from sam_widget.image.rendering import SourceImage

RANDOM = np.random.default_rng(0)
PHOTO = RANDOM.integers(0, 256, (90, 130, 3), np.uint8)
DEEP = RANDOM.integers(0, 60_000, (4, 90, 130), np.uint16)


class Blocks:
    """A dask image that counts which of its blocks are read, and how many at the same time."""

    def __init__(self, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        self.read: Counter[tuple[int, ...]] = Counter()
        self.most = self._now = 0
        self._lock = threading.Lock()

        def make(block_info: Any = None) -> np.ndarray:
            with self._lock:
                self._now += 1
                self.most = max(self.most, self._now)
                self.read[tuple(start for start, _ in block_info[None]["array-location"])] += 1
            block = np.full(block_info[None]["chunk-shape"], 7, np.uint8)
            with self._lock:
                self._now -= 1
            return block

        self.image = da.map_blocks(make, chunks=da.core.normalize_chunks(chunks, shape), dtype=np.uint8)


@pytest.mark.parametrize(
    "array", [PHOTO, PHOTO[..., 0], DEEP[:3], DEEP[:1] / 60_000], ids=["rgb", "grey", "deep", "float"]
)
def test_they_are_what_numpys_array_is(array: np.ndarray, tmp_path: Path) -> None:
    expected = sw.to_rgb(array)
    stored = zarr.create_array(tmp_path / "a.zarr", data=array, chunks=tuple(min(side, 32) for side in array.shape))
    for lazy in (
        da.from_array(array, chunks=40),
        stored,
        zarr.open(tmp_path / "a.zarr", mode="r"),
        xr.DataArray(array),
        xr.DataArray(da.from_array(array, chunks=40)),
        da.from_zarr(stored),
    ):
        np.testing.assert_array_equal(sw.to_rgb(lazy), expected)


def test_more_channels_than_three() -> None:
    image = np.moveaxis(RANDOM.integers(0, 4096, (90, 130, 7), np.uint16), 2, 0)
    source = SourceImage(da.from_array(image, chunks=(1, 50, 50)))
    np.testing.assert_array_equal(source.values, np.moveaxis(image, 0, 2))


def test_the_names_of_the_axes_say_which_is_which() -> None:
    expected = sw.to_rgb(PHOTO)
    image = xr.DataArray(PHOTO, dims=("y", "x", "band"))
    for order in (("y", "x", "band"), ("band", "y", "x"), ("x", "band", "y"), ("band", "x", "y")):
        np.testing.assert_array_equal(sw.to_rgb(image.transpose(*order)), expected)
    # Here sizes alone would mislead: three rows look like three channels.
    strip = xr.DataArray(PHOTO[:3], dims=("lat", "lon", "c"))
    np.testing.assert_array_equal(sw.to_rgb(strip.transpose("c", "lon", "lat")), sw.to_rgb(PHOTO[:3]))
    nameless = xr.DataArray(PHOTO)
    np.testing.assert_array_equal(sw.to_rgb(nameless), expected)


def test_each_block_is_read_once_and_few_at_a_time() -> None:
    blocks = Blocks((2000, 3000, 3), (250, 250, 3))
    tracemalloc.start()
    source = SourceImage(blocks.image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.size == (3000, 2000)
    assert (source.rgb == 7).all()
    assert set(blocks.read.values()) == {1}
    assert len(blocks.read) == 96
    # As many as dask has threads, never all.
    assert blocks.most < 48
    # The image, and a few blocks of 188 kB with what dask keeps of each.
    assert peak < 1.25 * source.rgb.nbytes


def test_a_region_reads_its_blocks_alone(tmp_path: Path) -> None:
    blocks = Blocks((20_000, 20_000, 3), (500, 500, 3))
    assert SourceImage(blocks.image[600:1400, 1100:1400]).size == (300, 800)
    assert set(blocks.read) == {(500, 1000, 0), (1000, 1000, 0)}
    session = sw.Session(blocks.image[10_000:10_300, :451])
    assert session.click(100, 100)
    assert len(blocks.read) == 3

    class Store(zarr.storage.LocalStore):
        reads: ClassVar[Counter[str]] = Counter()

        async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
            self.reads[key] += "/c/" in f"/{key}"
            return await super().get(key, *arguments, **options)

    zarr.create_array(tmp_path / "a.zarr", data=PHOTO, chunks=(30, 30, 3))
    lazy = xr.DataArray(da.from_zarr(zarr.open(Store(tmp_path / "a.zarr"), mode="r")), dims=("y", "x", "c"))
    np.testing.assert_array_equal(sw.to_rgb(lazy[35:55, 65:85]), PHOTO[35:55, 65:85])
    assert sum(Store.reads.values()) == 1


def test_what_can_be_no_image_is_refused_unread() -> None:
    for shape in ((10, 20, 30, 3), (7,), (0, 5)):
        blocks = Blocks(shape, (5,) * len(shape))
        with pytest.raises(sw.ImageError, match="is not an image|is empty"):
            sw.to_rgb(blocks.image)
        assert not blocks.read
    five = Blocks((10, 20, 5), (5, 5, 5))
    with pytest.raises(sw.ImageError, match="no axis of 1, 3 or 4 channels"):
        sw.to_rgb(five.image)
    assert not five.read


def test_a_failure_while_reading_is_told() -> None:
    def fail(_block: np.ndarray) -> np.ndarray:
        raise OSError("the disk is gone")

    broken = da.zeros((20, 30), chunks=10).map_blocks(fail, dtype=float, meta=np.empty((0, 0)))
    with pytest.raises(sw.ImageError, match="cannot turn array 20x30 into an array: the disk is gone"):
        sw.to_rgb(broken)
