"""Searches of clients whose server searches, with a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.automatic.finding import elsewhere
from sam_widget.automatic.finding.elsewhere import ServedFinder
from sam_widget.automatic.finding.embedded import EmbeddedFinder
from sam_widget.automatic.finding.loading import finder_for
from sam_widget.automatic.finding.store import STORE
from sam_widget.errors import ModelError, OutOfReachError, PromptError, SessionError
from sam_widget.folders.finding import find_folder
from sam_widget.masks.measures import iou
from sam_widget.predictor import connection
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.thin import ThinPredictor
from sam_widget.serve import everything
from tests.serve.test_proxy import free_port
from tests.serving import TOKENS, served_by, serving

pytestmark = pytest.mark.usefixtures("coarse_search")


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(connection, "_PAUSES", (0.01,))


@pytest.fixture(scope="module", params=["tornado", "asgi"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with served_by(request.param) as found:
        yield found


def thin(address: str) -> ThinPredictor:
    return cast("ThinPredictor", sw.connect(f"{address}?token={TOKENS['ada']}", thin=True))


def both(address: str, photo: np.ndarray) -> tuple[sw.Session, sw.Session]:
    """A session with the model on this machine, and one with the server's."""
    return sw.Session(photo, model=Predictor("tiny", cache=EmbeddingCache())), sw.Session(photo, model=thin(address))


def same(ours: sw.Session, theirs: sw.Session) -> None:
    """Check that two sessions show the same search."""
    mine, yours = ours.state.search, theirs.state.search
    assert mine is not None
    assert yours is not None
    assert [(one.id, one.word) for one in mine.instances] == [(one.id, one.word) for one in yours.instances]
    for one, other in zip(mine.instances, yours.instances, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert iou(one.mask, other.mask) > 0.999
        assert one.prompt == other.prompt
    assert mine.presence == pytest.approx(yours.presence, abs=1e-4)
    assert (mine.threshold, mine.message) == (yours.threshold, yours.message)
    assert mine.weights.partition(" on ")[0] == yours.weights.partition(" on ")[0]
    assert mine.query.orders == yours.query.orders


def test_words_and_examples_find_what_they_find_on_this_machine(address: str, photo: np.ndarray) -> None:
    ours, theirs = both(address, photo)
    assert isinstance(finder_for(theirs.predictor), ServedFinder)
    steps: list[tuple[int, int]] = []
    ours.find("cat", "largest thing")
    STORE._kept.clear()  # The server is in this process, and would find them there.
    theirs.find("cat", "largest thing", progress=lambda *step: steps.append(step))
    same(ours, theirs)
    assert len(steps) > 3
    for session in (ours, theirs):
        found = session.find("cat", threshold=0.3)
        session.add_objects([found[0]])
        session.find(like=0, threshold=0.1)
    same(ours, theirs)
    for session in (ours, theirs):
        session.find("cat", like=0, not_like=[session.objects[0]], threshold=0.0)
    same(ours, theirs)
    for session in (ours, theirs):
        session.find(like=0, model="own", threshold=0.1)
    same(ours, theirs)
    for session in (ours, theirs):
        (again := session.find("cat", threshold=0.0)).refuse(again[0])
    same(ours, theirs)


def test_what_is_found_is_accepted_saved_and_found_again(address: str, photo: np.ndarray, tmp_path: Path) -> None:
    session = sw.Session(photo, model=thin(address), autosave=tmp_path / "cat.sam")
    (cat,) = session.everything(words="cat")
    assert (cat.label, cat.origin is not None) == ("cat", True)
    session.find("cat", threshold=0.0)
    session.close()
    again = sw.Session.load(tmp_path / "cat.sam", model=thin(address))
    before = again.search
    assert before is not None
    assert before.search.query.finder == "tiny"
    before.refuse(before[0])
    assert before[0].id not in {one.id for one in again.search or ()}


def test_a_folder_is_searched_with_an_example_of_another_photo(address: str, photo: np.ndarray, tmp_path: Path) -> None:
    for number in (0, 1):
        Image.fromarray(photo[:, 60 * number :]).save(tmp_path / f"{number}.png")
    session = sw.Session(tmp_path / "0.png", model="tiny", autosave=tmp_path / "0.png.sam")
    session.find("cat", threshold=0.3).accept()
    session.close()
    found = {}
    for model in ("tiny", thin(address)):
        hits = find_folder(
            tmp_path, like=[tmp_path.as_posix() + "/0.png.sam#0"], threshold=0.4, model=model,
            sessions=tmp_path / str(len(found)), progress=False,
        )  # fmt: skip
        assert not hits.report.failed
        found[len(found)] = [
            (hit.name, [(one.id, pytest.approx(one.score, abs=1e-4)) for one in hit.instances]) for hit in hits
        ]
    assert found[0] == found[1]
    assert "1.png" in {name for name, _ in found[0]}


def test_a_photo_is_sent_once_and_again_after_a_restart(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    port, sent = free_port(), []
    encode = connection._png
    monkeypatch.setattr(connection, "_png", lambda rgb: sent.append(rgb.shape) or encode(rgb))
    photo = photo[:250]
    with serving(port=port) as address:
        session = sw.Session(photo, model=thin(address))
        before = [one.id for one in session.find("cat", threshold=0.0)]
        session.find("dog", threshold=0.0)
        assert sent == [photo.shape]
    STORE._kept.clear()
    with pytest.raises(OutOfReachError, match="does not answer"):
        session.find("cat")
    with serving(port=port):
        assert [one.id for one in session.find("cat", threshold=0.0)] == before
    assert sent == 2 * [photo.shape]


def test_a_photo_larger_than_a_server_takes_is_sent_smaller(
    address: str, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_widget.predictor.served.MOST_PIXELS", 60_000)
    ours, theirs = both(address, photo)
    first, second = (session.find("cat", threshold=0.2)[0] for session in (ours, theirs))
    assert second.stored.shape == photo.shape[:2]
    assert iou(first.mask, second.mask) > 0.9
    assert second.prompt.points[0].x == pytest.approx(first.prompt.points[0].x, abs=3)
    theirs.add_objects([second])
    theirs.find(like=0, threshold=0.5)
    assert theirs.state.search is not None
    assert theirs.state.search.known == 1, "the example resembles itself"


def test_another_search_waits_for_its_turn_and_can_be_cancelled(
    address: str, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sw.Session(photo[:200], model=thin(address))
    STORE._kept.clear()
    monkeypatch.setattr(everything, "MOST", 0)
    run = session.searching.begin("cat")
    assert run.advance(), "it is told to wait"
    monkeypatch.setattr(everything, "MOST", 8)
    while run.advance():
        pass
    assert run.search is not None
    monkeypatch.setattr(everything, "MOST", 0)
    STORE._kept.clear()
    session = sw.Session(photo[:190], model=thin(address))
    thread = threading.Timer(0.2, session.cancel)
    thread.start()
    with pytest.raises(SessionError, match="cancelled"):
        session.find("cat")
    thread.join()


def test_edits_are_made_while_the_server_searches(address: str, photo: np.ndarray) -> None:
    """The last answer, too, arrives without holding up others."""
    session = sw.Session(photo, model=thin(address))
    session.find("cat")
    asking, free = threading.Event(), threading.Event()
    found = session.predictor.found  # type: ignore[attr-defined]

    def slow(image: np.ndarray, question: Mapping[str, Any]) -> Iterator[str]:
        if question.get("words"):
            asking.set()
            assert free.wait(30)
        yield from found(image, question)

    session.predictor.found = slow  # type: ignore[attr-defined]
    thread = threading.Thread(target=session.find, args=("dog",))
    thread.start()
    assert asking.wait(30)
    session.click(200, 200)
    session.accept("by hand")
    free.set()
    thread.join(60)
    assert [item.label for item in session.objects] == ["by hand"]
    assert session.search is not None
    assert session.search.search.query.words == ("dog",)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "ended before the search was done"),
        (["{"], "cannot be read"),
        (['{"error": "the server has too little memory"}'], "too little memory"),
        (['{"answer": {"hash": "", "weights": "older", "message": ""}}'], "install the same version"),
    ],
)
def test_answers_that_cannot_be_used_are_reported(photo: np.ndarray, lines: list[str], said: str) -> None:
    finder, asked = ServedFinder(EmbeddedFinder()), []

    class Odd:
        def found(self, _image: np.ndarray, question: Mapping[str, Any]) -> Iterator[str]:
            asked.append(question)
            return iter(lines)

    with pytest.raises(ModelError, match=said):
        list(finder.encode(photo, Odd()))  # type: ignore[arg-type]
    assert asked == [{"finder": "tiny"}]


def test_masks_that_cannot_be_read_are_reported(photo: np.ndarray) -> None:
    finder = ServedFinder(EmbeddedFinder())
    one = {"id": "1", "word": "", "score": 1, "found": True, "size": [5, 5], "runs": "AAAA"}
    part = {"hash": "", "weights": finder.weights_id, "message": "", "instances": [one]}

    class Odd:
        def found(self, _image: np.ndarray, _question: Mapping[str, Any]) -> Iterator[str]:
            return iter([msgspec.json.encode({"answer": part}).decode()])

    sought = elsewhere.Sought(Odd(), (5, 5), photo)
    with pytest.raises(ModelError, match="masks cannot be read"):
        finder.find(sought, ["cat"])
    with pytest.raises(ModelError, match="does not describe"):
        finder.describe(sought, sw.Session(photo, model="tiny").everything(points_per_side=2)[0].stored)


def test_words_are_checked_here_and_other_finders_are_not_at_the_server(address: str, photo: np.ndarray) -> None:
    session = sw.Session(photo, model=thin(address))
    with pytest.raises(PromptError, match="xyzzy"):
        session.find("xyzzy")
    mine = EmbeddedFinder()
    assert finder_for(session.predictor, mine) is mine
    with pytest.raises(ModelError, match="answers one prompt at a time"):
        session.find("cat", model=mine)
