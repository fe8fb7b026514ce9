"""Read what a search is asked for: words, examples, threshold and limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sam_widget.automatic.finding.finder import MOST_EXAMPLES, Example, Finder, clean_words
from sam_widget.errors import PromptError, SessionError
from sam_widget.masks.runs import StoredMask
from sam_widget.session import objects
from sam_widget.session.state import Query

if TYPE_CHECKING:
    from sam_widget.session.session import Session


def query_of(session: Session, words: Sequence[Any], like: Any, not_like: Any, finder: Finder) -> Query:
    """Return the query of the arguments of `Session.find`.

    Raises:
        PromptError: There are neither words nor examples, one is malformed, or the finder does not take it.
        SessionError: An example names no object of the session.
    """
    flat = [item for word in words for item in ([word] if isinstance(word, str) or not _several(word) else word)]
    query = Query(clean_words(flat), _examples(session, like), _examples(session, not_like), finder.name)
    if not query.words and not query.like:
        raise PromptError("there is nothing to find; expected words, such as find('cat'), or examples: find(like=0)")
    finder.check(query.words, query.like, query.not_like)
    orders = {word: finder.order(word) for word in query.words}
    return replace(query, orders={word: order for word, order in orders.items() if order is not None})


def check_threshold(threshold: float) -> float:
    """Return a threshold between 0 and 1.

    Raises:
        PromptError: It is not.
    """
    if type(threshold) not in {int, float} or not 0 <= threshold <= 1:
        raise PromptError(f"the threshold is {threshold!r}, expected a number from 0 to 1")
    return float(threshold)


def check_limit(limit: int | None) -> int | None:
    """Return a limit of 1 or more, or None.

    Raises:
        PromptError: It is neither.
    """
    if limit is not None and (type(limit) is not int or limit < 1):
        raise PromptError(f"the limit is {limit!r}, expected 1, 2, ... or None")
    return limit


def _several(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


def _examples(session: Session, given: Any) -> tuple[Example, ...]:
    several = given if _several(given) else () if given is None else (given,)
    if len(several) > MOST_EXAMPLES:
        raise PromptError(f"{len(several)} examples are too many; expected at most {MOST_EXAMPLES}")
    return tuple(_example(session, one) for one in several)


def _example(session: Session, given: Any) -> Example:
    """Return an example from an index or id of an object, a mask, or anything that has one."""
    if isinstance(given, Example):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        count = len(session.objects)
        if not -count <= given < count:
            raise SessionError(f"there is no object {given} among {count}, counted from 0, to give as an example")
        given = session.objects[given]
    if isinstance(given, str):
        given = objects.find(session.state, given)
    if isinstance(given, np.ndarray) and given.ndim == 2 and given.dtype == bool:
        given = StoredMask(given.copy())
    stored = given if isinstance(given, StoredMask) else getattr(given, "stored", None)
    if not isinstance(stored, StoredMask):
        raise PromptError(
            f"{given!r:.80} is not an example; expected the index, counted from 0, or the id of an object, an object, "
            "or a mask (H, W) of type bool"
        )
    width, height = session.size
    if stored.shape != (height, width) or not stored.area:
        rows, columns = stored.shape
        raise PromptError(
            f"the example is a mask of {columns} x {rows} with {stored.area} pixels, but the image is {width} x "
            f"{height}; for an example from another image, use Gallery.find"
        )
    return Example(stored, name=str(getattr(given, "label", "") or ""))
