"""PNGs as Pillow reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from tests.export.masks import disc, masks_of


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
