"""Weights that are not on this machine yet: what a person sees until they answer."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from playwright.sync_api import Page, expect
from safetensors.torch import save
from transformers import SamConfig, SamModel

from tests.browser.lab import Lab, Notebook
from tests.browser.view import FACE, View
from tests.hub import serving

# Before anything imports huggingface_hub, which reads it once.
SHOW_VIT_B = """
import os
os.environ.update(HF_ENDPOINT={endpoint!r}, HF_HUB_CACHE={cache!r}, HF_HUB_OFFLINE="0", NO_PROXY="127.0.0.1")
import sam_widget as sw
w = sw.SamWidget(sw.sample('cat'), model='vit_b')
w
"""


def test_vit_b_is_downloaded_embedded_and_asked(lab: Lab, page: Page, tmp_path: Path) -> None:
    torch.manual_seed(0)
    # Copies: in memory, two of its tensors are one.
    published = save({name: value.clone() for name, value in SamModel(SamConfig()).state_dict().items()})
    with serving("facebook/sam-vit-base", "model.safetensors", published) as hub:
        hub.halfway.clear()
        notebook = Notebook.of(
            page, lab, "vit_b.ipynb", [SHOW_VIT_B.format(endpoint=hub.endpoint, cache=str(tmp_path))]
        )
        notebook.run_all()
        view = View.of(notebook, state="loading")
        size = f"{len(published) / 1e6:.0f} MB"
        expect(view.status).to_have_text(re.compile(rf"Downloading vit_b: 4\d% of {size}"))
        # The Hub's own bar below it would say the same again.
        expect(page.get_by_text("MB/s")).to_have_count(0)
        hub.halfway.set()
        notebook.expect_state("embedding")
        expect(view.status).to_contain_text("with vit_b")
        notebook.expect_state("ready")
        view.click(*FACE)
        expect(view.candidates).to_have_count(3)
        view.button("Accept").click()
        expect(view.objects).to_have_count(1)
        assert notebook.run_cell("w.session.predictor.model.name").strip() == "'vit_b'"
    lab.shut_down_kernels("vit_b.ipynb")
