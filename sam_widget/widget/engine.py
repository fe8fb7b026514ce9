"""Engine: a gallery whose model learns from what is accepted, in the three stages of the paper's data engine."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from sam_widget.engine.engine import CHECKED, DataEngine
from sam_widget.engine.filling import POINTS_PER_SIDE
from sam_widget.errors import SessionError, door
from sam_widget.predictor.interface import predictor_of
from sam_widget.widget import protocol
from sam_widget.widget.dispatcher import Target
from sam_widget.widget.engine_control import EngineControl
from sam_widget.widget.engine_panel import AUTOMATIC, LEARNING, TUNING, panel_of
from sam_widget.widget.gallery import Gallery
from sam_widget.widget.gallery_opener import FolderOpener
from sam_widget.widget.opening import Say, Shown, downloads, refuse_unknown
from sam_widget.widget.throttle import Throttle

if TYPE_CHECKING:
    from sam_widget.engine.report import EngineReport
    from sam_widget.engine.tuning import Round
    from sam_widget.folders.batch import BatchReport
    from sam_widget.model.sam import Sam
    from sam_widget.predictor.embeddings import EmbeddingStore
    from sam_widget.predictor.predictor import Predictor
    from sam_widget.session.session import Session

log = logging.getLogger(__name__)
# Seconds between reports of progress.
SECONDS = 0.25


class EngineOpener(FolderOpener):
    """Opens photos with the model in use, and lets the engine watch their sessions."""

    def __init__(self, engine: DataEngine, *, index: int, model: str | Path | Sam | Predictor) -> None:
        """Prepare to open the photo at `index`; `model` is what the engine was given."""
        super().__init__(engine.album, index=index, predictor=self._in_use)
        self._engine, self._given, self._loaded = engine, model, False

    def open(self, shown: Shown, say: Say) -> Session:
        """Open the session of a photo."""
        session = super().open(shown, say)
        self._engine.watch(self.index, session)
        return session

    def _in_use(self, say: Say) -> Predictor:
        if not self._loaded:
            say("Loading the model…")
            if isinstance(self._given, str | Path):
                # It is kept, so that the engine finds it there; but the engine reports no downloads.
                predictor_of(self._given, progress=downloads(self._given, say))
            self._loaded = True
        return self._engine.predictor


class Engine(Gallery):
    """A `Gallery` with the data engine of the paper (Kirillov et al., arXiv 2304.02643, section 4).

    1. Assisted-manual: you click, and accept masks. Photos come in the order in which they teach most. Every few
       photos, the model is tuned in the background on what was accepted, and used from the next photo on if it needs
       fewer clicks on photos that were held out.
    2. Semi-automatic: masks that you would accept are filled in, and you correct and complete them.
    3. Fully automatic: the other photos are segmented, and you check masks drawn at random.

    Everything is on disk at once, next to the photos: masks in their session files, the rest in `.sam_engine`.

    Attributes:
        engine: The same without a browser.
    """

    panel = traitlets.Dict(help="Stage, advice and figures: `protocol.EngineData`; only the kernel writes it.").tag(
        sync=True
    )

    @door
    def __init__(
        self,
        images: str | Path | Iterable[str | Path],
        *,
        model: str | Path | Sam | Predictor = "tiny",
        sessions: str | Path | None = None,
        recursive: bool = False,
        store: EmbeddingStore | str | Path | None = None,
        who: str | None = None,
        points_per_side: int = POINTS_PER_SIDE,
        tune: bool = True,
        budget_s: float = 30.0,
    ) -> None:
        """Open the engine of a folder, and continue where it was left.

        Args:
            images: A folder, an image file, or several of either.
            model: The base: a name or checkpoint path, a loaded model, or a predictor, whose embedding cache is then
                used.
            sessions: The folder of the session files; by default they are next to the images.
            recursive: Include subfolders.
            store: An embedding store or its folder. Defaults to the store that every widget uses.
            who: Name written next to each mask; defaults to the name of the user.
            points_per_side: Points along each side of the grid of stages 2 and 3; see `DataEngine`.
            tune: Whether rounds of tuning begin by themselves in stage 1.
            budget_s: Time in seconds of a round that begins by itself or in a view; see `tune`.

        Raises:
            ImageError: The folder does not exist or contains no images.
            ModelError: There is no model of that name, and no such file.
            SessionError: The engine of the folder is open in another kernel, or its journal is damaged.
        """
        refuse_unknown(model)
        self.engine = DataEngine(
            images,
            model=model,
            sessions=sessions,
            recursive=recursive,
            store=store,
            who=who,
            points_per_side=points_per_side,
        )
        try:
            first = self.engine.next_photo()
            self._control = EngineControl(
                self.engine,
                shown=lambda: self.index,
                show=self._show,
                mark=self.mark,
                count=self._count,
                call=lambda function: self._dispatcher.call(function),  # noqa: PLW0108  it is made below
                changed=self._tell,
                progress=lambda: self._progress.ask(),  # noqa: PLW0108  as above
                tune=tune,
                budget_s=budget_s,
            )
            self._progress = Throttle(self._tell, seconds=SECONDS)
            opener = EngineOpener(self.engine, index=first or 0, model=model)
            self._begin(self.engine.album, opener, Target(EngineControl, lambda: self._control))
        except BaseException:
            self.engine.close()
            raise
        self.engine.give_way = self.close
        self.observe(self._tell, ["objects", "place"])
        self._tell()

    # ------------------------------------------------------------------------------------------------ for scripts

    @property
    def stage(self) -> int:
        """1 (assisted-manual), 2 (semi-automatic) or 3 (fully automatic).

        Setting it may take a while, because stages 2 and 3 need to know which masks you accept.

        Raises:
            SessionError: There is no such stage, or too little was accepted.
        """
        return self.engine.stage

    @stage.setter
    def stage(self, stage: int) -> None:
        if (job := self._control.begin_stage(stage)) is not None:
            job.wait()
        self._tell()

    @property
    def advice(self) -> str:
        """What to do next, in a sentence or two."""
        return self.engine.advice

    @door
    def round(self, *, budget_s: float = 30.0, **options: Any) -> Round:
        """Tune the model on what is accepted so far, and wait for the result; see `DataEngine.round`.

        If the tuned model is better, the next photo that is opened uses it.

        Args:
            budget_s: Time in seconds for learning and judging.
            **options: Further options of `DataEngine.round`.
        """
        result: Round = self._control.begin_round(budget_s=budget_s, **options).wait()
        return result

    @door
    def automatic(self, **options: Any) -> BatchReport:
        """Stage 3: find masks in all photos that are not done, and wait for them; see `DataEngine.automatic`.

        Raises:
            SessionError: It is not known yet what is accepted.
        """
        report: BatchReport = self._control.begin_automatic(**options).wait()
        return report

    @door
    def check(self, count: int = CHECKED) -> int:
        """Draw masks of stage 3 at random and show the first, to be corrected or confirmed; returns how many there are.

        Raises:
            SessionError: Stage 3 has made no masks.
        """
        drawn: list[int] = []
        self._dispatcher.call(lambda: drawn.append(self._control.begin_check(count))).result()
        return drawn[0]

    def report(self) -> EngineReport:
        """Return what was done so far, next to the figures of the paper."""
        return self.engine.report()

    @door
    def next(self) -> None:
        """Show the photo that would teach the model most.

        Raises:
            SessionError: All other photos are done.
        """
        index = self._control.ahead()
        if index is None:
            raise SessionError("all other photos are done; go(0) shows the first")
        self.go(index)

    def mark(self, *, done: bool = True) -> None:
        """Mark the displayed photo as done or not done; a round of tuning begins if it is due.

        Raises:
            StoreError: The mark cannot be written.
            SessionError: The file that stores the marks is damaged.
        """
        super().mark(done=done)
        if done:
            self._control.marked()
        self._tell()

    def close(self) -> None:
        """End what is done in the background, close every view, the session file and the journal."""
        if "_control" in vars(self):
            self._control.jobs.close()
            self._progress.close()
        super().close()
        if "engine" in vars(self):
            self.engine.close()

    # ------------------------------------------------------------------------------------------------ other threads

    def _show(self, index: int) -> None:
        index = self._album.find(index)
        if index != self.index:
            self.engine.leave(self.index, close=False)
        super()._show(index)
        self._control.jobs.wake()
        self._tell()

    def _tell(self, _change: object = None) -> None:
        """Send the stage, advice and figures to the views. Never raises: the edit is complete."""
        jobs = self._control.jobs
        if self.engine.closed:
            return
        try:
            pending = [name for name in (TUNING, AUTOMATIC, LEARNING) if jobs.under_way(name)]
            with self._publisher.wire:
                panel = panel_of(self.engine, self.index, job=jobs.job, pending=pending, error=jobs.error)
                self.panel = protocol.to_json(panel)
            self._control.follow_check()
        except Exception:
            if not self.engine.closed:
                log.exception("the panel of %s could not be brought up to date", self.engine)
