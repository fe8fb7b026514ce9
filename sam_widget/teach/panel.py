"""What all panels have in common: a language, a frame, and a picture of what they show."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
from PIL import Image

from sam_widget.teach.picture import Picture
from sam_widget.teach.texts import Lang, texts

GAP = 8
# Read out when it changes.
_BEGIN, _END = '<div role="status" style="line-height:1.4">', "</div>"


class Panel(ipywidgets.VBox):  # type: ignore[misc]
    """A widget for one idea. Subclasses call `arrange` with what they consist of.

    In a saved notebook, where no widget can run, a picture of its canvases stands for it.
    """

    def __init__(self, *, lang: Lang = "en") -> None:
        """Prepare an empty panel with texts in a language."""
        super().__init__(layout=ipywidgets.Layout(width="100%", padding="4px 0", overflow="visible"))
        self.say = texts(lang)

    def arrange(self, *rows: ipywidgets.Widget) -> None:
        """Put the parts into the panel, and let Tab move from canvas to canvas, and to the controls."""
        self.children = rows
        parts = [part for part in _leaves(self) if isinstance(part, Picture) or _takes_focus(part)]
        for number, part in enumerate(parts):
            if isinstance(part, Picture):
                part.before = parts[number - 1] if number else None
                part.after = parts[number + 1] if number + 1 < len(parts) else None

    def object_choice(self, count: int, target: int) -> ipywidgets.Dropdown:
        """Return a control that selects one of a picture's objects, at first `target`, counted from 0."""
        options = [(self.say("check.object", number=number + 1), number) for number in range(count)]
        return ipywidgets.Dropdown(options=options, value=target, description=self.say("check.target"))

    def picture(self) -> Image.Image:
        """Return the canvases next to each other, as RGB on white."""
        pictures = [Image.fromarray(part.pixels) for part in _leaves(self) if isinstance(part, Picture)]
        width = sum(one.width for one in pictures) + GAP * (len(pictures) + 1)
        height = max((one.height for one in pictures), default=0) + 2 * GAP
        sheet = Image.new("RGB", (width, height), "white")
        left = GAP
        for one in pictures:
            sheet.paste(one, (left, GAP), one if one.mode == "RGBA" else None)
            left += one.width + GAP
        return sheet

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        buffer = io.BytesIO()
        self.picture().save(buffer, "PNG", optimize=True)
        return {**data, "image/png": base64.b64encode(buffer.getvalue()).decode()}, metadata


def row(parts: Sequence[ipywidgets.Widget]) -> ipywidgets.Box:
    """Return parts next to each other, on several lines if the page is narrow."""
    layout = ipywidgets.Layout(display="flex", flex_flow="row wrap", align_items="flex-start", grid_gap="8px")
    return ipywidgets.Box(list(parts), layout=layout)


def column(parts: Sequence[ipywidgets.Widget], *, width: str = "auto") -> ipywidgets.VBox:
    """Return parts below each other."""
    return ipywidgets.VBox(list(parts), layout=ipywidgets.Layout(width=width, max_width="100%", flex="0 0 auto"))


def button(text: str, *, primary: bool = False) -> ipywidgets.Button:
    """Return a button as wide as its text."""
    style = "primary" if primary else ""
    return ipywidgets.Button(description=text, button_style=style, layout=ipywidgets.Layout(width="auto"))


class Line(ipywidgets.HTML):  # type: ignore[misc]
    """A line of plain text, which wraps; `ipywidgets.Label` cuts it off."""

    def __init__(self, text: str = "", *, width: str = "auto") -> None:
        """Show a text."""
        super().__init__(layout=ipywidgets.Layout(width=width, max_width="100%", height="auto", margin="2px"))
        self.text = text

    @property
    def text(self) -> str:
        """The text."""
        return html.unescape(self.value.removeprefix(_BEGIN).removesuffix(_END))

    @text.setter
    def text(self, text: str) -> None:
        self.value = f"{_BEGIN}{html.escape(text)}{_END}"


def _leaves(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    for child in getattr(widget, "children", ()):
        yield from _leaves(child)
    if not getattr(widget, "children", ()):
        yield widget


def _takes_focus(widget: ipywidgets.Widget) -> bool:
    return not isinstance(widget, ipywidgets.HTML | ipywidgets.Image) and isinstance(widget, ipywidgets.DOMWidget)
