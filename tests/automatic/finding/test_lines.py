"""Questions and answers of a search at a server, as JSON."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sam_widget.automatic.finding import lines
from sam_widget.automatic.finding.finder import Example, Finding, Instance
from sam_widget.automatic.finding.lines import (
    ExamplePart,
    FindLine,
    FindQuestion,
    FoundPart,
    MaskPart,
    examples_of,
    finding_of,
    instance_to_part,
    masks_of,
)
from sam_widget.errors import PromptError
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.geometry import Point
from sam_widget.prompts.prompt import Prompt

SIDES = st.integers(1, 12)
MASKS = arrays(bool, st.tuples(SIDES, SIDES)).map(StoredMask)
FEATURES = arrays(np.float32, st.integers(1, 5), elements=st.floats(-1, 1, width=32))
EXAMPLES = MASKS.map(Example) | FEATURES.map(lambda features: Example(features=features))


def through_json(part: msgspec.Struct) -> msgspec.Struct:
    return msgspec.json.decode(msgspec.json.encode(part), type=type(part))


@given(EXAMPLES)
def test_examples_arrive_as_they_were(example: Example) -> None:
    question = FindQuestion(model="tiny", hash="0", like=[ExamplePart.of(example)])
    sent = through_json(question)
    assert isinstance(sent, FindQuestion)
    (arrived,) = examples_of(sent.like, (), (1, 1) if example.stored is None else example.stored.shape)
    if example.stored is None:
        assert arrived.stored is None
        assert np.array_equal(arrived.features, example.features)  # type: ignore[arg-type]
    else:
        assert arrived.stored is not None
        assert np.array_equal(arrived.stored.array, example.stored.array)


@given(st.lists(st.builds(Instance, MASKS, st.floats(0, 1), st.text(max_size=5)), max_size=3), st.floats(0, 1))
def test_instances_arrive_as_they_were(instances: list[Instance], presence: float) -> None:
    instances = [
        Instance(one.stored, one.score, one.word, Prompt(points=(Point(0.5, number),)), str(number))
        for number, one in enumerate(instances)
    ]
    parts = [instance_to_part(one, found=True) for one in instances]
    line = through_json(
        FindLine(answer=FoundPart(hash="", weights="", message="", instances=parts, presence=[presence]))
    )
    assert isinstance(line, FindLine)
    assert line.answer is not None
    arrived = finding_of(line.answer)
    assert isinstance(arrived, Finding)
    assert arrived.presence == (presence,)
    for one, other in zip(instances, arrived.instances, strict=True):
        assert (one.score, one.word, one.prompt, one.id) == (other.score, other.word, other.prompt, other.id)
        assert np.array_equal(one.stored.array, other.stored.array)


def test_a_mask_that_is_known_is_not_made_again() -> None:
    """So that a finder need not describe it again."""
    known = [StoredMask(np.eye(5, dtype=bool)), StoredMask(np.eye(5, dtype=bool)[::-1].copy())]
    other = StoredMask(np.ones((5, 5), bool))
    found = masks_of([MaskPart.of(one) for one in (*known, other)], known, (5, 5))
    assert found[0] is known[0]
    assert found[1] is known[1]
    assert np.array_equal(found[2].array, other.array)


def test_masks_of_too_many_runs_in_all_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_RUNS", 12)
    part = MaskPart.of(StoredMask(np.eye(5, dtype=bool)))
    assert len(masks_of([part] * 2, (), (5, 5))) == 2
    with pytest.raises(PromptError, match="more than 12 runs in all"):
        masks_of([part] * 3, (), (5, 5))
