"""The table of a comparison: a row for each model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CompareRow:
    """One model's answer to the prompt.

    Attributes:
        model: Name of the model.
        score: Predicted IoU of its chosen mask; like the other values, None without a prompt.
        stability: Stability score of the mask.
        area: Number of pixels of the mask.
        iou: IoU of the mask with that of the first model.
        ms: Duration of the last decode in milliseconds.
    """

    model: str
    score: float | None
    stability: float | None
    area: int | None
    iou: float | None
    ms: float | None


class CompareTable(tuple[CompareRow, ...]):
    """The rows of all models; prints as a table."""

    __slots__ = ()

    def cells(self) -> list[list[str]]:
        """Return the table as text: a header, and one line per model."""
        lines = [["model", "score", "stability", "pixels", "IoU", "ms"]]
        for row in self:
            numbers = [(row.score, ".2f"), (row.stability, ".2f"), (row.area, ","), (row.iou, ".3f"), (row.ms, ".0f")]
            lines.append([row.model, *("-" if number is None else format(number, how) for number, how in numbers)])
        return lines

    def __repr__(self) -> str:
        """Return the table as columns of text."""
        lines = self.cells()
        widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if k == 0 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )
