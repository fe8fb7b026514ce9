"""Any state becomes documents and blobs and comes back; documents that are damaged are refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sam_widget.errors import SessionError
from sam_widget.image.rendering import Rendering
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.geometry import Box, BrushStroke, Point, Stroke
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.file.encoder import Encoder
from sam_widget.session.file.format import Contents, Document
from sam_widget.session.file.reader import Record
from sam_widget.session.state import Answer, Candidate, SegmentedObject, SessionState
from tests.strategies import BOXES, BRUSH_STROKES, LOGITS, PROMPTS, RENDERINGS, SETTINGS, damaged

HEIGHT, WIDTH, MODEL = 9, 12, "tiny-123"
MASKS = arrays(np.bool_, (HEIGHT, WIDTH)).map(StoredMask)
SCORES = st.none() | st.floats(0, 1)
CROPS = st.builds(lambda x, y: Box(x, y, WIDTH, HEIGHT), st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1))
PAINTED = st.lists(BRUSH_STROKES, max_size=2).map(tuple)


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    crop, stability = draw(st.none() | CROPS), draw(SCORES)
    answers = st.builds(
        Answer, PROMPTS, RENDERINGS, st.just(crop), best=st.integers(0, 2), weights=st.just(MODEL), recall=st.none()
    )
    answer, source = draw(st.none() | LOGITS | answers), draw(st.none() | MASKS)
    index = draw(st.integers(0, 2)) if isinstance(answer, Answer) else 0
    return Candidate(draw(MASKS), draw(SCORES), answer, stability, source, crop, index)


OBJECTS = st.builds(
    SegmentedObject,
    st.text(),
    MASKS,
    SCORES,
    BOXES,
    PROMPTS,
    color=st.integers(0, 99),
    id=st.text("0123456789abcdef", min_size=1),
    candidate=st.none() | candidates(),
    strokes=PAINTED,
    settings=SETTINGS,
)


@st.composite
def states(draw: st.DrawFn) -> SessionState:
    found = draw(st.lists(candidates(), max_size=3))
    objects = draw(st.lists(OBJECTS, max_size=2, unique_by=lambda item: item.id))
    return SessionState(
        draw(PROMPTS),
        tuple(found),
        draw(st.sampled_from([None, *range(len(found))])),
        tuple(objects),
        draw(PAINTED),
        draw(SETTINGS),
        draw(st.sampled_from([None, *(item.id for item in objects)])),
        draw(RENDERINGS),
        draw(st.none() | CROPS),
    )


def contents_of(history: list[SessionState]) -> Contents:
    encoder = Encoder()
    meta = {"image": {"width": WIDTH, "height": HEIGHT, "png": None, "values": None}}
    keys = encoder.states(history, MODEL)
    return Contents(meta, keys, len(keys) - 1, "", encoder.documents, encoder.blobs)


@given(st.lists(states(), min_size=1, max_size=2))
def test_any_states_come_back(history: list[SessionState]) -> None:
    contents = contents_of(history)
    record = Record(Path("a.sam"), None, contents)
    again = contents_of(record.states())
    assert again == contents
    assert record.live == {*contents.documents, *contents.blobs}


MASK = np.zeros((HEIGHT, WIDTH), np.bool_)
MASK[2:5, 3:7] = True
# What has been in files since version 2, and must be read and written in just these bytes.
WRITTEN = {
    "object": (
        '{"area":12,"box":[3.0,2.0,7.0,5.0],"candidate":null,"color":4,"id":"a1","label":"K\\u00e4fer","mask":"%s",'
        '"model":null,"prompt":"%s","score":0.5,"settings":{"holes":1,"islands":2,"smoothing":0.5,"specks":false,'
        '"threshold":-1.5},"strokes":[{"label":0,"radius":3.0,"vertices":[[1.0,2.0]]}]}'
    ),
    "prompt": (
        '{"base":null,"boxes":[{"x0":1.0,"x1":3.0,"y0":2.0,"y1":4.0}],"mask":null,"mask_crop":null,'
        '"points":[{"label":0,"x":1.5,"y":2.0}],"strokes":[{"closed":true,"label":1,"vertices":[[0.0,0.0],[5.0,0.0],'
        "[5.0,5.0]]}]}"
    ),
    "state": (
        '{"candidates":[],"chosen":null,"crop":[0.0,1.0,12.0,9.0],"editing":"a1","objects":["%s"],"prompt":"%s",'
        '"rendering":{"black":3.5,"channels":[2,-1,0],"gamma":1.5,"white":null},"settings":{"holes":0,"islands":0,'
        '"smoothing":0.0,"specks":true,"threshold":0.0},"strokes":[]}'
    ),
}


def example() -> SessionState:
    lasso = Stroke(((0, 0), (5, 0), (5, 5)), closed=True)
    prompt = Prompt((Point(1.5, 2, 0),), Box(1, 2, 3, 4), strokes=(lasso,))
    brush, settings = BrushStroke(((1, 2),), 3, 0), MaskSettings(-1.5, 1, 2, 0.5)
    item = SegmentedObject(
        "Käfer", StoredMask(MASK.copy()), 0.5, Box(3, 2, 7, 5), prompt, 4, "a1", strokes=(brush,), settings=settings
    )
    # A percentile of NumPy, as users give it.
    rendering = Rendering((2, -1, 0), np.float64(3.5), None, 1.5)
    return SessionState(prompt, objects=(item,), editing="a1", rendering=rendering, crop=Box(0, 1, 12, 9))


def test_documents_are_written_byte_for_byte_as_before() -> None:
    contents = contents_of([example()])
    (mask,) = contents.blobs
    prompt = Document("prompt", WRITTEN["prompt"])
    item = Document("object", WRITTEN["object"] % (mask, prompt.hash))
    state = Document("state", WRITTEN["state"] % (item.hash, prompt.hash))
    assert contents.documents == {each.hash: each for each in (prompt, item, state)}
    assert contents.history == [state.hash]


@pytest.mark.parametrize(
    ("kind", "found", "forged", "complaint"),
    [
        ("object", '"score":0.5', '"score":1e999', "at `$.score`"),
        ("object", '"score":0.5', '"score":true', "Expected `float | null`, got `bool` - at `$.score`"),
        ("object", '"id":"a1"', '"id":"\\ud83d"', "at `$.id`"),
        ("object", '"color":4', '"color":99999999999999999999', "color"),
        ("object", '"radius":3.0', '"radius":-1', "radius of a brush is -1.* at `$.strokes"),
        ("object", '"threshold":-1.5', '"threshold":"0"', r"Expected `float`, got `str` - at `$.settings"),
        ("object", '"box":[3.0', '"box":[9.0', "box .* is empty"),
        ("prompt", '"x":1.5', '"x":null', "at `$.points"),
        ("prompt", '"base":null', '"base":"abc"', "it lacks prompt abc"),
        ("state", '"chosen":null', '"chosen":1', "there is no candidate 1 among 0"),
        ("state", '"editing":"a1"', '"editing":"b"', "there is no object 'b' to edit"),
        ("state", '"candidates":[]', '"candidates":{}', "at `$.candidates`"),
        ("state", '"channels":[2', '"channels":[2.5', "at `$.rendering.channels"),
        ("state", '"crop":[0.0', '"crop":[0.5', "not a part of the image"),
    ],
)
def test_a_forged_value_is_refused_by_its_path(kind: str, found: str, forged: str, complaint: str) -> None:
    contents = contents_of([example()])
    ((key, document),) = ((key, each) for key, each in contents.documents.items() if each.kind == kind)
    assert found in document.json
    contents.documents[key] = Document(kind, document.json.replace(found, forged))
    with pytest.raises(SessionError, match=complaint.replace("$", r"\$").replace("|", r"\|")):
        Record(Path("a.sam"), None, contents).states()


def test_nan_and_half_characters_that_were_written_once_are_read_as_none_and_cleaned() -> None:
    contents = contents_of([example()])
    for key, document in contents.documents.items():
        text = document.json.replace('"score":0.5', '"score":NaN').replace("K\\u00e4fer", "cat \\ud83d")
        contents.documents[key] = Document(document.kind, text)
    ((item,),) = (state.objects for state in Record(Path("a.sam"), None, contents).states())
    assert (item.label, item.score) == ("cat \ufffd", None)


@given(state=states(), data=st.data())
def test_damaged_documents_are_refused_or_are_some_states(state: SessionState, data: st.DataObject) -> None:
    contents = contents_of([state])
    key = data.draw(st.sampled_from(sorted(contents.documents)))
    document = contents.documents[key]
    body = data.draw(damaged(json.loads(document.json)))
    contents.documents[key] = Document(document.kind, json.dumps(body))
    try:
        (read,) = Record(Path("a.sam"), None, contents).states()
    except SessionError as error:
        assert "a.sam is damaged" in str(error)  # noqa: PT017  only if it is refused
    else:
        for item in (*read.objects, *read.candidates):
            assert item.score is None or math.isfinite(item.score)
        for item in read.objects:
            f"{item.id}{item.label}".encode()
            assert abs(item.color) < 2**63
