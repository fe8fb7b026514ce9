"""Where an image came from, as session files keep it, and where it is looked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam_widget.image.provenance import Reference


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "cat.png"
    path.parent.mkdir()
    Image.new("RGB", (4, 3)).save(path)
    return path


def test_a_file_is_known_by_its_absolute_path(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Reference("cat.png", path=str(photo))
    monkeypatch.chdir(photo.parent)
    assert Reference.of(photo) == Reference.of("cat.png") == expected
    with photo.open("rb") as file, Image.open(photo) as picture:
        assert Reference.of(file) == Reference.of(picture) == expected


def test_an_address_is_kept_without_its_secrets() -> None:
    assert Reference.of("https://me:secret@example.org/a/cat.png?token=T&id=3") == Reference(
        "example.org/cat.png", url="https://example.org/a/cat.png?id=3"
    )


@pytest.mark.parametrize("image", ["data:image/png;base64,AAAA", b"bytes", np.zeros((3, 4)), "missing.png"])
def test_what_comes_from_nowhere_has_a_name_alone(image: object) -> None:
    reference = Reference.of(image)
    assert reference.name
    assert (reference.path, reference.url) == (None, None)


def test_it_comes_back_from_a_session_file(photo: Path, tmp_path: Path) -> None:
    reference = Reference.of(photo)
    meta = reference.to_meta(tmp_path / "sessions")
    assert meta["relative"] == "../photos/cat.png"
    assert Reference.from_meta(meta) == reference


@pytest.mark.parametrize(
    "damage", [{"name": None}, {"name": 3}, {"path": 3}, {"url": ["https://example.org"]}], ids=str
)
def test_a_malformed_reference_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="reference of the image is malformed"):
        Reference.from_meta({"name": "cat.png", "path": None, "url": None, **damage})


def test_a_file_is_looked_for_next_to_the_session_file_too(photo: Path, tmp_path: Path) -> None:
    reference = Reference.of(photo)
    moved = tmp_path / "moved" / "sessions"
    moved.mkdir(parents=True)
    assert list(reference.places(moved, "../photos/cat.png")) == [photo], "its old place"
    (tmp_path / "moved" / "photos").mkdir()
    along = tmp_path / "moved" / "photos" / "cat.png"
    next_to_it = moved / "cat.png"
    for copy in (along, next_to_it):
        copy.write_bytes(photo.read_bytes())
    found = [path.resolve() for path in reference.places(moved, "../photos/cat.png")]
    assert found == [along, photo, next_to_it], "moved along first"


@pytest.mark.parametrize("path", ["//server/share/cat.png", "\\\\server\\share\\cat.png"])
def test_no_other_machine_is_asked(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(Path, "is_file", lambda self: asked.append(self) or False)
    assert not list(Reference("cat.png", path=path).places(tmp_path, path))
    assert not [place for place in asked if str(place).startswith(("//", "\\\\"))]
