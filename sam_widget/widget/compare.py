"""Compare several models on one photo: a prompt for one of them is decoded by all."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
from PIL import Image

from sam_widget.errors import ModelError, door
from sam_widget.image.addresses import is_url
from sam_widget.image.rendering import SourceImage
from sam_widget.masks.measures import iou
from sam_widget.predictor.interface import ModelLike
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.session import Session
from sam_widget.widget.compare_table import CompareRow, CompareTable
from sam_widget.widget.opening import Opener, Say, Shown, downloads, refuse_unknown
from sam_widget.widget.replies import told
from sam_widget.widget.sam_widget import SamWidget
from sam_widget.widget.static_picture import LONGEST, png
from sam_widget.widget.throttle import Throttle
from sam_widget.widget.worker import Worker

if TYPE_CHECKING:
    from sam_widget.masks.runs import Mask

# Colours of the pixels in all models' masks, and in only some, distinguishable for colour-blind readers.
ALL, SOME = (0, 114, 178), (230, 159, 0)
# Seconds after an answer until the table and the difference are updated.
SECONDS = 0.15
LEGEND = "Blue: all see the object. Orange: some do."


class Compare:
    """A comparison of models on one photo and prompt: their masks, scores and times.

    As the result of a cell it shows a live view per model; all views share the prompt. The same methods work without a
    browser.
    """

    @door
    def __init__(self, image: Any, *, models: Sequence[ModelLike]) -> None:
        """Open an image. Returns immediately; URLs and models are loaded in the background, one after the other.

        Args:
            image: Any image that `SamWidget` accepts.
            models: At least two: names, checkpoint paths, loaded models or predictors.

        Raises:
            ImageError: The image cannot be read. Errors of a URL, and of models, are shown in the views instead, and
                raised by the first method that needs them.
            ModelError: There are fewer than two models, or there is no model of that name, and no such file.
        """
        if isinstance(models, str | Path) or len(models) < 2:
            raise ModelError(f"models={models!r}; give at least two to compare: models=['tiny', 'vit_b']")
        for model in models:
            refuse_unknown(model)
        self._source = image if is_url(image) or isinstance(image, SourceImage) else SourceImage(image)
        self._opening = tuple(_Opening(model) for model in models)
        self._closed = False
        self._prompt = Prompt()
        self._listeners: list[Callable[[], None]] = []
        self._closing: list[Any] = []
        self._worker: Worker[tuple[Session | None, Prompt]] = Worker(
            self._spread,
            supersedes=lambda _new, _waiting: True,
            superseded=lambda _job: None,
            name="sam_widget comparison",
        )
        threading.Thread(target=self._load, name="sam_widget comparison: loading", daemon=True).start()

    def __repr__(self) -> str:
        """Return one line with the models."""
        return f"Compare({', '.join(opening.name for opening in self._opening)})"

    @property
    @door
    def sessions(self) -> tuple[Session, ...]:
        """One session per model, in order, for the same photo. Waits until they are loaded.

        Raises:
            SamWidgetError: The image or a model could not be loaded.
        """
        return tuple(opening.session.result() for opening in self._opening)

    @property
    def _open(self) -> tuple[Session, ...]:
        """The sessions that are loaded by now."""
        done = (opening.session for opening in self._opening if opening.session.done())
        return tuple(session.result() for session in done if not session.exception())

    def _load(self) -> None:
        """Load the image, then the models, and embed it with each."""
        for opening in self._opening:
            try:
                if self._closed:
                    raise ModelError(f"the comparison was closed before {opening.name} was loaded")
                if not isinstance(self._source, SourceImage):
                    self._source = SourceImage(self._source)
                session = Session(self._source, model=opening.model, progress=downloads(opening.model, opening.report))
                opening.report(f"Embedding with {opening.name}…")
                _ = session.embedding
            except Exception as error:  # noqa: BLE001  its view shows it, and `sessions` raises it
                opening.session.set_exception(error)
            else:
                session.on_change(lambda session=session: self._changed(session))  # type: ignore[misc]
                opening.session.set_result(session)
                # A view that opened earlier may have a prompt.
                self._worker.put((None, self._prompt))
            for listener in self._listeners:
                listener()

    # ------------------------------------------------------------------------------------------------ the prompt

    @property
    def prompt(self) -> Prompt:
        """The prompt of all models."""
        return self._prompt

    def click(self, x: float, y: float, label: int = 1) -> CompareTable:
        """Add a point to the prompt of all models; see `Session.click`. Returns the table."""
        return self.set_prompt(self._prompt.with_point(x, y, label))

    def drag(self, x0: float, y0: float, x1: float, y1: float) -> CompareTable:
        """Draw a box for all models; see `Session.drag`. Returns the table."""
        return self.set_prompt(self._prompt.with_box(Box.from_corners(x0, y0, x1, y1)))

    def clear(self) -> None:
        """Remove the prompt of all models."""
        self.set_prompt(Prompt())

    def set_prompt(self, prompt: Prompt) -> CompareTable:
        """Set the prompt of all models, and return the table.

        A mask prompt belongs to one model, and is omitted for the others.

        Raises:
            PromptError: The prompt lies outside the image.
        """
        self._prompt = _shared(prompt).check_inside(*self.sessions[0].size)
        for session in self.sessions:
            if _shared(session.prompt) != self._prompt:
                session.set_prompt(self._prompt)
        return self.table()

    # ------------------------------------------------------------------------------------------------ the difference

    def table(self) -> CompareTable:
        """Return each model's score, stability, area, IoU with the first model's mask, and time."""
        masks = self.masks
        rows = []
        for session, mask in zip(self.sessions, masks, strict=True):
            chosen, name, ms = session.chosen, session.predictor.model.name, session.answer_ms
            if chosen is None or mask is None:
                rows.append(CompareRow(name, None, None, None, None, ms))
                continue
            same = None if masks[0] is None else float(iou(masks[0], mask))
            rows.append(CompareRow(name, chosen.score, chosen.stability, chosen.stored.area, same, ms))
        return CompareTable(rows)

    @property
    def masks(self) -> tuple[Mask | None, ...]:
        """The chosen mask of each model, (H, W) bool, or None."""
        return tuple(None if session.chosen is None else session.chosen.mask for session in self.sessions)

    @property
    def difference(self) -> np.ndarray:
        """(H, W) uint8: the number of models whose mask contains each pixel."""
        count = np.zeros(self.sessions[0].image.shape[:2], np.uint8)
        for mask in self.masks:
            if mask is not None:
                count += mask
        return count

    def picture(self) -> np.ndarray:
        """Return a picture of the differences: the photo in grey, blue where all masks agree, orange where some differ.

        Returns:
            (h, w, 3) uint8, at most 640 pixels per side.
        """
        count = self.difference
        photo = np.asarray(Image.fromarray(self.sessions[0].image).convert("L"), np.float32)[..., None]
        colour = np.where((count == len(self.sessions))[..., None], ALL, SOME)
        mixed = np.where(count[..., None] > 0, 0.35 * photo + 0.65 * colour, np.repeat(0.8 * photo + 40, 3, axis=2))
        picture = Image.fromarray(mixed.clip(0, 255).astype(np.uint8))
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
        return np.asarray(picture)

    # ------------------------------------------------------------------------------------------------ the views

    @cached_property
    def widgets(self) -> tuple[SamWidget, ...]:
        """The live views, created on first access."""
        return tuple(_LinkedWidget(_SessionOpener(opening, self._source)) for opening in self._opening)

    @cached_property
    def panel(self) -> ipywidgets.VBox:
        """The whole comparison as one widget: the views, the table, and the picture of the differences."""
        columns = "repeat(auto-fit, minmax(min(420px, 100%), 1fr))"
        views = ipywidgets.GridBox(self.widgets, layout=ipywidgets.Layout(grid_template_columns=columns, width="100%"))
        empty = CompareTable(CompareRow(opening.name, None, None, None, None, None) for opening in self._opening)
        # Labels never interpret a checkpoint's name as HTML.
        labels = [ipywidgets.Label(cell) for line in empty.cells() for cell in line]
        says = ipywidgets.Label()
        table = ipywidgets.GridBox(labels, layout=ipywidgets.Layout(grid_template_columns="repeat(6, max-content)"))
        table.layout.grid_gap = "0 1.5em"
        picture = ipywidgets.Image(format="png", layout=ipywidgets.Layout(max_width="100%", align_self="flex-start"))
        picture.layout.display = "none"

        def draw() -> None:
            waiting = [opening.name for opening in self._opening if not opening.session.done()]
            errors = [opening.session.exception() for opening in self._opening if not waiting]
            if waiting or any(errors):
                told_all = (told(error) for error in errors if isinstance(error, Exception))
                says.value = (
                    f"Loading {', '.join(waiting)}…" if waiting else f"Nothing to compare: {'; '.join(told_all)}"
                )
                return
            says.value = LEGEND
            cells = [cell for line in self.table().cells() for cell in line]
            for label, cell in zip(labels, cells, strict=True):
                label.value = cell
            picture.value, picture.layout.display = png(self.picture()), None

        later = Throttle(draw, seconds=SECONDS)
        self._listeners.append(later.ask)
        draw()
        panel = _Panel([views, table, says, picture], self._static)
        self._closing = [later, *labels, views, table, says, picture, panel]
        return panel

    def _static(self) -> dict[str, str]:
        """Return what a saved notebook shows: the table and the picture of the differences, without waiting."""
        if self._closed or len(self._open) < len(self._opening):
            return {"text/plain": repr(self)}
        return {
            "text/plain": f"{self!r}\n{self.table()!r}",
            "image/png": base64.b64encode(png(self.picture())).decode(),
        }

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Return the views, and the table and the picture of the differences for saved notebooks."""
        return self.panel._repr_mimebundle_(**options)

    def close(self) -> None:
        """Close views and sessions, and stop loading models."""
        self._closed = True
        self._worker.close()
        for part in (*self._closing, *vars(self).get("widgets", ()), *self._open):
            part.close()

    # ------------------------------------------------------------------------------------------------ other threads

    def _changed(self, session: Session) -> None:
        """Copy a prompt set in one of the sessions, by a view or a script, to the others."""
        for listener in self._listeners:
            listener()
        prompt = _shared(session.prompt)
        if prompt != self._prompt:
            self._prompt = prompt
            self._worker.put((session, prompt))

    def _spread(self, job: tuple[Session | None, Prompt]) -> None:
        origin, prompt = job
        for session in self._open:
            # Superseded by a newer prompt.
            if prompt != self._prompt:
                return
            if session is not origin and _shared(session.prompt) != prompt:
                session.set_prompt(prompt)


class _Panel(ipywidgets.VBox):  # type: ignore[misc]
    """The parts of a comparison; `static` returns what a saved notebook shows in their place."""

    def __init__(self, parts: Sequence[ipywidgets.Widget], static: Callable[[], dict[str, str]]) -> None:
        super().__init__(parts)
        self._static = static

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, **self._static()}, metadata


class _Opening:
    """One of the models, on its way to an open session."""

    def __init__(self, model: ModelLike) -> None:
        self.model = model
        self.session: Future[Session] = Future()
        # Shows progress in the view, if there is one.
        self.say: Say = lambda _message: None

    @property
    def name(self) -> str:
        """Name of the model, as far as known."""
        if isinstance(self.model, str | Path):
            return str(self.model)
        model: Any = getattr(self.model, "model", self.model)
        return str(model.name)

    def report(self, message: str) -> None:
        """Report progress."""
        self.say(message)


class _SessionOpener(Opener):
    """Waits for a session that the comparison opens."""

    def __init__(self, opening: _Opening, source: Any) -> None:
        self._opening, self._shown = opening, Shown.of(source)

    def first(self) -> Shown:
        return self._shown

    def open(self, shown: Shown, say: Say) -> Session:
        """Show the image if it is read, and wait for the model."""
        self._opening.say = say
        if isinstance(shown.source, SourceImage):
            shown.read()
        say("Loading the model…")
        session = self._opening.session.result()
        if shown.image is None:
            shown.source = session.source
            shown.read()
        return session

    def embed(self, shown: Shown, then: Callable[[Exception | None], object]) -> None:  # noqa: ARG002  it is
        then(None)

    def close(self) -> None:
        pass


class _LinkedWidget(SamWidget):
    """A view of one of the sessions."""

    def __init__(self, opener: Opener) -> None:
        self._start(opener)


def _shared(prompt: Prompt) -> Prompt:
    """Return the parts of a prompt that apply to other models."""
    return prompt if prompt.mask is None else replace(prompt, mask=None, mask_crop=None)
