"""The requests of views to a widget, besides the marked methods of its session."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from sam_widget.errors import ImageError, PromptError, SessionError
from sam_widget.image.rendering import Rendering
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.remote import remote
from sam_widget.widget.dispatcher import ANSWERED
from sam_widget.widget.downloads import packed
from sam_widget.widget.protocol import Request
from sam_widget.widget.publisher import Publisher
from sam_widget.widget.replies import Replies
from sam_widget.widget.stage import Stage
from sam_widget.widget.threads import one_core_left

if TYPE_CHECKING:
    from sam_widget.session.everything import Run
    from sam_widget.session.found import Found

# Limit of the grid for requests from a view; there is no limit in Python.
MOST_POINTS_PER_SIDE = 128

Format = Literal[
    "coco",
    "yolo",
    "voc",
    "indexed_png",
    "binary_pngs",
    "cutouts",
    "npz",
    "npy",
    "geojson",
    "svg",
    "labelme",
    "label_studio",
    "pandas",
]


class ViewRequests:
    """Requests that need more than the session: replies of their own, progress reports, or another thread."""

    def __init__(self, stage: Stage, publisher: Publisher, replies: Replies) -> None:
        self._stage, self._publisher, self._replies = stage, publisher, replies
        # The run of everything mode or of a search requested by a view, and the request to answer.
        self._search: tuple[Request, Run] | None = None

    @remote(lane="now")
    def hello(self) -> None:
        """Send the whole state and its masks to a view that has opened."""
        self._publisher.welcome()

    @remote(latest=True)
    def predict(self, prompt: Prompt) -> None:
        """Set the whole prompt. Supersedes every `predict` that waits directly before it."""
        session = self._stage.session
        with one_core_left():
            session.set_prompt(prompt)

    @remote(passing=True)
    def preview(self, request: Request, prompt: Prompt) -> object:
        """Request the mask of a prompt without changing anything. Superseded, while it waits, by any other request."""
        session = self._stage.session
        with one_core_left():
            found = session.predict_best(prompt)
        if found is None or found.score is None:
            return None
        self._replies.preview(request, found.stored, found.score)
        return ANSWERED

    @remote(latest=True)
    def adjust(self, settings: MaskSettings, gesture: str) -> None:
        """Change how masks are computed from logits.

        Edits of one `gesture`, such as dragging a slider, are undone together, and newer ones supersede waiting ones.
        """
        self._stage.session.adjust(**dataclasses.asdict(settings), gesture=gesture)

    @remote()
    def render(self, rendering: Rendering) -> None:
        """Change the rendering of the image that the model sees."""
        session, stage = self._stage.session, self._stage
        stage.say("embedding", f"Embedding {stage.shown.title} in the new rendering…")
        try:
            session.set_rendering(rendering)
        finally:
            stage.say("ready", "")

    @remote()
    def sharpen(self, region: Box | None, later: bool) -> None:  # noqa: FBT001  a field of the message
        """Embed a crop of the image separately, to decode the prompts inside it; null for the whole image.

        With `later` it affects only future prompts: it is not an edit, runs while other requests are answered, and
        supersedes waiting requests of its kind.
        """
        session, stage = self._stage.session, self._stage
        if later:
            session.sharpen(region, later=True)
            return
        stage.say("embedding", "Sharpening what you look at…")
        try:
            session.sharpen(region)
        finally:
            stage.say("ready", "")

    @remote()
    def everything(self, request: Request, points_per_side: int) -> object:
        """Segment everything, with a grid of this many points per side. Answered at the end; the state shows progress.

        Other requests are answered meanwhile.
        """
        session = self._stage.session
        if not 1 <= points_per_side <= MOST_POINTS_PER_SIDE:
            raise PromptError(f"invalid grid of {points_per_side} points per side; give 1 to {MOST_POINTS_PER_SIDE}")
        self._search = request, session.begin_everything(points_per_side=points_per_side)
        return ANSWERED

    @remote(lane="now")
    def cancel(self) -> None:
        """Stop `everything` or `find`, whichever view started it; masks of everything are kept.

        Answered immediately.
        """
        session = self._stage.shown.session_if_open()
        if session is not None:
            session.cancel()

    @remote(latest=True)
    def find(
        self,
        request: Request,
        *,
        words: Sequence[str],
        like: Sequence[str],
        not_like: Sequence[str],
        threshold: float | None,
        gesture: str,
    ) -> object:
        """Find words, and objects like those with these ids. Answered at the end; the state shows progress.

        It supersedes a search that is still encoding the image. Searches of one `gesture`, such as typing, are undone
        together.
        """
        searching = self._stage.session.searching
        run = searching.begin(*words, like=list(like), not_like=list(not_like), threshold=threshold, gesture=gesture)
        if self._search is not None and self._search[1] is run:
            self._replies.superseded(self._search[0])
        self._search = request, run
        return ANSWERED

    @remote(latest=True)
    def sift(self, threshold: float, gesture: str) -> None:
        """Change the threshold of the search.

        Edits of one `gesture`, such as dragging a slider, are undone together.
        """
        self._found().sift(threshold, gesture=gesture)

    @remote()
    def refuse(self, instance: str) -> None:
        """Make an instance of the search a counter-example."""
        with one_core_left():
            self._found().refuse(instance)

    @remote()
    def accept_found(self, instances: Sequence[str], label: str | None) -> None:
        """Turn instances of the search into objects: all that were found, if none is named."""
        self._found().accept(*instances, label=label)

    @remote()
    def refine_found(self, instance: str) -> None:
        """Make an instance of the search the current prompt, to be corrected by clicks."""
        with one_core_left():
            self._found().refine(instance)

    @remote()
    def end_find(self) -> None:
        """End the search; accepted objects remain."""
        if (found := self._stage.session.search) is not None:
            found.close()

    def _found(self) -> Found:
        found = self._stage.session.search
        if found is None:
            raise SessionError("there is no search; it may have been ended in another view")
        return found

    @remote()
    def export(self, request: Request, format: Format) -> None:  # noqa: A002  a field of the message
        """Request the objects as a file in the given format."""
        self._replies.file(request, *packed(self._stage.session, format))

    @remote(lane="tiles")
    def tile(self, request: Request, level: int, column: int, row: int, rendering: Rendering) -> None:
        """Request a tile of the image at a level: 0 is full size, each further level half the size of the previous one.

        The last level is a single tile of the whole image.
        """
        pyramid = self._stage.shown.pyramid
        if pyramid is None:
            raise ImageError("the image is not loaded yet; request the tile again when the state has an image")
        self._replies.tile(request, *pyramid.encoded(level, column, row, rendering))

    def search_on(self) -> bool:
        """Decode the next points of `everything`; returns whether there is more to do."""
        if self._search is None:
            return False
        request, search = self._search
        try:
            with one_core_left():
                more = search.advance()
        except Exception as error:  # noqa: BLE001  whatever it was, the view is told and keeps working
            more = False
            self._replies.refuse(request, error)
        else:
            if not more:
                self._replies.done(request)
        if not more:
            self._search = None
        return more
