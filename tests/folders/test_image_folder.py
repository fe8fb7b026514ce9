"""A folder that is being labelled: names, places of sessions, marks."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import pytest

import sam_widget as sw
from sam_widget.folders.image_folder import NOTES, Album, session_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "in/a.jpg", "in/c.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def test_sessions_lie_beside_the_images_or_in_a_folder_of_their_own(folder: Path, tmp_path: Path) -> None:
    album = Album(folder, recursive=True)
    assert album.names == ("a.jpg", "b.jpg", "in/a.jpg", "in/c.png")
    assert album.session_path(2) == folder / "in/a.jpg.sam"
    apart = Album(str(folder), sessions=tmp_path / "work", recursive=True)
    assert apart.session_path(2) == tmp_path / "work/in/a.jpg.sam"


def test_the_names_of_single_files_count_from_what_they_have_in_common(folder: Path) -> None:
    assert Album([folder / "in/c.png", folder / "b.jpg"]).names == ("in/c.png", "b.jpg")
    assert Album(folder / "in/c.png").names == ("c.png",)
    assert Album(folder / "in").session_path(0) == folder / "in/a.jpg.sam"


def test_images_are_found_by_number_name_and_path(folder: Path) -> None:
    album = Album(folder, recursive=True)
    assert [album.find(which) for which in (0, -1, "b.jpg", "c.png", "in/a.jpg", folder / "in/c.png")] == [
        0,
        3,
        1,
        3,
        2,
        3,
    ]
    assert album.find("a.jpg") == 0, "the whole name counts first"
    with pytest.raises(sw.ImageError, match="no image 4; expected 0 to 3"):
        album.find(4)
    with pytest.raises(sw.ImageError, match=r"no image 'd\.jpg'"):
        album.find("d.jpg")
    (folder / "in2").mkdir()
    (folder / "in2/c.png").touch()
    with pytest.raises(sw.ImageError, match=r"2 images are called 'c\.png'"):
        Album(folder, recursive=True).find("c.png")


def test_marks_are_remembered_and_shared(folder: Path, tmp_path: Path) -> None:
    whole, part = Album(folder, recursive=True), Album(folder)
    whole.mark(2, done=True)
    part.mark(0, done=True)
    assert whole.done == part.done == {"a.jpg", "in/a.jpg"}
    part.mark(0, done=False)
    assert Album(folder).done == {"in/a.jpg"}
    assert Album(folder, sessions=tmp_path / "work").done == frozenset()


@pytest.mark.parametrize("content", ["", "[]", '{"done": 3}', "\x00\xff", '{"dome": []}'])
def test_damaged_notes_are_an_error_and_are_not_overwritten(folder: Path, content: str) -> None:
    (folder / NOTES).write_text(content)
    album = Album(folder)
    with pytest.raises(sw.SessionError, match="repair or remove it"):
        album.mark(0, done=True)
    assert (folder / NOTES).read_text() == content


def test_a_folder_that_cannot_be_written_to_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(sw.SamWidgetError, match=r"repair|sessions=\.\.\."):
        Album(folder, sessions=tmp_path / "file").mark(0, done=True)


class TestNames:
    def album(self, folder: Path, *names: bytes) -> Album:
        folder.mkdir(exist_ok=True)
        for name in names:
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
        return Album(folder)

    def test_composed_and_decomposed_letters_are_the_same(self, tmp_path: Path) -> None:
        album = self.album(tmp_path / "x", unicodedata.normalize("NFD", "Café.jpg").encode(), b"b.jpg")
        for form in ("NFC", "NFD"):
            typed = unicodedata.normalize(form, "Café.jpg")
            assert album.images[album.find(typed)].name.startswith("Caf")
            assert album.find(tmp_path / "x" / typed) == album.find(typed)

    @pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="its file names are text")
    def test_bytes_that_are_not_utf_8(self, tmp_path: Path) -> None:
        album = self.album(tmp_path / "x", b"caf\xe9.jpg", b"caf\xe8.jpg")
        assert sorted(album.names) == ["caf%E8.jpg", "caf%E9.jpg"]
        index = album.names.index("caf%E9.jpg")
        assert os.fsencode(album.images[index].name) == b"caf\xe9.jpg"
        assert album.find("caf%E9.jpg") == album.find(album.images[index]) == index
        assert album.session_path(index).name == "caf%E9.jpg.sam"
        album.mark(index, done=True)
        assert Album(tmp_path / "x").done == {"caf%E9.jpg"}

    @pytest.mark.parametrize("name", ["a" * 250 + ".jpg", "照" * 80 + ".jpg", "é" * 124 + ".jpeg"])
    def test_names_that_fill_what_the_file_system_holds(self, tmp_path: Path, name: str) -> None:
        like = name[:-8] + "x" + name[-7:]
        album = self.album(tmp_path / "x", name.encode(), like.encode())
        first, second = (album.session_path(album.find(which)) for which in (name, like))
        assert first.name != second.name
        assert first.name.startswith(name[:60])
        assert first.suffixes[-2:] == [Path(name).suffix, ".sam"]
        for path in (first, first.with_name(f"{first.name}.12345678.partial")):
            path.touch()

    def test_others_are_called_as_their_image(self) -> None:
        assert session_name("in/cat photo.v2.JPG") == "in/cat photo.v2.JPG.sam"
