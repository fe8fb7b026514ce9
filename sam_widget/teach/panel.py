"""What all panels have in common: a language, a frame, and a picture of what they show."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
from PIL import Image, ImageDraw

from sam_widget.teach.picture import Picture
from sam_widget.teach.texts import Lang, texts
from sam_widget.widget.colab import enable_widgets, view_metadata
from sam_widget.widget.sam_widget import SamWidget
from sam_widget.widget.static_picture import pixels_of

GAP = 8
# Pixels in a row of a saved picture.
PAGE = 1040
# Read out when it changes.
_BEGIN, _END = '<div role="status" style="line-height:1.4">', "</div>"


class Panel(ipywidgets.VBox):  # type: ignore[misc]
    """A widget for one idea. Subclasses call `arrange` with what they consist of.

    In a saved notebook, where no widget can run, a picture of its canvases stands for it.
    """

    def __init__(self, *, lang: Lang = "en") -> None:
        """Prepare an empty panel with texts in a language."""
        enable_widgets()
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

    def picture(self) -> Image.Image | None:
        """Return the views and canvases next to each other, as RGB on white, in rows as wide as a page; None without.

        They keep the size at which a page shows them.
        """
        pictures = [picture for part in _leaves(self) if (picture := _drawn(part)) is not None]
        if not pictures:
            return None
        places, left, top, low = [], GAP, GAP, 0
        for one in pictures:
            if left > GAP and left + one.width + GAP > PAGE:
                left, top, low = GAP, top + low + GAP, 0
            places.append((left, top))
            left, low = left + one.width + GAP, max(low, one.height)
        right = max(x + one.width for (x, _), one in zip(places, pictures, strict=True))
        sheet = Image.new("RGB", (right + GAP, top + low + GAP), "white")
        for place, one in zip(places, pictures, strict=True):
            sheet.paste(one, place, one if one.mode == "RGBA" else None)
        return sheet

    def __repr__(self) -> str:
        """Return the lines of text, for outputs that show neither the panel nor its picture."""
        return "\n".join(part.text for part in _leaves(self) if isinstance(part, Line) and part.text)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        # ipywidgets cuts long texts off.
        data = {**data, "text/plain": repr(self)}
        picture = self.picture()
        if picture is not None:
            buffer = io.BytesIO()
            picture.save(buffer, "PNG", optimize=True)
            data["image/png"] = base64.b64encode(buffer.getvalue()).decode()
        return data, {**metadata, **view_metadata()}


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


class Legend(Line):
    """Names next to the colours of their curves. It is HTML, since pictures have no font for Chinese."""

    def __init__(self) -> None:
        """Prepare an empty legend."""
        super().__init__()
        self.names: list[tuple[str, str, tuple[int, int, int]]] = []

    def show(self, names: Sequence[tuple[str, str, tuple[int, int, int]]]) -> None:
        """Show names: what a reader sees, what a saved picture says in ASCII, and the colour, 0..255."""
        self.names = list(names)
        self.value = _BEGIN + " ".join(map(_swatch, self.names)) + _END

    @property
    def text(self) -> str:
        """The names."""
        return ", ".join(name for name, _, _ in self.names)

    @text.setter
    def text(self, text: str) -> None:
        if text:
            raise AttributeError("a legend has names; call `show`")
        self.show([])

    def picture(self) -> Image.Image | None:
        """Return the names as a picture on white, one below the other."""
        if not self.names:
            return None
        picture = Image.new("RGB", (180, 20 * len(self.names)), "white")
        pen = ImageDraw.Draw(picture)
        for line, (_, plain, colour) in enumerate(self.names):
            pen.rectangle([2, 20 * line + 8, 22, 20 * line + 11], fill=colour)
            pen.text((28, 20 * line + 10), plain, fill="black", anchor="lm", font_size=13)
        return picture


def _swatch(named: tuple[str, str, tuple[int, int, int]]) -> str:
    name, _, (red, green, blue) = named
    return (
        '<span style="white-space:nowrap;margin-right:1em"><span style="display:inline-block;width:1.4em;height:3px;'
        f'vertical-align:middle;background:rgb({red},{green},{blue})"></span> {html.escape(name)}</span>'
    )


def _leaves(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    for child in getattr(widget, "children", ()):
        yield from _leaves(child)
    if not getattr(widget, "children", ()):
        yield widget


def _drawn(part: ipywidgets.Widget) -> Image.Image | None:
    """Return a picture of a part: of a canvas, a view's photo with its masks, or an image."""
    if isinstance(part, Picture):
        return Image.fromarray(part.pixels)
    if isinstance(part, Legend):
        return part.picture()
    if isinstance(part, SamWidget):
        return Image.fromarray(pixels_of(part.session))
    if isinstance(part, ipywidgets.Image) and part.value:
        return Image.open(io.BytesIO(part.value)).convert("RGB")
    return None


def _takes_focus(widget: ipywidgets.Widget) -> bool:
    return not isinstance(widget, ipywidgets.HTML | ipywidgets.Image) and isinstance(widget, ipywidgets.DOMWidget)
