"""What a data engine achieved, next to the figures of the paper (Kirillov et al., arXiv 2304.02643, section 4)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sam_widget.engine.journal import MaskEntry, RoundEntry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAGES = {1: "assisted-manual", 2: "semi-automatic", 3: "fully automatic"}
# Seconds a mask at the start and the end of a stage, and masks an image; the last is 100 in total, 99.1% automatic.
PAPER_SECONDS = {1: (34.0, 14.0), 2: (34.0, None), 3: (None, None)}
PAPER_MASKS = {1: (20, 44), 2: (44, 72), 3: (72, 100)}
PAPER_AGREEMENT = {0.90: 0.94, 0.75: 0.97}
# The first and the last tenth of a stage's masks show its beginning and its end, but at least this many.
ENDS = 5


@dataclass(frozen=True)
class Agreement:
    """The blind check: how well masks agree with their corrections.

    Attributes:
        ious: One for each mask that was checked.
        wanted: Number of masks to check.
    """

    ious: tuple[float, ...]
    wanted: int

    def above(self, iou: float) -> tuple[float, float, float]:
        """Return the share of masks above an IoU, and its 95% interval (Wilson, 1927)."""
        count = len(self.ious)
        if not count:
            return float("nan"), 0.0, 1.0
        share = sum(one > iou for one in self.ious) / count
        z = 1.96
        centre = (share + z * z / (2 * count)) / (1 + z * z / count)
        half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
        return share, max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        """A sentence."""
        if not self.ious:
            return f"0 of {self.wanted} masks are checked"
        share, low, high = self.above(0.90)
        return (
            f"{share:.0%} of {len(self.ious)} masks above IoU 0.90 ({low:.0%} to {high:.0%}); the paper has "
            f"{PAPER_AGREEMENT[0.90]:.0%}"
        )


@dataclass(frozen=True)
class StageFigures:
    """One stage.

    Attributes:
        stage: 1, 2 or 3.
        masks: Number of masks that were made in it and are still there.
        photos: Number of photos with any of them.
        automatic: Number of these masks that were pre-filled.
        accepted: Share of the pre-filled masks on photos that are done that a person left there; None without any.
        seconds: Mean time a mask, in the first and the last of them; None without any that a person made.
        clicks: Mean number of clicks, in the same way.
    """

    stage: int
    masks: int
    photos: int
    automatic: int
    accepted: float | None
    seconds: tuple[float, float] | None
    clicks: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class EngineReport:
    """What was done so far.

    Attributes:
        photos: Number of photos in the folder.
        done: Number of those that are done.
        stages: The stages that have begun.
        rounds: All rounds of tuning.
        agreement: The blind check; None before it.
        entries: All masks, oldest first.
    """

    photos: int
    done: int
    stages: tuple[StageFigures, ...]
    rounds: tuple[RoundEntry, ...]
    agreement: Agreement | None
    entries: tuple[MaskEntry, ...]

    def __repr__(self) -> str:
        """Return a table as text."""
        return "\n".join(" | ".join(row).rstrip() for row in self._rows())

    def _repr_html_(self) -> str:
        head, *rows = self._rows()
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"

    def _rows(self) -> list[list[str]]:
        rows = [["", "here", "in the paper"]]
        for figures in self.stages:
            name, paper = STAGES[figures.stage], PAPER_MASKS[figures.stage]
            if figures.seconds is not None:
                begun, ended = PAPER_SECONDS[figures.stage]
                theirs = "" if begun is None else f"{begun:.0f}" + ("" if ended is None else f" → {ended:.0f}")
                here = f"{figures.seconds[0]:.0f} → {figures.seconds[1]:.0f}"
                rows.append([f"{name}: seconds a mask", here, theirs])
            if figures.clicks is not None:
                rows.append([f"{name}: clicks a mask", f"{figures.clicks[0]:.1f} → {figures.clicks[1]:.1f}", ""])
            per_photo = figures.masks / max(figures.photos, 1)
            rows.append([f"{name}: masks an image", f"{per_photo:.1f}", f"{paper[0]} → {paper[1]}"])
            if figures.accepted is not None:
                rows.append([f"{name}: pre-filled masks accepted", f"{figures.accepted:.0%}", ""])
        made = sum(figures.masks for figures in self.stages)
        if made:
            automatic = sum(figures.automatic for figures in self.stages) / made
            rows.append(["masks made automatically", f"{automatic:.1%}", "99.1%"])
        rounds = [entry for entry in self.rounds if entry.adopted]
        rows.append(["rounds of tuning adopted", f"{len(rounds)} of {len(self.rounds)}", "6 + 5 times retrained"])
        if rounds:
            before, after = rounds[-1].figures["clicks"]
            rows.append(["clicks to IoU 0.85 (photos held out)", f"{before:.1f} → {after:.1f}", ""])
        if self.agreement is not None:
            for iou, published in PAPER_AGREEMENT.items():
                share, low, high = self.agreement.above(iou)
                shown = f"{share:.0%} ({low:.0%} to {high:.0%})" if self.agreement.ious else "not checked yet"
                rows.append([f"masks above IoU {iou:.2f} of their correction", shown, f"{published:.0%}"])
        return rows

    def figure(self) -> Figure:
        """Draw seconds and clicks a mask, and the clicks after each round."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 2.6), layout="constrained")
        axes = figure.subplots(1, 3)
        made = [entry for entry in self.entries if not entry.automatic and not entry.gone]
        for axis, name, values in (
            (axes[0], "seconds a mask", [entry.seconds for entry in made if entry.seconds is not None]),
            (axes[1], "clicks a mask", [entry.clicks for entry in made if entry.clicks is not None]),
        ):
            axis.set(title=name, xlabel="mask")
            axis.plot(range(1, len(values) + 1), values, ".", alpha=0.4)
            if len(values) >= ENDS:
                axis.plot(range(1, len(values) + 1), running_mean(values), linewidth=2)
            axis.set_ylim(0, 1.1 * max(values, default=1))
        judged = [entry for entry in self.rounds if entry.figures]
        axes[2].set(title="clicks to IoU 0.85", xlabel="round")
        for place, entry in enumerate(judged):
            before, after = entry.figures["clicks"]
            axes[2].plot([place, place], [before, after], "-", color="0.6")
            axes[2].plot(place, after, "o" if entry.adopted else "x", color="C0" if entry.adopted else "C3")
        axes[2].set_ylim(0, 1.1 * max((entry.figures["clicks"][0] for entry in judged), default=1))
        axes[2].set_xticks(range(len(judged)), [str(entry.number) for entry in judged])
        return figure


def running_mean(values: Sequence[float], over: int = 10) -> list[float]:
    """Return the mean of each value and up to `over` - 1 before it."""
    return [float(np.mean(values[max(0, k - over + 1) : k + 1])) for k in range(len(values))]


def stage_figures(entries: Sequence[MaskEntry], done: frozenset[str]) -> tuple[StageFigures, ...]:
    """Return the figures of the stages, from the provenance of all masks and the names of the photos that are done."""
    found = []
    for stage in STAGES:
        of_stage = [entry for entry in entries if entry.stage == stage]
        if not of_stage:
            continue
        there = [entry for entry in of_stage if not entry.gone]
        filled = [entry for entry in of_stage if entry.automatic and entry.photo in done]
        by_hand = [entry for entry in there if not entry.automatic]
        found.append(
            StageFigures(
                stage,
                len(there),
                len({entry.photo for entry in there}),
                sum(entry.automatic for entry in there),
                sum(not entry.gone for entry in filled) / len(filled) if filled and stage == 2 else None,
                _ends([entry.seconds for entry in by_hand if entry.seconds is not None]),
                _ends([float(entry.clicks) for entry in by_hand if entry.clicks is not None]),
            )
        )
    return tuple(found)


def _ends(values: Sequence[float]) -> tuple[float, float] | None:
    if not values:
        return None
    count = max(ENDS, len(values) // 10)
    return float(np.mean(values[:count])), float(np.mean(values[-count:]))
