"""The embedded finder, on the bundled photos."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

import sam_widget as sw
from sam_widget.automatic.finding.embedded import (
    FEATURES,
    KINDS,
    EmbeddedFinder,
    describe,
    expected_classes,
    load_namer,
)
from sam_widget.automatic.finding.finder import Example
from sam_widget.automatic.finding.regions import Regions
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.errors import PromptError
from sam_widget.image.samples import sample
from sam_widget.masks.cleanup import TIDY, clean
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.words import vocabulary


@pytest.fixture(scope="module")
def finder() -> EmbeddedFinder:
    return EmbeddedFinder()


@pytest.fixture(scope="module")
def regions(predictor: Predictor, finder: EmbeddedFinder) -> Regions:
    regions: Regions = FeatureStore().features(finder, sample("cat"), predictor)
    return regions


def test_a_cat_is_found_by_its_name_and_hypernyms(finder: EmbeddedFinder, regions: Regions) -> None:
    for word in ("cat", "cats", "the cat", "animal", "貓"):
        finding = finder.find(regions, [word])
        best = finding.instances[0]
        assert best.score > 0.6, word
        assert best.area > 80_000, "the whole cat"
        assert best.word == word
        assert finding.presence[0] >= best.score


def test_words_have_a_stricter_threshold_than_examples(predictor: Predictor, photo: np.ndarray) -> None:
    session = sw.Session(photo, model=predictor)
    session.click(200, 200)
    session.accept()
    assert session.find("cat").threshold == EmbeddedFinder.threshold == 0.7
    assert session.find(like=0).threshold == session.find("cat", like=0).threshold == 0.5


def test_what_is_not_there_is_not_found(finder: EmbeddedFinder, regions: Regions) -> None:
    finding = finder.find(regions, ["dog", "cup", "vehicle"])
    assert max(finding.presence) < 0.3
    assert all(one.score < 0.3 for one in finding.instances)


def test_a_word_costs_no_network(finder: EmbeddedFinder, regions: Regions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_widget.automatic.finding.embedded.load_namer", None)
    assert finder.find(regions, ["cat"]).instances


def test_an_instance_gets_the_word_that_fits_it_best(finder: EmbeddedFinder, regions: Regions) -> None:
    assert finder.find(regions, ["dog", "cat"]).instances[0].word == "cat"


def test_no_instance_is_a_part_of_another(finder: EmbeddedFinder, regions: Regions) -> None:
    masks = [one.mask for one in finder.find(regions, ["animal"]).instances]
    for k, one in enumerate(masks):
        for other in masks[:k]:
            assert np.count_nonzero(one & other) <= 0.8 * min(one.sum(), other.sum())


def test_its_own_mask_is_the_best_example(finder: EmbeddedFinder, regions: Regions) -> None:
    cat = finder.find(regions, ["cat"]).instances[0]
    features = finder.describe(regions, cat.stored)
    assert features.shape == (FEATURES,)
    assert np.linalg.norm(features) == pytest.approx(1, abs=1e-3)
    for example in (Example(cat.stored), Example(features=features)):
        assert finder.find(regions, [], [example]).instances[0].id == cat.id
    without = finder.find(regions, ["cat"], [], [Example(cat.stored)])
    assert cat.id not in {one.id for one in without.instances}


def test_another_mask_of_a_refused_thing_is_refused_too(finder: EmbeddedFinder, regions: Regions) -> None:
    cat = finder.find(regions, ["cat"]).instances[0]
    nearly = cat.mask.copy()
    nearly[:, :40] = False
    left = finder.find(regions, ["cat"], [], [Example(StoredMask(nearly))]).instances
    assert all(float(iou(one.mask, cat.mask)) < 0.5 for one in left)


def test_masks_have_no_specks(regions: Regions) -> None:
    for record in regions.records:
        # Filling holes makes a mask larger, and with it the largest speck.
        changed = np.count_nonzero(clean(record.stored, TIDY).array ^ record.mask)
        assert changed <= 0.005 * record.area


def test_an_example_of_another_finder_is_refused(finder: EmbeddedFinder, regions: Regions) -> None:
    with pytest.raises(PromptError, match="another model"):
        finder.find(regions, [], [Example(features=np.zeros(7, np.float32), name="cat.jpg")])
    with pytest.raises(PromptError, match="'cat.jpg' has no mask in this image"):
        finder.find(regions, [], [Example(name="cat.jpg")])


def test_an_unknown_word_is_refused_with_near_ones(finder: EmbeddedFinder) -> None:
    with pytest.raises(PromptError, match=r"'tabbi' is not one of the 1,000 things .* near words: tabby"):
        finder.check(["cat", "tabbi"], [], [])


def test_colours_restrict_what_is_found(finder: EmbeddedFinder, regions: Regions) -> None:
    assert finder.find(regions, ["blue cat"]).instances == ()


def test_all_opinions_must_agree(finder: EmbeddedFinder, regions: Regions) -> None:
    dog = vocabulary().parse("dog").classes[0]
    assert regions.names is not None
    for lone in range(3):
        names = np.ones_like(regions.names) / 1000
        names[:, lone] = 0
        names[:, lone, dog] = 1
        lonely = dataclasses.replace(regions, names=names)
        assert all(one.score < 0.2 for one in finder.find(lonely, ["dog"]).instances)
    names[:] = names[:, [2]]
    assert finder.find(lonely, ["dog"]).instances[0].score > 0.8


def test_everyday_kinds_are_expected_alike_however_many_classes_they_have() -> None:
    expected = expected_classes().numpy()
    for kind in ("dog", "cat", "car"):
        assert expected[list(vocabulary().parse(kind).classes)].sum() == pytest.approx(1, abs=1e-4), kind
    # Shared classes count with the larger kind: sharks with fish, airplanes with aircraft.
    assert expected[list(vocabulary().parse("shark").classes)] == pytest.approx(1 / 16)
    assert expected.max() == 1
    assert all(kind in vocabulary() for kind in KINDS)


def test_what_is_expected_shifts_probabilities() -> None:
    namer, pooled = load_namer(), torch.rand(1, 1280)
    plain = namer.probabilities(pooled)[0]
    shifted = namer.probabilities(pooled, expected_classes())[0]
    torch.testing.assert_close(shifted, plain * expected_classes() / (plain * expected_classes()).sum())


def test_an_image_in_which_nothing_is_segmented(finder: EmbeddedFinder) -> None:
    names, features = describe(np.zeros((10, 10, 3), np.uint8), [])
    nothing = Regions(np.zeros((10, 10, 3), np.uint8), (), features, names)
    finding = finder.find(nothing, ["cat"])
    assert (finding.instances, finding.presence) == ((), (0.0,))


def test_masks_of_a_pixel_and_of_everything_are_described() -> None:
    photo = sample("cat")
    dot, everything = np.zeros(photo.shape[:2], bool), np.ones(photo.shape[:2], bool)
    dot[299, 450] = True
    names, features = describe(photo, [StoredMask(dot), StoredMask(everything)])
    assert names.shape == (2, 3, 1000)
    np.testing.assert_allclose(names[:, :2].sum(2), 1, atol=1e-4)
    assert (names[:, 2].sum(1) <= 1.001).all()
    assert np.isfinite(features).all()


def test_words_work_offline_in_a_session_of_any_image(predictor: Predictor) -> None:
    tall = np.full((200, 20, 3), 90, np.uint8)
    found: Any = sw.Session(tall, model=predictor).find("cat")
    assert len(found) == 0
    assert "no 'cat'" in found.message
