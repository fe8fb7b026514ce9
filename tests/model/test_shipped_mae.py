"""The masked autoencoder in the package is a trained one: it tells what lies where on photos it has never seen."""

from __future__ import annotations

import numpy as np

import sam_widget as sw
from sam_widget.learn.evaluate.inpainting import compare
from sam_widget.learn.photos import held_out
from sam_widget.model.checkpoint import sha256
from sam_widget.model.mae import MAE_TINY
from sam_widget.model.mae_zoo import EMBEDDED_MAE


def test_held_out_photos_are_painted_better_than_by_interpolation() -> None:
    model = sw.load_mae()
    assert model.config == MAE_TINY
    results = compare(model, held_out(), seeds=range(2))
    for result in results:
        flat, _, painted = result.errors.mean(0)
        assert painted < 0.9 * flat, result.name
    flat, interpolated, painted = np.mean([result.errors.mean(0) for result in results], axis=0)
    assert painted < 0.7 * flat
    assert painted < interpolated


def test_its_card_names_the_file_and_it_is_small() -> None:
    assert sha256(EMBEDDED_MAE) in EMBEDDED_MAE.with_suffix(".md").read_text(encoding="utf-8")
    assert EMBEDDED_MAE.stat().st_size < 9_000_000
