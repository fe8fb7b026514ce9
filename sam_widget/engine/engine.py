"""The data engine of a folder (paper, section 4), without a browser: three stages, rounds of tuning, a blind check.

This file is longer than most, because it has one method for each step of the engine and little else. The steps are
implemented in `tuning`, `acceptance`, `filling`, `tracking` and `checking`.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sam_widget.automatic.automatic import MaskRecord
from sam_widget.automatic.options import EverythingOptions
from sam_widget.engine.acceptance import Acceptance, Judged, judged_by, learn
from sam_widget.engine.advice import Situation, advice
from sam_widget.engine.checking import BlindCheck
from sam_widget.engine.claiming import claimed, user
from sam_widget.engine.filling import POINTS_PER_SIDE, annotation_of, choose, find_masks
from sam_widget.engine.journal import Journal, MaskEntry, RoundEntry
from sam_widget.engine.ordering import Outlook, most_instructive, outlook
from sam_widget.engine.report import STAGES, Agreement, EngineReport, stage_figures
from sam_widget.engine.taught import TaughtPhoto, photo_in_file, photo_of
from sam_widget.engine.tracking import Tracker
from sam_widget.engine.tuning import LEAST_PHOTOS, Kind, Round, tuning_round
from sam_widget.errors import ModelError, SamWidgetError, SessionError, door
from sam_widget.folders.image_folder import Album
from sam_widget.image.rendering import SourceImage
from sam_widget.model.zoo import load_model
from sam_widget.predictor.embeddings import EmbeddingStore
from sam_widget.predictor.predictor import Predictor
from sam_widget.predictor.with_store import predictor_with_store
from sam_widget.session.session import Session
from sam_widget.session.state import SegmentedObject

if TYPE_CHECKING:
    from sam_widget.folders.batch import BatchReport
    from sam_widget.model.sam import Sam

HOME = ".sam_engine"
# Masks that are judged in the blind check.
CHECKED = 30
# A round is due after the first photos, and whenever their number has grown by this factor.
GROWTH = 1.5
# Done photos whose masks of everything mode teach what is accepted; more would only take longer.
JUDGED_PHOTOS = 24

Progress = Callable[[str, float], object]
# Calls a function that changes a session, and returns its result.
Edit = Callable[[Callable[[], int]], int]


def _silent(_doing: str, _share: float) -> None:
    """Report nothing."""


class DataEngine:
    """A folder of photos that is annotated together with a model that learns from it.

    Masks are in the session files next to the photos, as in a `Gallery`; the journal and the tuned models are in
    `.sam_engine` in the same folder. The process may be killed at any time.

    Attributes:
        album: The photos.
        home: Folder of the journal and the tuned models.
        who: Whose masks these are.
        points_per_side: Points along each side of the grid with which masks are found.
        closed: Whether it is closed.
        give_way: Called when the same process opens the folder again, as a cell that is run again does; None closes it.
    """

    # Engines that this process has open, by their homes.
    _mine: ClassVar[weakref.WeakValueDictionary[Path, DataEngine]] = weakref.WeakValueDictionary()

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
        clock: Callable[[], float] = time.monotonic,
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
            points_per_side: Points along each side of the grid with which stages 2 and 3 find masks. Half as many take
                a quarter of the time, and miss small objects.
            clock: Returns seconds; replaced by a simulated annotator.

        Raises:
            ImageError: The folder does not exist or contains no images.
            SessionError: The engine of the folder is open elsewhere, or its journal is damaged.
            ModelError: The model that the engine was started with is another one.
            PromptError: `points_per_side` is not a whole number of at least 1.
        """
        EverythingOptions(points_per_side=points_per_side)
        self.points_per_side = points_per_side
        self.album = Album(images, sessions=sessions, recursive=recursive)
        self.home = self.album.sessions / HOME
        self.who, self.closed = who or user(), False
        self._given, self._store, self._clock = model, store, clock
        self._lock = threading.RLock()
        self.give_way: Callable[[], None] | None = None
        if (older := self._mine.pop(self.home.resolve(), None)) is not None:
            (older.give_way or older.close)()
        self._file_lock = claimed(self.home)
        self._journal = Journal(self.home / "journal.db")
        self._check = BlindCheck(self._journal)
        self._trackers: dict[int, Tracker] = {}
        self._outlooks: dict[int, Outlook] = {}
        self._failed: set[int] = set()
        self._base: Predictor | None = None
        self._current: Predictor | None = None
        # For which weights, from how many photos; and the judgements by photo, weights and objects.
        self._acceptance: tuple[str, int, Acceptance | None] | None = None
        self._judgements: dict[tuple[int, str, tuple[str, ...]], Judged] = {}
        self._mine[self.home.resolve()] = self

    def __repr__(self) -> str:
        """One line."""
        done, photos = len(self.done), len(self.album.images)
        return (
            f"DataEngine({str(self.album.root)!r}, stage {self.stage} ({STAGES[self.stage]}), {done} of {photos} done)"
        )

    # ------------------------------------------------------------------------------------------------ models

    @property
    def base(self) -> Predictor:
        """The predictor of the base model, loaded on first use.

        Raises:
            ModelError: It cannot be loaded, or is another model than the one that the engine was started with.
        """
        with self._lock:
            if self._base is None:
                self._base = self._loaded()
            return self._base

    @property
    def predictor(self) -> Predictor:
        """The predictor in use: that of the last round that was adopted, or the base."""
        with self._lock:
            if self._current is None:
                adopted = [entry for entry in self._journal.rounds() if entry.adopted and entry.file]
                path = self.home / str(adopted[-1].file) if adopted else None
                if path is not None and path.is_file():
                    self._current = self._with(load_model(path, device=self.base.device))
                else:
                    self._current = self.base
            return self._current

    def _loaded(self) -> Predictor:
        predictor = predictor_with_store(self._given, self._store)
        if not isinstance(predictor, Predictor):
            raise ModelError(f"{predictor.model.name} is not computed here; an engine needs a model that it can tune")
        if predictor.model.tuned is not None:
            raise ModelError(f"{predictor.model.name} was tuned before; start the engine with its base")
        name = self._journal.fact("model")
        if name is not None and name != predictor.model.name:
            raise ModelError(
                f"the engine of {str(self.album.root)!r} was started with {name!r}, not {predictor.model.name!r}; pass "
                "that model, or another folder of sessions"
            )
        self._journal.keep_fact("model", predictor.model.name)
        return predictor

    def _with(self, model: Sam) -> Predictor:
        return self.base.like(model=model)

    # ------------------------------------------------------------------------------------------------ stages

    @property
    def stage(self) -> int:
        """1 (assisted-manual), 2 (semi-automatic) or 3 (fully automatic)."""
        return int(self._journal.fact("stage") or 1)

    @stage.setter
    def stage(self, stage: int) -> None:
        if stage not in STAGES:
            raise SessionError(f"invalid stage {stage!r}; expected 1, 2 or 3")
        if stage > 1 and self.acceptance() is None:
            raise SessionError(
                f"stage {stage} needs to know which masks you accept; mark at least {LEAST_PHOTOS} photos as done, "
                "with 8 masks in all"
            )
        self._journal.keep_fact("stage", str(stage))

    @property
    def done(self) -> frozenset[str]:
        """Names of the photos of which everything wanted is annotated."""
        return self.album.done & set(self.album.names)

    def mark(self, photo: int | str | Path, *, done: bool = True) -> None:
        """Mark a photo as done, or not done."""
        self.album.mark(self.album.find(photo), done=done)

    def hindrance(self, stage: int) -> str:
        """Return why a stage cannot begin yet, in a sentence; empty if it can, as far as is known without computing."""
        missing = LEAST_PHOTOS - len(self.done)
        if stage == 1:
            return ""
        if missing > 0:
            return f"Mark {missing} more {'photo' if missing == 1 else 'photos'} as done first."
        if self._acceptance is not None and self._acceptance[2] is None and self._acceptance[1] == len(self.done):
            return "Too few masks are accepted to know what you would accept; mark more photos as done first."
        return ""

    def next_photo(self, *, besides: int | None = None) -> int | None:
        """Return the index of the photo to annotate next, or None if all are done.

        In stages 1 and 2 it is the one that would teach most, of those that `look_ahead` has looked at.

        Args:
            besides: Index of a photo to leave out, such as the one that is shown.
        """
        done, out = self.done, self._failed | {besides}
        left = [k for k, name in enumerate(self.album.names) if name not in done and k not in out]
        return most_instructive(left, self._outlooks, [k for k, name in enumerate(self.album.names) if name in done])

    def look_ahead(self, *, most: int = 100, progress: Progress = _silent, cancelled: Callable[[], bool] = bool) -> int:
        """Embed photos, and estimate what each would teach; returns how many are known.

        Args:
            most: Number of photos to look at, so that a large folder does not take hours.
            progress: Called with what is being done and the share that is done.
            cancelled: Called before every photo; once it returns true, the rest is left out.
        """
        wanted = [index for index in range(len(self.album.images)) if index not in self._outlooks][:most]
        for number, index in enumerate(wanted):
            if cancelled():
                break
            progress("Looking at photos", number / len(wanted))
            try:
                rgb = SourceImage(self.album.images[index]).rgb
                self._outlooks[index] = outlook(self.base.embed(rgb), self.base)
            except SamWidgetError:  # reported when the photo is opened
                self._failed.add(index)
        return len(self._outlooks)

    # ------------------------------------------------------------------------------------------------ one photo

    def open(self, photo: int | str | Path) -> Session:
        """Open the session of a photo, with the model in use; its masks are written down until it is closed.

        Raises:
            ImageError: The photo cannot be read.
            SessionError: Its session file is damaged, or open elsewhere.
        """
        index = self.album.find(photo)
        if index in self._trackers:
            return self._trackers[index].session
        file = self.album.session_path(index)
        file.parent.mkdir(parents=True, exist_ok=True)
        session = Session(self.album.images[index], model=self.predictor, autosave=file, keep_image=False)
        self.watch(index, session)
        return session

    def watch(self, index: int, session: Session) -> Tracker:
        """Write down the masks of a session that is open already."""
        name = self.album.names[index]
        with self._lock:
            if (old := self._trackers.get(index)) is not None:
                if old.session is session:
                    return old
                old.close()
            self._trackers[index] = Tracker(
                session,
                name,
                self._journal,
                stage=lambda: self.stage,
                who=self.who,
                clock=self._clock,
                told=lambda before, after: self._check.corrected(name, before, after),
            )
            return self._trackers[index]

    def leave(self, photo: int | str | Path, *, close: bool = True) -> None:
        """Stop watching a photo, and close its session."""
        index = self.album.find(photo)
        with self._lock:
            tracker = self._trackers.pop(index, None)
        if tracker is not None:
            tracker.close()
            if close:
                tracker.session.close()

    def seconds(self, index: int) -> float | None:
        """Return how long the current mask of an open photo has taken so far."""
        tracker = self._trackers.get(index)
        return None if tracker is None else tracker.seconds

    @contextlib.contextmanager
    def _opened(self, index: int) -> Any:
        """Use a session that is open, or open it for a moment."""
        if index in self._trackers:
            yield self._trackers[index].session
            return
        session = self.open(index)
        try:
            yield session
        finally:
            self.leave(index)

    # ------------------------------------------------------------------------------------------------ rounds

    def taught(self) -> list[TaughtPhoto]:
        """Return what the model is taught: what people accepted, and pre-filled masks that they left there."""
        done, photos = self.done, []
        entries = self._journal.masks()
        unseen = {(entry.photo, entry.object) for entry in entries if entry.automatic and entry.photo not in done}
        for index, name in enumerate(self.album.names):
            if index in self._trackers:
                session = self._trackers[index].session
                photo, objects = photo_of(session, name), session.objects
            elif self.album.session_path(index).is_file():
                photo, objects = photo_in_file(self.album.session_path(index), name)
            else:
                continue
            seen = [(name, item.id) not in unseen for item in objects if item.area]
            masks = tuple(mask for mask, kept in zip(photo.masks, seen, strict=True) if kept)
            if masks:
                image = self.album.images[index]
                photos.append(TaughtPhoto(name, _reader(image), masks))
        return photos

    @property
    def round_due(self) -> bool:
        """Whether enough photos are done for another round."""
        last = self._journal.fact("taught photos")
        done = len(self.done)
        return done >= max(LEAST_PHOTOS + 1, 0 if last is None else GROWTH * int(last))

    def round(
        self,
        *,
        budget_s: float = 30.0,
        kind: Kind = "decoder",
        on_cpu: bool = False,
        steps: int | None = None,
        seed: int = 0,
        progress: Progress = _silent,
        cancelled: Callable[[], bool] = bool,
    ) -> Round:
        """Tune the base on everything that is accepted so far, and use the result if it is better than the base.

        Args:
            budget_s: See `tune`.
            kind: See `tune`.
            on_cpu: See `tune`.
            steps: See `tune`.
            seed: See `tune`.
            progress: Called with what is being done and the share that is done.
            cancelled: Called often; once it returns true, the round ends without a result.
        """
        photos = self.taught()
        result = tuning_round(
            self.base,
            photos,
            budget_s=budget_s,
            kind=kind,
            on_cpu=on_cpu,
            steps=steps,
            seed=seed,
            progress=progress,
            cancelled=cancelled,
        )
        if cancelled():
            return result
        number = len(self._journal.rounds()) + 1
        file = None
        if result.model is not None:
            file = f"round-{number}.safetensors"
            result.model.save(self.home / file)
        figures = {} if result.figures is None else asdict(result.figures)
        entry = RoundEntry(
            number,
            self.stage,
            result.model is not None,
            result.reason,
            figures,
            file,
            None if result.model is None else result.model.weights_id,
        )
        self._journal.keep_round(entry)
        self._journal.keep_fact("taught photos", str(len(self.done)))
        if result.model is not None:
            with self._lock:
                self._current = self._with(result.model)
        return result

    # ------------------------------------------------------------------------------------------------ stage 2 and 3

    def acceptance(self, *, progress: Progress = _silent, cancelled: Callable[[], bool] = bool) -> Acceptance | None:
        """Learn which masks of everything mode are accepted, from the photos that are done; None if they are too few.

        The result is kept until the model changes, or many more photos are done.
        """
        done = sorted(self.done)
        weights = self.predictor.model.weights_id
        if self._acceptance is not None and self._acceptance[0] == weights and len(done) < GROWTH * self._acceptance[1]:
            return self._acceptance[2]
        if len(done) < LEAST_PHOTOS:
            return None
        wanted = done[:JUDGED_PHOTOS]
        judged = []
        for number, name in enumerate(wanted):
            if cancelled():
                return None
            progress("Learning what you accept", number / len(wanted))
            index = self.album.find(name)
            if objects := self._objects(index):
                judged.append(self._judged(index, objects))
        learned = learn(judged)
        self._acceptance = weights, len(done), learned
        return learned

    def _judged(self, index: int, objects: tuple[SegmentedObject, ...]) -> Judged:
        """Return the masks of everything mode of a photo and which of them agree with its objects."""
        key = index, self.predictor.model.weights_id, tuple(item.id for item in objects)
        if key not in self._judgements:
            rgb = SourceImage(self.album.images[index]).rgb
            records, features = find_masks(rgb, self.predictor, self.points_per_side)
            self._judgements[key] = Judged(features, judged_by(records, [item.stored for item in objects]))
        return self._judgements[key]

    @property
    def learned(self) -> Acceptance | None:
        """What is known of which masks are accepted, without computing anything; see `acceptance`."""
        return None if self._acceptance is None else self._acceptance[2]

    @property
    def filled(self) -> frozenset[str]:
        """Names of the photos that were pre-filled."""
        return frozenset(self._journal.filled())

    @property
    def segmented(self) -> frozenset[str]:
        """Names of the photos that stage 3 has segmented."""
        return frozenset(name for name, (stage, _) in self._journal.filled().items() if stage == 3)

    def prefill(
        self,
        photo: int | str | Path,
        *,
        crops: int = 0,
        progress: Progress = _silent,
        cancelled: Callable[[], bool] = bool,
        edit: Edit = lambda change: change(),
    ) -> int:
        """Add the masks of everything mode that would be accepted with a probability of 0.9 or more.

        Masks that duplicate an object are left out. Returns how many were added, in one undoable edit.

        Args:
            photo: Index, name or path of the photo.
            crops: Layers of crops; see `segment_everything`.
            progress: Called with what is being done and the share that is done.
            cancelled: Called often; once it returns true, nothing is added.
            edit: Calls a function that changes the session, and returns its result. The function is fast; everything
                slow is done before, in this thread.

        Raises:
            SessionError: It is not known yet what is accepted.
        """
        index = self.album.find(photo)
        learned = self.acceptance(progress=progress, cancelled=cancelled)
        if cancelled():
            return 0
        if learned is None:
            raise SessionError(
                f"it is not known yet which masks you accept; mark at least {LEAST_PHOTOS} photos as done, with masks"
            )
        rgb = SourceImage(self.album.images[index]).rgb
        records, features = find_masks(rgb, self.predictor, self.points_per_side, crops=crops)
        probability = learned.probability(features)
        return 0 if cancelled() else edit(lambda: self._fill(index, records, probability))

    def _fill(self, index: int, records: list[MaskRecord], probability: np.ndarray) -> int:
        """Add masks to the session of a photo, with their provenance; returns how many."""
        stage = max(self.stage, 2)
        with self._opened(index) as session:
            chosen = choose(records, probability, session.objects)
            label = self._label()
            added: tuple[SegmentedObject, ...] = ()
            if chosen:
                found = [annotation_of(records[k], label(session, number)) for number, k in enumerate(chosen)]
                model, name = self.predictor.model.weights_id, self.album.names[index]

                def entry(item: SegmentedObject, number: int) -> MaskEntry:
                    worth = float(probability[chosen[number]])
                    return MaskEntry(name, item.id, stage, model, None, None, "", "{}", worth, automatic=True)

                added = self._trackers[index].fill(lambda: session.add_objects(found), entry)
            self._journal.keep_filled(self.album.names[index], stage, self.predictor.model.weights_id)
        return len(added)

    def automatic(
        self,
        *,
        crops: int = 1,
        progress: Progress = _silent,
        cancelled: Callable[[], bool] = bool,
        edit: Edit = lambda change: change(),
    ) -> BatchReport:
        """Stage 3: find masks in all photos that are not done, on a grid and on crops; may be run again to continue.

        Args:
            crops: Layers of crops; see `segment_everything`.
            progress: Called with what is being done and the share that is done.
            cancelled: Called before every photo; once it returns true, the rest is left out.
            edit: See `prefill`.
        """
        from sam_widget.folders.batch import BatchReport, Failure

        if self.acceptance(progress=progress, cancelled=cancelled) is None and cancelled():
            return BatchReport((), (), ())
        self.stage = 3
        weights = self.predictor.model.weights_id
        filled, done = self._journal.filled(), self.done
        wanted = [k for k, name in enumerate(self.album.names) if name not in done]
        made, skipped, failed = [], [], []
        for number, index in enumerate(wanted):
            if cancelled():
                break
            progress("Segmenting photos", number / len(wanted))
            path, name = self.album.images[index], self.album.names[index]
            if filled.get(name) == (3, weights):
                skipped.append(path)
                continue
            try:
                self.prefill(index, crops=crops, cancelled=cancelled, edit=edit)
                if cancelled():
                    break
                made.append(path)
            except SamWidgetError as error:
                failed.append(Failure(path, str(error)))
        return BatchReport(tuple(made), tuple(skipped), tuple(failed))

    def _objects(self, index: int) -> tuple[SegmentedObject, ...]:
        from sam_widget.session.file.reader import Record

        if index in self._trackers:
            return self._trackers[index].session.objects
        path = self.album.session_path(index)
        return Record.read(path).objects if path.is_file() else ()

    def _label(self) -> Callable[[Session, int], str]:
        """Return what names pre-filled objects: the folder's label if it has only one, else "object 1", ..."""
        labels = Counter(item.label for name in self.done for item in self._objects(self.album.names.index(name)))
        common, count = labels.most_common(1)[0] if labels else ("", 0)
        if common and count > 0.9 * labels.total() and count > 1:
            return lambda _session, _number: common
        return lambda session, number: f"object {len(session.objects) + number + 1}"

    # ------------------------------------------------------------------------------------------------ blind check

    @property
    def unseen(self) -> list[tuple[str, str]]:
        """Pre-filled masks that can be checked, as photo and object: of stage 3, or of photos that are not done."""
        done = self.done
        return [
            (entry.photo, entry.object)
            for entry in self._journal.masks()
            if entry.automatic and not entry.gone and (entry.stage == 3 or entry.photo not in done)
        ]

    def start_check(self, count: int = CHECKED, *, seed: int = 0) -> int:
        """Draw pre-filled masks at random, to be corrected; returns how many there are.

        Raises:
            SessionError: There are none.
        """
        return self._check.start(self.unseen, lambda photo: self._objects(self.album.find(photo)), count, seed=seed)

    def next_check(self) -> tuple[int, int, str] | None:
        """Return the next mask to check: its number, the index of its photo, and its id; None if none is left."""
        for number, photo, one in self._check.left():
            if photo in self.album.names:
                return number, self.album.names.index(photo), one
        return None

    def confirm(self, number: int) -> None:
        """Say that a mask of the check is right as it is."""
        self._check.judge(number, 1.0)

    def judge(self, number: int, agreed: float) -> None:
        """Say how well a mask of the check agrees with its correction: an IoU between 0 and 1.

        Raises:
            SessionError: It is not between 0 and 1.
        """
        self._check.judge(number, agreed)

    @property
    def agreement(self) -> Agreement | None:
        """What the blind check has shown so far; None before it."""
        return self._check.agreement

    # ------------------------------------------------------------------------------------------------ the whole

    def report(self) -> EngineReport:
        """Return what was done so far, next to the figures of the paper."""
        entries, done = self._journal.masks(), self.done
        return EngineReport(
            len(self.album.images),
            len(done),
            stage_figures(entries, done),
            tuple(self._journal.rounds()),
            self.agreement,
            tuple(entries),
        )

    @property
    def advice(self) -> str:
        """What to do next, in a sentence or two."""
        kept = self.learned
        rounds, agreement = self._journal.rounds(), self.agreement
        return advice(
            Situation(
                stage=self.stage,
                photos=len(self.album.images),
                done=len(self.done),
                rounds=len(rounds),
                adopted=any(entry.adopted for entry in rounds),
                due=self.round_due,
                expected=None if kept is None else kept.expected,
                filled=len([1 for stage, _ in self._journal.filled().values() if stage == self.stage]),
                checked=None if agreement is None else (len(agreement.ious), agreement.wanted),
            )
        )

    def close(self) -> None:
        """Close all sessions and the journal."""
        self.closed = True
        for index in list(self._trackers):
            self.leave(index)
        if self._mine.get(self.home.resolve()) is self:
            del self._mine[self.home.resolve()]
        self._journal.close()
        self._file_lock.release()


def _reader(image: Path) -> Callable[[], np.ndarray]:
    return lambda: SourceImage(image).rgb
