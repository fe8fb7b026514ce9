"""A conversation of a view with what answers it, in `conversation.json`: here the kernel.

A page's worker passes the same one, in `js/test/local/conversation.test.ts`. Each step has a request, in which "$0"
stands for the first object's id; a part of the refusal, if it is refused; the type of a message that is sent; and what
is shown then.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import sam_widget as sw
from tests.widget.test_sam_widget import View

STEPS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("conversation.json").read_text("utf-8"))


def discs() -> np.ndarray:
    """Two discs, around (24, 24) and (72, 72)."""
    photo = np.full((96, 96, 3), 30, np.uint8)
    rows, columns = np.mgrid[:96, :96]
    for center, color in ((24, (230, 60, 60)), (72, (60, 230, 60))):
        photo[(rows - center) ** 2 + (columns - center) ** 2 < 16**2] = color
    return photo


def shown(state: dict[str, Any]) -> dict[str, Any]:
    """What a step may look at."""
    ids = [item["id"] for item in state["objects"]]
    return {
        "labels": [item["label"] for item in state["objects"]],
        "colors": [item["color"] for item in state["objects"]],
        "candidates": len(state["candidates"]),
        "chosen": state["chosen"],
        "points": len(state["prompt"]["points"]),
        "can_undo": state["can_undo"],
        "can_redo": state["can_redo"],
        "editing": None if state["editing"] is None else ids.index(state["editing"]),
    }


def filled(value: Any, ids: list[str]) -> Any:
    """Put the ids of objects in the place of "$0", "$1"."""
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    return ids[int(value[1:])] if isinstance(value, str) and value.startswith("$") else value


def test_the_kernel_passes_the_conversation() -> None:
    widget = sw.SamWidget(discs())
    _ = widget.session.embedding
    view = View(widget)
    try:
        for number, step in enumerate(STEPS):
            ids = [item["id"] for item in view.state["objects"]]
            fields = {name: filled(value, ids) for name, value in step["request"].items()}
            before = len(view.messages)
            answer = view.ask(fields.pop("type"), **fields)
            place = f"step {number}: {step}"
            if "refusal" in step:
                assert answer["outcome"] == "error", place
                assert step["refusal"] in answer["error"], place
            else:
                assert answer["outcome"] == "done", f"{place}: {answer}"
            if "sends" in step:
                assert step["sends"] in [message["type"] for message in view.messages[before:]], place
            now = shown(view.state)
            expected = {key: now[key] if value == "some" else value for key, value in step["shows"].items()}
            assert {key: now[key] for key in expected} == expected, place
            assert "some" not in step["shows"].values() or now["chosen"] is not None, place
    finally:
        widget.close()
