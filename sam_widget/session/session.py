"""What was done with one image: the prompt, its candidates, the accepted objects, and how to take it back.

The session is the one state. A `SamWidget` shows it, and every gesture in a view is a method call on it; without a
browser the same calls make a script. The file is longer than most: it holds one method a verb, and little else. What
the verbs do is in `edits` (the object in work), `objects` (accepted ones), `everything` and `file.recorder`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sam_widget.errors import ModelError, PromptError, SessionError
from sam_widget.image.rendering import Rendering, SourceImage
from sam_widget.masks.annotations import annotations_of
from sam_widget.predictor.interface import Embedding, ModelLike, Progress, predictor_of
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.session import crops, objects
from sam_widget.session.decoding import PromptDecoder
from sam_widget.session.edits import PromptEdits
from sam_widget.session.everything import EverythingRun, UnderWay, begin
from sam_widget.session.history import History
from sam_widget.session.remote import remote
from sam_widget.session.state import Candidate, SegmentedObject, SessionState

if TYPE_CHECKING:
    from sam_widget.automatic.automatic import EverythingStep
    from sam_widget.session.file.reader import Record
    from sam_widget.session.file.recorder import Recorder

__all__ = ["Candidate", "SegmentedObject", "Session", "SessionState", "predictor_of"]


class Session(PromptEdits):
    """One image and one model, without a browser.

    Methods may be called from any thread: edits happen one after the other, and reading never waits. An edit that
    raises changes nothing.
    """

    def __init__(
        self,
        image: Any,
        *,
        model: ModelLike = "tiny",
        progress: Progress | None = None,
        autosave: str | Path | None = None,
        keep_image: bool = True,
    ) -> None:
        """Open an image.

        Args:
            image: Anything `to_rgb` reads: path, URL, bytes, PIL image, array, tensor; arrays with any number of
                channels; or a `SourceImage`.
            model: A name or checkpoint path (loaded once a process), a loaded model, or a predictor.
            progress: Called with bytes done and bytes in all while a named model's weights are downloaded.
            autosave: A session file, such as "truck.sam". What is in it already comes back, history and all; from then
                on, an edit is on the disk when its method returns.
            keep_image: Put the image into a new session file, so that it opens without the photo.

        Raises:
            ImageError: The image cannot be read.
            ModelError: The model cannot be loaded.
            SessionError: Another kernel is writing the session file, it is damaged, or about another image.
        """
        self.source = image if isinstance(image, SourceImage) else SourceImage(image)
        self.image: np.ndarray = self.source.rgb
        self.image_hash = self.source.hash
        # What exported files call the image; None where it came without a name.
        self.image_name = self.source.name
        self._model_given = str(model) if isinstance(model, str | Path) else None
        predictor = predictor_of(model, progress=progress)
        super().__init__(History(self._save), PromptDecoder(self.source, predictor), predictor, self.source.size)
        # Made with the first file: SQLite and locks are not needed before.
        self._recorder: Recorder | None = None
        self._run: EverythingRun | None = None
        if autosave is not None:
            from sam_widget.session.file.recorder import claim_record

            record = claim_record(autosave, self.source)
            try:
                self.resume(record, keep_image=keep_image)
            except BaseException:
                record.close()
                raise

    def __repr__(self) -> str:
        """One line: image, model, prompt, objects, file."""
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
        """The embedded image, as the model is to see it; the first use embeds it."""
        with self._history.editing:
            return self._decoder.whole(self.state.rendering)

    @property
    def model_name(self) -> str:
        """What loads the model: its name, or the path of a checkpoint."""
        return self._model_given or self.predictor.model.name

    # ------------------------------------------------------------------------------------------------ history

    @property
    def timeline(self) -> tuple[SessionState, ...]:
        """Every state there was, is, and can be redone, in order; `state` is number `position` of them."""
        return self._history.timeline

    @property
    def position(self) -> int:
        """How many edits can be undone."""
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
        """Take back the last edit.

        Raises:
            SessionError: There is none.
        """
        self._history.undo()

    @remote()
    def redo(self) -> None:
        """Make the edit undone last again.

        Raises:
            SessionError: There is none.
        """
        self._history.redo()

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every edit, in the thread that made it. Returns a function that ends this."""
        return self._history.on_change(listener)

    # ------------------------------------------------------------------------------------------------ what is seen

    def set_rendering(self, rendering: Rendering) -> tuple[Candidate, ...]:
        """Let the model see the image differently. Returns the prompt's new candidates.

        Args:
            rendering: Channels, black, white and gamma; `Rendering()` for the usual.

        Raises:
            ImageError: The rendering is not possible for this image.
        """
        with self._history.editing:
            before = self.state
            rendering = self.source.check(rendering)
            if rendering != before.rendering:
                self._history.change(self.preview(before.prompt, state=replace(before, rendering=rendering)))
            return self.candidates

    def render(self, rendering: Rendering) -> tuple[Candidate, ...]:
        """Call `set_rendering`, under the name that older scripts know."""
        return self.set_rendering(rendering)

    def sharpen(
        self, region: Box | Sequence[float] | None, *, margin: float = crops.MARGIN, later: bool = False
    ) -> tuple[Candidate, ...]:
        """Embed a part of the image on its own, at its full resolution, to answer the prompts that lie in it.

        This shows a small thing in a large photo in more detail: its mask has the photo's own edges. Prompts that lie
        partly outside are answered by the image as a whole; `decoding` says how masks continue outside the part. The
        present prompt is answered again if it lies in the part.

        Args:
            region: x0, y0, x1, y1, in pixels of the image; None for the image as a whole.
            margin: How much more is embedded on each side, as a part of the region's longer side. With any, what is
                embedded is square where there is room, and not too small for the model to make sense of; with 0 it is
                the region, out to whole pixels.
            later: Only for prompts to come: the mask that stands stays, and there is nothing to undo.

        Returns:
            The prompt's candidates.

        Raises:
            PromptError: The region is malformed, outside the image, too small, or as large as the image.
        """
        crop = None
        if region is not None:
            side = self.predictor.config.image_size
            crop = crops.around(_box(region), self.size, margin=margin, model_side=side)
            # Outside the lock, so that other edits need not wait for the encoder.
            self._decoder.crop(self.state.rendering, crop)
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
        """Return a state with its prompt answered again; a candidate that was chosen by hand is, again."""
        scores = [candidate.score for candidate in state.candidates]
        by_hand = state.chosen_index if len(scores) > 1 and state.chosen_index != np.argmax(scores) else None
        after = self.preview(state.prompt, state=state)
        return after if by_hand is None else replace(after, chosen_index=by_hand)

    # ------------------------------------------------------------------------------------------------ objects

    @remote()
    def accept(self, label: str | None = None) -> SegmentedObject:
        """Turn the chosen candidate into an object; without a label it is called "object 1", "object 2", ...

        While an object is edited, it takes the place of that object, whose label it keeps unless given another.

        Raises:
            SessionError: There is no candidate, or its mask is empty.
        """
        with self._history.editing:
            state, accepted = objects.accept(self.state, label)
            self._history.change(state)
            return accepted

    def add_objects(self, masks: Any, *, labels: Sequence[str] | str | None = None) -> tuple[SegmentedObject, ...]:
        """Add objects that were made elsewhere, in one edit: one undo takes all of them back.

        Args:
            masks: What `load_masks` or `segment_everything` returned, `supervision.Detections`, another session's
                objects, a label map (H, W), masks (H, W) or (N, H, W) bool; see `annotations_of`.
            labels: One for all, or one each; without, they keep theirs, or are called "object 1", "object 2", ...

        Returns:
            The new objects, in the same order; one without a score has 1.

        Raises:
            MaskError: There are no masks to be had from it, or one is empty.
            SessionError: They are of an image of another size.
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
        """Give an object another label.

        Raises:
            SessionError: There is no such object, or the label is blank.
        """
        return self.relabel([object_id], label)[0]

    @remote("rename")
    def relabel(self, object_ids: Sequence[str], label: str) -> tuple[SegmentedObject, ...]:
        """Give several objects one label, in one edit. Returns them, in the order of their ids.

        Raises:
            SessionError: There is no such object, or the label is blank.
        """
        with self._history.editing:
            state, relabeled = objects.relabel(self.state, object_ids, label)
            if relabeled:
                self._history.change(state)
            return relabeled

    @remote()
    def recolor(self, object_id: str, color: int) -> SegmentedObject:
        """Give an object another colour of the palette, counted from 0; beyond its end it starts over.

        Raises:
            SessionError: There is no such object, or the colour is not a number from 0 on.
        """
        with self._history.editing:
            state, recolored = objects.recolor(self.state, object_id, color)
            self._history.change(state)
            return recolored

    @remote()
    def remove(self, *object_ids: str) -> None:
        """Remove objects, in one edit.

        Raises:
            SessionError: There is no such object.
        """
        with self._history.editing:
            if object_ids:
                self._history.change(objects.remove(self.state, object_ids))

    def keep(self, *object_ids: str) -> None:
        """Remove all other objects, in one edit.

        Raises:
            SessionError: There is no such object.
        """
        with self._history.editing:
            wanted = [objects.find(self.state, object_id) for object_id in object_ids]
            self.remove(*(item.id for item in self.objects if item not in wanted))

    @remote()
    def edit(self, object_id: str) -> SegmentedObject:
        """Take up an accepted object again: its prompt, its mask and what was painted come back; `accept` replaces it.

        Raises:
            SessionError: There is no such object.
        """
        with self._history.editing:
            state, taken = objects.take_up(self.state, object_id)
            self._history.change(state)
            return taken

    @remote()
    def merge(self, object_ids: Sequence[str], label: str | None = None) -> SegmentedObject:
        """Unite objects into the first of them, which keeps its label unless given another.

        Raises:
            SessionError: An object does not exist, or there are fewer than two.
        """
        with self._history.editing:
            state, merged = objects.merge(self.state, object_ids, label)
            self._history.change(state)
            return merged

    @remote()
    def subtract(self, object_id: str, other_id: str) -> SegmentedObject:
        """Take from an object what another one covers; the other stays as it is.

        Raises:
            SessionError: There is no such object, the two are one, or nothing would be left.
        """
        with self._history.editing:
            state, left = objects.subtract(self.state, object_id, other_id)
            self._history.change(state)
            return left

    # ------------------------------------------------------------------------------------------------ everything

    @property
    def under_way(self) -> UnderWay | None:
        """How far `everything` is, where it is at work."""
        run = self._run
        return None if run is None or run.over else run.state

    def everything(
        self,
        *,
        progress: Callable[[EverythingStep], object] | None = None,
        cancelled: Callable[[], bool] | None = None,
        **options: Any,
    ) -> tuple[SegmentedObject, ...]:
        """Find everything in the image and add it as objects, in one edit: one undo takes all of them back.

        Skips masks that duplicate an existing object. Other threads may edit meanwhile, and `cancel`;
        `under_way` has the masks found so far, which every view shows.

        Args:
            progress: Called after every batch of points; see `iter_everything`.
            cancelled: Asked after every batch; once it is true, what has been found by then is kept, as with `cancel`.
            **options: As for `segment_everything`, but for `output_mode`.

        Returns:
            The new objects.

        Raises:
            PromptError: An option is unknown or out of its range.
            SessionError: It is under way already.
        """
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

    def begin_everything(self, **options: Any) -> EverythingRun:
        """Begin what `everything` does, to be advanced step by step.

        Raises:
            PromptError: An option is unknown or out of its range.
            SessionError: It is under way already.
        """
        with self._history.editing:
            if self._run is not None and not self._run.over:
                raise SessionError("everything is being segmented already; wait until it is done, or cancel it")
            image = self.source.render(self.state.rendering)
            self._run = begin(self._history, self.predictor, image, **options)
            self._history.notify()
            return self._run

    def cancel(self) -> None:
        """Stop `everything` after the points it is asking about; what has been found is kept, as one edit.

        Does nothing where it is not under way, and never waits.
        """
        if self._run is not None:
            self._run.stop()

    # ------------------------------------------------------------------------------------------------ files

    @property
    def autosave(self) -> Path | None:
        """The file that every edit is written to, if there is one."""
        return None if self._recorder is None else self._recorder.path

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        image: Any = None,
        model: ModelLike | None = None,
        autosave: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Open a session that was saved: objects, prompt, candidates, and all that can be undone and redone.

        Args:
            path: Path of the file. It stays as it is, unless `autosave` names it.
            image: The image, if it is neither in the file nor at its old place.
            model: The model that answers from now on; by default the one that was used last.
            autosave: Write every edit to this file from now on; the same path continues the same file.
            progress: See `Session`.

        Raises:
            SessionError: There is no such file, it is damaged or of a newer version, its image cannot be found or is
                another one, or another kernel is writing it.
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
        """Write everything to one file: objects, prompt, candidates, and all that can be undone and redone.

        Args:
            path: Where to; "truck.sam" is a good name.
            keep_image: Put the image into the file, as PNG; without, the file only says which image it is about and
                where it was.
            overwrite: Replace another session's file, or one that was changed elsewhere since.

        Raises:
            SessionError: There is something else at the path, another kernel is writing it, or it cannot be written.
        """
        with self._history.editing:
            recorder = self._recording()
            recorder.save(path, self.timeline, self.position, keep_image=keep_image, overwrite=overwrite)

    def close(self) -> None:
        """Keep what `everything` has found by now, if it is under way, and close the file, if there is one.

        Edits of a session with a file raise after this; everything can still be read.
        """
        if self._run is not None:
            self._run.end()
        if self._recorder is not None:
            self._recorder.close()

    def export(self, target: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> Any:  # noqa: A002
        """Write the objects to a file or folder, or return them as another library's: `export("cat.json")`.

        The format is told by the suffix, or by its name; see `sam_widget.export.export`.

        Raises:
            FormatError: There is no such format, or it cannot hold the objects.
            MissingExtraError: A library that the format needs is not installed.
        """
        from sam_widget.export import export

        return export(self, target, format=format, **options)

    def to_code(self, *, image: str | None = None, model: str | None = None) -> str:
        """Return Python that leads to the present state: a session `s` with the same objects, prompt and candidates.

        What no prompt to this model leads to, such as an object that was merged or made elsewhere, is written as a
        mask. An image that came as an array is written into the code, unless it is one of the samples.

        Args:
            image: Path or address to write instead of where the image came from.
            model: What loads the model, to write instead of its name.

        Raises:
            SessionError: The image is too large to be written into the code.
        """
        from sam_widget.session.to_code import to_code

        return to_code(self, image=image, model=model)

    def maker_of(self, item: SegmentedObject) -> str | None:
        """Return the weights that an object's mask was made with, where that was not in this session."""
        return None if self._recorder is None else self._recorder.maker_of(item)

    def resume(self, record: Record, *, autosave: str | Path | None = None, keep_image: bool = True) -> None:
        """Continue where a record ends, in its file if it is writable; the image must have been checked.

        Raises:
            SessionError: The record is damaged, or there is something else at the path to save to.
        """
        with self._history.editing:
            recall = self._decoder.logits
            states, position = self._recording().resume(record, recall=recall, autosave=autosave, keep_image=keep_image)
            self._history.restore(states, position)

    def _recording(self) -> Recorder:
        from sam_widget.session.file.recorder import Recorder

        if self._recorder is None:
            self._recorder = Recorder(self.source, self.predictor.model, self._model_given)
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
