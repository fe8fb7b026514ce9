"""SAM 3's clicks on the vision tower of its words, against `transformers.Sam3TrackerModel`, on random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

import sam_widget as sw
from sam_widget.automatic.finding.published.catalogue import load_published
from sam_widget.automatic.finding.published.clicks import Tower
from sam_widget.automatic.finding.published.concepts import ConceptFinder
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.predictor.predictor import Predictor
from tests.automatic.finding.published import models
from tests.automatic.finding.published.calls import counted


def loaded(folder: Path) -> ConceptFinder:
    found = load_published(folder)
    assert isinstance(found, ConceptFinder)
    return found


@pytest.fixture
def finder(folder: Path) -> ConceptFinder:
    return loaded(models.saved("sam3_video", folder))


PROMPTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a click": ({"points": [(28, 25)]}, {"input_points": [[[[28, 25]]]], "input_labels": [[[1]]]}),
    "clicks": (
        {"points": [(28, 25), (70, 48)], "labels": [1, 0]},
        {"input_points": [[[[28, 25], [70, 48]]]], "input_labels": [[[1, 0]]]},
    ),
    "a box": ({"box": (12, 10, 44, 40)}, {"input_boxes": [[[12, 10, 44, 40]]]}),
    "a box and a click": (
        {"box": (12, 10, 44, 40), "points": [(28, 25)]},
        {"input_boxes": [[[12, 10, 44, 40]]], "input_points": [[[[28, 25]]]], "input_labels": [[[1]]]},
    ),
}


@pytest.fixture
def reference(folder: Path) -> Any:
    """The library's own model for clicks, with the three levels of its neck that its configuration gives sizes for.

    It adds `no_memory_embedding`, which is zero in a new model, to the last of all levels.
    """
    model, report = hf.Sam3TrackerModel.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    model.vision_encoder.neck.fpn_layers = model.vision_encoder.neck.fpn_layers[:3]
    return model.eval()


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_masks_and_scores_are_those_of_transformers(
    prompt: str, multimask: bool, finder: ConceptFinder, reference: Any, image: np.ndarray
) -> None:
    ours, theirs = PROMPTS[prompt]
    predictor = finder.predictor()
    seen = finder.look(image)  # as the processor resizes
    assert finder.checkpoint.model.vision_encoder.backbone.last
    answer = predictor.predict(predictor.embed(image, keep=False), **ours, multimask=multimask)
    processor = hf.Sam3TrackerProcessor(finder.checkpoint.processor.image_processor)
    inputs = processor(images=image, return_tensors="pt", **theirs)
    inputs.pop("original_sizes")
    with torch.no_grad():
        expected = reference(**inputs, multimask_output=multimask)
    np.testing.assert_allclose(answer.scores, expected.iou_scores[0, 0].numpy(), atol=1e-4)
    np.testing.assert_allclose(answer.logits, expected.pred_masks[0, 0].clamp(-32, 32).numpy(), atol=2e-3)
    assert np.ptp(answer.logits) > 0.1
    assert seen.last_hidden_state.shape == (1, 64, 32)


def test_an_earlier_mask_is_a_prompt(finder: ConceptFinder, reference: Any, image: np.ndarray) -> None:
    predictor = finder.predictor()
    finder.look(image)
    mask = np.random.default_rng(3).normal(0, 5, (32, 32)).astype(np.float32)
    answer = predictor.predict(predictor.embed(image, keep=False), points=[(28, 25)], mask=mask)
    processor = hf.Sam3TrackerProcessor(finder.checkpoint.processor.image_processor)
    inputs = processor(images=image, return_tensors="pt", **PROMPTS["a click"][1])
    inputs.pop("original_sizes")
    with torch.no_grad():
        expected = reference(**inputs, input_masks=torch.tensor(mask)[None, None])
    np.testing.assert_allclose(answer.scores, expected.iou_scores[0, 0].numpy(), atol=1e-4)


def test_weights_and_images_are_shared_with_words(finder: ConceptFinder, image: np.ndarray, tiny: Predictor) -> None:
    predictor = finder.predictor()
    assert finder.predictor() is predictor
    tower = finder.checkpoint.model.vision_encoder.backbone
    assert isinstance(tower, Tower)
    assert predictor.model.image_encoder.tower is tower
    with counted(tower.backbone) as calls:
        finder.find(FeatureStore().features(finder, image, tiny), ["cat"])
        predictor.predict(predictor.embed(image, keep=False), points=[(28, 25)])
        assert calls.calls == 1
        predictor.embed(image[::-1].copy(), keep=False)
        assert calls.calls == 2
        finder.find(FeatureStore().features(finder, image[::-1].copy(), tiny), ["cat"])
        assert calls.calls == 2
        finder.find(FeatureStore().features(finder, image, tiny), ["cat"])
        assert calls.calls == 3


def test_another_image_is_not_taken_for_the_last() -> None:
    tower = Tower(torch.nn.Linear(4, 4))
    pixels = torch.zeros(1, 3, 4, 4)
    with counted(tower.backbone) as calls:
        tower(pixels)
        tower(pixels + 2 / 255)  # one level, which rounding explains
        assert calls.calls == 1
        changed = pixels.clone()
        changed[0, 0, 0, 0] += 4 / 255
        assert not torch.equal(tower(changed), tower(pixels))


def test_words_are_answered_the_same_with_clicks(finder: ConceptFinder, image: np.ndarray, tiny: Predictor) -> None:
    before = finder.find(FeatureStore().features(finder, image, tiny), ["cat"])
    predictor = finder.predictor()
    predictor.predict(predictor.embed(image, keep=False), points=[(28, 25)])
    after = finder.find(FeatureStore().features(finder, image, tiny), ["cat"])
    assert [one.score for one in after.instances] == pytest.approx([one.score for one in before.instances], abs=1e-3)


def test_a_session_refines_what_was_found_with_clicks(
    finder: ConceptFinder, image: np.ndarray, tiny: Predictor
) -> None:
    found = finder.find(FeatureStore().features(finder, image, tiny), ["cat"]).instances[0]
    session = sw.Session(image, model=finder.predictor())
    session.set_prompt(found.prompt)
    session.click(30, 30)
    accepted = session.accept("cat")
    assert accepted.label == "cat"


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda tensors: tensors.pop("tracker_model.mask_decoder.conv_s0.weight"), "1 weights are missing .*conv_s0"),
        (lambda tensors: tensors.pop("tracker_neck.fpn_layers.0.proj1.weight"), "the neck .* 1 weights are missing"),
        (lambda tensors: tensors.update({"tracker_model.mask_decoder.new": torch.zeros(2)}), "1 weights are unknown"),
        (lambda tensors: tensors.update({"tracker_neck.new": torch.zeros(2)}), "1 weights are unknown"),
        (
            lambda tensors: tensors.update({"tracker_model.mask_decoder.conv_s0.weight": torch.zeros(2)}),
            "1 weights are of another shape",
        ),
        (lambda tensors: tensors.pop("tracker_model.prompt_encoder.point_embed.weight"), "1 weights are missing"),
        (
            lambda tensors: tensors["tracker_model.shared_image_embedding.positional_embedding"].add_(1),
            "has two position embeddings",
        ),
        (
            lambda tensors: [tensors.pop(key) for key in [*tensors] if key.startswith("tracker_")],
            "answers words only",
        ),
    ],
)
def test_incomplete_weights_are_refused(edit: Any, match: str, folder: Path) -> None:
    path = models.saved("sam3_video", folder) / "model.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(sw.ModelError, match=match):
        loaded(folder).predictor()


def test_a_model_without_clicks_says_so(folder: Path) -> None:
    with pytest.raises(sw.ModelError, match="answers words only"):
        loaded(models.saved("lite_text", folder)).predictor()
