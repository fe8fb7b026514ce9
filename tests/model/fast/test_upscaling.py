"""Masks made a band of cells at a time are those of transposed convolutions."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from sam_widget.model.config import VIT_B
from sam_widget.model.fast import upscaling
from sam_widget.model.fast.parts import FAST
from sam_widget.model.fast.twin import twin
from sam_widget.model.mask_decoder import MaskDecoder
from tests.model.references import seeded


@pytest.mark.parametrize("band", [5, 64, 1000])
def test_masks_are_made_of_some_cells_at_a_time(monkeypatch: pytest.MonkeyPatch, band: int) -> None:
    monkeypatch.setattr(upscaling, "BAND", band)
    decoder = seeded(MaskDecoder(dataclasses.replace(VIT_B, image_size=128, prompt_dim=64, decoder_mlp_dim=64)))
    generator = torch.Generator().manual_seed(0)
    tokens, embedded = torch.randn(2, 4, 64, generator=generator), torch.randn(2, 64, 8, 8, generator=generator)
    with torch.inference_mode():
        given = twin(decoder, FAST).masks(tokens, embedded)
        torch.testing.assert_close(given, decoder.masks(tokens, embedded), atol=1e-5, rtol=0)
