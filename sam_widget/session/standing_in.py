"""Decode with another model while the session's own is out of reach: `tiny` answers while a server is gone or busy.

Images are embedded in a background thread, which tries again for as long as the server does not answer. A prompt waits
`PATIENCE` seconds for that, and is then answered by the stand-in. Every answer names the weights that gave it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from sam_widget.errors import OutOfReachError, SamWidgetError
from sam_widget.image.rendering import Rendering, SourceImage
from sam_widget.model.names import without_precision
from sam_widget.predictor.interface import Embedding, Predictor
from sam_widget.prompts.geometry import Box
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.decoding import Decoded, PromptDecoder, crop_for
from sam_widget.session.state import Answer, Candidate, SessionState

# Seconds that a prompt waits for its image to be embedded.
PATIENCE = 4.0
# Seconds between attempts to reach the server; the last one is repeated. A server that refuses is asked less often.
PAUSES, REFUSED_PAUSE = (0.5, 1.0, 2.0, 5.0), 30.0
BUSY = "the server is busy"
# The image as rendered, and the part of it; None for all of it.
Part = tuple[Rendering, Box | None]


class _Fetch:
    """An embedding that is on its way.

    Attributes:
        until: When patience ends, as `time.monotonic`.
        tried: Set once it is here, or the first attempt has failed.
    """

    def __init__(self) -> None:
        self.until = time.monotonic() + PATIENCE
        self.tried = threading.Event()


class StandInDecoder(PromptDecoder):
    """Decodes prompts with a predictor if its server answers, and with another one meanwhile. Thread-safe."""

    def __init__(
        self,
        source: SourceImage,
        predictor: Predictor,
        load: Callable[[], Predictor],
        *,
        told: Callable[[str | None], object],
    ) -> None:
        """Prepare to embed an image.

        Args:
            source: The image.
            predictor: The predictor to use.
            load: Returns the other predictor.
            told: See `Session.stand_in`.
        """
        super().__init__(source, predictor)
        self._load, self._told = load, told
        self._other: PromptDecoder | None = None
        self._other_predictor: Predictor | None = None
        self._fetches: dict[Part, _Fetch] = {}
        # The reason that was told last.
        self._reason: str | None = None
        self._guard = threading.RLock()
        self._closed = threading.Event()

    def decode(self, prompt: Prompt, state: SessionState) -> Decoded:
        """Decode a prompt in the context of a state; see `PromptDecoder`."""
        crop = crop_for(prompt, state)
        # A mask that is truncated at the crop's edge needs the whole image, too.
        here = [self._is_here((state.rendering, part)) for part in {None, crop}]
        if all(here):
            try:
                return super().decode(prompt, state)
            except OutOfReachError as error:  # of a predictor whose decoder is at the server, too
                self._lose(error, (state.rendering, crop))
        return self._stand_in().decode(prompt, state)

    def prepare(self, rendering: Rendering, crop: Box) -> None:
        """Embed a crop with the model that can do it now."""
        if not self._is_here((rendering, crop)):
            self._stand_in().prepare(rendering, crop)

    def answering(self, rendering: Rendering) -> tuple[Predictor, Embedding]:
        """Return the predictor that answers at present, and its embedding of the whole image."""
        if self._is_here((rendering, None)):
            return super().answering(rendering)
        return self._stand_in().answering(rendering)

    def logits(self, answer: Answer) -> np.ndarray | None:
        """Return the logits of an answer; see `PromptDecoder`."""
        if self._other is not None and self._is_others(answer):
            return self._other.logits(answer)
        return super().logits(answer)

    def keep(self, answer: Answer, logits: np.ndarray) -> np.ndarray:
        """Keep the logits of an answer; see `PromptDecoder`."""
        if self._other is not None and self._is_others(answer):
            return self._other.keep(answer, logits)
        return super().keep(answer, logits)

    def maker_of(self, candidate: Candidate) -> Predictor:
        """Return the predictor whose logits a candidate has."""
        answer, other = candidate.answer, self._other_predictor
        if other is not None and isinstance(answer, Answer) and self._is_others(answer):
            return other
        return self._predictor

    def close(self) -> None:
        """Stop trying to reach the server."""
        self._closed.set()

    def _stand_in(self) -> PromptDecoder:
        with self._guard:
            if self._other is None:
                self._other_predictor = self._load()
                self._other = PromptDecoder(self._source, self._other_predictor)
                self._other.others, self.others = (self._predictor,), (self._other_predictor,)
            if self._reason is None:
                self._tell(BUSY)
            return self._other

    def _is_others(self, answer: Answer) -> bool:
        """Whether the stand-in gave an answer, and this predictor could not have given it."""
        other, own = self._other_predictor, self._predictor.model.weights_id
        weights = without_precision(answer.weights)
        return (
            other is not None
            and weights == without_precision(other.model.weights_id)
            and weights != without_precision(own)
        )

    def _is_here(self, part: Part) -> bool:
        """Whether a part is embedded; waits for that as long as patience lasts."""
        if not self.has(*part):
            fetch = self._begin(part)
            fetch.tried.wait(max(0.0, fetch.until - time.monotonic()))
        return self.has(*part)

    def _begin(self, part: Part) -> _Fetch:
        """Embed a part in the background, unless that has begun."""
        with self._guard:
            if part not in self._fetches:
                self._fetches[part] = _Fetch()
                name = "sam_widget waiting for a server"
                threading.Thread(target=self._fetch, args=(part, self._fetches[part]), name=name, daemon=True).start()
            return self._fetches[part]

    def _fetch(self, part: Part, fetch: _Fetch) -> None:
        """Embed a part, again and again until the server answers."""
        attempts = 0
        while not self._closed.is_set():
            try:
                self._embed(part)
            except Exception as error:  # it is told, and the stand-in answers
                if not isinstance(error, SamWidgetError):
                    import logging  # late, to open a session quickly

                    logging.getLogger(__name__).exception("a server's answer cannot be used")
                self._tell(_brief(error))
                fetch.tried.set()
                pause = PAUSES[min(attempts, len(PAUSES) - 1)]
                self._closed.wait(pause if isinstance(error, OutOfReachError) else REFUSED_PAUSE)
                attempts += 1
            else:
                break
        with self._guard:
            self._fetches.pop(part, None)
            back = self._reason is not None and not self._fetches
        fetch.tried.set()
        if back:
            self._tell(None)

    def _embed(self, part: Part) -> None:
        rendering, crop = part
        if crop is None:
            super().whole(rendering)
        else:
            super().crop(rendering, crop)

    def _lose(self, error: OutOfReachError, part: Part) -> None:
        """Embed a part again, since the server does not answer any more."""
        self.forget(*part)
        self._tell(error.brief)
        self._begin(part)

    def _tell(self, reason: str | None) -> None:
        with self._guard:
            changed, self._reason = reason != self._reason, reason
        if changed and not self._closed.is_set():
            self._told(reason)


def _brief(error: Exception) -> str:
    if isinstance(error, OutOfReachError):
        return error.brief
    return str(error) if isinstance(error, SamWidgetError) else "the server's answer cannot be read"
