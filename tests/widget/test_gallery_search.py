"""Finding in all images of a gallery, as messages from a view request it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.widget.gallery import Gallery
from tests.finders import Squares
from tests.waiting import until
from tests.widget.test_sam_widget import View


@pytest.fixture
def finder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Squares:
    finder = Squares(request.node.nodeid)
    monkeypatch.setattr("sam_widget.automatic.finding.loading.finder_of", lambda _model=None: finder)
    return finder


@pytest.fixture
def gallery(tmp_path: Path, photo: np.ndarray, predictor: sw.Predictor, finder: Squares) -> Iterator[Gallery]:
    del finder
    for number in range(3):
        Image.fromarray(photo[: 200 + number]).save(tmp_path / f"{number}.png")
    (tmp_path / "1b.jpg").write_bytes(b"not an image")
    gallery = Gallery(tmp_path, model=predictor)
    until(lambda: gallery.state["status"] == "ready", what="the gallery is ready")
    yield gallery
    gallery.close()


def fields(*words: str, **others: Any) -> dict[str, Any]:
    return {"words": list(words), "like": [], "threshold": None, **others}


def hits(gallery: Gallery) -> list[tuple[int, int, float]]:
    return [(hit["index"], hit["found"], hit["score"]) for hit in gallery.searched["hits"]]


class Held:
    """Holds a finder at the first step of every image from the second one on."""

    def __init__(self, finder: Squares, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        encode = finder._encode

        def slow(image: np.ndarray) -> Iterator[Any]:
            if finder.encoded:
                self.reached.set()
                assert self.go_on.wait(60)
            return (yield from encode(image))

        monkeypatch.setattr(finder, "_encode", slow)


def test_an_object_is_found_in_all_images_and_each_offers_it(gallery: Gallery, finder: Squares) -> None:
    view = View(gallery)
    assert gallery.searched == {}
    view.ask("find", **fields("cup", not_like=[], gesture="typing"))
    view.ask("accept_found", instances=[], label="mug")
    progress: list[int] = []
    gallery.observe(lambda change: progress.append(change["new"].get("done", -1)), "searched")
    assert view.ask("find_in_all", **fields(like=[view.state["objects"][0]["id"]]))["outcome"] == "done"
    assert hits(gallery) == [(1, 1, 0.8), (3, 1, 0.8)]
    assert gallery.searched["text"] == "like mug"
    assert gallery.searched["message"] == (
        "2 found in 2 of 3 images; 1 image could not be searched, among them 1b.jpg."
    )
    assert progress == sorted(progress)
    assert {1, 2, 3} <= set(progress)

    # The displayed image has nothing new, and is not edited; the others offer what was found, with the same label.
    assert gallery.session.search is None
    view.ask("show", index=1)
    assert [one["found"] for one in view.state["search"]["instances"]] == [True]
    view.ask("accept_found", instances=[], label=None)
    assert [item["label"] for item in view.state["objects"]] == ["mug"]
    view.ask("undo")
    assert view.state["objects"] == []
    view.ask("end_find_in_all")
    assert gallery.searched == {}
    assert finder.encoded == 3


def test_words_are_found_in_the_displayed_image_too(gallery: Gallery) -> None:
    view = View(gallery)
    view.ask("find_in_all", **fields("cat", "cup"))
    assert hits(gallery) == [(0, 3, 0.9), (1, 3, 0.9), (3, 3, 0.9)]
    assert gallery.searched["text"] == "cat, cup"
    assert view.state["search"]["words"] == ["cat", "cup"]
    view.ask("find_in_all", **fields("cat", threshold=0.95))
    assert gallery.searched["message"].startswith("None found in 3 images; the nearest is 0.90, in 0.png")


def test_views_are_answered_and_photos_opened_while_images_are_searched(
    gallery: Gallery, finder: Squares, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, view = Held(finder, monkeypatch), View(gallery)
    asked = view.post("find_in_all", **fields("cat"))
    assert held.reached.wait(60)
    assert gallery.searched["message"] == ""
    # It is about to search this image, whose session is opened and edited meanwhile.
    assert view.ask("show", index=1)["outcome"] == "done"
    until(lambda: gallery.state["status"] == "ready", what="the second image is ready")
    view.ask("predict", prompt={"points": [{"x": 9, "y": 9, "label": 1}], "boxes": [], "strokes": [], "mask": None})
    view.ask("accept", label="mine")
    held.go_on.set()
    assert view.answer(asked)["outcome"] == "done"
    assert [index for index, *_ in hits(gallery)] == [0, 1, 3]
    assert view.state["search"]["words"] == ["cat"]
    assert [item["label"] for item in view.state["objects"]] == ["mine"]


def test_a_search_is_stopped_and_keeps_what_it_found(
    gallery: Gallery, finder: Squares, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, view = Held(finder, monkeypatch), View(gallery)
    asked = view.post("find_in_all", **fields("cat"))
    assert held.reached.wait(60)
    assert view.ask("stop_find_in_all")["outcome"] == "done"
    held.go_on.set()
    assert view.answer(asked)["outcome"] == "done"
    assert hits(gallery) == [(0, 2, 0.9)]
    assert re.search(r"stopped with \d images left", gallery.searched["message"])


def test_another_search_takes_the_place_of_a_running_one(
    gallery: Gallery, finder: Squares, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, view = Held(finder, monkeypatch), View(gallery)
    first = view.post("find_in_all", **fields("cat"))
    assert held.reached.wait(60)
    second = view.post("find_in_all", **fields("cup"))
    until(lambda: gallery.searched["text"] == "cup", what="the second search is shown")
    held.go_on.set()
    assert view.answer(first)["outcome"] == "superseded"
    assert view.answer(second)["outcome"] == "done"
    assert [found for _, found, _ in hits(gallery)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (fields("giraffe"), "near words: cat"),
        (fields(), "nothing to find"),
        (fields(like=["nosuch"]), "no object 'nosuch'"),
        (fields("cat", threshold=2), "from 0 to 1"),
        (fields("x" * 101), "101 characters"),
        (fields(like=["a"] * 65), "65 examples"),
    ],
)
def test_what_cannot_be_found_is_answered(
    gallery: Gallery, finder: Squares, given: dict[str, Any], message: str
) -> None:
    answer = View(gallery).ask("find_in_all", **given)
    assert answer["outcome"] == "error"
    assert message in answer["error"]
    assert gallery.searched == {}
    assert finder.encoded == 0


def test_a_search_from_python_is_shown_too(gallery: Gallery) -> None:
    found = gallery.find("cat")
    assert [hit.name for hit in found] == ["0.png", "1.png", "2.png"]
    assert gallery.searched["message"].startswith("6 found in 3 of 3 images")
    with pytest.raises(sw.SamWidgetError, match="give words, or an example"):
        gallery.find()
    assert gallery.searched == {}


def test_a_closed_gallery_stops_searching(gallery: Gallery, finder: Squares, monkeypatch: pytest.MonkeyPatch) -> None:
    held, view = Held(finder, monkeypatch), View(gallery)
    view.post("find_in_all", **fields("cat"))
    assert held.reached.wait(60)
    gallery.close()
    held.go_on.set()
    names = ["sam_widget finding"]
    until(lambda: not [one for one in threading.enumerate() if one.name in names], what="its thread has ended")
    assert finder.encoded <= 2
