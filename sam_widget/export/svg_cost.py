"""Estimate the cost of a drawing before it is parsed: the number of elements after expanding references."""

from __future__ import annotations

from xml.parsers import expat

from sam_widget.errors import FormatError

# Maximum number of elements that references may add.
_MOST_ADDED = 10_000
# Maximum nesting of elements, because the parser is recursive.
_DEEPEST = 200


def check_cost(text: bytes, name: str) -> None:
    """Reject drawings that expand to too many elements.

    `<use>` draws another element again, so ten of them in each of eight groups make a hundred million. Entities, the
    other way to multiply text, are limited by expat itself.

    Args:
        text: The drawing.
        name: Name in error messages.

    Raises:
        FormatError: The drawing is not XML, a reference is circular, or references multiply its elements too much.
    """
    drawing = _Drawing()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = drawing.start, drawing.end
    try:
        parser.Parse(text, True)  # noqa: FBT003 - it takes no keyword
    except expat.ExpatError as error:
        raise FormatError(f"{name} is not an SVG that can be read ({error}); save it again") from error
    if drawing.root.rpartition(" ")[2] != "svg":
        raise FormatError(f"{name} is not an SVG: it starts with <{drawing.root.rpartition(' ')[2]}>, expected <svg>")
    if drawing.deepest > _DEEPEST:
        raise FormatError(f"{name} nests {drawing.deepest} elements in each other, expected {_DEEPEST} at most")
    total = drawing.cost("")
    if total is None:
        raise FormatError(f"{name} has a <use> that refers back to itself; save the drawing without it")
    if total > drawing.count + _MOST_ADDED:
        raise FormatError(
            f"{name} has {total:,} elements once every <use> is followed; expected {_MOST_ADDED:,} at most"
        )


class _Drawing:
    """The elements with an id, their sizes, and the ids they refer to. The whole drawing has the id ""."""

    def __init__(self) -> None:
        self.root = ""
        self.count = self.deepest = 0
        # For each id: the number of elements in it, except those with their own ids; and the ids that it draws.
        self._own: dict[str, int] = {"": 0}
        self._drawn: dict[str, list[str]] = {"": []}
        self._within = [""]
        self._known: dict[str, int | None] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.root = self.root or tag
        self.count += 1
        outer, own = self._within[-1], attributes.get("id", "")
        if own and own not in self._own:
            self._own[own], self._drawn[own] = 0, []
            self._drawn[outer].append(own)
            outer = own
        self._within.append(outer)
        self.deepest = max(self.deepest, len(self._within) - 1)
        self._own[outer] += 1
        if tag.rpartition(" ")[2] == "use":
            links = (value for key, value in attributes.items() if key.rpartition(" ")[2] == "href")
            self._drawn[outer] += [link[1:] for link in links if link.startswith("#")]

    def end(self, _: str) -> None:
        self._within.pop()

    def cost(self, start: str) -> int | None:
        """Return how many elements are drawn for an id; None if the id refers to itself."""
        path: list[tuple[str, list[str]]] = [(start, list(self._drawn[start]))]
        open_ids = {start}
        while path:
            name, left = path[-1]
            if not left:
                found = [self._known.get(drawn, 0) for drawn in self._drawn[name]]
                self._known[name] = self._own[name] + sum(part or 0 for part in found)
                open_ids.remove(name)
                path.pop()
                continue
            other = left.pop()
            if other in open_ids:
                return None
            if other in self._own and other not in self._known:
                path.append((other, list(self._drawn[other])))
                open_ids.add(other)
        return self._known[start]
