"""Pages with other models than `tiny`: their decoders, run by onnxruntime in Chromium, answer what PyTorch answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, expect

import sam_widget as sw
from sam_widget.masks.cleanup import clean
from sam_widget.masks.measures import iou
from sam_widget.model.config import EFFICIENT_TI, MOBILE, SAM2_TINY, VIT_B
from sam_widget.model.efficient_sam import EfficientSam
from sam_widget.model.hq_sam import HqSam
from sam_widget.model.mobile_sam import MobileSam
from sam_widget.model.sam import Sam
from sam_widget.model.sam2 import Sam2
from sam_widget.page.page import write_page
from sam_widget.predictor.predictor import Predictor
from sam_widget.session.session import Session
from tests.browser.lab import VIEWPORT
from tests.browser.view import FACE, View

# The whole network is read before the first answer.
TIMEOUT_MS = 90_000
# Encoders of one block: their decoders are those of the published models.
ONE_BLOCK = {"depth": 1, "num_heads": 1, "global_attention": (0,)}
MODELS: dict[str, Callable[[], Sam]] = {
    "vit_b": lambda: Sam(dataclasses.replace(VIT_B, embed_dim=64, **ONE_BLOCK), name="vit_b"),
    "hq_vit_b": lambda: HqSam(dataclasses.replace(VIT_B, embed_dim=64, **ONE_BLOCK), name="hq_vit_b"),
    "efficient_sam_ti": lambda: EfficientSam(dataclasses.replace(EFFICIENT_TI, **ONE_BLOCK), name="efficient_sam_ti"),
    "mobile_sam": lambda: MobileSam(dataclasses.replace(MOBILE, depths=(1, 1, 1, 1)), name="mobile_sam"),
    "sam2.1_hiera_tiny": lambda: Sam2(
        dataclasses.replace(SAM2_TINY, stages=(1, 1, 1, 1), global_attention=()), name="sam2.1_hiera_tiny"
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_page_answers_what_pytorch_answers(name: str, browser: Browser, tmp_path: Path) -> None:
    """Points, a background point, and a box: masks of the photo's size to an IoU of 0.9999, scores within 0.001."""
    torch.manual_seed(0)
    predictor = Predictor(MODELS[name]().eval())
    reference = Session(sw.sample("cat"), model=predictor)
    path = write_page(reference, tmp_path / "cat.html")
    assert path.stat().st_size <= 40e6
    context = browser.new_context(viewport=VIEWPORT, offline=True, accept_downloads=True)
    try:
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.goto(path.as_uri())
        root = page.locator(".sam-widget")
        expect(root).to_have_attribute("data-state", "ready", timeout=TIMEOUT_MS)
        view = View(page, root)
        view.click(*FACE)
        expect(view.candidates).to_have_count(3, timeout=TIMEOUT_MS)
        view.click(420, 60, modifiers=["Alt"])
        view.root.get_by_role("radio", name="Box", exact=True).click()
        view.drag(60, 30, 300, 280)
        view.press("Escape")
        view.drag(60, 30, 300, 280)
        with page.expect_download() as download:
            page.get_by_role("button", name="Continue in Jupyter").click()
        download.value.save_as(tmp_path / "cat.sam")
        about = page.locator(".sam-page-about").text_content() or ""
        assert "onnxruntime-web (Microsoft Corporation): MIT." in about
        assert name in about
    finally:
        context.close()
    session = Session.load(tmp_path / "cat.sam", model=predictor)
    answered = [state for state in session.timeline if len(state.candidates) == 3]
    assert {(len(state.prompt.points), len(state.prompt.boxes)) for state in answered} == {
        (1, 0),
        (2, 0),
        (2, 1),
        (0, 1),
    }
    for state in answered:
        expected = reference.set_prompt(state.prompt)
        assert state.chosen_index == reference.state.chosen_index
        for ours, theirs in zip(state.candidates, expected, strict=True):
            assert iou(ours.base.array, theirs.base.array) >= 0.9999
            # Random weights draw noise, in which one pixel decides whether a whole part is a speck.
            np.testing.assert_array_equal(ours.mask, clean(ours.base, state.settings).array)
            assert ours.score == pytest.approx(theirs.score, abs=1e-3)
            assert ours.stability == pytest.approx(theirs.stability, abs=1e-3)
