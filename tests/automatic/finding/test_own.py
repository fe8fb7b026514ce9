"""Examples compared by the embedding of the session's own model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import sam_widget as sw
from sam_widget.automatic.finding.finder import Example
from sam_widget.automatic.finding.own import OwnFinder
from sam_widget.automatic.finding.regions import Regions
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.errors import PromptError
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor

RED, BLUE = (200, 40, 40), (40, 60, 190)
DISCS = {(40, 50): RED, (120, 50): RED, (200, 50): BLUE, (80, 130): BLUE, (180, 130): RED}


def discs(places: dict[tuple[int, int], tuple[int, int, int]] = DISCS) -> np.ndarray:
    """Red and blue discs on grey."""
    picture = Image.new("RGB", (240, 180), (150, 150, 140))
    for (x, y), colour in places.items():
        ImageDraw.Draw(picture).ellipse((x - 22, y - 22, x + 22, y + 22), fill=colour)
    return np.array(picture)


def disc(x: int, y: int) -> StoredMask:
    rows, columns = np.mgrid[:180, :240]
    return StoredMask((columns - x) ** 2 + (rows - y) ** 2 <= 22**2)


def colour_at(mask: np.ndarray, image: np.ndarray) -> str:
    red, _, blue = image[mask].mean(0)
    return "red" if red > blue + 30 else "blue" if blue > red + 30 else "neither"


@pytest.fixture(scope="module")
def finder() -> OwnFinder:
    return OwnFinder()


@pytest.fixture(scope="module")
def regions(predictor: Predictor, finder: OwnFinder) -> Regions:
    regions: Regions = FeatureStore().features(finder, discs(), predictor)
    return regions


def test_what_looks_alike_is_found_first(finder: OwnFinder, regions: Regions) -> None:
    found = finder.find(regions, [], [Example(disc(40, 50))]).instances
    assert [colour_at(one.mask, regions.image) for one in found[:3]] == ["red"] * 3
    assert found[0].score > 0.9
    found = finder.find(regions, [], [Example(disc(200, 50))]).instances
    scores: dict[str, list[float]] = {"red": [], "blue": []}
    for one in found:
        scores[colour_at(one.mask, regions.image)].append(one.score)
    assert found[0].score == max(scores["blue"])
    assert np.mean(scores["blue"]) > np.mean(scores["red"]) + 0.05


def test_a_counter_example_is_not_found(finder: OwnFinder, regions: Regions) -> None:
    found = finder.find(regions, [], [Example(disc(40, 50))], [Example(disc(200, 50))]).instances
    assert "blue" not in {colour_at(one.mask, regions.image) for one in found}


def test_an_example_is_described_by_what_is_under_it(finder: OwnFinder, regions: Regions) -> None:
    red, other_red, blue = (finder.describe(regions, disc(*at)) for at in ((40, 50), (120, 50), (200, 50)))
    assert np.linalg.norm(red) == pytest.approx(1, abs=1e-4)
    assert red @ other_red > red @ blue
    whole = finder.describe(regions, StoredMask(np.ones((180, 240), bool)))
    assert np.isfinite(whole).all()


def test_it_is_searched_by_name_within_and_across_photos(predictor: Predictor, tmp_path: Path) -> None:
    other = dict.fromkeys([(60, 60), (170, 110)], RED) | {(60, 130): BLUE}
    for name, places in {"a": DISCS, "b": other}.items():
        Image.fromarray(discs(places)).save(tmp_path / f"{name}.png")
    session = sw.Session(tmp_path / "a.png", model=predictor, autosave=tmp_path / "a.png.sam")
    session.set_prompt(sw.Prompt((sw.Point(40, 50),)))
    session.accept("red disc")
    found = session.find(like=0, model="own")
    assert found.search.query.finder == "own"
    assert colour_at(found[0].mask, session.image) == "red"
    session.close()
    again = sw.Session.load(tmp_path / "a.png.sam", model=predictor)
    assert again.search is not None
    again.search.refuse(0)  # The finder is known by its name alone.
    hits = sw.Gallery(tmp_path, model=predictor).find(like=("a.png", 0), model="own", threshold=0.3)
    best = next(hit for hit in hits if hit.name == "b.png").instances[0]
    assert colour_at(best.mask, discs(other)) == "red"


def test_words_are_refused(predictor: Predictor) -> None:
    with pytest.raises(PromptError, match="'own' compares examples and knows no words, such as 'cat'"):
        sw.Session(discs(), model=predictor).find("cat", model="own")


def test_nothing_but_everything_mode_is_computed(
    finder: OwnFinder, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_widget.automatic.finding.embedded.load_namer", None)
    assert len(FeatureStore().features(finder, discs(), predictor).records) > 3
