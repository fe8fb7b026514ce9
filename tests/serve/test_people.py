"""Tokens, and whose images are whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_widget.errors import SessionError
from sam_widget.serve import people as module
from sam_widget.serve.people import People, new_token

ADA, BOB = "a" * 16, "b" * 20


def test_a_file_names_people(tmp_path: Path) -> None:
    path = tmp_path / "class.txt"
    path.write_text(f"# class of 2026\nada {ADA}\n\n  bob\t{BOB}  # repeats\n", encoding="utf-8-sig")
    people = People.read(path)
    assert people.names == ("ada", "bob")
    assert (people.whose(ADA), people.whose(BOB), people.whose(ADA[:-1]), people.whose("")) == (
        "ada",
        "bob",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ada", "line 1 .* is not a name and a token"),
        (b"# none\nada short\n", "line 2"),
        (f"ada {ADA} more".encode(), "line 1"),
        (f"ada {ADA}\nada {BOB}\n".encode(), "line 2 .* repeats"),
        (f"ada {ADA}\nbob {ADA}\n".encode(), "line 2 .* repeats"),
        (b"\n# empty\n", "is empty"),
        (b"\xff\xfe\xff", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_by_line_and_without_its_tokens(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "class.txt"
    path.write_bytes(content)
    with pytest.raises(SessionError, match=said) as error:
        People.read(path)
    assert ADA not in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="cannot be read"):
        People.read(tmp_path / "none.txt")


def test_an_image_belongs_to_those_who_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    people = People({"ada": ADA, "bob": BOB})
    people.sent("ada", "1")
    assert people.may_ask("ada", "1")
    assert not people.may_ask("bob", "1")
    for digest in "213":
        people.sent("ada", digest)
    assert [people.may_ask("ada", digest) for digest in "123"] == [True, False, True]
    assert People({"ada": ADA}, share=True).may_ask("ada", "of anyone")


def test_tokens_are_long_and_differ() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 32
