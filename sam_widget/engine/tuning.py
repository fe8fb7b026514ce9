"""Tune a model on accepted masks: a round of the data engine, and `tune`, which is one round.

A round always starts from the base model with all masks, never from the last round, because models forget; it mixes in
generic photos; and its result is adopted only if it needs fewer clicks on photos that were held out, and no more on
generic ones.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.optimize import isotonic_regression

from sam_widget.engine.generic import generic_views
from sam_widget.engine.judging import Clicks, judge
from sam_widget.engine.taught import TaughtPhoto, TeachingData, readable, taught_photos
from sam_widget.engine.trainer import blended, teach
from sam_widget.engine.views import View, views_of
from sam_widget.errors import ModelError, PromptError, door
from sam_widget.model.calibration import SLOPE
from sam_widget.model.names import is_served, without_precision
from sam_widget.model.sam import Sam
from sam_widget.model.tuned import TunedWeights, Tuning, check_finite
from sam_widget.predictor.interface import predictor_of
from sam_widget.predictor.predictor import Predictor

Kind = Literal["decoder", "tokens"]
KINDS: tuple[Kind, ...] = ("decoder", "tokens")
# A round needs this many photos, one of which is held out.
LEAST_PHOTOS = 3
# Share of the photos that are held out, and the most that are judged.
HELD_OUT, MOST_HELD_OUT = 0.2, 10
# The clicks must fall by this share, and by more than chance: this many standard errors.
FALL, SURE = 0.02, 1.0
# Clicks on generic photos may rise by this share.
TOLERANCE = 0.02
# Shares of the way from the base to the tuned weights that are tried, until generic photos are no worse.
BLENDS = (1.0, 0.6, 0.3)
MOST_STEPS = 10_000
# Share of the budget that learning gets at least; the rest is for judging.
LEARNING = 0.5
# Pairs of a score and an IoU that a calibration needs, and its knots.
PAIRS, KNOTS = 40, 8


@dataclass(frozen=True)
class RoundFigures:
    """What a round measured.

    Attributes:
        photos: Number of photos learned from.
        masks: Number of their masks.
        held_out: Number of photos that were held out.
        clicks: Mean number of clicks to IoU 0.85 on those, before and after; more than 10 count as 11.
        generic: The same on generic photos.
        score_error: Mean |score - IoU| on the photos held out, before and after calibration.
        steps: Steps of learning.
        seconds: Time of the whole round, without embedding.
        embedding_seconds: Time to embed what was not cached.
    """

    photos: int
    masks: int
    held_out: int
    clicks: tuple[float, float]
    generic: tuple[float, float]
    score_error: tuple[float, float]
    steps: int
    seconds: float
    embedding_seconds: float


@dataclass(frozen=True, eq=False)
class Round:
    """The result of a round.

    Attributes:
        model: The tuned model; None if the base stays.
        reason: Why, in a sentence.
        figures: What was measured; None if the round did not get that far.
    """

    model: Sam | None
    reason: str
    figures: RoundFigures | None = None

    def __repr__(self) -> str:
        """One line."""
        return f"Round({'adopted' if self.model is not None else 'refused'}: {self.reason})"


@door
def tune(
    model: str | Path | Sam | Predictor,
    data: TeachingData,
    *,
    images: str | Path | None = None,
    budget_s: float = 30.0,
    kind: Kind = "decoder",
    generic: TeachingData | None = None,
    steps: int | None = None,
    seed: int = 0,
    progress: Callable[[str, float], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Sam | None:
    """Tune a model on accepted masks, in seconds and without a GPU: only its decoder learns, on cached embeddings.

    It learns what a first click means in these photos; further clicks and boxes are answered by the base.

    Args:
        model: A name or checkpoint path, a loaded model, or a predictor, whose embedding cache is then used.
        data: Sessions, session files or folders of them; or a dict from photos (paths, or file names in `images`) to
            masks: (H, W) or (N, H, W) bool, label maps, or anything else that `Session.add_objects` takes.
        images: The folder of the file names in `data`.
        budget_s: Time in seconds for learning and judging; photos that are not embedded yet take longer.
        kind: "decoder" tunes prompt encoder and mask decoder; "tokens" eight tokens added to the prompt, a
            file of 4 kB.
        generic: Photos that the model must not get worse on, in the form of `data`; by default, scenes that come with
            the package.
        steps: Number of steps instead of a time, for a result that does not depend on the speed of the machine.
        seed: Determines the order of photos and prompts.
        progress: Called with what is being done and the share that is done, between 0 and 1.
        cancelled: Called often; once it returns true, the round ends without a result.

    Returns:
        The tuned model: `model.save("cells.safetensors")` writes what changed, and `load_model` reads it. None if it
        needs no fewer clicks on photos that were held out, or more on generic ones; a warning says which.

    Raises:
        MaskError: There are no masks.
        ModelError: The model cannot be loaded, or was tuned before.
        PromptError: An option is out of range.
    """
    result = tuning_round(
        model,
        taught_photos(data, images=images),
        budget_s=budget_s,
        kind=kind,
        generic=None if generic is None else taught_photos(generic),
        steps=steps,
        seed=seed,
        progress=progress or (lambda _doing, _share: None),
        cancelled=cancelled or (lambda: False),
    )
    if result.model is None:
        warnings.warn(f"the model was not tuned: {result.reason}", stacklevel=3)
    return result.model


def tuning_round(
    model: str | Path | Sam | Predictor,
    photos: list[TaughtPhoto],
    *,
    budget_s: float = 30.0,
    kind: Kind = "decoder",
    generic: list[TaughtPhoto] | None = None,
    steps: int | None = None,
    seed: int = 0,
    progress: Callable[[str, float], object] = lambda _doing, _share: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Round:
    """Tune a model, judge it, and say whether to use it; see `tune`."""
    if kind not in KINDS:
        raise PromptError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}")
    if not 0 < budget_s < float("inf"):
        raise PromptError(f"budget_s is {budget_s!r}, expected a number of seconds above 0")
    predictor = _predictor(model)
    if len(photos) < LEAST_PHOTOS:
        return Round(
            None, f"{len(photos)} photos with masks are too few to learn from; annotate at least {LEAST_PHOTOS}"
        )

    began = time.monotonic()
    taught, held = split(photos)
    views = _embedded(taught, predictor, augment=True, progress=progress, cancelled=cancelled)
    held_views = _embedded(held, predictor, augment=False, progress=progress, cancelled=cancelled)
    if generic is None:
        replayed, judged = generic_views(predictor, cancelled=cancelled)
    else:
        others = _embedded(generic, predictor, augment=False, progress=progress, cancelled=cancelled)
        replayed, judged = others[::2], others[1::2] or others
    embedding_seconds = time.monotonic() - began
    if cancelled():
        return Round(None, "it was cancelled")
    if not views or not held_views:
        return Round(None, "no photo shows a mask that is large enough to learn from; annotate larger things")

    started = time.monotonic()
    base = predictor.model
    progress("Judging the model", 0.0)
    before, generic_before = judge(base, held_views), judge(base, judged)
    judging = time.monotonic() - started
    # The result is judged as often, and sometimes twice.
    learning = max(LEARNING * budget_s, budget_s - 2.2 * judging)
    tensors, course = teach(
        base,
        views,
        generic=replayed,
        kind=kind,
        budget_s=learning if steps is None else float("inf"),
        most_steps=MOST_STEPS if steps is None else steps,
        seed=seed,
        cancelled=cancelled,
        progress=lambda share: progress("Learning", share),
    )
    if cancelled():
        return Round(None, "it was cancelled")
    if not course.steps or not check_finite(tensors):
        return Round(None, "learning diverged; check the masks, or try another seed")

    progress("Judging the result", 0.0)
    for share in BLENDS:
        weights = TunedWeights(_tuning(model, base, kind), blended(base, tensors, share))
        candidate = weights.apply(base, name=f"{base.name}-tuned")
        after, generic_after = judge(candidate, held_views), judge(candidate, judged)
        if generic_after.mean <= (1 + TOLERANCE) * generic_before.mean:
            break
    calibration, errors = calibrate(after)
    figures = RoundFigures(
        photos=len(taught),
        masks=sum(len(photo.masks) for photo in taught),
        held_out=len(held),
        clicks=(round(before.mean, 3), round(after.mean, 3)),
        generic=(round(generic_before.mean, 3), round(generic_after.mean, 3)),
        score_error=errors,
        steps=course.steps,
        seconds=round(time.monotonic() - started, 1),
        embedding_seconds=round(embedding_seconds, 1),
    )
    refused = verdict(before, after, generic_before, generic_after)
    if refused:
        return Round(None, refused, figures)
    tuning = _tuning(model, base, kind, calibration=calibration, figures=asdict(figures))
    tuned = TunedWeights(tuning, weights.tensors).apply(base, name=f"{base.name}-tuned")
    return Round(
        tuned,
        f"{before.mean:.2f} clicks became {after.mean:.2f} on {len(held)} photos that were held out "
        f"(generic photos: {generic_before.mean:.2f}, now {generic_after.mean:.2f})",
        figures,
    )


def split(photos: list[TaughtPhoto]) -> tuple[list[TaughtPhoto], list[TaughtPhoto]]:
    """Return photos to learn from and photos to judge by; a photo keeps its side as others are added."""
    wanted = max(1, round(len(photos) * (HELD_OUT if len(photos) > 10 else 1.5 * HELD_OUT)))
    ordered = sorted(photos, key=lambda photo: _rank(photo.name))
    held = ordered[: min(wanted, MOST_HELD_OUT)]
    return [photo for photo in photos if photo not in held], held


def _rank(name: str) -> str:
    import hashlib

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
    if generic_after.mean > (1 + TOLERANCE) * generic_before.mean:
        return (
            f"it would forget: on generic photos it needs {generic_after.mean:.2f} clicks instead of "
            f"{generic_before.mean:.2f}"
        )
    return ""


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


def _tuning(model: Any, base: Sam, kind: Kind, **found: Any) -> Tuning:
    named = str(model) if isinstance(model, str | Path) and not is_served(model) else base.name
    return Tuning(base=named, base_weights=without_precision(base.weights_id), kind=kind, **found)


def _predictor(model: Any) -> Predictor:
    predictor = predictor_of(model)
    if not isinstance(predictor, Predictor):
        raise ModelError(f"{predictor.model.name} is not computed here and cannot be tuned; pass the name of a model")
    if predictor.model.tuned is not None:
        raise ModelError(
            f"{predictor.model.name} was tuned before; tune its base with all masks instead, because a model that is "
            "tuned twice forgets"
        )
    return predictor


def _embedded(
    photos: list[TaughtPhoto],
    predictor: Predictor,
    *,
    augment: bool,
    progress: Callable[[str, float], object],
    cancelled: Callable[[], bool],
) -> list[View]:
    """Embed the views of photos; those that cannot be read are skipped, with a warning."""
    views: list[View] = []
    missing: list[str] = []
    for number, photo in enumerate(photos):
        progress("Embedding", number / len(photos))
        read, failed = readable([photo])
        missing += failed
        for one, rgb in read:
            views += views_of(one, rgb, predictor, augment=augment, cancelled=cancelled)
    if missing:
        warnings.warn(f"{len(missing)} photos are skipped: {missing[0]}", stacklevel=2)
    return views
