"""The session of one image: the prompt, its candidates, the accepted objects, and undo.

The session is the single source of state. A `SamWidget` displays it, and every gesture in a view is a method call on
it; without a browser, the same calls work in a script. This file is longer than most, because it has one method per
verb and little else. The verbs are implemented in `edits` (the current prompt), `objects` (accepted objects),
`everything` and `file.recorder`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sam_widget.errors import ModelError, PromptError, SessionError, door
from sam_widget.image.addresses import without_secrets
from sam_widget.image.rendering import Rendering, SourceImage
from sam_widget.masks.annotations import annotations_of
from sam_widget.model.names import default_model, is_served
from sam_widget.predictor.interface import Embedding, ModelLike, Predictor, Progress, predictor_of, reached
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.session import crops, objects
from sam_widget.session.decoding import PromptDecoder
from sam_widget.session.edits import PromptEdits
from sam_widget.session.everything import EverythingRun, Running, UnderWay, begin
from sam_widget.session.found import Found
from sam_widget.session.history import History
from sam_widget.session.remote import remote
from sam_widget.session.searching import Searching
from sam_widget.session.standing_in import StandInDecoder
from sam_widget.session.state import Answer, Candidate, SegmentedObject, SessionState

if TYPE_CHECKING:
    from sam_widget.automatic.automatic import EverythingStep
    from sam_widget.automatic.finding.finder import Finder
    from sam_widget.session.file.reader import Record
    from sam_widget.session.file.recorder import Recorder

__all__ = ["Candidate", "SegmentedObject", "Session", "SessionState", "predictor_of"]


class Session(PromptEdits):
    """One image and one model, without a browser.

    Methods may be called from any thread: edits are serialised, and reading never blocks. An edit that raises changes
    nothing.
    """

    @door
    def __init__(
        self,
        image: Any,
        *,
        model: ModelLike | None = None,
        progress: Progress | None = None,
        autosave: str | Path | None = None,
        keep_image: bool = True,
    ) -> None:
        """Open an image.

        Args:
            image: Anything that `to_rgb` reads: path, URL, bytes, PIL image, array, tensor; arrays with any number of
                channels; or a `SourceImage`.
            model: A name or checkpoint path (loaded once per process), a loaded model, a predictor, or the address of
                a server. If that does not answer yet, prompts ask it again; see `stand_in`. None for the server of
                $SAM_WIDGET_SERVER, if it is set, and else for "tiny".
            progress: Called with the bytes done and the total while a named model's weights are downloaded.
            autosave: A session file, such as "truck.sam". If it exists, its session is restored, including history.
                Every later edit is on disk when its method returns.
            keep_image: Embed the image in a new session file, so that it opens without the photo.

        Raises:
            ImageError: The image cannot be read.
            ModelError: The model cannot be loaded.
            SessionError: The session file is open in another kernel, damaged, or belongs to another image.
        """
        model = default_model() if model is None else model
        self.source = image if isinstance(image, SourceImage) else SourceImage(image)
        self.image: np.ndarray = self.source.rgb
        self.image_hash = self.source.hash
        # Name of the image in exported files; None if it has no name.
        self.image_name = self.source.name
        self._model_given = str(model) if isinstance(model, str | Path) else None
        if is_served(self._model_given):
            self._model_given = without_secrets(str(model))  # It is stored and shown.
        predictor = predictor_of(model, progress=progress, later=True)
        super().__init__(History(self._save), PromptDecoder(self.source, predictor), predictor, self.source.size)
        # Created with the first file, because SQLite and locks are not needed before.
        self._recorder: Recorder | None = None
        self._running = Running()
        # Searches by words and examples.
        self.searching = Searching(self, self._history, self._running)
        if autosave is not None:
            from sam_widget.session.file.recorder import claim_record

            record = claim_record(autosave, self.source)
            try:
                self.resume(record, keep_image=keep_image)
            except BaseException:
                record.close()
                raise

    def __repr__(self) -> str:
        """Return one line: image, model, prompt, objects, file."""
        name, (width, height), now = self.source.reference.name, self.size, self.state
        count = f"{len(now.objects)} object{'' if len(now.objects) == 1 else 's'}"
        file = "" if self.autosave is None else f", autosave {self.autosave.name!r}"
        return (
            f"Session({name!r}, {width} x {height}, model {self.predictor.model.name!r}, {count}, "
            f"{len(now.candidates)} candidates{file})"
        )

    # ------------------------------------------------------------------------------------------------ reading

    @property
    def objects(self) -> tuple[SegmentedObject, ...]:
        """The accepted objects, oldest first."""
        return self.state.objects

    @property
    def embedding(self) -> Embedding:
        """The embedding of the image with the current rendering, computed on first access."""
        with self._history.editing:
            return self._decoder.whole(self.state.rendering)

    @property
    def answering(self) -> tuple[Predictor, Embedding]:
        """The predictor that answers at present, and its embedding of the image: of the stand-in, if there is one."""
        return self._decoder.answering(self.state.rendering)

    @property
    def model_name(self) -> str:
        """The argument of `load_model` for the model: its name, or the path of a checkpoint."""
        return self._model_given or self.predictor.model.name

    # ------------------------------------------------------------------------------------------------ history

    @property
    def timeline(self) -> tuple[SessionState, ...]:
        """All states in order, past, current and redoable; `state` is the one at index `position`."""
        return self._history.timeline

    @property
    def position(self) -> int:
        """The number of edits that can be undone."""
        return self._history.position

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to undo."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is anything to redo."""
        return self._history.can_redo

    @remote()
    def undo(self) -> None:
        """Undo the last edit.

        Raises:
            SessionError: There is nothing to undo.
        """
        self._history.undo()

    @remote()
    def redo(self) -> None:
        """Redo the edit that was undone last.

        Raises:
            SessionError: There is nothing to redo.
        """
        self._history.redo()

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every edit, in the editing thread. Returns a function that unsubscribes it."""
        return self._history.on_change(listener)

    # ------------------------------------------------------------------------------------------------ what is seen

    def set_rendering(self, rendering: Rendering) -> tuple[Candidate, ...]:
        """Change the rendering of the image that the model sees. Returns the prompt's new candidates.

        Args:
            rendering: Channels, black, white and gamma; `Rendering()` for the default.

        Raises:
            ImageError: The rendering is invalid for this image.
        """
        with self._history.editing:
            before = self.state
            rendering = self.source.check(rendering)
            if rendering != before.rendering:
                self._history.change(self.preview(before.prompt, state=replace(before, rendering=rendering)))
            return self.candidates

    def render(self, rendering: Rendering) -> tuple[Candidate, ...]:
        """Alias of `set_rendering` for older scripts."""
        return self.set_rendering(rendering)

    def sharpen(
        self, region: Box | Sequence[float] | None, *, margin: float = crops.MARGIN, later: bool = False
    ) -> tuple[Candidate, ...]:
        """Embed a crop of the image separately, at full resolution, to decode the prompts inside it.

        This segments a small thing in a large photo in more detail, with edges at the photo's resolution. Prompts that
        lie partly outside are decoded on the whole image; `decoding` describes how masks continue outside the crop. The
        current prompt is decoded again if it lies inside the crop.

        Args:
            region: x0, y0, x1, y1, in pixels of the image; None for the whole image.
            margin: Margin of the crop on each side, as a fraction of the region's longer side. With a margin, the crop
                is square if the image has room, and large enough for the model; with 0 it is the region, extended to
                whole pixels.
            later: Affect only future prompts: the current mask is kept, and no undoable edit is made.

        Returns:
            The prompt's candidates.

        Raises:
            PromptError: The region is malformed, outside the image, too small, or as large as the image.
        """
        crop = None
        if region is not None:
            side = self.predictor.config.image_size
            crop = crops.around(_box(region), self.size, margin=margin, model_side=side)
            # Outside the lock, so that other edits do not wait for the encoder.
            self._decoder.prepare(self.state.rendering, crop)
        with self._history.editing:
            before, moved = self.state, replace(self.state, crop=crop)
            answered = None if before.chosen is None else before.chosen.crop
            holds = crop is None or crops.holds(crop, before.prompt)
            if not later and holds and answered != crop and not before.prompt.is_empty:
                self._history.change(self._answered_again(moved))
            elif crop != before.crop and not later:
                self._history.change(moved)
            elif crop != before.crop:
                self._history.amend(moved)
            return self.candidates

    def _answered_again(self, state: SessionState) -> SessionState:
        """Return a state with its prompt decoded again; a candidate chosen by hand remains chosen."""
        scores, answer = [candidate.score or 0.0 for candidate in state.candidates], state.candidates[0].answer
        best = answer.best if isinstance(answer, Answer) else int(np.argmax(scores))
        by_hand = state.chosen_index if len(scores) > 1 and state.chosen_index != best else None
        after = self.preview(state.prompt, state=state)
        return after if by_hand is None else replace(after, chosen_index=by_hand)

    # ------------------------------------------------------------------------------------------------ servers

    def stand_in(self, model: ModelLike, told: Callable[[str | None], object]) -> None:
        """Let another model answer while the server of this session's model does not, or is busy.

        Without a stand-in, prompts wait, and raise if the server does not answer.

        Args:
            model: The other model. It is loaded when it is first needed.
            told: Called in any thread with the reason, once the stand-in has to answer, and with None once the server
                has the image again: call `answer_again` then.
        """
        with self._history.editing:
            self._decoder.close()
            self._decoder = StandInDecoder(self.source, self._predictor, lambda: predictor_of(model), told=told)
            self._decoded = None

    def answer_again(self) -> None:
        """Decode the current prompt again with the session's own model, if a stand-in answered it.

        This is not an edit: nothing is added to the history, and accepted objects do not change.
        """
        with self._history.editing:
            self._decoded = None
            state = self.state
            own, answers = self.predictor.model.weights_id, [candidate.answer for candidate in state.candidates]
            if answers and all(isinstance(answer, Answer) and answer.weights != own for answer in answers):
                self._history.amend(self._answered_again(state))

    # ------------------------------------------------------------------------------------------------ objects

    @remote()
    def accept(self, label: str | None = None) -> SegmentedObject:
        """Turn the chosen candidate into an object; the default labels are "object 1", "object 2", ...

        If an object is being edited, it is replaced, and keeps its label unless another one is given.

        Raises:
            SessionError: No candidate is chosen, or its mask is empty.
        """
        with self._history.editing:
            state, accepted = objects.accept(self.state, label)
            self._history.change(state)
            return accepted

    def add_objects(self, masks: Any, *, labels: Sequence[str] | str | None = None) -> tuple[SegmentedObject, ...]:
        """Add objects from another source, in one undoable edit.

        Args:
            masks: The result of `load_masks` or `segment_everything`, `supervision.Detections`, another session's
                objects, a label map (H, W), masks (H, W) or (N, H, W) bool; see `annotations_of`.
            labels: One for all, or one each. By default they keep their labels, or become "object 1", "object 2", ...

        Returns:
            The new objects, in the same order; those without a score keep none.

        Raises:
            MaskError: The source contains no masks, or one is empty.
            SessionError: The masks have another size than the image.
        """
        found = annotations_of(masks, labels=labels)
        width, height = self.size
        if found and found[0].stored.shape != (height, width):
            rows, columns = found[0].stored.shape
            raise SessionError(
                f"the masks are {columns} x {rows} pixels, but the image is {width} x {height}; give this image's masks"
            )
        with self._history.editing:
            state, added = objects.add(self.state, found)
            if added:
                self._history.change(state)
            return added

    def rename(self, object_id: str, label: str) -> SegmentedObject:
        """Change the label of an object.

        Raises:
            SessionError: The object does not exist, or the label is blank.
        """
        return self.relabel([object_id], label)[0]

    @remote("rename")
    def relabel(self, object_ids: Sequence[str], label: str) -> tuple[SegmentedObject, ...]:
        """Give several objects the same label, in one edit. Returns them, in the order of the ids.

        Raises:
            SessionError: An object does not exist, or the label is blank.
        """
        with self._history.editing:
            state, relabeled = objects.relabel(self.state, object_ids, label)
            if relabeled:
                self._history.change(state)
            return relabeled

    @remote()
    def recolor(self, object_id: str, color: int) -> SegmentedObject:
        """Change an object's colour to an index of the palette, counted from 0; it wraps around at the end.

        Raises:
            SessionError: The object does not exist, or the colour is not an integer of 0 or more.
        """
        with self._history.editing:
            state, recolored = objects.recolor(self.state, object_id, color)
            self._history.change(state)
            return recolored

    @remote()
    def remove(self, *object_ids: str) -> None:
        """Remove objects, in one edit.

        Raises:
            SessionError: The object does not exist.
        """
        with self._history.editing:
            if object_ids:
                self._history.change(objects.remove(self.state, object_ids))

    def keep(self, *object_ids: str) -> None:
        """Remove all other objects, in one edit.

        Raises:
            SessionError: The object does not exist.
        """
        with self._history.editing:
            wanted = [objects.find(self.state, object_id) for object_id in object_ids]
            self.remove(*(item.id for item in self.objects if item not in wanted))

    @remote()
    def edit(self, object_id: str) -> SegmentedObject:
        """Reopen an accepted object for editing, with its prompt, mask and strokes; `accept` replaces it.

        Raises:
            SessionError: The object does not exist.
        """
        with self._history.editing:
            state, taken = objects.take_up(self.state, object_id)
            self._history.change(state)
            return taken

    @remote()
    def merge(self, object_ids: Sequence[str], label: str | None = None) -> SegmentedObject:
        """Merge objects into the first of them, which keeps its label unless another one is given.

        Raises:
            SessionError: An object does not exist, or there are fewer than two.
        """
        with self._history.editing:
            state, merged = objects.merge(self.state, object_ids, label)
            self._history.change(state)
            return merged

    @remote()
    def subtract(self, object_id: str, other_id: str) -> SegmentedObject:
        """Subtract another object's mask from an object; the other object does not change.

        Raises:
            SessionError: An object does not exist, both are the same, or nothing would remain.
        """
        with self._history.editing:
            state, left = objects.subtract(self.state, object_id, other_id)
            self._history.change(state)
            return left

    # ------------------------------------------------------------------------------------------------ everything

    @property
    def under_way(self) -> UnderWay | None:
        """The progress of `everything` or `find`; None if neither is running."""
        return self._running.state

    @door
    def everything(
        self,
        *,
        words: str | Sequence[str] | None = None,
        progress: Callable[[EverythingStep], object] | None = None,
        cancelled: Callable[[], bool] | None = None,
        **options: Any,
    ) -> tuple[SegmentedObject, ...]:
        """Segment everything in the image and add the masks as objects, in one undoable edit.

        Skips masks that duplicate an existing object. Meanwhile, other threads may edit, and `cancel` it; `under_way`
        has the masks found so far, which every view shows.

        Args:
            words: Add only what these words describe, labelled with them, as in `everything(words="leaf")`. The other
                arguments are not used then; see `find`.
            progress: Called after every batch of points; see `iter_everything`.
            cancelled: Called after every batch; once it returns true, the run stops and keeps the masks found so far.
            **options: Options of `segment_everything`, except `output_mode`.

        Returns:
            The new objects.

        Raises:
            PromptError: An option is unknown or out of range.
            SessionError: It is already running.
        """
        if words is not None:
            return self.searching.everything(words)
        run = self.begin_everything(**options)
        try:
            while run.advance():
                if progress is not None and run.step is not None:
                    progress(run.step)
                if cancelled is not None and cancelled():
                    run.stop()
        except BaseException:
            run.end(keep=False)
            raise
        return run.state.objects

    @door
    def begin_everything(self, **options: Any) -> EverythingRun:
        """Start a run of `everything` that is advanced step by step.

        Raises:
            PromptError: An option is unknown or out of range.
            SessionError: It is already running.
        """
        predictor = reached(self._predictor)
        with self._history.editing:
            self._running.check_idle()
            image = self.source.render(self.state.rendering)
            run = self._running.run = begin(self._history, predictor, image, **options)
            self._history.notify()
            return run

    def cancel(self) -> None:
        """Stop `everything` or `find` after the current batch; what everything mode found is kept, as one edit.

        Has no effect if neither is running. Does not block.
        """
        if self._running.run is not None:
            self._running.run.stop()

    # ------------------------------------------------------------------------------------------------ finding

    @property
    def search(self) -> Found | None:
        """The search that is shown; None if there is none."""
        return self.searching.found

    @door
    def find(
        self,
        *words: str | Sequence[str],
        like: Any = None,
        not_like: Any = None,
        model: str | Finder | None = None,
        threshold: float | None = None,
        limit: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Found:
        """Find what words or examples describe: the paper's text prompts. An undoable edit that adds no objects yet.

        The embedded finder knows the 1,000 classes of ImageNet, their hypernyms ("dog", "vehicle"), colours ("red cup")
        and places ("left", "largest"), in English and Traditional Chinese. The first search on an image segments it
        once, later ones take milliseconds.

        Args:
            *words: Phrases. Each instance gets the one that fits it best.
            like: Examples: an index into `objects`, counted from 0, an object or its id, a mask (H, W) bool, or several
                of these. With words, instances must fit both.
            not_like: Counter-examples; what resembles them more than the examples is not found.
            model: Name of another finder, such as "facebook/sam3", or a `Finder`; None for the session's own
                model if it finds words, as SAM 3 does, and otherwise for the embedded finder.
            threshold: Score from which an instance counts as found, between 0 and 1; None for the finder's own.
            limit: The most instances that count as found.
            progress: Called with the number of steps done and the total, while the image is encoded.

        Returns:
            The instances at or above the threshold, best first; its methods accept, refuse and refine them.

        Raises:
            PromptError: There is nothing to find, words are not in the vocabulary, or an argument is malformed.
            SessionError: An example names no object, another search is running, or this one was cancelled.
            ModelError: The finder cannot be loaded, or the predictor cannot segment everything.
        """
        options = {"model": model, "threshold": threshold, "limit": limit}
        return self.searching.find(*words, like=like, not_like=not_like, progress=progress, **options)

    # ------------------------------------------------------------------------------------------------ files

    @property
    def autosave(self) -> Path | None:
        """The session file to which every edit is written, or None."""
        return None if self._recorder is None else self._recorder.path

    @classmethod
    @door
    def load(
        cls,
        path: str | Path,
        *,
        image: Any = None,
        model: ModelLike | None = None,
        autosave: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Open a saved session: objects, prompt, candidates, and the whole history.

        Args:
            path: Path of the file. It is not modified, unless `autosave` is the same path.
            image: The image, if it is neither in the file nor at its original path.
            model: The model to use from now on; by default the one that was used last.
            autosave: File to which every later edit is written; the same path continues the same file.
            progress: See `Session`.

        Raises:
            SessionError: The file does not exist, is damaged, of a newer version or open in another kernel, or its
                image cannot be found or is a different one.
            ImageError: The image cannot be read.
            ModelError: The model cannot be loaded.
        """
        from sam_widget.session.file.recorder import open_record

        record = open_record(path, autosave=autosave)
        try:
            source = record.image(image)
            to_load = record.model_to_load() if model is None else model
            try:
                session = cls(source, model=to_load, progress=progress)
            except ModelError as error:
                if model is not None:
                    raise
                raise ModelError(
                    f"{record.path.name} was made with the model {record.model!r}, which cannot be loaded ({error}); "
                    "give another one: load(path, model=...)"
                ) from error
            session.resume(record, autosave=autosave)
        except BaseException:
            record.close()
            raise
        return session

    def save(self, path: str | Path, *, keep_image: bool = True, overwrite: bool = False) -> None:
        """Write everything to one file: objects, prompt, candidates, and the whole history.

        Args:
            path: Path of the file, such as "truck.sam".
            keep_image: Embed the image in the file, as PNG; otherwise the file only records its hash and origin.
            overwrite: Replace the file of another session, or a file that was changed elsewhere in the meantime.

        Raises:
            SessionError: The path is another file, the file is open in another kernel, or it cannot be written.
        """
        with self._history.editing:
            recorder = self._recording()
            recorder.save(path, self.timeline, self.position, keep_image=keep_image, overwrite=overwrite)

    def close(self) -> None:
        """End `everything`, keeping the masks found so far, and close the session file, if there is one.

        Afterwards, edits of a session with a file raise; everything can still be read.
        """
        if self._running.run is not None:
            self._running.run.end()
        self._decoder.close()
        if self._recorder is not None:
            self._recorder.close()

    def export(self, target: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> Any:  # noqa: A002
        """Write the objects to a file or folder, or convert them to another library's type: `export("cat.json")`.

        The format is determined by the suffix, or given by name; see `sam_widget.export.export`.

        Raises:
            FormatError: The format does not exist, or cannot represent the objects.
            MissingExtraError: A library that the format requires is not installed.
        """
        from sam_widget.export import export

        return export(self, target, format=format, **options)

    def to_code(self, *, image: str | None = None, model: str | None = None) -> str:
        """Return Python code that recreates the current state: a session `s` with its objects, prompt and candidates.

        Objects that no prompt to this model yields, such as merged or imported ones, are written as masks. An image
        that was given as an array is embedded in the code, unless it is one of the samples.

        Args:
            image: Path or address to write instead of the image's origin.
            model: Model name or path to write instead of the session's.

        Raises:
            SessionError: The image is too large to be embedded in the code.
        """
        from sam_widget.session.to_code import to_code

        return to_code(self, image=image, model=model)

    def maker_of(self, item: SegmentedObject) -> str | None:
        """Return the weights that predicted an object's mask, if they are not this session's own."""
        answer = None if item.candidate is None else item.candidate.answer
        if isinstance(answer, Answer):
            return None if answer.weights == self.predictor.model.weights_id else answer.weights
        return None if self._recorder is None else self._recorder.maker_of(item)

    def resume(self, record: Record, *, autosave: str | Path | None = None, keep_image: bool = True) -> None:
        """Continue a recorded session, in its file if that is writable; the image must have been checked.

        Raises:
            SessionError: The record is damaged, or the path to save to is another file.
        """
        with self._history.editing:
            states, position = self._recording().resume(
                record, recall=self._recalled, autosave=autosave, keep_image=keep_image
            )
            self._history.restore(states, position)

    def _recalled(self, answer: Answer) -> np.ndarray | None:
        return self._decoder.logits(answer)

    def _recording(self) -> Recorder:
        from sam_widget.session.file.recorder import Recorder

        if self._recorder is None:
            self._recorder = Recorder(self.source, self._predictor.model, self._model_given)
        return self._recorder

    def _save(self, new: Sequence[SessionState], start: int, position: int) -> None:
        if self._recorder is not None:
            self._recorder.write(new, start, position)


def _box(region: Box | Sequence[float]) -> Box:
    if isinstance(region, Box):
        return region
    box = Prompt.from_arrays(box=region).boxes
    if len(box) != 1:
        raise PromptError(f"the region is {region!r}, expected four numbers: x0, y0, x1, y1")
    return box[0]
