"""The guard of a round: which photos are held out, whether the result is used, and how its scores are corrected."""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.optimize import isotonic_regression

from sam_widget.engine.judging import Clicks
from sam_widget.engine.taught import TaughtPhoto
from sam_widget.model.calibration import SLOPE

# Share of the photos that are held out, and the most that are judged.
HELD_OUT, MOST_HELD_OUT = 0.2, 10
# The clicks must fall by this share, and by more than chance: this many standard errors.
FALL, SURE = 0.02, 1.0
# Clicks on generic photos may rise by this share.
TOLERANCE = 0.02
# Pairs of a score and an IoU that a calibration needs, and its knots.
PAIRS, KNOTS = 40, 8


def split(photos: list[TaughtPhoto]) -> tuple[list[TaughtPhoto], list[TaughtPhoto]]:
    """Return photos to learn from and photos to judge by; a photo keeps its side as others are added."""
    wanted = max(1, round(len(photos) * (HELD_OUT if len(photos) > 10 else 1.5 * HELD_OUT)))
    ordered = sorted(photos, key=lambda photo: _rank(photo.name))
    held = ordered[: min(wanted, MOST_HELD_OUT)]
    return [photo for photo in photos if photo not in held], held


def _rank(name: str) -> str:
    return hashlib.blake2b(name.encode(errors="replace"), digest_size=8).hexdigest()


def verdict(before: Clicks, after: Clicks, generic_before: Clicks, generic_after: Clicks) -> str:
    """Return why a tuned model is refused; empty if it is adopted."""
    if not len(before.counts) or len(before.counts) != len(after.counts):
        return "no mask that was held out is large enough to be judged; annotate more photos"
    fell = before.counts - after.counts
    error = float(fell.std()) / len(fell) ** 0.5
    if fell.mean() <= max(FALL * before.mean, SURE * error):
        return (
            f"it needs {after.mean:.2f} clicks instead of {before.mean:.2f} on photos that were held out, no fewer "
            "than by chance; annotate more photos, or keep the model as it is"
        )
    if forgets(generic_before, generic_after):
        return (
            f"it would forget: on generic photos it needs {generic_after.mean:.2f} clicks instead of "
            f"{generic_before.mean:.2f}"
        )
    return ""


def forgets(before: Clicks, after: Clicks) -> bool:
    """Whether generic photos need more clicks than before; of both, the masks that were judged in both."""
    common = min(len(before.sizes), len(after.sizes))
    return after.of(common).mean > (1 + TOLERANCE) * before.of(common).mean


def calibrate(clicks: Clicks) -> tuple[tuple[tuple[float, ...], tuple[float, ...]] | None, tuple[float, float]]:
    """Fit a calibration (isotonic regression) to predicted and true IoUs.

    Returns:
        Its knots, or None if there are too few pairs or it does not help on those it was not fitted to; and the mean
        |score - IoU| without and with it, each pair scored by the fit to the other half.
    """
    pairs = clicks.scored
    plain = float(np.abs(pairs[:, 0] - pairs[:, 1]).mean()) if len(pairs) else 0.0
    if len(pairs) < PAIRS:
        return None, (round(plain, 4), round(plain, 4))
    halves = [pairs[0::2], pairs[1::2]]
    crossed = [np.interp(other[:, 0], *_knots(one)) - other[:, 1] for one, other in (halves, halves[::-1])]
    better = float(np.abs(np.concatenate(crossed)).mean())
    if better >= plain:
        return None, (round(plain, 4), round(plain, 4))
    before, after = _knots(pairs)
    return (tuple(before.tolist()), tuple(after.tolist())), (round(plain, 4), round(better, 4))


def _knots(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return strictly increasing knots from 0 to 1 of an isotonic fit."""
    ordered = pairs[pairs[:, 0].argsort(kind="stable")]
    fitted = isotonic_regression(ordered[:, 1]).x
    parts = np.array_split(np.arange(len(ordered)), KNOTS)
    before = np.array([ordered[part, 0].mean() for part in parts])
    after = np.array([fitted[part].mean() for part in parts])
    before = np.concatenate([[0.0], before.clip(0.001, 0.999), [1.0]])
    keep = np.concatenate([[True], np.diff(before) > 1e-3])
    keep[-1] = True
    after = np.concatenate([[0.0], after, [1.0]])
    before, after = before[keep], after[keep]
    # A little of the identity keeps plateaus rising.
    mixed = (1 - SLOPE) * np.maximum.accumulate(after.clip(0, 1)) + SLOPE * before
    return before, mixed
