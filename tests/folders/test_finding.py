"""Words and examples in a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.errors import PromptError, SessionError
from sam_widget.folders.finding import find_folder
from sam_widget.predictor.predictor import Predictor
from tests.finders import Squares
from tests.waiting import until


@pytest.fixture
def folder(tmp_path: Path, photo: np.ndarray) -> Path:
    for number in range(3):
        Image.fromarray(photo[: 200 + number]).save(tmp_path / f"{number}.png")
    return tmp_path


@pytest.fixture
def finder(request: pytest.FixtureRequest) -> Squares:
    return Squares(request.node.nodeid)


def test_what_is_found_becomes_objects_of_session_files(folder: Path, predictor: Predictor, finder: Squares) -> None:
    work = folder / "work"
    hits = find_folder(folder, ["cat"], sessions=work, model=predictor, finder=finder, progress=False)
    assert [(hit.name, len(hit.instances)) for hit in hits] == [("0.png", 2), ("1.png", 2), ("2.png", 2)]
    assert str(hits).startswith("6 found in 3 of 3 images\n  0.90  0.png: 2")
    session = sw.Session.load(work / "0.png.sam", model=predictor)
    assert [item.label for item in session.objects] == ["cat", "cat"]
    assert session.search is None


def test_existing_sessions_are_continued_and_nothing_is_found_twice(
    folder: Path, predictor: Predictor, finder: Squares
) -> None:
    options: dict[str, Any] = {"model": predictor, "finder": finder, "progress": False}
    find_folder(folder, ["cat"], **options)
    before = (folder / "0.png.sam").read_bytes()
    assert len(find_folder(folder, ["cat"], **options)) == 0
    assert (folder / "0.png.sam").read_bytes() == before, "a file in which nothing is found is not changed"
    assert len(find_folder(folder, ["cup"], **options)) == 3
    session = sw.Session.load(folder / "0.png.sam", model=predictor)
    assert [item.label for item in session.objects] == ["cat", "cat", "cup"]
    assert finder.encoded == 3


def test_an_example_in_one_photo_finds_others(folder: Path, predictor: Predictor, finder: Squares) -> None:
    options: dict[str, Any] = {"model": predictor, "finder": finder, "progress": False}
    find_folder(folder / "0.png", ["cup"], **options)
    for example in (f"{folder / '0.png.sam'}#0", ("0.png", 0), ("0.png", "cup")):
        hits = find_folder(folder, like=[example], accept=False, **options)
        assert [hit.name for hit in hits] == ["1.png", "2.png"]
    shown = sw.Session.load(folder / "2.png.sam", model=predictor).search
    assert shown is not None
    assert [one.id for one in shown] == ["2"]
    assert shown.search.query.like[0].name == "0.png: cup"
    assert not sw.Session.load(folder / "2.png.sam", model=predictor).objects


@pytest.mark.parametrize("example", ["nowhere", "nowhere.sam#0", ("nowhere.png", 0), 3.5])
def test_an_example_that_is_not_there(folder: Path, predictor: Predictor, finder: Squares, example: Any) -> None:
    with pytest.raises(sw.SamWidgetError, match="nowhere|3.5"):
        find_folder(folder, like=[example], model=predictor, finder=finder, progress=False)
    assert finder.encoded == 0


def test_an_object_that_is_not_there(folder: Path, predictor: Predictor, finder: Squares) -> None:
    find_folder(folder / "0.png", ["cup"], model=predictor, finder=finder, progress=False)
    with pytest.raises(SessionError, match="no object '7' among the 1 of 0.png.sam"):
        find_folder(folder, like=[("0.png", 7)], model=predictor, finder=finder, progress=False)


def test_there_must_be_something_to_find(folder: Path, predictor: Predictor, finder: Squares) -> None:
    with pytest.raises(PromptError, match="give words, or an example"):
        find_folder(folder, model=predictor, finder=finder, progress=False)


def test_a_photo_that_cannot_be_read_does_not_stop_the_rest(
    folder: Path, predictor: Predictor, finder: Squares
) -> None:
    (folder / "1.png").write_bytes(b"no image")
    hits = find_folder(folder, ["cat"], model=predictor, finder=finder, progress=False)
    assert [hit.name for hit in hits] == ["0.png", "2.png"]
    assert [failure.path.name for failure in hits.report.failed] == ["1.png"]


def test_it_can_be_cancelled(folder: Path, predictor: Predictor, finder: Squares) -> None:
    # In the middle of the second photo.
    options: dict[str, Any] = {"model": predictor, "finder": finder, "progress": False}
    hits = find_folder(folder, ["cat"], cancelled=lambda: finder.encoded == 2, **options)
    assert [hit.name for hit in hits] == ["0.png"]
    assert [path.name for path in hits.report.skipped] == ["1.png", "2.png"]
    assert not (folder / "1.png.sam").exists()


def test_where_nothing_is_found_nothing_is_saved_and_the_nearest_is_told(
    folder: Path, predictor: Predictor, finder: Squares
) -> None:
    hits = find_folder(folder, ["dog"], model=predictor, finder=finder, progress=False)
    assert len(hits) == 0
    assert hits.nearest == ("0.png", 0.1)
    assert not list(folder.glob("*.sam"))


def test_a_gallery_offers_what_is_like_an_object_of_the_shown_photo(
    folder: Path, predictor: Predictor, finder: Squares
) -> None:
    gallery = sw.Gallery(folder, model=predictor)
    until(lambda: gallery.state["status"] == "ready", what="the gallery is ready")
    gallery.session.find("cup", model=finder).accept()
    told: list[tuple[int, int]] = []
    hits = gallery.find(like=0, model=finder, progress=lambda *step: told.append(step))
    assert [hit.name for hit in hits] == ["1.png", "2.png"]
    assert told[-1] == (3, 3)
    gallery.go(1)
    shown = gallery.search
    assert shown is not None
    assert len(shown.accept()) == 1
    before = gallery.session.position
    assert len(gallery.find("dog", model=finder)) == 0
    assert gallery.session.position == before, "where nothing is found, nothing is edited"
    assert len(gallery.find("cat", model=finder, accept=True)) == 3
    assert [item.label for item in gallery.session.objects] == ["cup", "cat", "cat"]
    gallery.close()
