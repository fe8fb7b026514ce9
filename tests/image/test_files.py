"""Finding the photos of a folder, and writing files whole."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sam_widget as sw
from sam_widget.atomic import write_whole
from sam_widget.errors import ImageError
from sam_widget.image.files import Shard, find_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b2.JPG", "b10.png", "B1.jpeg", "notes.txt", ".hidden.png", "._b2.jpg", "inner/c.webp", ".git/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def names(paths: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_images_come_in_the_order_people_count_in(folder: Path) -> None:
    assert names(find_images(folder), folder) == ["B1.jpeg", "b2.JPG", "b10.png"]
    assert names(find_images(str(folder), recursive=True), folder) == ["B1.jpeg", "b2.JPG", "b10.png", "inner/c.webp"]


def test_files_are_taken_whatever_their_name_and_once(folder: Path) -> None:
    found = find_images([folder / "notes.txt", folder, folder / "b10.png"])
    assert names(found, folder) == ["notes.txt", "B1.jpeg", "b2.JPG", "b10.png"]


def test_no_folder_and_no_image_are_errors_that_say_what_to_do(folder: Path) -> None:
    with pytest.raises(sw.ImageError, match=r"no file or folder '.*missing'.*check the path"):
        find_images(folder / "missing")
    (folder / "empty").mkdir()
    with pytest.raises(sw.ImageError, match=r"no image in '.*empty'.*\.jpg.*recursive"):
        find_images(folder / "empty")
    with pytest.raises(sw.ImageError, match="no image in nothing"):
        find_images([])


def test_a_failed_write_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def interrupted(_self: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


WRITER = """
import sys
from pathlib import Path
from sam_widget.atomic import write_whole
path, data = Path(sys.argv[1]), [bytes([n]) * 1_000_000 for n in range(4)]
while True:
    for one in data:
        write_whole(path, one)
        print(flush=True)
"""


def test_killed_at_any_moment_the_file_is_whole(tmp_path: Path) -> None:
    path, chance = tmp_path / "file", random.Random(0)
    for _ in range(20):
        with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(chance.uniform(0, 0.01))
            writer.send_signal(signal.SIGKILL)
        data = path.read_bytes()
        assert len(data) == 1_000_000
        assert len(set(data)) == 1


def test_photos_as_phones_scanners_and_browsers_name_them_are_found(tmp_path: Path) -> None:
    for name in ("a.JFIF", "b.jpe", "c.jp2", "d.j2k"):
        (tmp_path / name).touch()
    assert names(find_images(tmp_path), tmp_path) == ["a.JFIF", "b.jpe", "c.jp2", "d.j2k"]


def test_photos_that_cannot_be_read_are_counted_in_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_widget.image.files.load_heif", lambda: False)
    for name in ("IMG_1.HEIC", "IMG_2.heic", "c.dng", "._IMG_1.HEIC", "d.jpg"):
        (tmp_path / name).touch()
    told = "skipped: 1 DNG (convert them to TIFF or JPEG), 2 HEIC (pip install pillow-heif)"
    with pytest.warns(UserWarning, match=re.escape(told)) as warned:
        assert names(find_images(tmp_path), tmp_path) == ["d.jpg"]
    assert len(warned) == 1
    (tmp_path / "d.jpg").unlink()
    with pytest.raises(sw.ImageError, match=r"no image in .*2 HEIC \(pip install pillow-heif\)"):
        find_images(tmp_path)


def test_with_its_plug_in_heic_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_widget.image.files.load_heif", lambda: True)
    for name in ("IMG_1.HEIC", "a.heif", "d.jpg"):
        (tmp_path / name).touch()
    assert names(find_images(tmp_path), tmp_path) == ["a.heif", "d.jpg", "IMG_1.HEIC"]


def test_shards_are_a_partition_that_other_photos_do_not_change(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(200)]
    parts = [[path for path in paths if Shard(number, 8).has(path)] for number in range(1, 9)]
    assert sorted(path for part in parts for path in part) == sorted(paths)
    assert all(10 <= len(part) <= 45 for part in parts)
    assert [path for path in paths[50:] if Shard(3, 8).has(path)] == [path for path in parts[2] if path in paths[50:]]
    assert all(Shard(1, 1).has(path) for path in paths)
    assert Shard.parse(" 3/16 ") == Shard(3, 16)


@pytest.mark.parametrize(
    ("text", "said"),
    [("0/16", "no shard 0 of 16.*--array=1-16"), ("17/16", "no shard 17"), ("3", "such as 3/16"), ("1/0", "no shard")]
    + [(text, "such as 3/16") for text in ("", "a/b", "-1/4", "1/4/2", "\u0661/\u0664")],
)
def test_a_shard_that_does_not_exist_is_refused(text: str, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        Shard.parse(text)
