"""What a session does about its file: save, load, autosave."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sam_widget.errors import ModelError, SessionError
from sam_widget.image.rendering import SourceImage
from sam_widget.predictor.interface import ModelLike, Predictor, Progress
from sam_widget.session.file.documents import Encoder
from sam_widget.session.file.format import Contents
from sam_widget.session.file.reader import Record, image_blobs, new_meta, without_precision
from sam_widget.session.file.writer import SessionFile, resolved
from sam_widget.session.history import History
from sam_widget.session.state import SessionState

if TYPE_CHECKING:
    from sam_widget.session.state import SegmentedObject


class Kept(History, ABC):
    """A part of `Session`, in a file of its own."""

    source: SourceImage
    predictor: Predictor
    _model_given: str | None

    # The file that every edit is written to.
    _file: SessionFile | None = None
    # What the file knows already.
    _encoder: Encoder | None = None
    # The meta rows that do not change.
    _meta: dict[str, Any] | None = None
    # How files were left that this session was saved to or loaded from: whoever changed them since is not overwritten.
    _left: dict[Path, str] | None = None

    @abstractmethod
    def __init__(
        self,
        image: Any,
        *,
        model: ModelLike = "tiny",
        progress: Progress | None = None,
        autosave: str | Path | None = None,
        keep_image: bool = True,
    ) -> None:
        """Open an image."""

    @property
    def autosave(self) -> Path | None:
        """The file that every edit is written to, if there is one."""
        return None if self._file is None else self._file.path

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        image: Any = None,
        model: ModelLike | None = None,
        autosave: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Open a session that was saved: objects, prompt, candidates, and all that can be undone and redone.

        Args:
            path: Of the file. It stays as it is, unless `autosave` names it.
            image: The image, where it is neither in the file nor where it was.
            model: What goes on answering prompts; by default the model that was used last.
            autosave: Write every edit to this file from now on; the same path goes on with the same file.
            progress: As in `Session`.

        Raises:
            SessionError: There is no such file, it is damaged or of a newer version, its image cannot be found or is
                another one, or another kernel is writing it.
            ImageError: The image cannot be read.
            ModelError: The model cannot be loaded.
        """
        record = open_record(path, autosave=autosave)
        try:
            source = record.image(image)
            try:
                session = cls(source, model=record.model if model is None else model, progress=progress)
            except ModelError as error:
                if model is not None:
                    raise
                raise ModelError(
                    f"{record.path.name} was made with the model {record.model!r}, which cannot be loaded ({error}); "
                    "give another one: load(path, model=...)"
                ) from error
            session.resume(record, autosave=autosave)
        except BaseException:
            record.close()
            raise
        return session

    def save(self, path: str | Path, *, keep_image: bool = True, overwrite: bool = False) -> None:
        """Write everything to one file: objects, prompt, candidates, and all that can be undone and redone.

        Args:
            path: Where to; "truck.sam" is a good name.
            keep_image: Put the image into the file, as PNG; without, the file only says which image it is about and
                where it was.
            overwrite: Replace another session's file, or one that somebody else has changed since.

        Raises:
            SessionError: There is something else at the path, another kernel is writing it, or it cannot be written.
        """
        with self._edit:
            target = resolved(path)
            if self._file is not None and self._file.path == target:
                if self._file.is_open:
                    return
                self._left = {**(self._left or {}), target: self._file.contents.stamp}
            file = SessionFile.claim(target, take_over=False)
            try:
                self._save_to(file, keep_image=keep_image, overwrite=overwrite)
            finally:
                file.close()

    def close(self) -> None:
        """Close the file of a session that saves by itself. Edits after this raise; everything can still be read."""
        if self._file is not None:
            self._file.close()

    @property
    def model_name(self) -> str:
        """What loads the model: its name, or the path of a checkpoint."""
        return self._model_given or self.predictor.model.name

    def to_code(self, *, image: str | None = None, model: str | None = None) -> str:
        """Return Python that leads to the present state: a session `s` with the same objects, prompt and candidates.

        What no prompt to this model leads to, such as an object that was merged or made elsewhere, is written as a
        mask. An image that came as an array is written into the code, unless it is one of the samples.

        Args:
            image: Path or address to write instead of where the image came from.
            model: What loads the model, to write instead of its name.

        Raises:
            SessionError: The image is too large to be written into the code.
        """
        from sam_widget.session.to_code import to_code

        return to_code(self, image=image, model=model)  # type: ignore[arg-type]

    def maker_of(self, item: SegmentedObject) -> str | None:
        """Return the weights that an object's mask was made with, where that was not in this session."""
        return (
            None if self._encoder is None or item.candidate is None else self._encoder.made_by.get(item.candidate.base)
        )

    # ------------------------------------------------------------------------------------------------ for the session

    def resume(self, record: Record, *, autosave: str | Path | None = None, keep_image: bool = True) -> None:
        """Go on where a record ends, and write on its file, if it is to be written on; the image must be checked.

        Raises:
            SessionError: The record is damaged, or there is something else at the path to save to.
        """
        file = record.file
        with self._edit:
            encoder = Encoder()
            if record.contents is not None:
                states, position = record.states(encoder), record.contents.position
                self._meta = {key: record.contents.meta[key] for key in ("session", "versions", "created", "image")}
                self._left = {record.path: record.contents.stamp}
                self._compare_weights(record)
                if file is not None:
                    file.sweep(record.live)
                record.contents = None
                self._past, self._state = states[:position], states[position]
                self._future = states[:position:-1]
            if file is None and autosave is not None:
                file = SessionFile.claim(autosave, take_over=False)
                try:
                    self._save_to(file, keep_image=keep_image)
                except BaseException:
                    file.close()
                    raise
            elif file is not None and not file.exists:
                self._save_to(file, keep_image=keep_image)
            self._file, self._encoder = file, encoder

    def _begin(self, path: str | Path, *, keep_image: bool) -> None:
        """Save to a file from now on, and go on with what is in it."""
        record = claim_record(path, self.source)
        try:
            self.resume(record, keep_image=keep_image)
        except BaseException:
            record.close()
            raise

    def _write(self, timeline: tuple[SessionState, ...], position: int) -> None:
        """Write a history to the file, if there is one; when this returns, it is on the disk."""
        if self._file is None:
            return
        encoder = self._encoder or Encoder()
        self._encoder = None  # What it counts as written is not, should this fail.
        hashes = encoder.states(timeline, self.predictor.model.weights_id)
        self._file.commit(
            hashes, position, documents=encoder.documents, blobs=encoder.blobs, meta=self._model_rows(self._file)
        )
        encoder.clear()
        self._encoder = encoder

    def _save_to(self, file: SessionFile, *, keep_image: bool, overwrite: bool = False) -> None:
        self._left = self._left or {}
        encoder = Encoder(None if self._encoder is None else self._encoder.made_by)
        position = self.position
        hashes = encoder.states(self.timeline, self.predictor.model.weights_id)
        if file.exists and not overwrite:
            if self._left.get(file.path) != file.contents.stamp:
                raise SessionError(
                    f"{file.path.name} holds another session, or was changed since this one was saved there, and was "
                    "left as it is; choose another path, or pass overwrite=True to replace it"
                )
            file.take()
            file.commit(hashes, position, documents=encoder.documents, blobs=encoder.blobs, meta=self._model_rows(file))
        else:
            images = image_blobs(self.source) if keep_image else {}
            kept = {name: encoder.blob(blob) for name, blob in images.items()}
            fresh = new_meta(self.source, file.path.parent, kept=kept)
            meta = {**fresh, **(self._meta or {}), "image": fresh["image"], **self._model_rows(file)}
            contents = Contents(meta, hashes, position, documents=encoder.documents, blobs=encoder.blobs)
            file.create(contents)
            self._meta = {key: meta[key] for key in fresh}
        self._left[file.path] = file.contents.stamp

    def _model_rows(self, file: SessionFile) -> dict[str, Any]:
        model = self.predictor.model
        known = dict(file.contents.meta.get("models", {}))
        known[model.weights_id] = {"name": model.name, "source": self._model_given}
        return {"models": known, "model": model.weights_id}

    def _compare_weights(self, record: Record) -> None:
        """Say so where a model of the same name answers otherwise than it did; precision is the machine's affair."""
        before, now = record.weights, self.predictor.model.weights_id
        name = self.predictor.model.name
        if before.startswith(f"{name}-") and without_precision(before) != without_precision(now):
            warnings.warn(
                f"{record.path.name} was made with other weights of {name!r} ({before}) than are here now ({now}): its "
                "masks are as they were, and new prompts are answered by the weights of now",
                stacklevel=4,
            )


def claim_record(path: str | Path, source: SourceImage | None) -> Record:
    """Open a path for autosave: what is in it must be about this image, if that is known yet.

    Raises:
        SessionError: Another kernel is writing it, it is damaged, or about another image.
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
    """Open a session file for `load`: for writing, too, where edits are to be saved to the same file."""
    if autosave is None or resolved(autosave) != resolved(path):
        return Record.read(path)
    record = Record.claim(path)
    if record.contents is None:
        record.close()
        raise SessionError(f"there is no session file {str(path)!r}; check the path")
    return record
