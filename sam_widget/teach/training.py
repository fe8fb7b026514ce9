"""Panels that train: in the background, for a number of seconds, with a live curve and a Stop button."""

from __future__ import annotations

import functools
import itertools
import tempfile
import threading
import time
from abc import abstractmethod
from pathlib import Path

import ipywidgets

from sam_widget.errors import SamWidgetError, import_extra
from sam_widget.teach.drawing import SERIES, curves
from sam_widget.teach.panel import Legend, Line, Panel, button
from sam_widget.teach.picture import Picture
from sam_widget.teach.texts import Lang
from sam_widget.teach.threads import one_thread

# Seconds between two looks at a model that is being trained.
LOOK = 1.5
# Longest run that the slider offers, in seconds.
LONGEST = 120
# Scenes to train on, and the side of each in pixels: enough for two minutes, and rendered in a few seconds.
SCENES, SCENE_SIZE = 64, 160


@functools.cache
def _scenes() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="sam_widget-scenes-")


def scene_folder() -> Path:
    """Return a folder for rendered scenes, which all panels of this process share; it is removed when it ends."""
    return Path(_scenes().name)


class TrainingPanel(Panel):
    """Trains for a number of seconds. Subclasses say how to begin, take a step, and look at the result.

    `start`, or the button, trains in the background: panels answer meanwhile, and Stop, `stop` or an interrupted `wait`
    ends the run after the current step. A further run continues where the last one ended.
    """

    def __init__(self, *, seconds: float, lang: Lang = "en") -> None:
        """Prepare the controls.

        Args:
            seconds: Duration of a run, without the time to prepare data.
            lang: "en" or "zh-TW".

        Raises:
            MissingExtraError: OpenCV is not installed, which draws the scenes to train on.
        """
        super().__init__(lang=lang)
        import_extra("cv2", "learn")
        self.seconds = ipywidgets.IntSlider(
            value=round(seconds), min=1, max=LONGEST, description=self.say("train.seconds")
        )
        self.start_button = button(self.say("train.start"), primary=True)
        self.stop_button = button(self.say("train.stop"))
        self.stop_button.disabled = True
        self.chart = Picture(self.say("train.chart"), width=380, height=200)
        self.legend = Legend()
        self.note = Line(self.say("train.ready"))
        # Held during a step, and while a panel asks the model in between.
        self.model_lock = threading.RLock()
        self.steps = 0
        # Seconds of training so far.
        self.trained = 0.0
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self.start_button.on_click(lambda _button: self.start())
        self.stop_button.on_click(lambda _button: self.stop())

    # ------------------------------------------------------------------------------------------ for subclasses

    @abstractmethod
    def _prepare(self) -> None:
        """Build models and data, unless that is done."""

    @abstractmethod
    def _step(self) -> None:
        """Take one step, and keep its figures."""

    @abstractmethod
    def _look(self) -> None:
        """Draw what the models can do now."""

    def _finish(self) -> None:
        """Measure the result of a run."""

    @abstractmethod
    def _curves(self) -> list[tuple[str, str, list[float]]]:
        """Return of each curve its name, its name in ASCII, and its values, one per step."""

    # ------------------------------------------------------------------------------------------ runs

    @property
    def running(self) -> bool:
        """Whether it trains."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, seconds: float | None = None) -> None:
        """Train in the background; does nothing if it already trains.

        Args:
            seconds: Duration; None for that of the slider.
        """
        if self.running:
            return
        self._failure = None
        self._ends.clear()
        self.start_button.disabled, self.stop_button.disabled = True, False
        duration = float(self.seconds.value if seconds is None else seconds)
        self._thread = threading.Thread(target=self._run, args=(duration,), name="sam_widget training", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the run after the current step."""
        self._ends.set()

    def wait(self) -> None:
        """Return when the run has ended. To interrupt this, such as with the kernel's Interrupt, ends the run.

        Raises:
            SamWidgetError: The run failed.
        """
        thread = self._thread
        if thread is not None:
            try:
                thread.join()
            except KeyboardInterrupt:
                self.stop()
                thread.join()
        if self._failure is not None:
            raise SamWidgetError(f"the training failed: {self._failure}") from self._failure

    def run(self, seconds: float | None = None) -> None:
        """Train, and return when it is done; see `start`.

        Raises:
            SamWidgetError: The run failed.
        """
        self.start(seconds)
        self.wait()

    def close(self) -> None:
        """End the run, and close the panel."""
        ends = vars(self).get("_ends")
        if ends is not None:
            ends.set()
        super().close()

    def _run(self, duration: float) -> None:
        try:
            self.note.text = self.say("train.preparing")
            with one_thread():
                self._render()
                self._prepare()
                self._train(duration)
                self._show()
                with self.model_lock:
                    self._finish()
            self.note.text = self.say("train.done", steps=self.steps, seconds=f"{self.trained:.0f}")
        except BaseException as error:  # noqa: BLE001  `wait` raises it
            self._failure = error
            self.note.text = str(error)
        finally:
            self.start_button.disabled, self.stop_button.disabled = False, True

    def _render(self) -> None:
        """Render the scenes to train on, once per process, so that steps need not wait for them."""
        from sam_widget.learn.data import SceneCache

        scenes = SceneCache(scene_folder(), count=SCENES, size=SCENE_SIZE, seed=0)
        for number in range(SCENES):
            if self._ends.is_set():
                return
            _ = scenes[number]
            self.note.text = self.say("train.scenes", done=number + 1, count=SCENES)

    def _train(self, duration: float) -> None:
        spent, looked = 0.0, 0.0
        while spent < duration and not self._ends.is_set():
            began = time.perf_counter()
            with self.model_lock:
                self._step()
            took = time.perf_counter() - began
            self.steps += 1
            spent, looked, self.trained = spent + took, looked + took, self.trained + took
            if looked > LOOK:
                self.note.text = self.say("train.so_far", steps=self.steps, left=f"{max(duration - spent, 0):.0f}")
                self._show()
                looked = 0.0

    def _show(self) -> None:
        with self.model_lock:
            self._look()
        series = self._curves()
        self.chart.show(curves([values for *_, values in series], width=self.chart.width, height=self.chart.height))
        colours = itertools.cycle(SERIES)
        named = zip(series, colours, strict=False)
        names = [(name, plain, colour) for (name, plain, values), colour in named if values]
        self.legend.show(names if len(series) > 1 else [])
