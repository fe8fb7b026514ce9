"""The searches of a session by words and examples.

A search runs in steps while others edit, as everything mode does, and ends as one edit: it is part of the session's
state, so it is recorded, undone and replayed like clicks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from sam_widget.automatic.finding.finder import AtServer, Encoding, Finder, Finding
from sam_widget.automatic.finding.loading import EMBEDDED, OWN, finder_for, finder_named_in_file
from sam_widget.errors import ModelError, SessionError
from sam_widget.model.names import without_precision
from sam_widget.predictor.interface import Predictor as PredictorLike
from sam_widget.predictor.interface import reached
from sam_widget.session.everything import Running, UnderWay, duplicates
from sam_widget.session.found import Found, accepted
from sam_widget.session.history import History
from sam_widget.session.queries import check_limit, check_threshold, query_of
from sam_widget.session.state import Query, Search, SegmentedObject, SessionState

if TYPE_CHECKING:
    from sam_widget.predictor.predictor import Predictor
    from sam_widget.session.session import Session

# Instances of a search that are kept, those under the threshold included.
MOST_INSTANCES = 100


@dataclass(frozen=True)
class Wish:
    """What a run shall find, and how the session's state records it; see `Session.find`.

    Attributes:
        query: What to search for.
        threshold: Score from which an instance counts as found.
        limit: The most instances that count as found.
        gesture: Consecutive searches with the same name are undone together.
        accept: Add what is found as objects, instead of showing it.
    """

    query: Query
    threshold: float
    limit: int | None = None
    gesture: str | None = None
    accept: bool = False

    def ask(self, finder: Finder, features: Any) -> Finding:
        """Return the answer of a finder, given the features of an image."""
        return finder.find(features, self.query.words, self.query.like, self.query.not_like)


class FindRun:
    """A search on a session's history; call `advance` until it returns False.

    Attributes:
        wish: What it searches for; it may be replaced while the image is being encoded.
        search: The result; None before the end, and if the run was stopped.
        added: The new objects, if the wish was to accept what is found.
    """

    def __init__(self, history: History, finder: Finder, encoding: Encoding, wish: Wish, weights: str) -> None:
        """Prepare a run, without using a model yet; `weights` are those that the result depends on."""
        self._history, self._encoding, self._weights = history, encoding, weights
        self._stop = threading.Event()
        self.finder, self.wish = finder, wish
        self.state = UnderWay(0, 0, (), "find")
        self.over = False
        self.search: Search | None = None
        self.added: tuple[SegmentedObject, ...] = ()

    def advance(self) -> bool:
        """Do the next step. Returns False once the search is part of the session's state.

        An exception ends the run without changing the session.
        """
        if self.over:
            return False
        if self._stop.is_set():
            self.end()
            return False
        try:
            step = next(self._encoding)
        except StopIteration as done:
            self._finish(done.value)
            return False
        except BaseException:
            self.end()
            raise
        with self._history.editing:
            self.state = UnderWay(step.done, step.total, (), "find")
            self._history.notify()
        return True

    def stop(self) -> None:
        """Make the next `advance` the last: nothing is found. Does not block."""
        self._stop.set()

    def end(self, *, keep: bool = True) -> None:  # noqa: ARG002  there is nothing to keep
        """End the run without a result. Has no effect if it has ended."""
        with self._history.editing:
            if not self.over:
                self.over = True
                self._history.notify()

    def _finish(self, features: Any) -> None:
        """Ask the finder, which may be at a server; others may edit, and change the wish, meanwhile."""
        while not self.over:
            wish = self.wish
            try:
                finding = wish.ask(self.finder, features)
            except BaseException:
                self.end()
                raise
            with self._history.editing:
                if self.wish is wish and not self.over:
                    self._add(wish, finding)

    def _add(self, wish: Wish, finding: Finding) -> None:
        now = self._history.state
        search = search_of(wish, finding, now, self._weights)
        self.over, self.search = True, search
        if not wish.accept:
            self._history.change(replace(now, search=search), gesture=wish.gesture)
        elif search.found:
            after, self.added = accepted(replace(now, search=search), [one.id for one in search.found], None)
            self._history.change(replace(after, search=now.search))
        else:
            self._history.notify()


def wish_of(
    session: Session,
    finder: Finder,
    words: Sequence[Any],
    like: Any = None,
    not_like: Any = None,
    *,
    threshold: float | None = None,
    limit: int | None = None,
) -> Wish:
    """Return the wish of the arguments of `Session.find`.

    Raises:
        PromptError: There is nothing to find, words are not in the vocabulary, or an argument is malformed.
        SessionError: An example names no object of the session.
    """
    query = query_of(session, words, like, not_like, finder)
    if threshold is None:
        # A finder that takes words and examples may judge them differently.
        threshold = getattr(finder, "example_threshold", finder.threshold) if query.like else finder.threshold
    return Wish(query, check_threshold(threshold), check_limit(limit))


def search_of(wish: Wish, finding: Finding, state: SessionState, weights: str) -> Search:
    """Return what a finder has found for a wish, without what is an object already, such as the example itself."""
    objects = [item.stored for item in state.objects]
    found = finding.instances[: MOST_INSTANCES + len(objects)]
    new = [one for one in found if not any(duplicates(one.stored, old) for old in objects)]
    above = wish.threshold
    known = sum(one.score >= above for one in found) - sum(one.score >= above for one in new)
    return Search(wish.query, tuple(new[:MOST_INSTANCES]), above, wish.limit, finding.presence, weights, known)


def weights_of(finder: Finder, predictor: PredictorLike) -> str:
    """Return what identifies the weights that a search depends on."""
    return f"{finder.weights_id} on {without_precision(predictor.model.weights_id)}"


class Searching:
    """The searches of a session."""

    def __init__(self, session: Session, history: History, running: Running) -> None:
        """Search the image of a session; `running` holds the session's only run."""
        self.session, self.history = session, history
        self._running = running
        # Those that were used, by name: one that was given as an object has no other.
        self._finders: dict[str, Finder] = {}

    @property
    def found(self) -> Found | None:
        """The search that is shown; None if there is none."""
        search = self.history.state.search
        return None if search is None else Found(self, search)

    def find(self, *words: Any, progress: Callable[[int, int], object] | None = None, **options: Any) -> Found:
        """See `Session.find`."""
        with self.history.editing:
            self._running.check_idle()
            run = self.begin(*words, **options)
        return self._completed(run, progress)

    def begin(
        self,
        *words: Any,
        like: Any = None,
        not_like: Any = None,
        model: Any = None,
        threshold: float | None = None,
        limit: int | None = None,
        gesture: str | None = None,
        accept: bool = False,
    ) -> FindRun:
        """Start a search that is advanced step by step. If one is running, it searches for this instead.

        The options are those of `Session.find`; consecutive searches of one `gesture` are undone together.

        Raises:
            PromptError: There is nothing to find, words are not in the vocabulary, or an argument is malformed.
            SessionError: An example names no object, or everything is being segmented.
            ModelError: The finder cannot be loaded, or the predictor cannot segment everything.
        """
        finder = finder_for(reached(self.session.predictor), model)
        self._finders[finder.name] = finder
        with self.history.editing:
            wish = wish_of(self.session, finder, words, like, not_like, threshold=threshold, limit=limit)
            return self._begin(finder, replace(wish, gesture=gesture, accept=accept))

    def everything(
        self, words: Any, progress: Callable[[int, int], object] | None = None
    ) -> tuple[SegmentedObject, ...]:
        """Find words and add all instances as objects, in one edit; returns them. See `Session.everything`."""
        with self.history.editing:
            self._running.check_idle()
            run = self.begin(words, accept=True)
        self._completed(run, progress)
        return run.added

    def again(self, query: Query) -> Found:
        """Repeat the search that is shown with another query, such as one more counter-example.

        Raises:
            SessionError: There is no search, or another one is running.
            PromptError: The finder takes no such query.
        """
        with self.history.editing:
            before = self.history.state.search
            if before is None:
                raise SessionError("there is no search to repeat; call find first")
            self._running.check_idle()
            finder = self._finders.get(query.finder) or self._named(query.finder)
            finder.check(query.words, query.like, query.not_like)
            run = self._begin(finder, Wish(query, before.threshold, before.limit))
        return self._completed(run, None)

    def _named(self, name: str) -> Finder:
        found = finder_named_in_file(name)
        return finder_for(reached(self.session.predictor), name) if name in {EMBEDDED, OWN} else found

    def _begin(self, finder: Finder, wish: Wish) -> FindRun:
        session = self.session
        run = self._running.run
        if isinstance(run, FindRun) and not run.over and run.finder.weights_id == finder.weights_id:
            run.wish = wish
            return run
        self._running.check_idle()
        if not (isinstance(finder, AtServer) or hasattr(session.predictor, "masks_at")):
            name = session.predictor.model.name
            raise ModelError(f"{name} answers one prompt at a time, and nothing can be found with it; use sw.Predictor")
        from sam_widget.automatic.finding.store import STORE  # Imports torch.

        image = session.source.render(session.state.rendering)
        encoding = STORE.encode(finder, image, cast("Predictor", session.predictor))
        run = self._running.run = FindRun(self.history, finder, encoding, wish, weights_of(finder, session.predictor))
        self.history.notify()
        return run

    def _completed(self, run: FindRun, progress: Callable[[int, int], object] | None) -> Found:
        try:
            while run.advance():
                if progress is not None:
                    progress(run.state.done, run.state.total)
        except BaseException:
            run.end()
            raise
        if run.search is None:
            raise SessionError("the search was cancelled")
        return Found(self, run.search)
