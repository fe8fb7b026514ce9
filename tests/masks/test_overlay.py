"""The picture that stands in for a view."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.masks import palette
from sam_widget.masks.overlay import overlay
from sam_widget.masks.runs import StoredMask
from sam_widget.masks.windows import within

GREY = np.full((60, 80, 3), 100, np.uint8)


def square(x: int, y: int) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[y : y + 20, x : x + 20] = True
    return mask


def test_objects_are_painted_in_their_colours_and_nothing_else_changes() -> None:
    objects = [SimpleNamespace(mask=square(5, 5), color=0), SimpleNamespace(mask=square(50, 30), color=9)]
    picture = overlay(GREY, objects)
    np.testing.assert_array_equal((picture != GREY).any(axis=-1), square(5, 5) | square(50, 30))
    assert tuple(picture[5, 10]) == palette.rgb(palette.OBJECTS[0])
    assert tuple(picture[49, 60]) == palette.rgb(palette.OBJECTS[1])
    inside = 100 + 0.45 * (np.array(palette.rgb(palette.OBJECTS[0])) - 100)
    np.testing.assert_allclose(picture[15, 15], inside, atol=2)


def test_the_candidate_lies_on_top_and_the_prompt_on_it() -> None:
    prompt = sw.Prompt.from_arrays([(15, 15), (70, 50)], [1, 0], box=(2, 2, 30, 30))
    picture = overlay(GREY, [SimpleNamespace(mask=square(5, 5), color=0)], candidate=square(5, 5), prompt=prompt)
    blue = palette.rgb(palette.CANDIDATE)
    assert tuple(picture[24, 10]) == tuple(picture[15, 15]) == tuple(picture[2, 20]) == blue
    assert picture[50, 70, 0] > 150 > picture[50, 70, 2]


def test_a_large_photo_becomes_a_smaller_picture() -> None:
    photo = np.full((1200, 1600, 3), 100, np.uint8)
    mask = np.zeros((1200, 1600), bool)
    mask[600:, :800] = True
    picture = overlay(photo, [SimpleNamespace(mask=mask, color=0)], max_side=80)
    assert picture.shape == (60, 80, 3)
    np.testing.assert_array_equal((picture != 100).any(axis=-1), mask[::20, ::20])


def test_a_thousand_small_masks_are_looked_at_only_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def counted(mask: StoredMask, crop: sw.Box) -> np.ndarray:
        nonlocal looked
        part = within(mask, crop)
        looked += part.size
        return part

    monkeypatch.setattr("sam_widget.masks.overlay.within", counted)
    objects = [
        SimpleNamespace(stored=StoredMask(square(x, y)), mask=square(x, y), color=0) for x, y in ((5, 5), (50, 30))
    ]
    drawn = overlay(GREY, objects)
    assert 800 <= looked <= 2 * 26 * 26
    np.testing.assert_array_equal(drawn, overlay(GREY, [SimpleNamespace(mask=o.mask, color=0) for o in objects]))
