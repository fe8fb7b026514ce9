"""From the session to every view: new masks first, then the state that names them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sam_widget.widget import protocol
from sam_widget.widget.direct import Send
from sam_widget.widget.stage import Stage
from sam_widget.widget.state import MaskNames, mask_message, saved_view, state_of


class Publisher:
    """Shows a stage to all views.

    Attributes:
        names: The names of masks, and the mask prompts that views may name.
        revision: Number of the state shown last.
        wire: Orders what is sent: the worker, the message thread and the user's own thread all publish.
        line: What a page asks for a direct line; None where there is none.
    """

    def __init__(self, send: Send, show: Callable[[dict[str, Any]], None]) -> None:
        """Make a publisher.

        Args:
            send: Sends a message to every view.
            show: Sets the trait that holds the state.
        """
        self._send, self._show = send, show
        self.names = MaskNames()
        self.revision = 0
        self.wire = threading.RLock()
        self.line: str | None = None

    def publish(self, stage: Stage) -> None:
        """Show the present state everywhere."""
        with self.wire:
            self.revision += 1
            session = stage.shown.session_if_open()
            state = state_of(
                session,
                self.names,
                revision=self.revision,
                status=stage.status,
                message=stage.message,
                model=str(session.predictor.model.name if session else ""),
                decode_ms=stage.decode_ms,
                image=stage.shown.image,
                direct=self.line,
            )
            shown = protocol.to_json(state)
            self._send_masks(self.names.unsent(), shown)
            self._show(shown)

    def welcome(self) -> None:
        """Send every mask that the state names, for a view that has just opened."""
        with self.wire:
            self._send_masks(self.names.all())

    def saved(self, stage: Stage) -> dict[str, Any] | None:
        """Return what a page without a kernel needs besides the state; None where there is no image yet."""
        pyramid = stage.shown.pyramid
        if pyramid is None:
            return None
        return protocol.to_json(saved_view(pyramid, self.names.all(), stage.shown.session_if_open()))

    def _send_masks(self, masks: list[tuple[str, Any]], state: dict[str, Any] | None = None) -> None:
        if masks:
            parts = [mask_message(name, mask) for name, mask in masks]
            message = protocol.to_json(protocol.Masks([data for data, _ in parts], None))
            self._send({**message, "state": state}, [runs for _, runs in parts])
