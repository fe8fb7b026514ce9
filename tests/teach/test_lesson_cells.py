"""Panels, questions and outputs of a lesson, read from its notebook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sam_widget.teach.catalogue import LESSONS
from sam_widget.teach.lesson_cells import Cell, PanelCall, cells_of


def notebook(folder: Path, *sources: str, outputs: tuple[dict[str, Any], ...] = ()) -> Path:
    cells = [{"cell_type": "code", "source": source, "outputs": list(outputs)} for source in sources]
    path = folder / "a.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return path


def test_a_panel_has_the_image_that_the_code_gave_it(tmp_path: Path) -> None:
    code = (
        'photo = sw.sample("cat")\nguesses = sw.teach.Guesses(lang=LANG)',
        "traced = sw.teach.TracedImage(photo, lang=LANG)\ntraced",
        "traced.click(162, 117)  # the eye",
        "sw.teach.MaskMaker(traced, lang=LANG)",
        "car = sw.teach.scene(6)\ncheck = sw.teach.ScoreCheck(car.image, masks=car.masks, target=7, lang=LANG)",
        'sw.teach.TrainingRace(["mae"], seconds=15)',
    )
    cells = cells_of(notebook(tmp_path, *code))
    assert [cell.panels for cell in cells] == [
        [],
        [PanelCall("TracedImage", ("sample", "cat"), {})],
        [],
        [PanelCall("MaskMaker", ("sample", "cat"), {})],
        [PanelCall("ScoreCheck", ("scene", 6), {"target": 7})],
        [PanelCall("TrainingRace", None, {"seconds": 15})],
    ]
    assert [cell.click for cell in cells] == [None, None, (162, 117), None, None, None]


def test_questions_and_their_answers_are_known_by_number(tmp_path: Path) -> None:
    code = ('guesses.ask(1, "ABC")', "guesses.ask(2, low=1, high=8)", "print(guesses.reveal(2, 3.0))", "guesses")
    asks, slides, reveals, table = cells_of(notebook(tmp_path, *code))
    assert asks.asks == {"number": 1, "choices": "ABC", "low": 0.0, "high": 1.0}
    assert slides.asks == {"number": 2, "choices": "", "low": 1, "high": 8}
    assert reveals.reveals == 2
    assert [cell.shows_guesses for cell in (asks, slides, reveals, table)] == [False, False, False, True]


def test_outputs_are_text_or_pictures(tmp_path: Path) -> None:
    printed = {"output_type": "stream", "text": ["1\n", "2\n"]}
    drawn = {"data": {"image/png": "iVBO", "text/plain": "<Figure>"}}
    (cell,) = cells_of(notebook(tmp_path, "print(1)", outputs=(printed, drawn)))
    assert cell.text == "1\n2\n"
    assert [(picture.mime, picture.data) for picture in cell.pictures] == [("image/png", b"\x89PN")]


def test_prose_is_that_of_a_page(tmp_path: Path) -> None:
    same = {"cell_type": "markdown", "metadata": {}, "source": ["Read\n", "it."]}
    other = {"cell_type": "markdown", "metadata": {"sam_widget": {"page": ["Look."]}}, "source": ["Run it."]}
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": [same, other]}), encoding="utf-8")
    assert [cell.text for cell in cells_of(path)] == ["Read\nit.", "Look."]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_every_lesson_is_read_the_same_in_both_languages(lesson: Any) -> None:
    def code(cell: Cell) -> tuple[Any, ...]:
        return cell.panels, cell.asks, cell.reveals, cell.click

    english, chinese = (cells_of(lesson.path(lang)) for lang in ("en", "zh-TW"))
    assert [code(cell) for cell in english] == [code(cell) for cell in chinese]
    asked = [cell.asks["number"] for cell in english if cell.asks]
    assert [cell.reveals for cell in english if cell.reveals] == asked
