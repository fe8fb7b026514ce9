"""Names of images: as files, in addresses, and looked up."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence

import pytest

from sam_widget.errors import FormatError
from sam_widget.export.names import (
    address_of,
    below_common_folder,
    file_path,
    file_stem,
    name_in_address,
    name_in_file,
    pick,
    safe_name,
)

posix = pytest.mark.skipif(os.name != "posix", reason="Windows takes fewer characters")


@posix
@pytest.mark.parametrize("stem", ["_MG_0001", "IMG (2)", "été 100%", "a.b.c", "-x", "猫"])
def test_a_stem_stays_as_it_is(stem: str) -> None:
    assert file_stem(f"{stem}.jpg") == stem
    assert file_path(f"day 1/{stem}.jpg") == f"day 1/{stem}"


@posix
def test_a_stem_that_is_too_long_is_cut_and_stays_unique() -> None:
    stems = {file_stem("é" * 130 + end + ".jpg", suffix=".json") for end in ("a", "b")}
    assert len(stems) == 2
    assert all(len(os.fsencode(stem + ".json")) <= 255 for stem in stems)
    assert all(stem.startswith("é" * 60) for stem in stems)


@pytest.mark.parametrize(
    ("name", "path"), [("../../etc/cat.jpg", "etc/cat"), ("/photos/cat.jpg", "photos/cat"), ("a/../cat.jpg", "a/cat")]
)
def test_a_path_leads_down(name: str, path: str) -> None:
    assert file_path(name) == path


@pytest.mark.parametrize(
    ("text", "safe"), [("a/b c", "a_b_c"), ("../x", "x"), ("...", "unnamed"), ("", "unnamed"), ("é-1", "é-1")]
)
def test_a_label_becomes_part_of_a_file_name(text: str, safe: str) -> None:
    assert safe_name(text) == safe
    assert len(safe_name("猫" * 300).encode()) <= 200


@posix
def test_absolute_names_are_relative_to_their_common_folder() -> None:
    assert below_common_folder(["/a/b/1.png", "/a/c/1.png", "x/2.png"]) == ["b/1.png", "c/1.png", "x/2.png"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("day/cat.jpg", "day/cat.jpg"),
        ("day\\cat.jpg", "day/cat.jpg"),
        ("/home/me/cat.jpg", "cat.jpg"),
        ("C:\\photos\\cat.jpg", "cat.jpg"),
        ("../cat.jpg", "cat.jpg"),
    ],
)
def test_a_name_in_a_file_leads_nowhere_else(text: str, name: str) -> None:
    assert name_in_file(text) == name


@pytest.mark.parametrize("name", ["cat.jpg", "100% + #1 & more.jpg", "day 1/é.png"])
@pytest.mark.parametrize("prefix", ["/data/local-files/?d=", "s3://bucket/", ""])
def test_a_name_comes_back_from_its_address(name: str, prefix: str) -> None:
    known = name.rpartition("/")[2] if prefix == "s3://bucket/" else name
    assert name_in_address(address_of(name, prefix)) == known


@pytest.mark.parametrize(
    ("names", "wanted", "found"),
    [
        (["a.jpg", "b.jpg"], "b.jpg", 1),
        (["x/a.jpg", "y/a.jpg"], "y/a.jpg", 1),
        (["x/a.jpg", "y/b.jpg"], "b.jpg", 1),
        (["a.jpg", "b.jpg"], "b", 1),
        (["a.jpg", "b.jpg"], "photos/b.jpg", 1),
        (["a.jpg", "b.jpg"], "b.png", 1),
        ([unicodedata.normalize("NFD", "é.jpg"), "e.jpg"], "é.jpg", 0),
    ],
)
def test_an_image_is_found_by_what_it_may_be_called(names: Sequence[str], wanted: str, found: int) -> None:
    assert pick(names, wanted) == [found]


def test_all_are_found_where_none_is_asked_for_and_doubt_is_refused() -> None:
    assert pick(["a.jpg", None], None) == [0, 1]
    with pytest.raises(FormatError, match=r"several of them are called 'a\.jpg'; give one of 'x/a\.jpg', 'y/a\.jpg'"):
        pick(["x/a.jpg", "y/a.jpg"], "a.jpg")
    with pytest.raises(FormatError, match=r"none of them is called 'c\.jpg'"):
        pick(["a.jpg", "b.jpg"], "c.jpg")


def test_names_that_are_not_unicode_stay_distinct() -> None:
    names = [os.fsdecode(name) for name in (b"caf\xe9.jpg", b"caf\xe8.jpg")]
    assert [name_in_file(name) for name in names] == ["caf%E9.jpg", "caf%E8.jpg"]
    assert [pick(names, name) for name in (*names, "caf%E9.jpg")] == [[0], [1], [0]]
    assert len({address_of(name, "https://host/") for name in names}) == 2
