"""Plots of a training run, drawn from its log."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sam_widget.errors import SamWidgetError

# Share of the run over which each point of a curve is averaged.
_SMOOTH = 0.02


def draw_curves(log: Path, out: Path) -> None:
    """Plot every column of a CSV log against its `step` column as a PNG: raw values faintly, and smoothed.

    Raises:
        SamWidgetError: The log has no steps yet.
    """
    with log.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise SamWidgetError(f"{log} has no steps yet; train first")
    columns = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    steps = columns.pop("step")
    across = 3
    down = -(-len(columns) // across)
    figure = Figure(figsize=(4 * across, 2.6 * down), layout="constrained")
    FigureCanvasAgg(figure)
    for index, (name, values) in enumerate(columns.items()):
        axes = figure.add_subplot(down, across, index + 1, title=name)
        axes.plot(steps, values, alpha=0.25, linewidth=0.5)
        axes.plot(steps, _smoothed(values), linewidth=1.5)
        axes.grid(alpha=0.2)
    figure.savefig(out, dpi=100)


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Average over neighbouring steps; missing values are ignored."""
    width = max(1, round(_SMOOTH * len(values)))
    kernel = np.ones(2 * width + 1)
    if len(values) < len(kernel):
        return values
    known = np.isfinite(values)
    counts = np.convolve(known.astype(float), kernel, mode="same")
    sums = np.convolve(np.where(known, values, 0.0), kernel, mode="same")
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
