from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.engine.views import Window, cells_of, views_of, windows
from sam_widget.masks.runs import StoredMask
from sam_widget.model.config import TINY, VIT_B
from sam_widget.predictor.embeddings import EmbeddingCache, EmbeddingStore
from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.prompt import Prompt
from tests.engine.cells import draw

PICTURE, MASKS = draw(3)


def photo(prompt: Prompt | None = None) -> TaughtPhoto:
    return TaughtPhoto("a", lambda: PICTURE, tuple(TaughtMask(StoredMask(mask.copy()), prompt) for mask in MASKS))


def test_the_windows_of_a_photo_are_always_the_same() -> None:
    views = windows(PICTURE)
    assert views == windows(PICTURE.copy())
    assert views != windows(255 - PICTURE)
    assert [view.mirrored for view in views] == [False, True, False, True]
    assert windows(PICTURE, augment=False) == views[:1]


def test_a_mirrored_window_moves_pixels_and_clicks_alike() -> None:
    pixels = np.arange(20).reshape(4, 5)
    window = Window(1, 0, 4, 3, mirrored=True)
    cut = window.cut(pixels)
    assert cut.tolist() == [[3, 2, 1], [8, 7, 6], [13, 12, 11]]
    (x, y, label), *rest = window.moved(np.array([(1.5, 1.5, 1), (4.5, 0.5, 1)])).tolist()
    assert not rest  # outside
    assert label == 1
    assert cut[int(y), int(x)] == pixels[1, 1]


def test_targets_are_shares_of_cells_and_padding_is_marked() -> None:
    mask = np.zeros((60, 120), bool)
    mask[:, :60] = True
    for config in (TINY, VIT_B):
        cells = cells_of(mask, config)[0]
        assert cells.shape == (config.mask_size, config.mask_size)
        assert float(cells.sum()) == pytest.approx(config.mask_size**2 / 4, rel=0.03)


def test_each_view_shows_its_masks_where_they_are() -> None:
    point = np.argwhere(MASKS[0]).mean(0)[::-1]
    prompt = Prompt.from_arrays(points=[point])
    predictor = Predictor("tiny", cache=EmbeddingCache(0))
    views = list(views_of(photo(prompt), PICTURE, predictor))
    assert len(views[0].targets) == len(MASKS)
    assert len(views) >= 2
    for view in views[:2]:
        assert view.features.embedding.dtype == torch.float32
        x, y, label = view.points[0][0]
        cell = predictor.config.image_size / predictor.config.mask_size
        assert label == 1
        assert view.targets[0, int(y / cell), int(x / cell)] > 0.5


def test_a_second_round_encodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EmbeddingStore(tmp_path)
    first = Predictor("tiny", cache=EmbeddingCache(store=store))
    made = list(views_of(photo(), PICTURE, first))
    again = Predictor("tiny", cache=EmbeddingCache(store=store))
    monkeypatch.setattr(again.model, "encode", lambda *_args, **_kw: pytest.fail("the encoder ran"))
    for one, other in zip(made, views_of(photo(), PICTURE, again), strict=True):
        torch.testing.assert_close(one.features.embedding, other.features.embedding)
