"""An assistant drives a widget with the Model Context Protocol's own client."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcp import Client
from PIL import Image

import sam_widget as sw
from sam_widget.errors import SamWidgetError
from sam_widget.widget import assistant


def talk(widget: sw.SamWidget, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """The results of calls, in one conversation."""

    async def conversation() -> list[Any]:
        async with Client(assistant.server(widget)) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(conversation())


def say(result: Any) -> Any:
    """What a tool that succeeded has said."""
    assert not result.is_error, result.content
    return result.structured_content


@pytest.fixture
def widget(photo: np.ndarray, predictor: sw.Predictor) -> Iterator[sw.SamWidget]:
    opened = sw.SamWidget(photo, model=predictor)
    yield opened
    opened.close()


def test_an_object_is_made_step_by_step_and_every_step_is_recorded(widget: sw.SamWidget) -> None:
    height, width = widget.session.image.shape[:2]
    x, y = width / 2, height / 2
    clicked, chosen, accepted, renamed = map(
        say,
        talk(
            widget,
            ("click", {"x": x, "y": y}),
            ("choose", {"number": 2}),
            ("accept", {"label": "cat"}),
            ("rename", {"object_id": "?", "label": "dog"}),
        )[:3]
        + talk(widget, ("rename", {"object_id": widget.objects[0].id, "label": "dog"})),
    )
    assert clicked["size"] == [width, height]
    assert len(clicked["candidates"]) == 3
    assert [one["chosen"] for one in chosen["candidates"]] == [False, True, False]
    assert accepted["objects"][0]["label"] == "cat"
    assert accepted["objects"][0]["area"] == chosen["candidates"][1]["area"] == widget.objects[0].area
    assert accepted["objects"][0]["box"] == list(widget.objects[0].box.corners)
    assert renamed["objects"][0]["label"] == widget.objects[0].label == "dog"
    # The same verbs as a script's, so they are in its history and in its code.
    assert "click(" in widget.to_code()
    (undone,) = map(say, talk(widget, ("undo", {})))
    assert undone["objects"][0]["label"] == "cat"
    (again,) = map(say, talk(widget, ("redo", {})))
    assert again["objects"][0]["label"] == "dog"
    (removed,) = map(say, talk(widget, ("remove", {"object_id": widget.objects[0].id})))
    assert removed["objects"] == []


def test_boxes_background_clicks_and_clear(widget: sw.SamWidget) -> None:
    boxed, corrected, cleared = map(
        say,
        talk(
            widget,
            ("box", {"x0": 10, "y0": 10, "x1": 90, "y1": 80}),
            ("click", {"x": 15, "y": 15, "label": 0}),
            ("clear", {}),
        ),
    )
    assert boxed["candidates"]
    assert corrected["candidates"]
    assert cleared["candidates"] == []
    assert cleared["can_undo"]


def test_what_an_assistant_sees_is_the_photo_with_its_masks(widget: sw.SamWidget) -> None:
    def picture(result: Any) -> np.ndarray:
        text, image = result.content
        assert json.loads(text.text)["size"]
        assert image.mime_type == "image/png"
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(image.data)))).astype(int)

    before, _, after = talk(widget, ("look", {}), ("click", {"x": 60, "y": 50}), ("look", {}))
    assert np.abs(picture(after) - picture(before)).max() > 50


def test_what_words_find_is_accepted_by_number() -> None:
    widget = sw.SamWidget(sw.sample("coffee"))
    found, accepted = map(say, talk(widget, ("find", {"words": ["cup"]}), ("accept_found", {"numbers": [1]})))
    assert found["found"][0]["label"] == "cup"
    assert "cup" in found["message"]
    assert [one["label"] for one in accepted["objects"]] == ["cup"]
    assert len(widget.objects) == 1
    widget.close()


def test_objects_are_returned_as_the_text_of_a_file(widget: sw.SamWidget, tmp_path: Path) -> None:
    widget.click(60, 50)
    widget.accept("cat")
    (exported,) = talk(widget, ("export", {}))
    file = tmp_path / "cat.json"
    file.write_text(exported.content[0].text, encoding="utf-8")
    (mask,) = sw.load_masks(file)
    assert (mask.stored.array == widget.objects[0].mask).all()


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("click", {"x": -5, "y": 3}, "-5"),
        ("click", {"x": 5, "y": 3, "label": 2}, "label"),
        ("click", {"x": "here"}, "x"),
        ("choose", {"number": 9}, "9|8"),
        ("accept", {}, "click"),
        ("accept_found", {}, "call find first"),
        ("remove", {"object_id": "__import__('os').getcwd()"}, "__import__"),
        ("export", {"format": "/etc/passwd"}, "format"),
        ("find", {"words": []}, "word"),
    ],
)
def test_an_error_says_what_to_do_and_changes_nothing(
    widget: sw.SamWidget, name: str, arguments: dict[str, Any], said: str
) -> None:
    before = widget.session.state
    (result,) = talk(widget, (name, arguments))
    assert result.is_error

    assert re.search(said, result.content[0].text), result.content[0].text
    assert widget.session.state is before


def test_a_folder_is_walked_through(tmp_path: Path, predictor: sw.Predictor) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / name)
    gallery = sw.Gallery(tmp_path, model=predictor)
    opened, _, _, listed, _ = talk(
        gallery,
        ("open", {"name": "b.png"}),
        ("click", {"x": 30, "y": 20}),
        ("accept", {"label": "thing"}),
        ("mark_done", {}),
        ("open", {"name": "../secret.png"}),
    )
    assert say(opened)["image"] == "b.png"
    rows = say(listed)["result"]
    assert [(row["name"], row["objects"], row["done"]) for row in rows] == [("a.png", 0, False), ("b.png", 1, True)]
    (refused,) = talk(gallery, ("open", {"name": "../secret.png"}))
    assert refused.is_error
    assert gallery.name == "b.png"
    gallery.close()


def tools(widget: sw.SamWidget) -> dict[str, Any]:
    async def listed() -> Any:
        async with Client(assistant.server(widget)) as client:
            return (await client.list_tools()).tools

    return {tool.name: tool for tool in asyncio.run(listed())}


def test_every_tool_is_explained(widget: sw.SamWidget) -> None:
    offered = tools(widget)
    assert {"look", "click", "box", "choose", "accept", "find", "accept_found", "undo", "redo", "export"} <= {*offered}
    assert "open" not in offered, "a widget has one image"
    assert all(tool.description and tool.description.endswith(".") for tool in offered.values())
    assert offered["click"].input_schema["properties"]["label"]["enum"] == [0, 1]


def test_only_widgets_are_driven() -> None:
    with pytest.raises(SamWidgetError, match="3.*SamWidget or a Gallery"):
        assistant.server(3)  # type: ignore[arg-type]
