"""Prompts for many images, in JSON and CSV."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

import sam_widget as sw
from sam_widget.folders.prompt_files import ObjectPrompt, read_prompts, unused


def said(prompts: list[ObjectPrompt]) -> list[tuple[object, ...]]:
    return [
        (
            item.image,
            item.label,
            [(p.x, p.y, p.label) for p in item.prompt.points],
            [b.corners for b in item.prompt.boxes],
        )
        for item in prompts
    ]


EXPECTED = [
    ("a.jpg", "cat", [(10, 20, 1), (30.5, 40, 0)], [(1, 2, 50, 60)]),
    ("in/b.jpg", None, [(5, 6, 1)], []),
    (None, "sky", [], [(0, 0, 9, 9)]),
]


def test_json(tmp_path: Path) -> None:
    rows = [
        {"image": "a.jpg", "label": "cat", "points": [[10, 20], [30.5, 40]], "labels": [1, 0], "box": [1, 2, 50, 60]},
        {"image": "in/b.jpg", "points": [[5, 6]]},
        {"label": "sky", "box": [0, 0, 9, 9]},
    ]
    (tmp_path / "p.json").write_text(json.dumps(rows))
    assert said(read_prompts(tmp_path / "p.json")) == EXPECTED
    (tmp_path / "p.json").write_text(json.dumps({"prompts": rows}))
    assert said(read_prompts(tmp_path / "p.json")) == EXPECTED


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(
        b"\xef\xbb\xbfimage,object,label,x,y,positive,x0,y0,x1,y1\r\n"
        b"a.jpg,1,cat,10,20,1,1,2,50,60\r\n"
        b"in/b.jpg,,,5,6,,,,,\r\n"
        b'a.jpg,1,,30.5,40,0,"","","",""\r\n'
        b",,sky,,,,9,9,0,0\r\n"
    )
    assert said(read_prompts(tmp_path / "p.csv")) == EXPECTED


def test_rows_without_an_object_are_objects_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("image,x,y\na.jpg,1,2\na.jpg,3,4\n")
    assert [len(item.prompt.points) for item in read_prompts(tmp_path / "p.csv")] == [1, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.json", "{", "p.json is not JSON"),
        ("p.json", '"x"', "must be a list of prompts"),
        ("p.json", "[]", "holds no prompt"),
        ("p.json", "[3]", "prompt 1 is '3'; expected an object"),
        ("p.json", '[{"image": "a.jpg"}]', "prompt 1 has neither points nor a box"),
        ("p.json", '[{"point": [1, 2]}]', "unknown keys point; known are box, image"),
        ("p.json", '[{"points": [[1, 2]]}, {"points": [[1, 2, 3]]}]', "prompt 2: points have shape"),
        ("p.json", '[{"box": [5, 5, 1, 1]}]', "prompt 1: "),
        ("p.json", '[{"box": "all"}]', "prompt 1: "),
        ("p.json", '[{"points": [[1, 2]], "label": 7}]', "label is '7', expected a name"),
        ("p.csv", "", "neither x, y nor x0"),
        ("p.csv", "image,colour\na.jpg,red\n", "unknown columns colour"),
        ("p.csv", "image,x,y\na.jpg,1\n", "line 2: y is '', expected a number"),
        ("p.csv", "image,x,y\na.jpg,1,2,3\n", "line 2 has more values than there are columns"),
        ("p.csv", "image,x,y\na.jpg,1,two\n", "line 2: y is 'two', expected a number"),
        ("p.csv", "image,x,y,positive\na.jpg,1,2,5\n", "positive is '5', expected 1"),
        ("p.csv", "image,x,y\na.jpg,,\n", "line 2 has neither points nor a box"),
        ("p.csv", "x,y\n", "holds no prompt"),
        ("p.txt", "\x00", "p.txt is not JSON"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(sw.PromptError) as caught:
        read_prompts(tmp_path / name)
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(sw.PromptError, match=r"missing\.csv.*Give a JSON or CSV file"):
        read_prompts(tmp_path / "missing.csv")


def test_prompts_find_their_images(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("image,x,y\na.jpg,1,2\nin/b.jpg,3,4\nb.jpg,1,1\nc.jpg,1,1\n,1,1\n")
    prompts = read_prompts(tmp_path / "p.csv")
    assert [[item.meant_for(name) for item in prompts] for name in ("a.jpg", "in/b.jpg", "in/a.jpg")] == [
        [True, False, False, False, True],
        [False, True, True, False, True],
        [True, False, False, False, True],
    ]
    assert unused(prompts, ["a.jpg", "in/b.jpg"]) == ["c.jpg"]


class TestSpreadsheets:
    """The table as Excel and its kin save it, by country and menu entry."""

    @pytest.mark.parametrize(
        "content",
        [
            b"\xef\xbb\xbfimage,x,y\r\na.jpg,12.5,30\r\n",
            b"image;x;y\r\na.jpg;12,5;30\r\n",
            b"image;x;y;\r\na.jpg;12.5;30;\r\n",
            b"sep=;\r\nimage;x;y\r\na.jpg;12,5;30\r\n",
            b"sep=,\r\nimage,x,y\r\na.jpg,12.5,30\r\n",
            b"image\tx\ty\na.jpg\t12.5\t30\n",
            "image\tx\ty\r\na.jpg\t12,5\t30\r\n".encode("utf-16"),
            b"Image,X,Y\na.jpg,12.5,30\n",
            b"IMAGE ; X ; Y\na.jpg ; 12,5 ; 30\n",
            b"image, x, y\n a.jpg, 12.5, 30\n",
            b"\n\nimage,x,y\na.jpg,12.5,30\n,,\n\n,,\n",
            b'"image","x","y"\r"a.jpg","12.5","30"\r',
            b"image,x,y,,\na.jpg,12.5,30,,\n",
        ],
    )
    def test_all_say_the_same(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "p.csv").write_bytes(content)
        assert said(read_prompts(tmp_path / "p.csv")) == [("a.jpg", None, [(12.5, 30, 1)], [])]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
    def test_code_pages(self, tmp_path: Path, encoding: str) -> None:
        (tmp_path / "p.csv").write_bytes("image;label;x;y\ncafé.jpg;Größe €;1;2\n".encode(encoding))
        assert said(read_prompts(tmp_path / "p.csv")) == [("café.jpg", "Größe €", [(1, 2, 1)], [])]

    def test_commas_in_names_stay(self, tmp_path: Path) -> None:
        (tmp_path / "p.csv").write_bytes(b'image;label;x;y\n"a, b.jpg";cat, big;1,5;2\n')
        assert said(read_prompts(tmp_path / "p.csv")) == [("a, b.jpg", "cat, big", [(1.5, 2, 1)], [])]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"sep=;\nimage;x;y\na.jpg;1;two\n", "line 3: y is 'two'"),
            (b"image,x,y,x\na.jpg,1,2,3\n", "a column twice"),
            (b"x0,y0,x1,y1\n5,5,5,9\n", "line 2: box"),
            (b"x,y\nnan,3\n", "line 2: x of a point is nan"),
            (b"x,y\n1," + b"9" * 200_000 + b"\n", "line 2 cannot be read"),
        ],
    )
    def test_mistakes_are_named_with_their_line(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "p.csv").write_bytes(content)
        with pytest.raises(sw.PromptError) as caught:
            read_prompts(tmp_path / "p.csv")
        assert message in str(caught.value)

    def test_a_file_that_is_too_large_is_not_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sam_widget.folders.prompt_files.MAX_BYTES", 20)
        (tmp_path / "p.csv").write_text("image,x,y\na.jpg,12.5,30\n")
        with pytest.raises(sw.PromptError, match="larger than"):
            read_prompts(tmp_path / "p.csv")


def test_half_a_letter_in_a_label_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('[{"points": [[1, 2]], "label": "cat \\ud83d"}]')
    assert read_prompts(tmp_path / "p.json")[0].label == "cat \ufffd"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (unicodedata.normalize("NFC", "Café.jpg"), unicodedata.normalize("NFD", "Café.jpg")),
        (unicodedata.normalize("NFD", "Café.jpg"), unicodedata.normalize("NFC", "Café.jpg")),
        ("day1\\a.jpg", "day1/a.jpg"),
        ("./a.jpg", "a.jpg"),
    ],
)
def test_spellings_of_one_name_match(typed: str, stored: str) -> None:
    item = ObjectPrompt(sw.Prompt(points=[sw.Point(1, 2)]), image=typed)
    assert item.meant_for(stored)
    assert unused([item], [stored]) == []
    assert unused([item], ["other.jpg"]) == [typed]
