"""What a search found, and the edits that accept, refuse or refine it.

Its scores are kept: another threshold asks the finder nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sam_widget.automatic.finding.finder import Example, Instance
from sam_widget.errors import SessionError
from sam_widget.masks.annotations import Annotation
from sam_widget.masks.measures import iou
from sam_widget.session import objects
from sam_widget.session.queries import check_threshold
from sam_widget.session.state import Candidate, Origin, Search, SegmentedObject, SessionState

if TYPE_CHECKING:
    from sam_widget.session.searching import Searching
    from sam_widget.session.session import Session

# An instance that is refined starts from the model's own candidate if that is about the same mask.
SAME = 0.9


class Found(Sequence[Instance]):
    """What a search found: the instances at or above its threshold, best first.

    Its methods edit the session. They accept instances by index, id or the instance itself, and return the new result
    where the search changes. `faint` are the instances below the threshold, `message` says what was found.
    """

    def __init__(self, searching: Searching, search: Search) -> None:
        """Show a search of a session."""
        self._searching, self._history = searching, searching.history
        self.search = search

    def __len__(self) -> int:
        return len(self.search.found)

    def __getitem__(self, index: Any) -> Any:
        return self.search.found[index]

    def __iter__(self) -> Iterator[Instance]:
        return iter(self.search.found)

    def __repr__(self) -> str:
        """Return one line: what was found."""
        return f"Found({self.message})"

    @property
    def faint(self) -> tuple[Instance, ...]:
        """The instances below the threshold, best first."""
        return self.search.faint

    @property
    def threshold(self) -> float:
        """Score from which an instance counts as found."""
        return self.search.threshold

    @property
    def message(self) -> str:
        """What was found, or why nothing was, in a sentence."""
        return self.search.message

    def accept(self, *which: int | str | Instance, label: str | None = None) -> tuple[SegmentedObject, ...]:
        """Turn instances into objects, in one edit; all that were found, if none is named.

        Each keeps its words as its label unless another one is given; without words, it gets the label of the examples.
        The search ends when nothing is left to accept.

        Raises:
            SessionError: The session shows another search by now, or there is nothing to accept.
        """
        with self._history.editing:
            state = self._current()
            wanted = self._ids(which) if which else [one.id for one in state.search.found]  # type: ignore[union-attr]
            after, added = accepted(state, wanted, label)
            self._history.change(after)
            return added

    def refuse(self, *which: int | str | Instance) -> Found:
        """Make instances counter-examples: they, and what resembles them more than the examples, are not found.

        Raises:
            SessionError: The session shows another search by now.
            PromptError: The finder takes no counter-examples.
        """
        with self._history.editing:
            search = self._current().search
            wrong = [_named(search, key) for key in self._ids(which)]  # type: ignore[arg-type]
            query = search.query  # type: ignore[union-attr]
            counter = tuple(Example(one.stored, name=one.word) for one in wrong)
            query = replace(query, not_like=(*query.not_like, *counter))
        return self._searching.again(query)

    def refine(self, which: int | str | Instance) -> tuple[Candidate, ...]:
        """Make an instance the current prompt, to be corrected by clicks; `accept` then labels it with its words.

        Raises:
            SessionError: The session shows another search by now.
        """
        with self._history.editing:
            state = self._current()
            (key,) = self._ids([which])
            after = refining(self._searching.session, state, key)
            self._history.change(after)
            return after.candidates

    def sift(self, threshold: float, *, gesture: str | None = None) -> Found:
        """Change the threshold. The finder is not asked again.

        Args:
            threshold: Score from which an instance counts as found, between 0 and 1.
            gesture: Consecutive edits with the same name are undone together.

        Raises:
            PromptError: The threshold is not between 0 and 1.
            SessionError: The session shows another search by now.
        """
        with self._history.editing:
            state = self._current()
            search = replace(state.search, threshold=check_threshold(threshold))  # type: ignore[type-var]
            if search.threshold != state.search.threshold:  # type: ignore[union-attr]
                self._history.change(replace(state, search=search), gesture=gesture)
            return Found(self._searching, search)  # type: ignore[arg-type]

    def close(self) -> None:
        """End the search; objects that were accepted remain."""
        with self._history.editing:
            if self._history.state.search is not None:
                self._history.change(replace(self._current(), search=None))

    def _current(self) -> SessionState:
        """Return the session's state, if it still shows this search, whatever of it was accepted or refused since."""
        state = self._history.state
        if state.search is None or state.search.query.words != self.search.query.words:
            raise SessionError(f"the search for {self.search.query.text} has ended; search again")
        return state

    def _ids(self, which: Iterable[int | str | Instance]) -> list[str]:
        ids = []
        for key in which:
            if isinstance(key, Instance):
                ids.append(key.id)
            elif isinstance(key, str):
                ids.append(key)
            elif not -len(self) <= key < len(self):
                raise SessionError(f"there is no instance {key} among {len(self)}, counted from 0")
            else:
                ids.append(self[key].id)
        return ids


def accepted(
    state: SessionState, ids: Sequence[str], label: str | None
) -> tuple[SessionState, tuple[SegmentedObject, ...]]:
    """Turn instances of the search into objects.

    Raises:
        SessionError: There is no search, no such instance, or none to accept.
    """
    search = state.search
    if search is None or not ids:
        reason = "there is no search" if search is None else search.message
        raise SessionError(f"there is nothing to accept: {reason}")
    chosen = [_named(search, key) for key in dict.fromkeys(ids)]
    found = [
        Annotation(
            objects.clean_label(label or "") or search.query.label_of(one.word), one.stored, one.score, one.prompt
        )
        for one in chosen
    ]
    after, added = objects.add(state, found)
    origins = {
        item.id: replace(item, origin=Origin(search.query, one.word, one.id, search.weights))
        for item, one in zip(added, chosen, strict=True)
    }
    after = replace(after, objects=tuple(origins.get(item.id, item) for item in after.objects))
    left = search.without(one.id for one in chosen)
    return replace(after, search=left if left.found else None), tuple(origins.values())


def refining(session: Session, state: SessionState, key: str) -> SessionState:
    """Return a state whose prompt and chosen candidate are those of an instance."""
    search = state.search
    assert search is not None  # noqa: S101  for the type checker
    one = _named(search, key)
    left = search.without([key])
    start = replace(objects.without_prompt(state), search=left if left.instances else None, label=one.word)
    after = start if one.prompt.is_empty else session.preview(one.prompt, state=start)
    alike = [float(iou(one.mask, candidate.mask)) for candidate in after.candidates]
    if alike and max(alike) >= SAME:
        return replace(after, chosen_index=int(np.argmax(alike)))
    return replace(start, prompt=one.prompt, candidates=(Candidate(one.stored, one.score, None),), chosen_index=0)


def _named(search: Search, key: str) -> Instance:
    for one in search.instances:
        if one.id == key:
            return one
    raise SessionError(f"there is no instance {key!r} in the search; it may have been accepted or refused")
