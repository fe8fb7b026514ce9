"""What a page's panels are given."""

from __future__ import annotations

import base64

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import SamWidgetError
from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.embedding_explorer import EmbeddingExplorer
from sam_widget.teach.lesson_cells import PanelCall, Source
from sam_widget.teach.lesson_panels import PagePhoto, panel_data


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor("tiny")


def test_panels_of_the_same_image_share_its_photo(predictor: Predictor) -> None:
    photos: dict[Source, PagePhoto] = {}
    calls = [PanelCall("TracedImage", ("sample", "cat"), {}), PanelCall("MaskMaker", ("sample", "cat"), {})]
    assert [panel_data(call, photos, predictor) for call in calls] == [
        {"kind": "TracedImage", "photo": 0},
        {"kind": "MaskMaker", "photo": 0},
    ]
    assert photos["sample", "cat"].viewed
    with pytest.raises(SamWidgetError, match="no image for MaskMaker; expected sw.sample"):
        panel_data(PanelCall("MaskMaker", None, {}), photos, predictor)


def test_the_embeddings_colours_are_those_of_the_panel(predictor: Predictor) -> None:
    data = panel_data(PanelCall("EmbeddingExplorer", ("sample", "cat"), {}), {}, predictor)
    cells = np.frombuffer(base64.b64decode(data["colours"]), np.uint8).reshape(16, 24, 3)
    panel = EmbeddingExplorer(sw.sample("cat"), model=predictor)
    assert (panel.subject.spread(cells) == panel._colours).all()
