"""Notebooks are committed with outputs: of the code that they have, without traces of the machine, and small."""

from __future__ import annotations

import base64
import copy
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from notebooks import outputs, weave

# Bytes.
LARGEST = 1_000_000
NOTEBOOKS = [pytest.param(path, id=path.stem) for path in outputs.notebooks()]


def cell(name: str, source: str) -> dict[str, Any]:
    lines = source.splitlines(keepends=True)
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {},
        "source": lines,
        "execution_count": None,
        "outputs": [],
    }


def notebook(*sources: str) -> dict[str, Any]:
    """A notebook of these cells, which has not run."""
    return {
        "cells": [cell(f"cell-{number}", source) for number, source in enumerate(sources)],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def found_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [output for cell in document["cells"] for output in cell.get("outputs", [])]


def picture(output: dict[str, Any]) -> np.ndarray:
    (encoded,) = (value for kind, value in output["data"].items() if kind.startswith("image/"))
    return np.asarray(Image.open(io.BytesIO(base64.b64decode("".join(encoded)))).convert("RGB")).astype(int)


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_the_outputs_are_those_of_the_code(path: Path) -> None:
    assert not outputs.is_stale(outputs.read(path)), f"{path.name} has not run with this code: make notebooks"


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_what_is_stored_shows_something_and_fits(path: Path) -> None:
    document = outputs.read(path)
    stored = found_in(document)
    assert path.stat().st_size <= LARGEST
    assert any(kind.startswith("image/") for output in stored for kind in output.get("data", {}))
    assert [output for output in stored if output["output_type"] == "error" or output.get("name") == "stderr"] == []
    assert [output for output in stored if outputs.VIEW in output.get("data", {})] == []
    assert "widgets" not in document["metadata"]
    texts = [
        "".join(value)
        for output in stored
        for kind, value in {"text/plain": output.get("text", ""), **output.get("data", {})}.items()
        if kind.startswith("text/")
    ]
    private = r"/(?:home|root|Users|work)/|[A-Z]:\\|lesson-\w{8}|0x[0-9a-f]{6}|\x1b"
    assert [text for text in texts if re.search(private, text)] == []


def test_a_change_of_code_makes_outputs_stale_and_one_of_prose_does_not() -> None:
    document = notebook("1 + 1")
    document["cells"].append({"cell_type": "markdown", "id": "text", "metadata": {}, "source": ["Text."]})
    assert outputs.is_stale(document), "has not run"
    document["metadata"]["sam_widget"] = {"outputs_of": outputs.code_hash(document)}
    assert not outputs.is_stale(document)
    document["cells"][1]["source"] = ["Other text."]
    assert not outputs.is_stale(document)
    document["cells"][0]["source"] = ["1 + 2"]
    assert outputs.is_stale(document)


def test_weaving_keeps_the_outputs_of_cells_that_did_not_change() -> None:
    before = notebook("1 + 1", "2 + 2")
    for one in before["cells"]:
        one.update(execution_count=1, outputs=[{"output_type": "stream", "name": "stdout", "text": ["x"]}])
    after = notebook("1 + 1", "3 + 3")
    kept = weave.with_outputs(after, before)
    assert [len(one["outputs"]) for one in kept["cells"]] == [1, 0]
    assert weave.without_outputs(kept) == after
    assert json.loads(weave.as_text(kept)) == kept


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A small lesson that has run."""
    folder = tmp_path_factory.mktemp("lesson")
    document = notebook(
        "import numpy as np\nimport sam_widget as sw\nfrom sam_widget.teach.panel import Panel\n"
        "from sam_widget.teach.picture import Picture\nw = sw.SamWidget(sw.sample('cat'))\nw",
        "class Red(Panel):\n    def __init__(self):\n        super().__init__()\n"
        "        self.shown = Picture('red', width=40)\n        self.arrange(self.shown)\n"
        "panel = Red()\npanel.shown.show(np.full((20, 40, 3), (255, 0, 0), np.uint8))\npanel",
        "w.click(250, 170)\npanel.shown.show(np.full((20, 40, 3), (0, 0, 255), np.uint8))",
        "import tqdm.notebook\nw.close()\nfor _ in tqdm.notebook.tqdm(range(3)):\n    pass",
        "sw.teach.Guesses().ask(1, 'ABC')",
        "import os, pathlib, sys, tempfile\nprint(tempfile.mkdtemp(), pathlib.Path.home(), '\\033[1;36m', object())\n"
        "print('a warning', file=sys.stderr)\nos.environ['SECRET'] = '1'",
    )
    before = copy.deepcopy(document)
    found = outputs.run(document, folder=folder)
    assert document == before, "the argument is not changed"
    return found


def test_widgets_are_stored_as_pictures_of_their_last_state(ran: dict[str, Any]) -> None:
    # The progress bar is not stored, and the view, which was closed, stays.
    view, panel, question, printed = found_in(ran)
    photo = outputs.small(base64.b64encode(_cat()).decode())[1]
    assert np.abs(picture(view) - picture({"data": {"image/jpeg": photo}})).max() > 100, "the mask of the click"
    assert np.abs(picture(panel)[12:20, 12:40] - (0, 0, 255)).max() < 30, "blue, as the last cell left it"
    assert "".join(question["data"]["text/plain"]).startswith("[ A   B   C ]")
    assert "text" in printed
    assert not outputs.is_stale(ran)
    assert [one["execution_count"] for one in ran["cells"]] == [1, 2, 3, 4, 5, 6]


def test_nothing_of_the_machine_or_the_run_is_stored(ran: dict[str, Any]) -> None:
    (printed,) = ran["cells"][-1]["outputs"]
    assert "".join(printed["text"]) == "/tmp ~  <object object>\n"  # noqa: S108


def test_pictures_are_scaled_and_encoded_as_what_is_smaller() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (100, 2400, 3), np.uint8)
    for pixels, kind in ((noise, "image/jpeg"), (np.zeros((100, 2400, 4), np.uint8), "image/png")):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        found, encoded = outputs.small(base64.b64encode(buffer.getvalue()).decode())
        assert found == kind
        assert picture({"data": {found: encoded}}).shape == (50, 1200, 3)
    assert picture({"data": {found: encoded}}).min() == 255, "transparent on white"


def _cat() -> bytes:
    import sam_widget as sw

    buffer = io.BytesIO()
    Image.fromarray(sw.sample("cat")).save(buffer, "PNG")
    return buffer.getvalue()
