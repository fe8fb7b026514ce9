"""Words together with points and boxes, by SAM 3 on random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sam_widget as sw
from sam_widget.automatic.finding.published.concepts import ConceptFinder
from sam_widget.automatic.finding.published.worded import WordedPredictor
from sam_widget.prompts.prompt import Point, Prompt, Stroke
from tests.automatic.finding.published.calls import counted

BOX = (12, 10, 44, 40)


@pytest.fixture(scope="module")
def finder(finders: Callable[[str], Any]) -> ConceptFinder:
    found = finders("sam3_video")
    assert isinstance(found, ConceptFinder)
    return found


@pytest.fixture
def predictor(finder: ConceptFinder) -> WordedPredictor:
    predictor = finder.predictor()
    assert isinstance(predictor, WordedPredictor)
    return predictor


def reference(finder: ConceptFinder, image: np.ndarray, **prompt: Any) -> tuple[np.ndarray, np.ndarray]:
    """Logits (Q, h, w) and scores (Q,) by transformers' own processor and model, best first."""
    model, processor = finder.checkpoint.model, finder.checkpoint.processor
    inputs = processor(images=image, return_tensors="pt", **prompt)
    inputs.pop("original_sizes")
    with torch.no_grad():
        outputs = model(**inputs)
    scores = (outputs.pred_logits.sigmoid() * outputs.presence_logits.sigmoid())[0]
    order = scores.argsort(descending=True)
    return outputs.pred_masks[0, order].numpy(), scores[order].numpy()


def test_words_alone_give_the_best_instances_of_transformers(
    finder: ConceptFinder, predictor: WordedPredictor, image: np.ndarray
) -> None:
    logits, scores = reference(finder, image, text="red cup")
    answer = predictor.predict(predictor.embed(image, keep=False), words="red cup")
    assert len(answer.scores) == 3
    np.testing.assert_allclose(answer.scores, scores[:3], atol=1e-4)
    np.testing.assert_allclose(answer.logits, logits[:3], atol=2e-3)
    assert len(predictor.predict(predictor.embed(image, keep=False), words="red cup", multimask=False).scores) == 1


def test_a_box_is_an_example_and_the_instance_that_fills_it_is_the_answer(
    finder: ConceptFinder, predictor: WordedPredictor, image: np.ndarray
) -> None:
    logits, scores = reference(finder, image, text="cat", input_boxes=[[[*BOX]]], input_boxes_labels=[[1]])
    height, width = image.shape[:2]
    side = logits.shape[-1]
    wanted = np.array(BOX) / [width, height, width, height] * side

    def fit(mask: np.ndarray) -> float:
        rows, columns = np.nonzero(mask)
        if not len(rows):
            return 0.0
        tight = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        sides = np.minimum(tight[2:], wanted[2:]) - np.maximum(tight[:2], wanted[:2])
        shared = sides.clip(0).prod()
        return float(shared / ((tight[2:] - tight[:2]).prod() + (wanted[2:] - wanted[:2]).prod() - shared))

    expected = scores * [fit(mask > 0) for mask in logits]
    order = np.argsort(-expected)[:3]
    answer = predictor.predict(predictor.embed(image, keep=False), box=BOX, words="cat")
    np.testing.assert_allclose(answer.scores, expected[order], atol=1e-4)
    np.testing.assert_allclose(answer.logits, logits[order], atol=2e-3)


def test_points_choose_among_the_instances(predictor: WordedPredictor, image: np.ndarray) -> None:
    embedding = predictor.embed(image, keep=False)
    every = predictor.predict(embedding, words="cat")
    rows, columns = np.nonzero(every.masks[0] & ~every.masks[2])
    inside = (float(columns[0]) + 0.5, float(rows[0]) + 0.5)
    chosen = predictor.predict(embedding, points=[inside], words="cat")
    assert len(chosen.scores) > 0
    assert all(mask[rows[0], columns[0]] for mask in chosen.masks)
    others = predictor.predict(embedding, points=[inside], labels=[0], words="cat")
    assert not any(mask[rows[0], columns[0]] for mask in others.masks)


def test_a_scribble_is_points(predictor: WordedPredictor, image: np.ndarray) -> None:
    embedding = predictor.embed(image, keep=False)
    rows, columns = np.nonzero(predictor.predict(embedding, words="cat").masks[0])
    at = (float(columns[0]) + 0.5, float(rows[0]) + 0.5)
    drawn = predictor.answer(embedding, Prompt(strokes=(Stroke((at,)),), words="cat"))
    clicked = predictor.answer(embedding, Prompt((Point(*at),), words="cat"))
    np.testing.assert_array_equal(drawn.logits, clicked.logits)


def test_words_encode_no_image_and_clicks_are_as_before(
    finder: ConceptFinder, predictor: WordedPredictor, image: np.ndarray
) -> None:
    flipped = image[::-1].copy()
    with counted(finder.checkpoint.model.vision_encoder.backbone.backbone) as calls:
        embedding = predictor.embed(flipped, keep=False)
        for words in ("cat", "cup", "cat"):
            predictor.predict(embedding, words=words, points=None)
        clicked = predictor.predict(embedding, points=[(28, 25)])
        assert calls.calls == 1
    assert clicked.logits.shape == (3, 32, 32)


def test_a_session_takes_words_and_clicks_together(predictor: WordedPredictor, image: np.ndarray) -> None:
    session = sw.Session(image, model=predictor)
    session.set_prompt(Prompt(words="cat"))
    (first, *_), before = session.candidates, session.chosen
    assert before is not None
    rows, columns = np.nonzero(first.mask)
    session.click(float(columns[0]) + 0.5, float(rows[0]) + 0.5)
    assert session.prompt.words == "cat"
    assert session.chosen is not None
    assert session.chosen.mask[rows[0], columns[0]]


def test_a_session_searches_with_its_own_model(
    finder: ConceptFinder, predictor: WordedPredictor, image: np.ndarray
) -> None:
    session = sw.Session(image, model=predictor)
    session.find("flurb", threshold=0)  # The embedded finder knows no such word.
    assert session.search is not None
    assert session.search.search.query.finder == finder.name
    assert session.find("cat", model="tiny").search.query.finder == "tiny"


def test_what_cannot_be_answered_is_said(predictor: WordedPredictor, image: np.ndarray, tmp_path: Path) -> None:
    embedding = predictor.embed(image, keep=False)
    with pytest.raises(sw.PromptError, match="with points and boxes, not with an earlier mask"):
        predictor.predict(embedding, words="cat", mask=np.zeros((32, 32), np.float32))
    everywhere = [(x + 0.5, y + 0.5) for x in range(0, 96, 4) for y in range(0, 72, 4)]
    with pytest.raises(sw.PromptError, match="no 'cat' where the prompt is"):
        predictor.predict(embedding, points=everywhere, labels=[0] * len(everywhere), words="cat")
    with pytest.raises(sw.PromptError, match="too long for .* at most 32 tokens"):
        predictor.predict(embedding, words="a" * 40)
    embedding.save(tmp_path / "stored")
    predictor._images.clear()
    with pytest.raises(sw.PromptError, match="words need the image"):
        predictor.predict(sw.Embedding.load(tmp_path / "stored"), words="cat")
