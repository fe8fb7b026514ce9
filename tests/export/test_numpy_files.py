"""NumPy files as NumPy reads them."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import sam_widget as sw
from tests.export.masks import disc, masks_of


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
