"""A session as Python: what `to_code` writes is run, and must lead to the same state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.image.rendering import Rendering

Make = Callable[..., sw.Session]


@pytest.fixture
def make(photo: np.ndarray, predictor: sw.Predictor) -> Make:
    return lambda image=photo, **options: sw.Session(image, model=predictor, **options)


def run(code: str) -> sw.Session:
    names: dict[str, Any] = {}
    exec(compile(code, "made by to_code", "exec"), names)  # noqa: S102  it is what is tested
    session = names["s"]
    assert isinstance(session, sw.Session)
    return session


def leads_back(session: sw.Session) -> str:
    """Run a session's code and compare; ids and history are new."""
    code = session.to_code()
    one, other = session.state, run(code).state
    for a, b in zip(one.objects, other.objects, strict=True):
        np.testing.assert_array_equal(a.mask, b.mask)
        assert (a.label, a.box, a.color) == (b.label, b.box, b.color)
        assert a.score == pytest.approx(b.score, abs=1e-6)
        if a.candidate is not None and b.candidate is not None:
            assert (a.prompt, a.strokes, a.settings) == (b.prompt, b.strokes, b.settings)
    assert (one.prompt, one.strokes, one.settings) == (other.prompt, other.strokes, other.settings)
    assert (one.chosen_index, one.rendering) == (other.chosen_index, other.rendering)
    numbers = [next((k for k, o in enumerate(s.objects) if o.id == s.editing), None) for s in (one, other)]
    assert numbers[0] == numbers[1]
    for c, d in zip(one.candidates, other.candidates, strict=True):
        np.testing.assert_array_equal(c.mask, d.mask)
    return code


def test_clicks_and_boxes_become_the_lines_one_would_write(make: Make) -> None:
    session = make()
    session.click(150, 120)
    session.click(30.25, 60, label=0)
    session.accept("cat")
    session.drag(300, 20, 100, 200)
    other = next(k for k in range(3) if k != session.state.chosen_index)
    session.choose(other)
    assert leads_back(session) == (
        "import sam_widget as sw\n"
        "\n"
        "s = sw.Session(sw.sample('cat'), model='tiny')\n"
        "s.click(150, 120)\n"
        "s.click(30.25, 60, label=0)\n"
        "s.accept('cat')\n"
        "s.drag(100, 20, 300, 200)\n"
        f"s.choose({other})\n"
    )


@pytest.mark.parametrize("label", ['it\'s "it"', "two\nlines", "\\n'''", "ä\ud800\u2028", "{x}", "<b>%s</b>"])
def test_labels_survive(make: Make, label: str) -> None:
    session = make()
    session.click(150, 120)
    session.accept(label)
    leads_back(session)


def test_every_tool_is_written(make: Make) -> None:
    session = make()
    session.drag(100, 20, 300, 200)
    session.drag(50, 100, 120, 180, add=True)
    session.scribble([(150, 120), (160.5, 130)])
    session.lasso([(10, 10), (40, 10), (40, 40)], label=0)
    session.adjust(threshold=0.25, holes=30, smoothing=1.5)
    session.brush([(10.5, 20), (30, 40)], 6)
    session.brush([(150, 120)], 3.5, label=0)
    first = session.accept("one")
    session.click(200, 100)
    session.refine()
    session.click(250, 100)
    session.accept("two")
    session.adjust(holes=0, smoothing=0, threshold=0)
    session.recolor(first.id, 5)
    session.click(60, 60)
    session.brush([(60, 60)], 9)
    leads_back(session)


def test_what_no_prompt_leads_to_is_written_as_a_mask(make: Make) -> None:
    session = make()
    for x in (100, 200, 300):
        session.click(x, 120)
        session.accept(f"at {x}")
    session.merge([session.objects[0].id, session.objects[1].id], "both")
    session.add_objects(np.eye(300, 451, dtype=bool), labels="stripe")
    session.subtract(session.objects[0].id, session.objects[2].id)
    session.remove(session.objects[1].id)
    assert leads_back(session).count("unpack(") == 3


def test_an_object_that_is_being_edited(make: Make) -> None:
    session = make()
    session.click(150, 120)
    session.brush([(20, 20)], 8)
    session.accept("cat")
    session.click(300, 200)
    session.accept("dog")
    session.edit(session.objects[0].id)
    leads_back(session)
    session.brush([(60, 20)], 8)
    session.adjust(holes=50)
    leads_back(session)
    session.click(100, 100)
    leads_back(session)
    session.accept()
    leads_back(session)
    session.edit(session.objects[1].id)
    session.refine()
    leads_back(session)


def test_an_object_that_was_edited_and_one_that_was_seen_otherwise(make: Make) -> None:
    session = make()
    session.set_rendering(Rendering(channels=(1,), gamma=2))
    session.click(150, 120)
    session.accept("green")
    session.set_rendering(Rendering())
    session.click(250, 120)
    session.choose(0)
    session.accept("usual")
    session.edit(session.objects[1].id)
    session.brush([(20, 20)], 8)
    session.accept()
    leads_back(session)


def test_nothing_at_all(make: Make) -> None:
    assert leads_back(make()) == "import sam_widget as sw\n\ns = sw.Session(sw.sample('cat'), model='tiny')\n"


def test_where_the_image_comes_from(make: Make, photo: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "it's a cat.png"
    Image.fromarray(photo[:200]).save(path)
    session = make(path)
    session.click(20, 30)
    assert repr(str(path)) in leads_back(session)
    array = make(photo[:60, :60] ^ 1)
    array.click(20, 30)
    array.accept()
    assert "data:image/png;base64," in leads_back(array)
    assert "sw.Session('elsewhere.png', model='vit_b')" in array.to_code(image="elsewhere.png", model="vit_b")
    large = make(np.random.default_rng(0).integers(0, 255, (1800, 1800, 3), np.uint8))
    with pytest.raises(sw.SessionError, match=r"to_code\(image="):
        large.to_code()


def test_a_session_that_goes_on_with_another_model_keeps_the_masks_of_the_first(
    make: Make, predictor: sw.Predictor, tmp_path: Path
) -> None:
    from sam_widget.model.tiny.tiny import tiny

    session = make()
    session.click(150, 120)
    session.accept("by the first")
    session.save(tmp_path / "a.sam")
    with pytest.warns(UserWarning, match="other weights"):
        other = sw.Session.load(tmp_path / "a.sam", model=tiny())
    code = other.to_code()
    assert "unpack(" in code
    np.testing.assert_array_equal(run(code).objects[0].mask, session.objects[0].mask)
    again = sw.Session.load(tmp_path / "a.sam", model=predictor)
    assert "s.click(150, 120)" in leads_back(again)
