"""The widget among others: observed, linked, interacted with, and in a notebook run by a program."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import nbformat
import numpy as np
import pytest
import traitlets
from nbclient import NotebookClient
from nbconvert import HTMLExporter, LatexExporter
from PIL import Image

import sam_widget as sw
from sam_widget.masks.overlay import overlay
from sam_widget.widget.sam_widget import SamWidget

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def widget(photo: np.ndarray, predictor: sw.Predictor) -> Iterator[SamWidget]:
    widget = SamWidget(photo, model=predictor)
    assert widget.session.embedding
    yield widget
    widget.close()


def test_observers_hear_of_every_change_and_find_the_rest_up_to_date(widget: SamWidget) -> None:
    heard: list[tuple[str, Any]] = []

    def listen(change: Any) -> None:
        heard.append((change.name, change.new))
        now = widget.session.state
        assert (widget.prompt, widget.chosen, widget.objects) == (now.prompt, now.chosen, now.objects)
        assert widget.score == (None if now.chosen is None else now.chosen.score)
        assert widget.state["revision"] == widget._publisher.revision

    widget.observe(listen, ["prompt", "candidates", "chosen", "score", "objects"])
    widget.click(150, 120)
    assert {name for name, _ in heard} == {"prompt", "candidates", "chosen", "score"}
    heard.clear()
    widget.choose(((widget.session.state.chosen_index or 0) + 1) % 3)
    assert dict(heard) == {"chosen": widget.chosen, "score": widget.score}
    heard.clear()
    cat = widget.accept("cat")
    assert dict(heard) == {
        "prompt": sw.Prompt(),
        "candidates": (),
        "chosen": None,
        "score": None,
        "objects": (cat,),
    }
    heard.clear()
    widget.undo()
    assert {name for name, _ in heard} == {"prompt", "candidates", "chosen", "score", "objects"}


def test_only_the_session_sets_them(widget: SamWidget) -> None:
    for name in ("prompt", "candidates", "chosen", "score", "objects", "value"):
        with pytest.raises(traitlets.TraitError, match="read-only"):
            setattr(widget, name, None)


def test_links(widget: SamWidget) -> None:
    label, scores = ipywidgets.Label(), ipywidgets.FloatProgress(max=1)
    ipywidgets.dlink((widget, "objects"), (label, "value"), lambda objects: ", ".join(o.label for o in objects))
    widget.click(150, 120)
    ipywidgets.link((widget, "score"), (scores, "value"))
    assert scores.value == widget.score
    widget.choose(((widget.session.state.chosen_index or 0) + 1) % 3)
    assert scores.value == widget.score
    before = widget.score
    with pytest.raises(traitlets.TraitError, match="read-only"):
        scores.value = 0.25
    assert widget.score == widget.session.state.chosen.score == before
    other = SamWidget(widget.session.image, model=widget.session.predictor)
    ipywidgets.dlink((other, "score"), (label, "description"), lambda score: "" if score is None else f"{score:.2f}")
    other.click(60, 60)
    assert label.description == f"{other.score:.2f}"
    other.clear()
    assert label.description == ""
    other.close()


def test_an_observer_may_edit(widget: SamWidget) -> None:
    def accept_what_is_good(change: Any) -> None:
        if change.new is not None:
            widget.accept("found")

    widget.observe(accept_what_is_good, "chosen")
    widget.click(150, 120)
    assert [o.label for o in widget.objects] == ["found"]
    assert widget.state["objects"][0]["label"] == "found"
    assert widget.chosen is None
    assert widget.state["candidates"] == []


def test_interactive_gives_a_function_the_chosen_mask(widget: SamWidget) -> None:
    areas: list[int | None] = []

    def area(mask: np.ndarray | None, factor: int) -> None:
        assert mask is None or (mask.dtype == bool and mask.shape == (300, 451))
        areas.append(None if mask is None else factor * int(mask.sum()))

    panel = ipywidgets.interactive(area, mask=widget, factor=(1, 3))
    assert widget in panel.children
    widget.click(150, 120)
    widget.clear()
    chosen = widget.session.timeline[widget.session.position - 1].chosen
    assert chosen is not None
    assert areas == [None, 2 * int(chosen.mask.sum()), None]


def pixels(data: dict[str, Any]) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))


def test_the_bundle_holds_the_live_view_and_a_picture_of_it(widget: SamWidget) -> None:
    data, metadata = widget._repr_mimebundle_()
    assert data[VIEW]["model_id"] == widget.model_id
    np.testing.assert_array_equal(pixels(data), widget.session.image)
    widget.click(150, 120)
    widget.accept()
    widget.click(60, 60)
    data, metadata = widget._repr_mimebundle_()
    now = widget.session.state
    assert now.chosen is not None
    expected = overlay(widget.session.image, now.objects, candidate=now.chosen.mask, prompt=now.prompt)
    np.testing.assert_array_equal(pixels(data), expected)
    assert metadata["image/png"] == {"width": 451, "height": 300}


def test_a_widget_that_is_not_open_has_its_photo_or_no_picture(photo: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    widget = SamWidget(photo, model=tmp_path / "broken.safetensors")
    with pytest.raises(sw.ModelError, match=r"broken\.safetensors"):
        widget.click(1, 1)
    data, _ = widget._repr_mimebundle_()
    np.testing.assert_array_equal(pixels(data), photo)
    widget.close()
    widget = SamWidget("http://127.0.0.1:9/photo.jpg")
    with pytest.raises(sw.ImageError, match=r"127\.0\.0\.1:9/photo\.jpg"):
        widget.click(1, 1)
    data, _ = widget._repr_mimebundle_()
    assert VIEW in data
    assert "image/png" not in data
    widget.close()


def test_a_notebook_run_by_a_program_shows_the_picture() -> None:
    code = "import sam_widget as sw\nw = sw.SamWidget(sw.sample('cat'))\nw.click(175, 130); w.accept('cat')\nw"
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    NotebookClient(notebook, timeout=600).execute()
    (shown,) = (output for output in notebook.cells[0].outputs if output.output_type == "execute_result")
    picture = pixels(shown.data)
    assert picture.shape == (300, 451, 3)
    assert (picture != sw.sample("cat")).any(axis=-1).mean() > 0.02
    html, _ = HTMLExporter().from_notebook_node(notebook)
    assert f"data:image/png;base64,{shown.data['image/png'].strip()}" in html.replace("\n", "")
    latex, resources = LatexExporter().from_notebook_node(notebook)
    assert "includegraphics" in latex
    assert any(name.endswith(".png") for name in resources["outputs"])
