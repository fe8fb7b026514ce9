"""A photo to click on, and the trace of each answer; panels follow it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sam_widget.errors import SamWidgetError
from sam_widget.image.reading import image_hash
from sam_widget.predictor.interface import ModelLike
from sam_widget.predictor.trace import Trace
from sam_widget.prompts.prompt import Prompt
from sam_widget.teach.panel import Line, Panel, button, row
from sam_widget.teach.subject import Subject
from sam_widget.teach.texts import Lang
from sam_widget.widget.sam_widget import SamWidget
from sam_widget.widget.worker import Worker

log = logging.getLogger(__name__)
# Seconds that `trace` waits for the model.
PATIENCE = 120


class TracedImage(Panel):
    """A view to click in. Each prompt is traced, and every panel that was made from this image is drawn again.

    The image encoder is not part of these traces: it does not depend on the prompt. If prompts come faster than they
    can be traced, only the newest is.

    >>> image = sw.teach.TracedImage(sw.sample("cat"))
    >>> image.click(200, 200)
    >>> image.trace.layers[0].token_to_image.shape
    """

    def __init__(self, image: Any, *, model: ModelLike = "tiny", lang: Lang = "en") -> None:
        """Open a view of the image.

        Args:
            image: Any image that `SamWidget` accepts.
            model: A name, a loaded model or a predictor.
            lang: "en" or "zh-TW".

        Raises:
            ModelError: The model cannot be loaded, or is not computed here.
        """
        super().__init__(lang=lang)
        self.lang: Lang = lang
        self.subject = Subject(image, model)
        cached = self.subject.predictor.has(image_hash(self.subject.photo))
        began = time.perf_counter()
        self.embedding = self.subject.embedding
        # Milliseconds of the image encoder; None if the embedding comes from a cache.
        self.embed_ms = None if cached else 1000 * (time.perf_counter() - began)
        # Without the input, a trace omits the image encoder.
        self._decoded_only = replace(self.embedding, pixels=None)
        self.widget = SamWidget(self.subject.photo, model=self.subject.predictor)
        self.widget.layout.width = "100%"
        # Milliseconds from a prompt to the masks, and to the panels.
        self.predict_ms = self.drawn_ms = 0.0
        self._trace: Trace | None = None
        # Of the view, of the trace, and of what the panels show; prompts are compared by identity.
        self._prompt = self._traced = self._shown = Prompt()
        self._done = threading.Condition()
        self._listeners: list[Callable[[], object]] = []
        self._worker: Worker[Prompt] = Worker(
            self._run,
            supersedes=lambda _new, _waiting: True,
            superseded=lambda _prompt: None,
            name="sam_widget lesson",
        )
        self.note = Line(self.say("traced.ready"))
        self.mask_button = button(self.say("traced.mask"))
        self.mask_button.on_click(lambda _button: self.add_mask())
        self._stop: Callable[[], None] | None = self.widget.session.on_change(self._edited)
        self.arrange(self.widget, row([self.mask_button]), self.note)

    @classmethod
    def of(cls, image: Any, *, model: ModelLike = "tiny", lang: Lang = "en") -> TracedImage:
        """Return a traced image with a prompt: itself, or a new one, which is clicked in the middle."""
        traced = image if isinstance(image, TracedImage) else cls(image, model=model, lang=lang)
        if traced.widget.session.prompt.is_empty:
            width, height = traced.subject.size
            traced.click(width / 2, height / 2)
        return traced

    @property
    def prompt(self) -> Prompt:
        """The prompt that is traced."""
        return self._traced

    @property
    def trace(self) -> Trace:
        """The trace of the current prompt; waits until all panels show it.

        Raises:
            SamWidgetError: There is no prompt yet, or it cannot be traced.
        """
        with self._done:
            self._done.wait_for(lambda: self._shown is self._prompt, timeout=PATIENCE)
        return self.last_trace

    @property
    def last_trace(self) -> Trace:
        """The newest trace, for panels that draw it.

        Raises:
            SamWidgetError: There is no prompt yet, or it cannot be traced.
        """
        if self._trace is None:
            raise SamWidgetError(f"there is no trace yet ({self.note.text}); click on the image first")
        return self._trace

    def click(self, x: float, y: float, label: int = 1) -> None:
        """Replace the prompt by a click, and wait until all panels are drawn."""
        self.widget.session.set_prompt(Prompt().with_point(x, y, label))
        _ = self.trace

    def add_mask(self) -> None:
        """Add the chosen mask to the prompt, as its logits."""
        session = self.widget.session
        if session.chosen is not None and session.chosen.logits is not None:
            session.set_prompt(replace(session.prompt, mask=session.chosen.logits))

    def follow(self, listener: Callable[[], object]) -> None:
        """Call a function now, if there is a trace, and after each further one."""
        self._listeners.append(listener)
        if self._trace is not None:
            listener()

    def close(self) -> None:
        """Stop tracing, and close the view."""
        # ipywidgets closes deleted widgets, even if they are closed or __init__ has raised.
        stop, self._stop = vars(self).get("_stop"), None
        if stop is not None:
            stop()
            self._worker.close()
            self.widget.close()
        super().close()

    def cells(self, values: np.ndarray) -> np.ndarray:
        """Return the part of values on the embedding grid, (g, g) or (g * g,), that covers the image."""
        side = self.embedding.features.shape[-1]
        rows, columns = self.subject.grid
        return values.reshape(side, side)[:rows, :columns]

    def _edited(self) -> None:
        prompt = self.widget.session.prompt
        if prompt is not self._prompt and not prompt.is_empty:
            self._prompt = prompt
            self._worker.put(prompt)

    def _run(self, prompt: Prompt) -> None:
        began = time.perf_counter()
        predictor = self.subject.predictor
        try:
            points = [(point.x, point.y) for point in prompt.points] or None
            labels = [point.label for point in prompt.points] or None
            box = [box.corners for box in prompt.boxes] or None
            found: Trace | None = predictor.trace(
                self._decoded_only, points=points, labels=labels, box=box, mask=prompt.mask
            )
            self.predict_ms = self.widget.session.answer_ms or 0.0
            said = ""
        except SamWidgetError as error:
            found, said = self._trace, str(error)
        self._trace, self._traced = found, prompt
        for listener in self._listeners if found is not None else ():
            try:
                listener()
            except Exception:
                log.exception("a panel could not be drawn")
        self.drawn_ms = 1000 * (time.perf_counter() - began)
        once = "" if self.embed_ms is None else self.say("traced.once", embed=f"{self.embed_ms:.0f}")
        done = self.say("traced.done", predict=f"{self.predict_ms:.0f}", drawn=f"{self.drawn_ms:.0f}")
        self.note.text = said or once + done
        with self._done:
            self._shown = prompt
            self._done.notify_all()


class TracePanel(Panel):
    """A panel that shows the traces of an image's prompts."""

    def __init__(self, image: Any, *, model: ModelLike = "tiny", lang: Lang = "en") -> None:
        """Follow the prompts of an image.

        Args:
            image: A `TracedImage`, or any image that `SamWidget` accepts.
            model: A name, a loaded model or a predictor.
            lang: "en" or "zh-TW".
        """
        super().__init__(lang=lang)
        self.traced = TracedImage.of(image, model=model, lang=lang)
