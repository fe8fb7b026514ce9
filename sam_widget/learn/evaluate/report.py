"""Reports of an evaluation: tables, results per sample, calibration of the scores, and failures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from sam_widget.learn.evaluate.certainty import bootstrap
from sam_widget.learn.evaluate.evaluate import CAP, GOALS, REPORTED, Figures

_SHOWN = (REPORTED[0], REPORTED[-1])
"""Clicks whose answers are kept for drawing; see `Figures.answers`."""
# Okabe and Ito's colours, which colour-blind readers can tell apart.
_TRUTH, _ANSWER, _FOREGROUND, _BACKGROUND = (0, 158, 115), (230, 159, 0), (86, 180, 233), (213, 94, 0)


def table(results: Sequence[Figures]) -> str:
    """Return the results of several methods as a Markdown table, with NoC where enough clicks were made."""
    head = ["", *(f"{n} click{'s' * (n > 1)}" for n in REPORTED), "oracle, 1 click", "box"]
    head += [f"NoC@{round(100 * goal)}" for goal in GOALS] + ["\\|score - IoU\\|", "s a prompt"]
    rows = []
    for figures in results:
        means = [*(figures.after(n).mean() for n in REPORTED), np.mean(figures.oracle), np.mean(figures.box)]
        counts = [f"{figures.clicks_to(goal).mean():.1f}" if figures.limit >= CAP else "-" for goal in GOALS]
        score = "-" if figures.score_error is None else f"{figures.score_error:.3f}"
        prompts = len(figures.box) + sum(map(len, figures.clicks))
        rows.append([figures.name, *(f"{mean:.3f}" for mean in means), *counts, score])
        rows[-1].append(f"{figures.seconds / prompts:.3f}")
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def intervals(results: Sequence[Figures]) -> str:
    """Return a Markdown table of means with 95% intervals, and the first method's lead over each of the others.

    Intervals are bootstrapped over photos; differences are paired by photo.
    """
    outlines = [f"outline F, {name}" for name in (*(f"{n} click{'s' * (n > 1)}" for n in _SHOWN), "box")]
    head = ["", *(f"{n} click{'s' * (n > 1)}" for n in REPORTED), "box", *outlines]
    first, rows = results[0], []
    for figures in results:
        rows.append([figures.name])
        for values in _measured(figures):
            low, high = bootstrap(values, figures.photos)
            rows[-1].append(f"{values.mean():.3f} ({low:.3f} to {high:.3f})")
    for figures in results[1:]:
        rows.append([f"{first.name} above {figures.name}"])
        for ours, theirs in zip(_measured(first), _measured(figures), strict=True):
            low, high = bootstrap(ours - theirs, figures.photos)
            rows[-1].append(f"{(ours - theirs).mean():+.3f} ({low:+.3f} to {high:+.3f})")
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows])


def _measured(figures: Figures) -> list[np.ndarray]:
    return [*(figures.after(n) for n in REPORTED), np.array(figures.box), *np.array(figures.outlines).T]


def write(results: Sequence[Figures], folder: Path) -> None:
    """Write `samples.csv`, `reliability.png`, `failures-METHOD.png` and `best-METHOD.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(results, folder / "samples.csv")
    if scored := [figures for figures in results if figures.scores]:
        reliability(scored, folder / "reliability.png")
    for figures in results:
        name = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in figures.name)
        for kind, best in (("failures", False), ("best", True)):
            cv2.imwrite(str(folder / f"{kind}-{name}.png"), contact_sheet(figures, best=best)[..., ::-1])


def write_csv(results: Sequence[Figures], path: Path) -> None:
    """Write one line per method and sample: IoU from the box, oracle IoU, and IoU after each click."""
    most = max(len(course) for figures in results for course in figures.clicks)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "sample", "box", "oracle_1", *(f"click_{n + 1}" for n in range(most))])
        for figures in results:
            for sample, box, oracle, course in zip(
                figures.samples, figures.box, figures.oracle, figures.clicks, strict=True
            ):
                cells = [f"{value:.4f}" for value in (box, oracle, *course)]
                writer.writerow([figures.name, sample.name, *cells, *[""] * (most - len(course))])


def calibration(figures: Figures, *, bins: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group answers by predicted IoU: mean predicted, mean true IoU and count of each bin that has answers, (bins,)."""
    predicted, true = np.array(figures.scores).T
    member = (predicted.clip(0, 1) * bins).astype(int).clip(max=bins - 1)
    count = np.bincount(member, minlength=bins)
    there = count > 0
    means = [np.bincount(member, values, minlength=bins)[there] / count[there] for values in (predicted, true)]
    return means[0], means[1], count[there]


def reliability(results: Sequence[Figures], path: Path) -> None:
    """Plot mean true against mean predicted IoU; a calibrated model lies on the diagonal."""
    drawing = Figure(figsize=(5.2, 5.6), layout="constrained")
    above, below = drawing.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    above.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=0)
    for figures in results:
        predicted, true, count = calibration(figures)
        (line,) = above.plot(predicted, true, marker="o", label=f"{figures.name}, mean error {figures.score_error:.3f}")
        below.plot(predicted, count, marker="o", color=line.get_color())
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="true IoU", title="Can the scores be trusted?")
    above.legend(loc="upper left")
    below.set(xlabel="predicted IoU, mean of each tenth", ylabel="answers", ylim=(0, None))
    drawing.savefig(path, dpi=110)


def contact_sheet(figures: Figures, *, best: bool = False, count: int = 12, height: int = 180) -> np.ndarray:
    """Draw the samples with the lowest IoU after the last of `REPORTED` clicks, worst first; or the highest if `best`.

    Each row shows the photo, the human mask, and the answers to the first click, to all clicks, and to the box.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    order = np.argsort(figures.after(REPORTED[-1]))
    rows = []
    for index in (order[::-1] if best else order)[:count]:
        sample, (first, last, boxed) = figures.samples[index], figures.masks(index)
        scale = height / sample.image.shape[0]
        clicks, course = figures.points[index], figures.clicks[index]
        cells = [
            _caption(_drawn(sample.image, sample.mask & False, _TRUTH, scale), sample.name),
            _caption(_drawn(sample.image, sample.mask, _TRUTH, scale), "human"),
        ]
        for mask, upto, caption in (
            (first, 1, f"1 click: {course[0]:.2f}"),
            (last, len(clicks), f"{len(clicks)} clicks: {course[len(clicks) - 1]:.2f}"),
            (boxed, 0, f"box: {figures.box[index]:.2f}"),
        ):
            cell = _drawn(sample.image, mask, _ANSWER, scale)
            for x, y, label in clicks[:upto]:
                centre = (round(x * scale), round(y * scale))
                cv2.circle(cell, centre, 5, (255, 255, 255), -1, cv2.LINE_AA)
                cv2.circle(cell, centre, 4, _FOREGROUND if label else _BACKGROUND, -1, cv2.LINE_AA)
            cells.append(_caption(cell, caption))
        rows.append(np.concatenate(cells, axis=1))
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )


def _drawn(image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], scale: float) -> np.ndarray:
    """Tint and outline a mask on a scaled photo."""
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    cell = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    tinted = np.where(inside[..., None] > 0, cell * 0.5 + np.array(colour) * 0.5, cell).astype(np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.ascontiguousarray(tinted), outlines, -1, colour, 1, cv2.LINE_AA))


def _caption(cell: np.ndarray, text: str) -> np.ndarray:
    strip = np.full((20, cell.shape[1], 3), 255, np.uint8)
    cv2.putText(strip, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.pad(np.concatenate([strip, cell]), ((0, 0), (0, 4), (0, 0)), constant_values=255)
