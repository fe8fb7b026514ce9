"""Publish the session to its views: the changes of each edit, and the whole state on request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sam_widget.widget import protocol
from sam_widget.widget.direct import Send
from sam_widget.widget.stage import Stage
from sam_widget.widget.state import FoundRows, MaskNames, Rows, mask_message, saved_view, state_of


class Publisher:
    """Publishes a stage to all views.

    Attributes:
        names: The names of masks, and the mask prompts that views may refer to.
        revision: Revision of the last published state.
        wire: Lock that orders messages: the worker, the message thread and the user's own thread all publish.
        line: Path of the direct line; None if there is none.
    """

    def __init__(self, send: Send, show: Callable[[dict[str, Any]], None]) -> None:
        """Create a publisher.

        Args:
            send: Sends a message to every view.
            show: Called with the whole state after every change.
        """
        self._send, self._show = send, show
        self.names = MaskNames()
        self.revision = 0
        self.wire = threading.RLock()
        self.line: str | None = None
        self._rows = Rows()
        self._found = FoundRows()
        self._state: dict[str, Any] = {}

    def publish(self, stage: Stage) -> None:
        """Publish the current state: views receive the changes since the last time."""
        with self.wire:
            since = self.revision
            self.revision += 1
            state, splice, change = self._now(stage)
            before, self._state = self._state, state
            fields = {name: value for name, value in state.items() if name != "objects" and before.get(name) != value}
            if running := fields.get("everything"):
                fields["everything"] = running | {"found": []}
            masks = [mask_message(name, mask) for name, mask in self.names.unsent()]
            update = protocol.Update(since, fields, splice, change, [data for data, _ in masks])
            self._send(protocol.to_json(update), [runs for _, runs in masks])
            self._show(state)

    def welcome(self) -> None:
        """Send the whole state and every mask it refers to, for a view that has just opened or missed a change."""
        with self.wire:
            masks = [mask_message(name, mask) for name, mask in self.names.all()]
            message = {"type": "whole", "masks": [protocol.to_json(data) for data, _ in masks], "state": self._state}
            self._send(message, [runs for _, runs in masks])

    def saved(self, stage: Stage) -> dict[str, Any] | None:
        """Return the data of a page without a kernel besides the state; None if there is no image yet."""
        pyramid = stage.shown.pyramid
        if pyramid is None:
            return None
        return protocol.to_json(saved_view(pyramid, self.names.all(), stage.shown.session_if_open()))

    def _now(self, stage: Stage) -> tuple[dict[str, Any], protocol.Splice | None, protocol.FoundChange | None]:
        """Return the current state, and the changes of its objects and of what has been found."""
        session = stage.shown.session_if_open()
        now = None if session is None else session.state
        state = state_of(
            session,
            now,
            self.names,
            revision=self.revision,
            status=stage.status,
            message=stage.message,
            model=str(session.predictor.model.name if session else ""),
            decode_ms=stage.decode_ms,
            image=stage.shown.image,
            direct=self.line,
            meanwhile=stage.meanwhile,
        )
        objects = () if now is None else now.objects
        self._rows, splice = self._rows.follow(objects, self.names)
        if splice is not None:
            self.names.keep(objects)
        under_way = None if session is None or state.everything is None else session.under_way
        self._found, change = self._found.follow(() if under_way is None else under_way.objects, self.names)
        found = [row for _, row in self._found.rows]
        instances = [] if state.search is None else state.search.instances
        self.names.prune({item.mask for items in (state.candidates, found, instances) for item in items})
        body = protocol.to_json(state) | {"objects": list(self._rows.data)}
        if body["everything"] is None:
            return body, splice, None
        body["everything"]["found"] = [protocol.to_json(row) for row in found]
        return body, splice, change
