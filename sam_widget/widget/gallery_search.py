"""Find in all images of a gallery, in the background: one search at a time, shown in every view."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sam_widget.automatic.finding.loading import finder_for
from sam_widget.folders.finding import Hit, Hits, examples_of, find_in_album
from sam_widget.predictor.interface import reached
from sam_widget.session import objects
from sam_widget.session.searching import wish_of
from sam_widget.widget import panels
from sam_widget.widget.protocol import Request
from sam_widget.widget.replies import Replies
from sam_widget.widget.threads import one_core_left
from sam_widget.widget.worker import Worker

if TYPE_CHECKING:
    from sam_widget.automatic.finding.finder import Finder
    from sam_widget.folders.image_folder import Album
    from sam_widget.session.found import Found
    from sam_widget.session.session import Session


@dataclass(frozen=True)
class Wanted:
    """What to find in all images; see `Gallery.find`."""

    words: tuple[str, ...] = ()
    like: Any = None
    not_like: Any = None
    model: str | Finder | None = None
    threshold: float | None = None
    limit: int | None = None
    accept: bool = False


@dataclass(eq=False)
class Job:
    """One search, and how far it is.

    Attributes:
        wanted: What to find.
        text: The same in words, for views.
        total: Number of images.
        request: The request of a view to answer; None for a call from Python.
        done: Number of images that have been searched.
        hits: What was found, by the index of the image.
        message: What was found, in a sentence; empty while it is running.
        superseded: Whether another search has taken its place.
    """

    wanted: Wanted
    text: str
    total: int
    request: Request | None = None
    done: int = 0
    hits: dict[int, Hit] = field(default_factory=dict)
    message: str = ""
    superseded: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Leave the remaining images out. Does not block."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    def shown(self) -> panels.SearchedData:
        """Return what views show of it."""
        best = sorted(self.hits.items(), key=lambda one: -one[1].instances[0].score)
        hits = [panels.HitData(index, len(hit.instances), round(hit.instances[0].score, 4)) for index, hit in best]
        return panels.SearchedData(self.text, self.done, self.total, self.message, hits)


class GallerySearch:
    """The search in all images of a gallery.

    Images are encoded in a thread of its own. Sessions are changed in the worker's thread, between the requests of
    views, because a view may open or edit the same image at any time.
    """

    def __init__(
        self,
        album: Album,
        *,
        call: Callable[[Callable[[], None]], Future[None]],
        shown: Callable[[], tuple[int, Session | None]],
        replies: Callable[[], Replies],
        changed: Callable[[], None],
    ) -> None:
        """Prepare searches; nothing is loaded yet.

        Args:
            album: The images and their session files.
            call: Runs a function in the worker's thread.
            shown: Returns the index of the displayed image, and its session if it is open.
            replies: Answers requests.
            changed: Called whenever `job` has made progress.
        """
        self._album, self._call, self._shown, self._replies = album, call, shown, replies
        self._changed = changed
        self._worker: Worker[tuple[Job, Session]] = Worker(
            self._run, supersedes=lambda _new, _waiting: True, superseded=self._superseded, name="sam_widget finding"
        )
        self.job: Job | None = None

    def begin(self, request: Request, session: Session, words: Sequence[str], like: Sequence[str], least: Any) -> None:
        """Start a search for a view, with objects of the displayed session as examples; answers the request at its end.

        It takes the place of a running one.

        Raises:
            PromptError: There is nothing to find, or words are not in the vocabulary.
            SessionError: An example names no object.
        """
        wish = wish_of(session, finder_for(reached(session.predictor)), words, list(like), threshold=least)
        examples = [objects.find(session.state, one) for one in like]
        wanted = Wanted(wish.query.words, examples, threshold=least)
        labels = [f"like {example.label}" for example in examples]
        job = self._start(Job(wanted, ", ".join([*wanted.words, *labels]), len(self._album.images), request))
        self._worker.put((job, session))

    def find(
        self,
        wanted: Wanted,
        session: Session,
        *,
        progress: Callable[[int, int], object] | None,
        cancelled: Callable[[], bool],
    ) -> Hits:
        """Find in this thread; see `Gallery.find`."""
        given = 0 if wanted.like is None else len(wanted.like) if isinstance(wanted.like, list) else 1
        examples = [f"like {given} example{'' if given == 1 else 's'}"] if given else []
        job = Job(wanted, ", ".join([*map(str, wanted.words), *examples]), len(self._album.images))
        return self._find(self._start(job), session, progress=progress, cancelled=cancelled)

    def stop(self) -> None:
        """Stop the running search; what it has found remains. Does not block."""
        if self.job is not None:
            self.job.stop()

    def end(self) -> None:
        """Stop the running search, and forget the last one. What it has found is still offered in each image."""
        self.stop()
        self.job = None
        self._changed()

    def close(self) -> None:
        """End the thread after its current step."""
        self.stop()
        self._worker.close()

    def _start(self, job: Job) -> Job:
        before, self.job = self.job, job
        if before is not None:
            before.superseded = True
            before.stop()
        self._changed()
        return job

    def _run(self, task: tuple[Job, Session]) -> None:
        job, session = task
        assert job.request is not None  # noqa: S101  for the type checker
        try:
            with one_core_left():
                self._find(job, session)
        except Exception as error:  # noqa: BLE001  whatever it was, the view is told and keeps working
            self._replies().refuse(job.request, error)
        else:
            (self._replies().superseded if job.superseded else self._replies().done)(job.request)

    def _superseded(self, task: tuple[Job, Session]) -> None:
        job, _ = task
        if job.request is not None:
            self._replies().superseded(job.request)

    def _find(
        self,
        job: Job,
        session: Session,
        *,
        progress: Callable[[int, int], object] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Hits:
        """Find in the images; `session` is one of them, in which examples are looked up."""
        try:
            hits = self._hits(job, session, progress, cancelled)
        except BaseException:
            if self.job is job:
                self.job = None
                self._changed()
            raise
        job.message = _sentence(hits)
        self._changed()
        return hits

    def _hits(
        self,
        job: Job,
        session: Session,
        progress: Callable[[int, int], object] | None,
        cancelled: Callable[[], bool],
    ) -> Hits:
        wanted, predictor = job.wanted, reached(session.predictor)
        finder = finder_for(predictor, wanted.model)

        def told(done: int, total: int) -> None:
            job.done = done
            self._changed()
            if progress is not None:
                progress(done, total)

        def heard(index: int, hit: Hit) -> None:
            job.hits[index] = hit

        def edit(change: Callable[[], Found | None]) -> Found | None:
            result: list[Found | None] = []
            self._call(lambda: result.append(change())).result()
            return result[0]

        return find_in_album(
            self._album,
            wanted.words,
            {
                "like": examples_of(wanted.like, self._album, finder, predictor, session),
                "not_like": examples_of(wanted.not_like, self._album, finder, predictor, session),
                "model": finder,
                "threshold": wanted.threshold,
                "limit": wanted.limit,
            },
            predictor=predictor,
            accept=wanted.accept,
            progress=False,
            cancelled=lambda: job.stopped or cancelled(),
            live=self._live,
            told=told,
            heard=heard,
            edit=edit,
        )

    def _live(self, index: int) -> Session | None:
        shown, session = self._shown()
        return session if shown == index else None


def _sentence(hits: Hits) -> str:
    """Return what was found, and what was not searched and why."""
    count, images = sum(len(hit.instances) for hit in hits), len(hits.report.done)
    if count:
        said = f"{count} found in {len(hits)} of {_images(images)}"
    elif hits.nearest is not None:
        said = f"None found in {_images(images)}; the nearest is {hits.nearest.score:.2f}, in {hits.nearest.name}"
    else:
        said = f"None found in {_images(images)}"
    left, failed = len(hits.report.skipped), hits.report.failed
    if left:
        said += f"; stopped with {_images(left)} left"
    if failed:
        said += f"; {_images(len(failed))} could not be searched, among them {failed[0].path.name}"
    return f"{said}."


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"
