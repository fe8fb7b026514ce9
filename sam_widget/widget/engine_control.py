"""The steps of a data engine: which photo is next, which jobs begin when, the stages and the blind check.

Methods that are marked as remote are what views may ask, in addition to what they may ask of every gallery.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from sam_widget.engine.engine import CHECKED
from sam_widget.engine.report import STAGES
from sam_widget.engine.tuning import LEAST_PHOTOS
from sam_widget.errors import SamWidgetError, SessionError
from sam_widget.session.remote import remote
from sam_widget.widget.engine_jobs import Cancelled, Job, Jobs, Progress
from sam_widget.widget.engine_panel import AUTOMATIC, FILLING, LEARNING, LOOKING, TUNING

if TYPE_CHECKING:
    from sam_widget.engine.engine import DataEngine
    from sam_widget.folders.batch import BatchReport

# Photos to look at for what they would teach; more would only keep the machine busy.
MOST_LOOKED_AT = 100
# After a round was cancelled, so many more photos are done before the next one begins by itself.
PATIENCE = 3


class EngineControl:
    """Steers a data engine.

    Attributes:
        jobs: What is done in the background.
    """

    def __init__(
        self,
        engine: DataEngine,
        *,
        shown: Callable[[], int],
        show: Callable[[int], None],
        mark: Callable[[], None],
        count: Callable[[], None],
        call: Callable[[Callable[[], None]], Future[None]],
        changed: Callable[[], None],
        progress: Callable[[], None],
        tune: bool,
        budget_s: float,
    ) -> None:
        """Prepare the steps; nothing begins yet.

        Args:
            engine: The engine.
            shown: Returns the index of the displayed photo.
            show: Shows a photo, in the worker's thread.
            mark: Marks the displayed photo as done.
            count: Counts the objects in all photos.
            call: Runs a function in the worker's thread.
            changed: Called when something has changed that views show.
            progress: Called when a job has made progress, which may be often.
            tune: Whether rounds of tuning begin by themselves in stage 1.
            budget_s: Seconds for a round of tuning.
        """
        self._engine, self._shown, self._show, self._mark, self._call = engine, shown, show, mark, call
        self._count = count
        self._changed, self._tunes, self._budget_s = changed, tune, budget_s
        self.jobs = Jobs(idle=self._small_job, changed=progress)
        # The photo to show next, and number of the mask that is being checked.
        self._ahead: int | None = None
        self._checking: int | None = None
        # Photos that cannot be filled in, how many were looked at, and when a round was last cancelled.
        self._unfilled: set[int] = set()
        self._looked = 0
        self._declined: int | None = None

    # ------------------------------------------------------------------------------------------------ what views ask

    @remote()
    def go_to_stage(self, stage: int) -> None:
        """Go to a stage: 1, 2 or 3. It may take a while to begin; the trait `panel` shows progress."""
        self.begin_stage(stage)

    @remote()
    def tune(self) -> None:
        """Start a round of tuning in the background; the trait `panel` shows progress."""
        if not self.jobs.under_way(TUNING):
            self.begin_round()

    @remote()
    def run_automatic(self) -> None:
        """Start stage 3 in the background: segment all photos that are not done."""
        if not self.jobs.under_way(AUTOMATIC):
            self.begin_automatic()

    @remote(lane="now")
    def cancel_job(self) -> None:
        """End what a data engine does in the background. Answered immediately."""
        if self.jobs.under_way(TUNING):
            self._declined = len(self._engine.done)
        self.jobs.cancel()
        self._changed()

    @remote()
    def finish(self) -> None:
        """Mark the displayed image as done, and show the one that would teach the model most."""
        self._mark()
        if (index := self.ahead()) is not None:
            self._show(index)
        self._changed()

    @remote()
    def start_check(self) -> None:
        """Begin the blind check, or continue it: show a mask drawn at random, to be corrected or confirmed."""
        if self._engine.next_check() is None:
            self._engine.start_check(CHECKED)
        self.show_checked()

    @remote()
    def right(self) -> None:
        """Confirm the mask that is being checked, and show the next one."""
        item = self._engine.next_check()
        if item is None or item[1] != self._shown():
            raise SessionError("the mask to check is not shown; press Check to continue")
        self._engine.confirm(item[0])
        self.show_checked()

    # ------------------------------------------------------------------------------------------------ jobs

    def begin_stage(self, stage: int) -> Job | None:
        """Go to a stage; the job is that of learning what is accepted, which stages 2 and 3 need to know.

        Raises:
            SessionError: There is no such stage, or too little was accepted.
        """

        def work(progress: Progress, cancelled: Cancelled) -> None:
            self._engine.acceptance(progress=progress, cancelled=cancelled)
            if not cancelled():
                self._engine.stage = stage

        if stage in STAGES and (why := self._engine.hindrance(stage)):
            raise SessionError(f"stage {stage} cannot begin yet: {why}")
        if stage in {2, 3}:
            return self.jobs.begin(LEARNING, work)
        self._engine.stage = stage
        self._changed()
        return None

    def begin_round(self, **options: Any) -> Job:
        """Start a round of tuning, and learn what is accepted from its result; see `DataEngine.round`."""
        wanted = {"budget_s": self._budget_s, **options}
        job = self.jobs.begin(
            TUNING, lambda progress, cancelled: self._engine.round(**wanted, progress=progress, cancelled=cancelled)
        )
        self.jobs.begin(LEARNING, lambda progress, cancelled: self._learn(progress, cancelled, after=job))
        return job

    def _learn(self, progress: Progress, cancelled: Cancelled, *, after: Job) -> None:
        if not after.stopped and len(self._engine.done) >= LEAST_PHOTOS:
            self._engine.acceptance(progress=progress, cancelled=cancelled)

    def begin_automatic(self, **options: Any) -> Job:
        """Start stage 3; see `DataEngine.automatic`."""

        def work(progress: Progress, cancelled: Cancelled) -> BatchReport:
            try:
                return self._engine.automatic(**options, progress=progress, cancelled=cancelled, edit=self._edit)
            finally:
                self._count()

        return self.jobs.begin(AUTOMATIC, work)

    def marked(self) -> None:
        """Start a round of tuning if one is due, after a photo was marked as done."""
        due = self._tunes and self._engine.stage == 1 and self._engine.round_due
        declined = self._declined is not None and len(self._engine.done) < self._declined + PATIENCE
        if due and not declined and not self.jobs.under_way(TUNING):
            self.begin_round()
        else:
            self.jobs.wake()

    def ahead(self) -> int | None:
        """Return the photo to show next: the one that is prepared, or the one that would teach most."""
        before, names = self._ahead, self._engine.album.names
        # What is filled in already is shown first.
        keeps = self._engine.stage == 2 and before is not None and names[before] not in self._engine.done
        if before is None or not keeps or before == self._shown():
            self._ahead = self._engine.next_photo(besides=self._shown())
        return self._ahead

    def _small_job(self) -> Job | None:
        """Return what to prepare while no other job waits."""
        engine = self._engine
        if engine.stage == 2:
            filled, done = engine.filled, engine.done
            for index in (self._shown(), self.ahead()):
                if index is None or index in self._unfilled:
                    continue
                if engine.album.names[index] not in filled | done:
                    return Job(FILLING, partial(self._fill, index))
        if engine.stage == 3 or self._looked >= min(MOST_LOOKED_AT, len(engine.album.images)):
            return None
        return Job(LOOKING, self._look)

    def _fill(self, index: int, progress: Progress, cancelled: Cancelled) -> None:
        # Whatever comes of it: it is tried once.
        self._unfilled.add(index)
        self._engine.prefill(index, progress=progress, cancelled=cancelled, edit=self._edit)
        if cancelled():
            self._unfilled.discard(index)

    def _look(self, progress: Progress, cancelled: Cancelled) -> None:
        most = min(MOST_LOOKED_AT, len(self._engine.album.images))
        progress(LOOKING, self._looked / most)
        self._engine.look_ahead(most=1, cancelled=cancelled)
        self._looked += 1

    def _edit(self, change: Callable[[], int]) -> int:
        """Change a session in the worker's thread, where views open and edit sessions, too."""
        result: list[int] = []
        self._call(lambda: result.append(change())).result()
        return result[0]

    # ------------------------------------------------------------------------------------------------ the check

    def begin_check(self, count: int) -> int:
        """Draw masks to check, and show the first; see `DataEngine.start_check`."""
        drawn = self._engine.start_check(count)
        self.show_checked()
        return drawn

    def show_checked(self) -> None:
        """Show the photo with the mask to check next."""
        item = self._engine.next_check()
        self._checking = None if item is None else item[0]
        if item is not None and item[1] != self._shown():
            try:
                self._show(item[1])
            except SamWidgetError:
                self._checking = None
                raise
        self._changed()

    def follow_check(self) -> None:
        """Show the next mask once the one that is shown has been corrected."""
        if self._checking is None:
            return
        item = self._engine.next_check()
        if item is None or item[0] != self._checking:
            self._checking = None
            self._call(self.show_checked)
