"""Many images: what is done stays done, and one bad file does not stop the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.folders.batch import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in range(4):
        pixels = np.random.default_rng(n).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
    (tmp_path / "2b.jpg").write_bytes(b"not an image")
    return tmp_path


def test_a_folder_is_embedded_once_and_bad_files_are_reported(
    folder: Path, predictor: sw.Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sw.EmbeddingStore(folder / "store")
    report = sw.embed_folder(folder, model=predictor, store=store, progress=False)
    assert [path.name for path in report.done] == ["0.png", "1.png", "2.png", "3.png"]
    assert [(item.path.name, "not in an image format" in item.reason) for item in report.failed] == [("2b.jpg", True)]
    assert str(report).startswith("4 done, 1 failed\n")
    assert str(folder / "2b.jpg") in str(report)
    assert len(store) == 4

    shutil.copy(folder / "0.png", folder / "another name.png")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / "new.png")
    again = sw.embed_folder(folder, model=predictor.model, store=store.folder, progress=False)
    assert [path.name for path in again.done] == ["new.png"]
    assert len(again.skipped) == 5
    assert str(again).startswith("1 done, 5 done before, 1 failed\n")

    monkeypatch.setattr(predictor.model, "encode", lambda _: pytest.fail("it has been embedded"))
    reader = sw.Predictor(predictor.model, cache=sw.EmbeddingCache(store=store))
    assert reader.embed(folder / "3.png").image_size == (40, 60)


def test_a_store_too_small_for_the_folder_says_so_once(folder: Path, predictor: sw.Predictor) -> None:
    size = predictor.embed(folder / "0.png").nbytes // 2
    with pytest.warns(UserWarning, match=r"5 embeddings of .* MB do not fit .*raise max_bytes") as warned:
        sw.embed_folder(
            folder, model=predictor, store=sw.EmbeddingStore(folder / "s", max_bytes=3 * size), progress=False
        )
    assert len(warned) == 1
    assert warned[0].filename == __file__


def test_whatever_one_file_raises_the_rest_is_done(folder: Path) -> None:
    seen = []

    def work(path: Path, rgb: np.ndarray) -> bool:
        seen.append(rgb.shape)
        if path.name == "1.png":
            raise ZeroDivisionError("a fault of ours")
        return path.name != "3.png"

    report = run([folder / name for name in ("0.png", "1.png", "2.png", "3.png", "gone.png")], work, doing="Testing")
    assert seen == [(40, 60, 3)] * 4
    assert [path.name for path in report.done] == ["0.png", "2.png"]
    assert [path.name for path in report.skipped] == ["3.png"]
    assert [item.path.name for item in report.failed] == ["1.png", "gone.png"]
    assert report.failed[0].reason == "ZeroDivisionError: a fault of ours"


def test_an_interruption_is_no_failure_of_a_file(folder: Path) -> None:
    def work(_path: Path, _rgb: np.ndarray) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([folder / "0.png", folder / "1.png"], work, doing="Testing")
