"""The checker of the English finds what it should, where it is, and reads nothing but prose."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import english


def found(prose: str) -> list[str]:
    return [finding.words.lower() for finding in english.findings(prose)]


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("Errors from whoever has hung up are ignored.", "whoever"),
        ("Hear nobody any more.", "nobody"),
        ("For anybody who asks.", "anybody"),
        ("Somebody else has it.", "somebody"),
        ("Read the file anew.", "anew"),
        ("The file beside the image.", "beside"),
        ("'x' is no size.", "is no"),
        ("The masks were no trained ones.", "were no"),
        ("The listener listens no more.", "no more"),
        ("The cell goes on while it waits.", "goes on"),
        ("Runs in place of floats.", "in place of"),
        ("The part that is to be seen.", "is to be"),
        ("There being none is a failure.", "there being"),
        ("It is painted early, for it is asked for at the press.", ", for it is"),
        ("It is written nowhere.", "nowhere"),
        ("A view hears of every change.", "hears of"),
        ("It took 3 ms in the median.", "in the median"),
        ("It is shown unless told otherwise.", "unless told otherwise"),
        ("Damaged rows are passed over.", "passed over"),
        ("What decoders trip over.", "trip over"),
        ("It gives back the memory.", "gives back"),
        ("The embedding is at hand.", "at hand"),
        ("How an object came about.", "came about"),
        ("None where there is none.", "where there is none"),
        ("The other one stays as it is.", "stays as it is"),
        ("Write a file, one an image.", "one an image"),
        (f"model: As for {english.CODE}.", ": as for"),
    ],
)
def test_each_rule_finds_its_words_and_says_what_to_write(sentence: str, words: str) -> None:
    (finding,) = english.findings(sentence)
    assert finding.words.lower() == words
    assert finding.advice


def test_every_rule_has_an_example_above() -> None:
    (mark,) = (m for m in test_each_rule_finds_its_words_and_says_what_to_write.pytestmark if m.name == "parametrize")  # type: ignore[attr-defined]
    for pattern, _ in english.PATTERNS:
        assert any(pattern.search(sentence) for sentence, _ in mark.args[1]), pattern.pattern


@pytest.mark.parametrize(
    "sentence",
    [
        "There is no such object.",
        "Are there no masks? There are no masks.",
        "It is no longer here, is no larger than before and takes no more than a second.",
        "Besides the masks, the file next to the image.",
        "The placement of a place; the median is 3 ms.",
        "Waits for it; for that the model is asked.",
        "It has been heard, and continues.",
    ],
)
def test_good_english_passes(sentence: str) -> None:
    assert found(sentence) == []


def test_words_are_found_across_lines_and_numbered_where_they_begin() -> None:
    source = '"""First line.\n\n    A file is\n    no longer one, it is\n    no file.\n    """\n'
    (finding,) = english.findings(english.python(source))
    assert (finding.line, finding.words) == (4, "is no")


@pytest.mark.parametrize(
    "source",
    [
        '"""Whoever asks, is told anew."""\n',
        "# Whoever asks,\n# is told anew.\n",
        "raise E('whoever asks, ' f'{name!r} is told' ' anew')\n",
        "x = (\n    'whoever asks, '\n    'is told anew'\n)\n",
    ],
)
def test_docstrings_comments_and_messages_of_python_are_read(source: str) -> None:
    assert found(english.python(source)) == ["whoever", "anew"]


def test_a_message_in_two_literals_is_one_text_and_two_messages_are_two() -> None:
    assert found(english.python("f('this file is '\n  f'no {kind}')\n")) == ["is no"]
    assert found(english.python("f('this file is', 'no image of it')\n")) == []
    assert found(english.python("# It is\n# no file.\n")) == ["is no"]
    assert found(english.python("x = 1  # It is\ny = 2  # no file.\n")) == []


def test_names_keys_and_code_in_backticks_are_not_read() -> None:
    source = (
        'address = Address.beside(anew, d["beside"], "nobody")\n"""Calls `Address.beside`, `whoever`."""\nis_no = 1\n'
    )
    assert found(english.python(source)) == []
    assert found(english.python("f'given {nobody or anew} as it is'\n")) == []


def test_comments_and_strings_of_typescript_are_read_and_its_code_is_not() -> None:
    source = """/** The mask is
 * no longer here; it is
 * no mask. */
const beside = nobody(anew); // whoever asks
const text = "somebody else has it", key = "nowhere", odd = /"/.test("an `anew` x");
const built = `painted ${beside} anew`;
"""
    assert [(f.line, f.words) for f in sorted(english.findings(english.typescript(source)), key=lambda f: f.line)] == [
        (2, "is no"),
        (4, "whoever"),
        (5, "somebody"),
        (6, "anew"),
    ]


def test_text_of_markdown_is_read_and_of_its_code_the_comments() -> None:
    source = "One file beside\nanother.\n\n```python\nbeside()  # whoever asks\n```\n\n`anew` is code.\n"
    assert [(f.line, f.words) for f in english.findings(english.markdown(source))] == [(5, "whoever"), (1, "beside")]


def test_text_of_notebooks_is_read_and_neither_code_nor_output_is() -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["A file is\n", "no image of `anew`."]},
        {"cell_type": "code", "metadata": {}, "outputs": ["somebody anew"], "source": ["beside()  # whoever asks\n"]},
    ]
    source = json.dumps({"cells": cells}, indent=1)
    lines = source.split("\n")
    by_line = {f.words: lines[f.line - 1] for f in english.findings(english.notebook(source))}
    assert set(by_line) == {"is no", "whoever"}
    assert "A file is" in by_line["is no"]
    assert "whoever" in by_line["whoever"]


def test_comments_of_the_build_are_read() -> None:
    assert found(english.hashes("beside:  # whoever asks\n\tx#anew is code\n# It is\n# no file\n")) == [
        "whoever",
        "is no",
    ]


@pytest.mark.parametrize(("pattern", "_reader"), english.READERS)
def test_every_pattern_finds_files(pattern: str, _reader: Callable[[str], str]) -> None:
    assert list(english.ROOT.glob(pattern))


def test_blanking_keeps_every_line_in_its_place() -> None:
    for name, reader in english.files():
        source = (english.ROOT / name).read_text(encoding="utf-8")
        assert reader(source).count("\n") == source.count("\n"), name


def test_a_finding_is_reported_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(english, "ROOT", tmp_path)
    for name, text in {"README.md": "Good.\nRead it anew.\n", "CHANGELOG.md": "Fine.\n"}.items():
        (tmp_path / name).write_text(text)
    expected = ['README.md:2: \'anew\': write "again" or "from scratch"']
    assert english.check() == english.check(("README.md",)) == expected
    assert english.check(("CHANGELOG.md", "README")) == []


def test_this_repository_is_clean() -> None:
    assert english.check() == []
