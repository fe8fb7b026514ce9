"""A person at a view of the cat."""

from __future__ import annotations

import ast
from typing import Any

from playwright.sync_api import CDPSession, Locator

from tests.browser.view import SHOW_CAT, Open, View

XY = tuple[float, float]


def touch(session: CDPSession, kind: str, *points: XY) -> None:
    """Put fingers on these places of the page, move them there, or lift those that are not among them."""
    touches = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


class Hand:
    """A person at a view of the cat, and what the kernel says of it."""

    def __init__(self, notebook: Open, *cells: str) -> None:
        self.notebook = notebook(SHOW_CAT, *cells)
        self.notebook.run_all()
        self.view = View.of(self.notebook)
        self.mouse = self.view.page.mouse

    def ask(self, expression: str) -> Any:
        """Evaluate an expression in the kernel; its value must have a literal for a representation."""
        return ast.literal_eval(self.notebook.run_cell(f"print(repr(({expression})))"))

    def tool(self, name: str) -> None:
        group = self.view.root.get_by_role("radiogroup", name="Tool")
        group.get_by_role("radio", name=name, exact=True).click()

    def radio(self, group: str, name: str) -> None:
        self.view.root.get_by_role("radiogroup", name=group).get_by_role("radio", name=name).click()

    def stroke(self, *line: XY, steps: int = 5) -> None:
        """Draw a line from image pixel to image pixel and wait for the answer."""
        before = self.view.seq
        self.mouse.move(*self.view.on_page(*line[0]))
        self.mouse.down()
        for at in line[1:]:
            self.mouse.move(*self.view.on_page(*at), steps=steps)
        self.mouse.up()
        self.view.wait_past(before)

    def click(self, button: Locator) -> None:
        """Click a button that asks something of the kernel, and wait for the answer."""
        before = self.view.seq
        button.click()
        self.view.wait_past(before)

    def press(self, key: str) -> None:
        self.view.canvas.press(key)
