"""The outputs of a widget in cells: the live view, and a substitute for notebooks without a kernel.

In JupyterLab and Notebook, the substitute is two more outputs after the view: a sentence, and a picture, which is
replaced as objects change. Both are hidden while the view is live (`widget.css`): an output that changes is rendered
again, so a picture in the view's own output would restart the view at every change. Other programs get view and picture
in one output.
"""

from __future__ import annotations

import operator
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from sam_widget.image.rendering import SourceImage
from sam_widget.session.session import Session
from sam_widget.widget.colab import in_colab
from sam_widget.widget.static_picture import drawn_of, picture_of
from sam_widget.widget.throttle import Throttle

# Seconds after a change until the picture is replaced; more, where drawing it takes more than a few percent of that.
SECONDS = 2.0
SHARE = 0.05
# Key of the display id in the metadata of a picture: pages that are reloaded find it there (`picture.ts`), because a
# notebook file does not contain display ids.
KEY = "sam_widget"
# Number of cells whose pictures are kept up to date: those that displayed the widget last.
MOST_CELLS = 4

SENTENCE = "This picture was saved with the notebook. Run the cell again to continue."
# Without a kernel, the view's output waits for ever or says "model not found". Jupyter takes the style out of notebooks
# that it does not trust, but does not look for the view there.
NOTE = f"""<p class="sam-saved-note">{SENTENCE}</p>
<style>.jp-OutputArea-child:not(:has(.sam-widget)):has(+ .jp-OutputArea-child .sam-saved-note)
{{ display: none; }}</style>"""


def is_jupyter() -> bool:
    """Whether JupyterLab or Notebook runs the kernel, so that outputs can be hidden; not VS Code or Colab."""
    name = "" if in_colab() else os.environ.get("JPY_SESSION_NAME", "")
    return bool(name) and "jvsc" not in name and not os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


class CellOutput:
    """Displays a widget in cells, and keeps their pictures up to date."""

    def __init__(self, shown: Callable[[], Session | SourceImage | None]) -> None:
        """Create an output without displaying it; `shown` returns the session or image to draw, or None."""
        self._shown = shown
        self._names: list[str] = []
        self._drawn: tuple[object, ...] = ()
        self._later = Throttle(self._replace, seconds=SECONDS)
        self._pause = SECONDS

    def show(self, view: Mapping[str, Any]) -> None:
        """Display the live view in the running cell, followed by its substitute."""
        name = uuid4().hex
        _display(dict(view))
        _display({"text/html": NOTE, "text/plain": SENTENCE})
        data, metadata = self._picture()
        _display(data, metadata=metadata | {KEY: name}, display_id=name)
        self._names = [*self._names[1 - MOST_CELLS :], name]

    def follow(self) -> None:
        """Schedule an update of the pictures after a possible change."""
        if self._names:
            self._later.ask(seconds=self._pause)

    def close(self) -> None:
        """Draw what has changed since the last picture, and stop updating the pictures."""
        self._later.close()
        if self._names and not sys.is_finalizing():
            self._replace()

    def _picture(self) -> tuple[dict[str, Any], dict[str, Any]]:
        shown = self._shown()
        if shown is None:
            return {"text/plain": ""}, {}
        self._drawn = drawn_of(shown)
        start = time.perf_counter()
        picture, size = picture_of(shown)
        self._pause = max(SECONDS, (time.perf_counter() - start) / SHARE)
        return {"image/png": picture}, {"image/png": size}

    def _replace(self) -> None:
        shown = self._shown()
        if shown is None:
            return
        now, before = drawn_of(shown), self._drawn
        if len(now) == len(before) and all(map(operator.is_, now, before)):
            return
        data, metadata = self._picture()
        for name in self._names:
            _display(data, metadata=metadata | {KEY: name}, display_id=name, update=True)


def _display(data: dict[str, Any], **options: Any) -> None:
    from IPython import display

    publish: Callable[..., object] = display.display
    publish(data, raw=True, **options)
