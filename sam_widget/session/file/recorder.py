"""Keep a session and its file in sync: save, load, autosave."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sam_widget.errors import SessionError
from sam_widget.image.rendering import SourceImage
from sam_widget.model.names import without_precision
from sam_widget.predictor.interface import ModelIdentity
from sam_widget.session.file.decoder import MadeBy, no_makers
from sam_widget.session.file.encoder import Encoder
from sam_widget.session.file.format import Contents
from sam_widget.session.file.reader import Record, image_blobs, new_meta
from sam_widget.session.file.writer import SessionFile, resolved
from sam_widget.session.state import Recall, SegmentedObject, SessionState


class Recorder:
    """Writes a history to the session's file, if it has one, and to other files on request.

    Attributes:
        made_by: The weights that predicted each mask that was not predicted in this session.
    """

    def __init__(self, source: SourceImage, model: ModelIdentity, model_given: str | None) -> None:
        """Record the states of one image.

        Args:
            source: The image.
            model: The current model.
            model_given: Its name or path; None if it was given as a loaded model.
        """
        self.made_by: MadeBy = no_makers()
        self._source, self._model, self._model_given = source, model, model_given
        # The file to which every edit is written.
        self._file: SessionFile | None = None
        # Remembers what the file already contains.
        self._encoder = Encoder(self.made_by)
        # The meta rows that do not change.
        self._meta: dict[str, Any] | None = None
        # Stamps of the files this session was saved to or loaded from; a file with another stamp is not overwritten.
        self._left: dict[Path, str] = {}

    @property
    def path(self) -> Path | None:
        """The file to which every edit is written, or None."""
        return None if self._file is None else self._file.path

    def write(self, new: Sequence[SessionState], start: int, position: int) -> None:
        """Write an edit to disk; see `history.Save`. Has no effect without a file.

        Raises:
            SessionError: The edit cannot be written; the file is unchanged.
        """
        if self._file is None:
            return
        encoder = self._encoder
        try:
            hashes = encoder.states(new, self._model.weights_id)
            self._file.commit(
                hashes,
                position,
                start=start,
                documents=encoder.documents,
                blobs=encoder.blobs,
                meta=self._model_rows(self._file),
            )
        except BaseException:
            self._encoder = Encoder(self.made_by)  # forgets what the failed edit counted as written
            raise
        encoder.clear()

    def save(
        self,
        path: str | Path,
        timeline: Sequence[SessionState],
        position: int,
        *,
        keep_image: bool = True,
        overwrite: bool = False,
    ) -> None:
        """Write a whole history to one file; see `Session.save`."""
        target = resolved(path)
        if self._file is not None and self._file.path == target:
            if self._file.is_open:
                return
            self._left[target] = self._file.contents.stamp
        file = SessionFile.claim(target, take_over=False)
        try:
            self._save_to(file, timeline, position, keep_image=keep_image, overwrite=overwrite)
        finally:
            file.close()

    def resume(
        self,
        record: Record,
        *,
        recall: Recall | None = None,
        autosave: str | Path | None = None,
        keep_image: bool = True,
    ) -> tuple[list[SessionState], int]:
        """Return the history of a record, and continue its file if the record is writable; see `Record.states`.

        Raises:
            SessionError: The record is damaged, or the path to save to is another file.
        """
        file, encoder = record.file, Encoder(self.made_by)
        states, position = [SessionState()], 0
        if record.contents is not None:
            states, position = record.states(encoder, recall), record.contents.position
            self._meta = {key: record.contents.meta[key] for key in ("session", "versions", "created", "image")}
            self._left = {record.path: record.contents.stamp}
            self._compare_weights(record)
            if file is not None:
                file.sweep(record.live)
            record.contents = None
        if file is None and autosave is not None:
            file = SessionFile.claim(autosave, take_over=False)
            try:
                self._save_to(file, states, position, keep_image=keep_image)
            except BaseException:
                file.close()
                raise
        elif file is not None and not file.exists:
            self._save_to(file, states, position, keep_image=keep_image)
        self._file, self._encoder = file, encoder
        return states, position

    def close(self) -> None:
        """Close the file to which every edit is written; later edits raise."""
        if self._file is not None:
            self._file.close()

    def maker_of(self, item: SegmentedObject) -> str | None:
        """Return the weights that predicted an object's mask, if it was not predicted in this session."""
        return None if item.candidate is None else self.made_by.get(item.candidate.base)

    def _save_to(
        self,
        file: SessionFile,
        timeline: Sequence[SessionState],
        position: int,
        *,
        keep_image: bool,
        overwrite: bool = False,
    ) -> None:
        encoder = Encoder(self.made_by)
        hashes = encoder.states(timeline, self._model.weights_id)
        if file.exists and not overwrite:
            if self._left.get(file.path) != file.contents.stamp:
                raise SessionError(
                    f"{file.path.name} holds another session, or was changed since this one was saved there, and was "
                    "left as it is; choose another path, or pass overwrite=True to replace it"
                )
            file.take()
            file.commit(hashes, position, documents=encoder.documents, blobs=encoder.blobs, meta=self._model_rows(file))
        else:
            images = image_blobs(self._source) if keep_image else {}
            kept = {name: encoder.blob(blob) for name, blob in images.items()}
            fresh = new_meta(self._source, file.path.parent, kept=kept)
            meta = {**fresh, **(self._meta or {}), "image": fresh["image"], **self._model_rows(file)}
            contents = Contents(meta, hashes, position, documents=encoder.documents, blobs=encoder.blobs)
            file.create(contents)
            self._meta = {key: meta[key] for key in fresh}
        self._left[file.path] = file.contents.stamp

    def _model_rows(self, file: SessionFile) -> dict[str, Any]:
        known = dict(file.contents.meta.get("models", {}))
        known[self._model.weights_id] = {"name": self._model.name, "source": self._model_given}
        return {"models": known, "model": self._model.weights_id}

    def _compare_weights(self, record: Record) -> None:
        """Warn if a model of the same name has other weights now, ignoring their precision, which varies by machine."""
        before, now, name = record.weights, self._model.weights_id, self._model.name
        if before.startswith(f"{name}-") and without_precision(before) != without_precision(now):
            warnings.warn(
                f"{record.path.name} was made with other weights of {name!r} ({before}) than are installed ({now}): "
                "its masks do not change, and new prompts use the installed weights",
                stacklevel=5,
            )


def claim_record(path: str | Path, source: SourceImage | None) -> Record:
    """Open a path for autosave. An existing session must belong to this image, if that is known yet.

    Raises:
        SessionError: The file is open in another kernel, damaged, or belongs to another image.
    """
    record = Record.claim(path)
    try:
        if record.contents is not None and source is not None:
            record.check(source)
    except BaseException:
        record.close()
        raise
    return record


def open_record(path: str | Path, *, autosave: str | Path | None) -> Record:
    """Open a session file for `load`; also for writing if edits will be saved to the same file."""
    if autosave is None or resolved(autosave) != resolved(path):
        return Record.read(path)
    record = Record.claim(path)
    if record.contents is None:
        record.close()
        raise SessionError(f"there is no session file {str(path)!r}; check the path")
    return record
