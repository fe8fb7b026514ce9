"""What a person has done with one image: the prompt, its candidates, the accepted objects, and how to take it back.

The session is the one state. A `SamWidget` shows it, and every gesture in a view is a method call on it; without a
browser the same calls make a script.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sam_widget.errors import PromptError, SessionError
from sam_widget.image.rendering import Rendering, SourceImage
from sam_widget.masks.annotations import annotations_of
from sam_widget.predictor.interface import Embedding, ModelLike, Progress, predictor_of
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.session import crops
from sam_widget.session.decoding import Answer, Answering
from sam_widget.session.edits import Tools
from sam_widget.session.everything import EverythingMode
from sam_widget.session.file.recorder import Kept
from sam_widget.session.history import History
from sam_widget.session.state import Candidate, SegmentedObject, SessionState

__all__ = ["Candidate", "SegmentedObject", "Session", "SessionState", "predictor_of"]


class Session(Kept, EverythingMode, Tools):
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
        History.__init__(self)
        self.source = image if isinstance(image, SourceImage) else SourceImage(image)
        self.image: np.ndarray = self.source.rgb
        self.image_hash = self.source.hash
        # What exported files call the image; None where it came without a name.
        self.image_name = self.source.name
        self._model_given = str(model) if isinstance(model, str | Path) else None
        self.predictor = predictor_of(model, progress=progress)
        self._answering = Answering(self.source, self.predictor)
        self._answered: Answer | None = None
        if autosave is not None:
            self._begin(autosave, keep_image=keep_image)

    # ------------------------------------------------------------------------------------------------ reading

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image, in pixels."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def prompt(self) -> Prompt:
        """The prompt being worked on."""
        return self._state.prompt

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The masks offered for the prompt, in the model's own order: subpart, part, whole."""
        return self._state.candidates

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that `accept` would take: at first the one with the highest score."""
        return self._state.chosen

    @property
    def objects(self) -> tuple[SegmentedObject, ...]:
        """The accepted objects, oldest first."""
        return self._state.objects

    @property
    def embedding(self) -> Embedding:
        """The embedded image, as the model is to see it; the first use embeds it."""
        with self._edit:
            return self._answering.whole(self._state.rendering)

    # ------------------------------------------------------------------------------------------------ prompting

    def click(self, x: float, y: float, label: int = 1) -> tuple[Candidate, ...]:
        """Add a point to the prompt: label 1 is foreground, 0 background. Returns the new candidates.

        Raises:
            PromptError: The point lies outside the image, or is malformed.
        """
        with self._edit:
            return self.set_prompt(self.prompt.with_point(x, y, label))

    def drag(self, x0: float, y0: float, x1: float, y1: float, *, add: bool = False) -> tuple[Candidate, ...]:
        """Draw a box between two opposite corners, in place of earlier ones. Returns the new candidates.

        Args:
            x0: Of one corner.
            y0: Of the same corner.
            x1: Of the opposite corner.
            y1: Of the opposite corner.
            add: Keep the earlier boxes: several boxes enclose parts of the one object.

        Raises:
            PromptError: The box is empty, malformed or outside the image.
        """
        box = Box.from_corners(x0, y0, x1, y1)
        with self._edit:
            return self.set_prompt(self.prompt.with_another_box(box) if add else self.prompt.with_box(box))

    def set_prompt(self, prompt: Prompt) -> tuple[Candidate, ...]:
        """Set the whole prompt and return its candidates; an empty prompt has none.

        Raises:
            PromptError: The prompt lies outside the image.
        """
        with self._edit:
            state = self.preview(prompt)
            self._change(state)
            return state.candidates

    def preview(self, prompt: Prompt, *, state: SessionState | None = None) -> SessionState:
        """Return the state that `set_prompt` would lead to, and change nothing.

        The last answer is kept: setting the prompt that was previewed last needs no second decode.

        Args:
            prompt: The whole prompt.
            state: The state to start from: its settings, strokes, rendering and crop; by default the present one.

        Raises:
            PromptError: The prompt lies outside the image.
        """
        with self._edit:
            now = self._state if state is None else state
            if prompt.is_empty:
                return replace(now, prompt=prompt, candidates=(), chosen_index=None, strokes=())
            answer = self._answer(prompt, now)
            return replace(now, prompt=answer.prompt, candidates=answer.candidates, chosen_index=answer.best)

    def predict_best(self, prompt: Prompt) -> Candidate | None:
        """Return the candidate that `set_prompt` would choose, and change nothing; an empty prompt has none.

        The others' masks are not made, so this is what to follow a pointer with.

        Raises:
            PromptError: The prompt lies outside the image.
        """
        with self._edit:
            if prompt.is_empty:
                return None
            answer = self._answer(prompt, self._state)
            return answer.candidate(answer.best)

    def _answer(self, prompt: Prompt, now: SessionState) -> Answer:
        prompt = prompt.check_inside(*self.size)
        if self._answered is None or not self._answered.answers(prompt, now):
            self._answered = self._answering.answer(prompt, now)
        return self._answered

    def choose(self, index: int) -> Candidate:
        """Choose one of the candidates, counted from 0.

        Raises:
            SessionError: There is no such candidate.
        """
        with self._edit:
            count = len(self.candidates)
            if not 0 <= index < count:
                offer = f"choose 0 to {count - 1}" if count else "click on the image first"
                raise SessionError(f"there is no candidate {index} among {count}; {offer}")
            if index != self._state.chosen_index:
                self._change(replace(self._state, chosen_index=index))
            return self.candidates[index]

    def clear(self) -> None:
        """Drop the prompt and its candidates; objects stay as they are, even one that was being edited."""
        with self._edit:
            if not self.prompt.is_empty or self.candidates or self._state.editing:
                self._change(self._without_prompt(self.objects))

    def render(self, rendering: Rendering) -> tuple[Candidate, ...]:
        """Let the model see the image differently. Returns the prompt's candidates, anew.

        Args:
            rendering: Channels, black, white and gamma; `Rendering()` for the usual.

        Raises:
            ImageError: The rendering is not possible for this image.
        """
        with self._edit:
            before = self._state
            rendering = self.source.check(rendering)
            if rendering != before.rendering:
                self._change(self.preview(before.prompt, state=replace(before, rendering=rendering)))
            return self.candidates

    def sharpen(
        self, region: Box | Sequence[float] | None, *, margin: float = crops.MARGIN, later: bool = False
    ) -> tuple[Candidate, ...]:
        """Embed a part of the image on its own, at its full resolution, to answer the prompts that lie in it.

        A small thing in a large photo is seen finer so: its mask has the photo's own edges. Prompts that lie partly
        outside are answered by the image as a whole; `answering` says how masks go on beyond the part. The prompt that
        stands is answered anew, if it lies in the part.

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
            # Before anybody else has to wait.
            self._answering.crop(self._state.rendering, crop)
        with self._edit:
            before, moved = self._state, replace(self._state, crop=crop)
            answered = None if before.chosen is None else before.chosen.crop
            holds = crop is None or crops.holds(crop, before.prompt)
            if not later and holds and answered != crop and not before.prompt.is_empty:
                self._change(self._answered_anew(moved))
            elif crop != before.crop and not later:
                self._change(moved)
            elif crop != before.crop:
                self._state = moved
                self._tell()
            return self.candidates

    def _answered_anew(self, state: SessionState) -> SessionState:
        """Return a state with its prompt answered again; a candidate that was chosen by hand is, again."""
        scores = [candidate.score for candidate in state.candidates]
        by_hand = state.chosen_index if len(scores) > 1 and state.chosen_index != np.argmax(scores) else None
        after = self.preview(state.prompt, state=state)
        return after if by_hand is None else replace(after, chosen_index=by_hand)

    # ------------------------------------------------------------------------------------------------ objects

    def accept(self, label: str | None = None) -> SegmentedObject:
        """Turn the chosen candidate into an object; without a label it is called "object 1", "object 2", ...

        While an object is edited, it takes the place of that object, whose label it keeps unless given another.

        Raises:
            SessionError: There is no candidate, or its mask is empty.
        """
        with self._edit:
            chosen = self._need_chosen("accept")
            x, y, width, height = chosen.stored.bounds
            if not width:
                raise SessionError("the chosen mask is empty; choose another candidate or change the prompt")
            now = self._state
            old = None if now.editing is None else self._object(now.editing)
            accepted = SegmentedObject(
                label=(label or "").strip() or (old.label if old else self._free_label()),
                stored=chosen.stored,
                score=chosen.score,
                box=Box(x, y, x + width, y + height),
                prompt=now.prompt,
                color=old.color if old else self._free_color(),
                candidate=chosen,
                strokes=now.strokes,
                settings=now.settings,
                **({"id": old.id} if old else {}),
            )
            objects = self._with(old, accepted) if old else (*now.objects, accepted)
            self._change(self._without_prompt(objects))
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
        with self._edit:
            taken = {item.color for item in self.objects}
            free = (color for color in range(len(taken) + len(found)) if color not in taken)
            added = tuple(
                SegmentedObject(
                    label=item.label,
                    stored=item.stored,
                    score=1.0 if item.score is None else item.score,
                    box=item.box,
                    prompt=item.prompt,
                    color=next(free),
                )
                for item in found
            )
            if added:
                self._change(replace(self._state, objects=(*self.objects, *added)))
            return added

    def export(self, target: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> Any:  # noqa: A002
        """Write the objects to a file or folder, or return them as another library's: `export("cat.json")`.

        The format is told by the suffix, or by its name; see `sam_widget.export.export`.

        Raises:
            FormatError: There is no such format, or it cannot hold the objects.
            MissingExtraError: A library that the format needs is not installed.
        """
        from sam_widget.export import export

        return export(self, target, format=format, **options)

    def rename(self, object_id: str, label: str) -> SegmentedObject:
        """Give an object another label.

        Raises:
            SessionError: There is no such object, or the label is blank.
        """
        return self.relabel([object_id], label)[0]

    def relabel(self, object_ids: Sequence[str], label: str) -> tuple[SegmentedObject, ...]:
        """Give several objects one label, in one edit. Returns them, in the order of their ids.

        Raises:
            SessionError: There is no such object, or the label is blank.
        """
        with self._edit:
            old = {object_id: self._object(object_id) for object_id in object_ids}
            if not label.strip():
                which = ", ".join(repr(item.label) for item in old.values()) or "nothing"
                raise SessionError(f"the new label of {which} is blank; give it a name")
            new = {object_id: replace(item, label=label.strip()) for object_id, item in old.items()}
            if new:
                self._change(replace(self._state, objects=tuple(new.get(item.id, item) for item in self.objects)))
            return tuple(new.values())

    def remove(self, *object_ids: str) -> None:
        """Remove objects, in one edit.

        Raises:
            SessionError: There is no such object.
        """
        with self._edit:
            old = [self._object(object_id) for object_id in object_ids]
            if old:
                rest = tuple(item for item in self.objects if item not in old)
                self._change(replace(self._state, objects=rest, editing=self._unless_gone(old)))

    def keep(self, *object_ids: str) -> None:
        """Remove all other objects, in one edit: of everything that was found, what is wanted.

        Raises:
            SessionError: There is no such object.
        """
        with self._edit:
            wanted = [self._object(object_id) for object_id in object_ids]
            self.remove(*(item.id for item in self.objects if item not in wanted))

    def close(self) -> None:
        """Keep what `everything` has found by now, if it is under way, and close the file, if there is one.

        Edits of a session with a file raise after this; everything can still be read.
        """
        self._end_search()
        super().close()

    def _without_prompt(self, objects: tuple[SegmentedObject, ...]) -> SessionState:
        now = self._state
        return SessionState(objects=objects, settings=now.settings, rendering=now.rendering, crop=now.crop)

    def _free_color(self) -> int:
        return min(set(range(len(self.objects) + 1)) - {item.color for item in self.objects})

    def _free_label(self) -> str:
        taken = {item.label for item in self.objects}
        return next(name for n in range(1, len(taken) + 2) if (name := f"object {n}") not in taken)


def _box(region: Box | Sequence[float]) -> Box:
    if isinstance(region, Box):
        return region
    box = Prompt.from_arrays(box=region).boxes
    if len(box) != 1:
        raise PromptError(f"the region is {region!r}, expected four numbers: x0, y0, x1, y1")
    return box[0]
