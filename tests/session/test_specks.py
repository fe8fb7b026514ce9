"""Specks are removed by default; older recorded sessions do not change."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import sam_widget as sw
from sam_widget.masks.cleanup import TIDY, MaskSettings
from sam_widget.masks.runs import StoredMask
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.file.format import Document, read, to_json, write_new
from tests.session.test_history import Discs


class Specked(Discs):
    """Answers with a disc that has a hole and an island of nine pixels each."""

    def answer(self, embedding: tuple[int, int], prompt: Prompt) -> Any:
        found = super().answer(embedding, prompt)

        def specked(index: int) -> StoredMask:
            mask = found.stored_mask(index).array.copy()
            mask[199:202, 249:252] = False
            mask[10:13, 10:13] = True
            return StoredMask(mask)

        return SimpleNamespace(**{**vars(found), "stored_mask": specked})


def opened() -> sw.Session:
    session = sw.Session(np.zeros((384, 512, 3), np.uint8), model=Specked())
    session.click(250, 200)
    return session


def has_specks(candidate: Any) -> list[bool]:
    return [not candidate.mask[200, 250], bool(candidate.mask[11, 11])]


def test_they_are_removed_by_default_and_come_back_on_request() -> None:
    session = opened()
    assert session.state.settings == TIDY
    assert has_specks(session.chosen) == [False, False]
    session.adjust(specks=False)
    assert has_specks(session.chosen) == [True, True]
    session.click(260, 200)
    assert has_specks(session.chosen) == [True, True], "it holds for the session"
    session.accept()
    assert has_specks(session.objects[0]) == [True, True]


def test_they_are_removed_again_in_replay_code_and_file(tmp_path: Path) -> None:
    session = opened()
    session.accept("tidy")
    session.adjust(specks=False)
    session.click(250, 200)
    session.accept("raw")
    session.save(tmp_path / "a.sam")
    for source in (session, tmp_path / "a.sam"):
        report = sw.replay(source, model=Specked())
        assert [row.iou for row in report] == [1, 1]
        assert [has_specks(SimpleNamespace(mask=row.new_mask)) for row in report] == [[False, False], [True, True]]
    assert "s.adjust(specks=False)" in session.to_code(image="x.png")
    loaded = sw.Session.load(tmp_path / "a.sam", model=Specked())
    loaded.undo()
    loaded.adjust(specks=True)
    assert has_specks(loaded.chosen) == [False, False], "the mask of before is still known"


def test_sessions_recorded_before_replay_to_their_masks(tmp_path: Path) -> None:
    session = opened()
    session.adjust(specks=False)
    session.accept("old")
    session.save(tmp_path / "a.sam")
    contents = read(tmp_path / "a.sam")
    names: dict[str, str] = {}
    # What no document names comes first, so that every name is known when it is needed.
    for kind in ("prompt", "candidate", "object", "state"):
        for key, item in list(contents.documents.items()):
            if item.kind == kind:
                body = json.loads(item.json)
                body.get("settings", {}).pop("specks", None)
                text = to_json(body)
                for old, new in names.items():
                    text = text.replace(old, new)
                document = Document(kind, text)
                del contents.documents[key]
                contents.documents[document.hash] = document
                names[key] = document.hash
    contents.history = [names[key] for key in contents.history]
    write_new(tmp_path / "old.sam", contents)
    loaded = sw.Session.load(tmp_path / "old.sam", model=Specked())
    assert loaded.state.settings == MaskSettings()
    (row,) = sw.replay(tmp_path / "old.sam", model=Specked())
    assert row.iou == 1
    assert has_specks(SimpleNamespace(mask=row.new_mask)) == [True, True]
