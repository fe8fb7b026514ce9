"""Label maps, NumPy files, PNGs: as NumPy and Pillow read them."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from tests.export.masks import disc, masks_of


def test_label_map_has_the_later_object_on_top(shapes: sw.AnnotatedImage) -> None:
    numbers, names = sw.export.label_map(shapes)
    assert (numbers.dtype, numbers.shape, names) == (np.uint16, (60, 80), [item.label for item in shapes])
    np.testing.assert_array_equal(numbers == 6, masks_of(shapes)[5])
    np.testing.assert_array_equal(numbers == 2, masks_of(shapes)[1] & ~masks_of(shapes)[5] & ~masks_of(shapes)[2])
    kinds, names = sw.export.label_map(shapes, by="class")
    assert names == ["rest", "cat", "ring é", "corner", "dot"]
    np.testing.assert_array_equal(kinds == 2, np.isin(numbers, (2, 6)))
    with pytest.raises(sw.FormatError, match="'object' or 'class'"):
        sw.export.label_map(shapes, by="colour")  # type: ignore[arg-type]
    with pytest.raises(sw.FormatError, match="one image, but 2"):
        sw.export.label_map([shapes, shapes])


class TestNumPy:
    def test_archive(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        sw.export.to_npz(shapes, tmp_path / "masks.npz")
        with np.load(tmp_path / "masks.npz", allow_pickle=False) as arrays:
            np.testing.assert_array_equal(arrays["masks"], masks_of(shapes))
            np.testing.assert_array_equal(arrays["label_map"], sw.export.label_map(shapes)[0])
            assert arrays["labels"].tolist() == [item.label for item in shapes]
            assert arrays["boxes"][4].tolist() == [79, 59, 80, 60]
        back = sw.load_masks(tmp_path / "masks.npz")
        np.testing.assert_array_equal(masks_of(back), masks_of(shapes))
        assert [(item.label, item.score) for item in back] == [(item.label, item.score) for item in shapes]

    def test_without_scores_and_without_objects(self, tmp_path: Path) -> None:
        sw.export.to_npz(disc(20, 20, 9), tmp_path / "masks.npz")
        assert [item.score for item in sw.load_masks(tmp_path / "masks.npz")] == [None]
        sw.export.to_npz(sw.AnnotatedImage((), (80, 60)), tmp_path / "masks.npz")
        assert (sw.load_masks(tmp_path / "masks.npz").size, len(sw.load_masks(tmp_path / "masks.npz"))) == ((80, 60), 0)

    def test_plain_arrays(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        sw.export.to_npy(shapes, tmp_path / "labels.npy")
        np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), sw.export.label_map(shapes)[0])
        assert [item.label for item in sw.load_masks(tmp_path / "labels.npy")] == list("123456")
        np.save(tmp_path / "masks.npy", masks_of(shapes))
        np.testing.assert_array_equal(masks_of(sw.load_masks(tmp_path / "masks.npy")), masks_of(shapes))

    def test_nothing_is_unpickled_or_blown_up(self, tmp_path: Path) -> None:
        np.save(tmp_path / "evil.npy", np.array([{"a": 1}]), allow_pickle=True)
        with pytest.raises(sw.FormatError, match="not a NumPy file that can be read safely"):
            sw.load_masks(tmp_path / "evil.npy")
        (tmp_path / "short.npz").write_bytes(b"PK\x03\x04")
        with pytest.raises(sw.FormatError, match="not a NumPy file"):
            sw.load_masks(tmp_path / "short.npz")
        np.savez(tmp_path / "other.npz", weights=np.zeros(3))
        with pytest.raises(sw.FormatError, match="holds weights; expected masks or a label_map"):
            sw.load_masks(tmp_path / "other.npz")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("masks.npy", b"")
            archive.writestr("labels.npy", b"")
        # The archive's directory claims that each of them unpacks to nearly 4 GiB.
        bomb = buffer.getvalue()
        for entry in [match.start() for match in re.finditer(b"PK\x01\x02", bomb)]:
            bomb = bomb[: entry + 24] + (2**32 - 2).to_bytes(4, "little") + bomb[entry + 28 :]
        (tmp_path / "bomb.npz").write_bytes(bomb)
        with pytest.raises(sw.FormatError, match=r"unpacks to 8,590 MB, expected 268 MB at most; if you trust it"):
            sw.load_masks(tmp_path / "bomb.npz")


class TestPng:
    def test_indexed(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        path = tmp_path / "labels.png"
        sw.export.to_indexed_png(shapes, path)
        picture = Image.open(path)
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.array(picture), sw.export.label_map(shapes)[0])
        back = sw.load_masks(path)
        assert [item.label for item in back] == [item.label for item in shapes]
        np.testing.assert_array_equal(sw.export.label_map(back)[0], sw.export.label_map(shapes)[0])

    def test_many_objects_make_a_16_bit_png(self, tmp_path: Path) -> None:
        numbers = np.arange(300).reshape(15, 20)
        sw.export.to_indexed_png(numbers, tmp_path / "labels.png")
        picture = Image.open(tmp_path / "labels.png")
        np.testing.assert_array_equal(np.array(picture), numbers)
        assert len(sw.load_masks(tmp_path / "labels.png")) == 299

    def test_one_png_a_mask(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        files = sw.export.to_binary_pngs(shapes, tmp_path)
        assert [file.name for file in files][:2] == ["001_rest.png", "002_cat.png"]
        for file, mask in zip(files, masks_of(shapes), strict=True):
            np.testing.assert_array_equal(np.array(Image.open(file)), mask * np.uint8(255))
        back = sw.load_masks(tmp_path)
        np.testing.assert_array_equal(masks_of(back), masks_of(shapes))
        assert [(item.label, item.score) for item in back] == [(item.label, item.score) for item in shapes]

    @pytest.mark.parametrize("crop", [True, False])
    def test_cutouts(self, shapes: sw.AnnotatedImage, tmp_path: Path, *, crop: bool) -> None:
        files = sw.export.to_cutouts(shapes, tmp_path, crop=crop)
        assert shapes.pixels is not None
        for file, item in zip(files, shapes, strict=True):
            x0, y0, x1, y1 = (int(side) for side in item.box.corners) if crop else (0, 0, 80, 60)
            picture = Image.open(file)
            assert (picture.mode, picture.size) == ("RGBA", (x1 - x0, y1 - y0))
            inside = item.mask[y0:y1, x0:x1]
            np.testing.assert_array_equal(np.array(picture)[..., 3], inside * np.uint8(255))
            np.testing.assert_array_equal(np.array(picture)[inside][:, :3], shapes.pixels[y0:y1, x0:x1][inside])
            assert not np.array(picture)[~inside].any()
        np.testing.assert_array_equal(masks_of(sw.load_masks(tmp_path)), masks_of(shapes))

    def test_other_peoples_pngs(self, tmp_path: Path) -> None:
        Image.fromarray(disc(20, 20, 9)).save(tmp_path / "one bit.png")
        (item,) = sw.load_masks(tmp_path / "one bit.png")
        np.testing.assert_array_equal(item.mask, disc(20, 20, 9))
        assert item.label == "one bit"
        void = disc(20, 20, 9).astype(np.uint8) * 2
        void[0] = 255
        picture = Image.fromarray(void)
        picture.putpalette(bytes(range(256)) * 3)
        picture.save(tmp_path / "void.png")
        np.testing.assert_array_equal(masks_of(sw.load_masks(tmp_path / "void.png")), [disc(20, 20, 9)])

    def test_what_holds_no_masks_is_refused(self, shapes: sw.AnnotatedImage, tmp_path: Path) -> None:
        with pytest.raises(sw.FormatError, match="there is no PNG in"):
            sw.load_masks(tmp_path)
        Image.new("RGB", (4, 4)).save(tmp_path / "photo.png")
        with pytest.raises(sw.FormatError, match="mode RGB"):
            sw.load_masks(tmp_path / "photo.png")
        (tmp_path / "text.png").write_text("no picture")
        with pytest.raises(sw.FormatError, match="cannot read"):
            sw.load_masks(tmp_path / "text.png")
        with pytest.raises(sw.FormatError, match="needs the photo"):
            sw.export.to_cutouts(masks_of(shapes), tmp_path)
