"""Hypothesis strategies for prompts, settings, JSON values, damaged JSON and messages."""

from __future__ import annotations

import copy
import functools
import operator
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec import NODEFAULT, UNSET, inspect

from sam_widget.image.rendering import Rendering
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.prompts.geometry import Box, BrushStroke, Point, Stroke
from sam_widget.prompts.prompt import Prompt

NUMBERS = st.floats(-1e6, 1e6)
LABELS = st.integers(0, 1)
SIDES = st.integers(1, 1000)
BOXES = st.builds(lambda x, y, width, height: Box(x, y, x + width, y + height), NUMBERS, NUMBERS, SIDES, SIDES)


def vertices(least: int) -> st.SearchStrategy[tuple[tuple[float, float], ...]]:
    return st.lists(st.tuples(NUMBERS, NUMBERS), min_size=least, max_size=least + 2).map(tuple)


STROKES = st.builds(Stroke, vertices(1), LABELS) | st.builds(Stroke, vertices(3), LABELS, st.just(value=True))
BRUSH_STROKES = st.builds(BrushStroke, vertices(1), st.floats(0.1, 1000), LABELS)
LOGITS = arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(-50, 50, width=32))
PROMPTS = st.builds(
    Prompt,
    st.lists(st.builds(Point, NUMBERS, NUMBERS, LABELS), max_size=3),
    boxes=st.lists(BOXES, max_size=2),
    strokes=st.lists(STROKES, max_size=2),
    mask=st.none() | LOGITS,
    words=st.sampled_from(("", "red cup", "貓")),
)
SETTINGS = st.builds(
    MaskSettings, NUMBERS, st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 1000), st.booleans()
)
RENDERINGS = st.builds(
    Rendering,
    st.lists(st.integers(-1, 9), max_size=3).map(tuple),
    st.none() | NUMBERS,
    st.none() | NUMBERS,
    st.floats(0.1, 10),
)

KEYS = st.text(st.characters(), max_size=9)
# What a JSON parser may return, in Python: numbers beyond 64 bits, NaN and lone surrogates too.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in JSON."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inner for place in _places(value, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn, data: Any) -> Any:
    """Draw JSON in which one value is replaced, removed or added."""
    data = copy.deepcopy(data)
    *way, last = draw(st.sampled_from(_places(data)[1:]))
    inner = functools.reduce(operator.getitem, way, data)
    what = draw(st.sampled_from(("replaced", "removed", "added")))
    if what == "removed":
        del inner[last]
    elif what == "added" and isinstance(inner, dict):
        inner[draw(KEYS)] = draw(JSON)
    else:
        inner[last] = draw(JSON)
    return data


def messages(kind: type) -> st.SearchStrategy[Any]:
    """Return the valid messages of a msgspec type, as JSON values."""
    return _values(inspect.type_info(kind))


def _values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.AnyType():
            return st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(kind.ge, kind.le)
        case inspect.FloatType():
            return st.floats(kind.ge, kind.le, allow_nan=False, allow_infinity=False)
        case inspect.StrType():
            return st.text()
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.ListType():
            return st.lists(_values(kind.item_type), max_size=3)
        case inspect.DictType():
            return st.dictionaries(_values(kind.key_type), _values(kind.value_type), max_size=3)
        case inspect.UnionType():
            return st.one_of(map(_values, kind.types))
        case inspect.StructType():
            fields = {field.encode_name: _values(field.type) for field in kind.fields}
            # Written as they would be by a type that leaves its defaults out.
            left_out = {f.encode_name: f.default for f in kind.fields if kind.cls.__struct_config__.omit_defaults}
            left_out = {name: default for name, default in left_out.items() if default is not NODEFAULT}
            for name, default in left_out.items():
                fields[name] = fields[name].filter(functools.partial(operator.ne, default))
            optional = {field.encode_name for field in kind.fields if field.default is UNSET} | left_out.keys()
            tag = {kind.tag_field: st.just(kind.tag)} if kind.tag_field else {}
            return st.fixed_dictionaries(
                {**tag, **{name: value for name, value in fields.items() if name not in optional}},
                optional={name: fields[name] for name in optional},
            )
        case inspect.Metadata():
            return _values(kind.type)
    raise TypeError(f"no values of {kind} are drawn yet")
