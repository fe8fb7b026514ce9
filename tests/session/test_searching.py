"""Searches of a session: what is asked, what is encoded, what is recorded."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.errors import ModelError, PromptError, SessionError
from sam_widget.session.session import Session
from tests.finders import SQUARES, Squares


@pytest.fixture
def finder(request: pytest.FixtureRequest) -> Squares:
    # Features are cached by weights.
    return Squares(request.node.nodeid)


@pytest.fixture
def session(predictor: Any, photo: np.ndarray) -> Session:
    return Session(photo, model=predictor)


def test_words_find_instances_best_first(session: Session, finder: Squares) -> None:
    found = session.find("cat", "cup", model=finder)
    assert [(one.word, one.score) for one in found] == [("cat", 0.9), ("cup", 0.8), ("cat", 0.6)]
    assert [one.score for one in found.faint] == [0.2]
    assert found.message == "cat: 2, cup: 1"
    assert session.objects == ()
    assert session.position == 1
    session.undo()
    assert session.search is None
    session.redo()
    assert session.search is not None
    assert [one.id for one in session.search] == ["0", "2", "1"]


def test_a_list_of_words_is_words_too(session: Session, finder: Squares) -> None:
    found = session.find(["cat", "cup", "horse"], model=finder)
    assert len(found) == 3
    assert found.message == "cat: 2, cup: 1, horse: none"


def test_the_second_word_encodes_nothing(session: Session, finder: Squares) -> None:
    session.find("cat", model=finder)
    session.find("cup", model=finder)
    session.find("cat", like=np.pad(np.ones((20, 20), bool), ((10, 270), (5, 426))), model=finder)
    assert finder.encoded == 1


def test_a_second_session_on_the_same_photo_encodes_nothing(session: Session, finder: Squares) -> None:
    session.find("cat", model=finder)
    Session(session.image, model=session.predictor).find("cup", model=finder)
    assert finder.encoded == 1


def test_another_rendering_is_encoded_again(session: Session, finder: Squares) -> None:
    session.find("cat", model=finder)
    session.set_rendering(sw.Rendering(gamma=2))
    session.find("cat", model=finder)
    assert finder.encoded == 2


def test_progress_is_told(session: Session, finder: Squares) -> None:
    steps: list[tuple[int, int]] = []
    session.find("cat", model=finder, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]


def test_nothing_found_says_how_near_it_was(session: Session, finder: Squares) -> None:
    assert session.find("dog", model=finder).message == "no 'dog' above 0.50; the nearest is 0.10, shown faintly"
    assert session.find("horse", model=finder).message == "no 'horse' in this image"


def test_what_is_an_object_already_is_not_found_and_that_is_said(session: Session, finder: Squares) -> None:
    session.find("cup", model=finder).accept()
    assert session.find("cup", model=finder).message == "no 'cup' besides what is an object already in this image"
    session.find("cat", model=finder).accept()
    found = session.find("cat", model=finder)
    assert found.message.startswith("no 'cat' besides what is an object already above 0.50; the nearest is 0.20")
    assert found.search.known == 2


def test_examples_find_what_is_like_them_but_not_themselves(session: Session, finder: Squares) -> None:
    session.find("cat", model=finder).accept("0")
    found = session.find(like=0, model=finder)
    assert [one.id for one in found] == ["1"]
    assert [one.id for one in session.find(like=session.objects[0], model=finder)] == ["1"]
    assert [one.id for one in session.find(like=session.objects[0].id, model=finder)] == ["1"]
    assert [one.id for one in session.find(like=[session.objects[0].mask], model=finder)] == ["1"]


def test_a_limit_keeps_the_best(session: Session, finder: Squares) -> None:
    found = session.find("cat", "cup", model=finder, limit=2)
    assert [one.id for one in found] == ["0", "2"]
    assert [one.id for one in found.faint] == ["1", "3"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {}, "nothing to find"),
        (("",), {}, "not a word"),
        ((3,), {}, "not a word"),
        (("x" * 101,), {}, "101 characters"),
        (tuple("abcdefghijklmnopq"), {}, "17 phrases"),
        (("giraffe",), {}, "near words: cat"),
        (("cat",), {"threshold": 2}, "from 0 to 1"),
        (("cat",), {"threshold": float("nan")}, "from 0 to 1"),
        (("cat",), {"limit": 0}, "limit is 0"),
        ((), {"like": 3.5}, "not an example"),
        ((), {"like": np.ones((3, 3), bool)}, "but the image is"),
        ((), {"not_like": np.ones((300, 451), bool)}, "nothing to find"),
    ],
)
def test_what_cannot_be_found_changes_nothing(
    session: Session, finder: Squares, arguments: Any, options: Any, message: str
) -> None:
    with pytest.raises(PromptError, match=message):
        session.find(*arguments, model=finder, **options)
    assert session.position == 0
    assert session.under_way is None
    assert finder.encoded == 0


def test_an_example_that_is_no_object(session: Session, finder: Squares) -> None:
    with pytest.raises(SessionError, match="no object 0 among 0"):
        session.find(like=0, model=finder)
    with pytest.raises(SessionError, match="no object 'abc'"):
        session.find(like="abc", model=finder)


def test_what_is_not_a_finder(session: Session) -> None:
    with pytest.raises(ModelError, match="nosuch"):
        session.find("cat", model="nosuch")
    with pytest.raises(ModelError, match="not a finder"):
        session.find("cat", model=object())  # type: ignore[arg-type]


def test_while_it_encodes_another_search_takes_its_place(session: Session, finder: Squares) -> None:
    run = session.searching.begin("cat", model=finder, gesture="typing")
    assert run.advance()
    assert session.under_way is not None
    assert (session.under_way.kind, session.under_way.done, session.under_way.total) == ("find", 1, 2)
    assert session.searching.begin("cup", model=finder, gesture="typing") is run
    while run.advance():
        pass
    assert session.search is not None
    assert session.search.search.query.words == ("cup",)
    assert session.position == 1
    assert finder.encoded == 1


def test_searches_of_one_gesture_are_undone_together(session: Session, finder: Squares) -> None:
    for word in ("c", "ca", "cat"):
        run = session.searching.begin(word, model=finder, gesture="typing")
        while run.advance():
            pass
    assert session.position == 1
    session.undo()
    assert session.search is None


def test_a_search_is_refused_while_everything_is_segmented(session: Session, finder: Squares) -> None:
    session.begin_everything(points_per_side=1)
    with pytest.raises(SessionError, match="being searched already"):
        session.find("cat", model=finder)
    session.cancel()


def test_it_can_be_cancelled(session: Session, finder: Squares) -> None:
    run = session.searching.begin("cat", model=finder)
    assert run.advance()
    session.cancel()
    assert not run.advance()
    assert session.under_way is None
    assert session.search is None
    assert len(session.find("cat", model=finder)) == 2


def test_an_error_while_encoding_ends_the_search(session: Session, finder: Squares, monkeypatch: Any) -> None:
    def broken(_image: np.ndarray) -> Any:
        yield from ()
        raise ModelError("the GPU is out of memory")

    monkeypatch.setattr(finder, "_encode", broken)
    with pytest.raises(ModelError, match="out of memory"):
        session.find("cat", model=finder)
    assert session.under_way is None
    assert session.position == 0


def test_edits_are_possible_while_it_encodes(session: Session, finder: Squares) -> None:
    run = session.searching.begin("cat", model=finder)
    assert run.advance()
    session.click(150, 120)
    other = threading.Thread(target=lambda: [run.advance() for _ in range(2)])
    other.start()
    other.join(60)
    assert session.search is not None
    assert session.candidates


def test_everything_of_some_words_is_one_edit(session: Session, finder: Squares, monkeypatch: Any) -> None:
    monkeypatch.setattr("sam_widget.automatic.finding.loading.finder_of", lambda _model: finder)
    added = session.everything(words=["cat", "cup"])
    assert [item.label for item in added] == ["cat", "cup", "cat"]
    assert session.objects == added
    assert session.search is None
    assert session.position == 1
    assert session.everything(words="horse") == ()
    assert session.position == 1


def test_a_search_is_saved_and_loaded(session: Session, finder: Squares, tmp_path: Path) -> None:
    session.find("cat", model=finder).accept("0")
    session.find("cat", "cup", like=0, model=finder, threshold=0.3, limit=5)
    session.save(tmp_path / "a.sam")
    loaded = Session.load(tmp_path / "a.sam", model=session.predictor)
    before, after = session.state.search, loaded.state.search
    assert before is not None
    assert after is not None
    assert (after.query.words, after.query.finder) == (("cat", "cup"), "squares")
    assert np.array_equal(after.query.like[0].stored.runs, session.objects[0].stored.runs)  # type: ignore[union-attr]
    assert (after.threshold, after.limit, after.presence, after.weights) == (0.3, 5, before.presence, before.weights)
    assert [(one.id, one.word, one.score, one.prompt) for one in after.instances] == [
        (one.id, one.word, one.score, one.prompt) for one in before.instances
    ]
    origin = loaded.objects[0].origin
    assert origin is not None
    assert (origin.word, origin.instance, origin.query.words) == ("cat", "0", ("cat",))
    assert [state.search is not None for state in loaded.timeline] == [False, True, True, True]


def test_a_session_without_a_search_is_saved_as_before(session: Session, tmp_path: Path) -> None:
    session.click(150, 120)
    session.accept()
    session.save(tmp_path / "a.sam")
    content = (tmp_path / "a.sam").read_bytes()
    assert b'"search"' not in content
    assert b'"origin"' not in content


def test_code_finds_the_same_objects(session: Session, finder: Squares, monkeypatch: Any) -> None:
    monkeypatch.setattr("sam_widget.automatic.finding.loading.finder_of", lambda _model: finder)
    session.find("cat", "cup").accept(0, 2)
    session.click(150, 120)
    session.accept("mine")
    session.find(like=0, not_like=session.objects[2], threshold=0.1).accept(label="kitten")
    session.find("dog", threshold=0.05)
    session.recolor(session.objects[1].id, 9)
    code = session.to_code()
    lines = code.splitlines()
    at = lines.index("found = s.find('cat', 'cup', model='squares')")
    assert lines[at + 1 : at + 4] == ["found.accept('0', '1')", "s.recolor(s.objects[1].id, 9)", "found.close()"]
    assert "like=[s.objects[0]], not_like=[s.objects[2]]" in code
    assert "unpack" not in code
    scope: dict[str, Any] = {}
    exec(code.replace("model='tiny'", "model=predictor"), scope | {"predictor": session.predictor}, scope)  # noqa: S102
    again = scope["s"]
    assert [(item.label, item.color) for item in again.objects] == [
        (item.label, item.color) for item in session.objects
    ]
    for one, other in zip(again.objects, session.objects, strict=True):
        assert np.array_equal(one.mask, other.mask)
    assert again.search.search.query.words == ("dog",)
    assert again.search.threshold == 0.05


def test_an_edited_object_is_no_longer_what_was_found(session: Session, finder: Squares) -> None:
    first, second = session.find("cat", model=finder).accept()
    merged = session.merge([first.id, second.id])
    assert merged.origin is None
    assert "s.find" not in session.to_code()


def test_a_replay_downloads_no_finder(session: Session, finder: Squares, monkeypatch: Any) -> None:
    monkeypatch.setattr(finder, "name", "someone/a-model-that-is-not-here")
    session.find("cat", model=finder).accept("0")
    note = "the weights of the finder 'someone/a-model-that-is-not-here' are not on this machine"
    assert [row.note.split(";")[0] for row in sw.replay(session).rows] == [note]


def test_a_replay_searches_again(session: Session, finder: Squares, monkeypatch: Any) -> None:
    monkeypatch.setattr("sam_widget.automatic.finding.loading.finder_of", lambda _model: finder)
    monkeypatch.setattr("sam_widget.session.replay.finder_named_in_file", lambda _name: finder)
    session.find("cat", "dog", threshold=0.1).accept("0", "4")
    rows = sw.replay(session).rows
    assert [(row.label, row.iou, row.score) for row in rows] == [("cat", 1.0, 0.9), ("dog", 1.0, 0.1)]
    assert [row.note for row in rows] == ["found by 'cat'", "found by 'dog', below the threshold of 0.50"]
    monkeypatch.setattr("tests.finders.SQUARES", tuple(("cup", score) for _, score in SQUARES))
    rows = sw.replay(session).rows
    assert [row.iou for row in rows] == [None, None]
    assert rows[0].note == "not found by 'cat': no 'cat', 'dog' in this image"
