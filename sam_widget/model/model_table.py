"""The table of models: a tuple of rows that a notebook shows as a table."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class ModelInfo:
    """A row of the table of models.

    Attributes:
        name: Name for `load_model`.
        parameters: Number of parameters, including the fixed random features of positions.
        image_size: Side of the model input, in pixels.
        licence: Licence of the weights.
        source: Origin of the weights.
        sha256: Published hash of the local weights file; None before the first download.
        local: Whether the weights are on this machine.
    """

    name: str
    parameters: int
    image_size: int
    licence: str
    source: str
    sha256: str | None
    local: bool


_COLUMNS = ("name", "parameters", "input", "licence", "here", "source", "sha256")
_NUMBERS = ("parameters", "input")


class ModelTable(tuple[ModelInfo, ...]):
    """The models that `load_model` knows by name: a tuple of `ModelInfo`, shown as a table."""

    __slots__ = ()

    def __str__(self) -> str:
        """The table as text."""
        rows = [[name.upper() for name in _COLUMNS[:-1]], *(_cells(row)[:-1] for row in self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
                for name, cell, width in zip(_COLUMNS, row, widths, strict=False)
            ).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        """The table as a notebook shows it."""
        head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
        body = "".join(f"<tr>{''.join(map(_cell, _COLUMNS, _cells(row)))}</tr>" for row in self)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: ModelInfo) -> tuple[str, ...]:
    size = f"{row.parameters / 1e6:.1f} M"
    local = "yes" if row.local else "no"
    return row.name, size, f"{row.image_size} px", row.licence, local, row.source, (row.sha256 or "")[:12]


def _cell(name: str, text: str) -> str:
    style = "text-align: right" if name in _NUMBERS else "text-align: left"
    return f'<td style="{style}">{escape(text)}</td>'
