"""A file is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_widget.atomic import write_whole


def test_a_file_is_made_with_its_folder_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.bin"
    for data in (b"first", b"second"):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert [item.name for item in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("error", [OSError("the disk is full"), KeyboardInterrupt("interrupted")])
def test_what_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "file.bin"
    write_whole(path, b"old")

    def fail(self: Path, _target: Path) -> None:
        assert self.read_bytes() == b"new", "the new content is written before it takes the old one's place"
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error), match=str(error)):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["file.bin"]
