"""Tune a model on accepted masks: a round of the data engine, and `tune`, which is one round.

A round always starts from the base model with all masks, never from the last round, because models forget; it mixes in
generic photos; and its result is adopted only if it needs fewer clicks on photos that were held out, and no more on
generic ones.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from sam_widget.engine.encoder_trainer import check_room, teach_encoder
from sam_widget.engine.generic import generic_sides
from sam_widget.engine.guard import calibrate, forgets, split, verdict
from sam_widget.engine.judging import judge
from sam_widget.engine.taught import TaughtPhoto, TeachingData, readable, taught_photos
from sam_widget.engine.trainer import blended, teach
from sam_widget.engine.views import View, views_of
from sam_widget.errors import ModelError, PromptError, door
from sam_widget.model.names import is_served, without_precision
from sam_widget.model.sam import Sam
from sam_widget.model.tuned import LORA, TunedWeights, Tuning, check_finite
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.interface import predictor_of
from sam_widget.predictor.predictor import Predictor

Kind = Literal["decoder", "tokens", "lora"]
KINDS: tuple[Kind, ...] = ("decoder", "tokens", "lora")
# A round needs this many photos, one of which is held out.
LEAST_PHOTOS = 3
# Shares of the way from the base to the tuned weights that are tried, until generic photos are no worse.
BLENDS = (1.0, 0.6, 0.3)
MOST_STEPS = 10_000
# Share of the budget that learning gets at least, and the most that it takes to judge photos held out, which happens
# twice, and generic ones, which happens three times. With half of the time for learning, a busy machine had too little
# left to judge a second blend.
LEARNING, JUDGING_HELD, JUDGING_GENERIC = 0.4, 0.1, 0.08


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
    on_cpu: bool = False,
    generic: TeachingData | None = None,
    steps: int | None = None,
    seed: int = 0,
    progress: Callable[[str, float], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Sam | None:
    """Tune a model on accepted masks, in seconds and without a GPU: only its decoder learns, on cached embeddings.

    It learns what clicks, first ones and corrections, mean in these photos; boxes are answered by the base. With a GPU,
    the image encoder can be tuned instead: `kind="lora"`.

    Args:
        model: A name or checkpoint path, a loaded model, or a predictor, whose embedding cache is then used.
        data: Sessions, session files or folders of them; or a dict from photos (paths, or file names in `images`) to
            masks: (H, W) or (N, H, W) bool, label maps, or anything else that `Session.add_objects` takes.
        images: The folder of the file names in `data`.
        budget_s: Time in seconds for learning and judging; photos that are not embedded yet take longer.
        kind: "decoder" tunes prompt encoder and mask decoder; "tokens" eight tokens added to the prompt, a
            file of 4 kB; "lora" low-rank differences in the attention of the image encoder (LoRA), a file of 0.3 MB for
            `vit_b`. The last needs a GPU and minutes, because it learns from photos instead of embeddings, and the
            result embeds photos again; it is as fast as its base.
        on_cpu: Whether "lora" may run without a GPU, where a step of `vit_b` takes a minute.
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
        ModelError: The model cannot be loaded, or was tuned before; or "lora" was asked for, and there is no GPU or too
            little memory.
        PromptError: An option is out of range.
    """
    result = tuning_round(
        model,
        taught_photos(data, images=images),
        budget_s=budget_s,
        kind=kind,
        on_cpu=on_cpu,
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
    on_cpu: bool = False,
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

    base = predictor.model
    if kind == LORA:
        check_room(base, on_cpu=on_cpu)

    began = time.monotonic()
    taught, held = split(photos)
    replay, others = generic_sides(predictor.config, generic)
    embedded = functools.partial(_embedded, progress=progress, cancelled=cancelled)
    held_views, generic_views = embedded(held, predictor), embedded(others, predictor)
    if kind == LORA:
        learn = functools.partial(teach_encoder, base, taught, generic=replay)
    else:
        views = embedded(taught, predictor, augment=True)
        learn = functools.partial(teach, base, views, generic=embedded(replay, predictor), kind=kind)
    embedding_seconds = time.monotonic() - began
    if cancelled():
        return Round(None, "it was cancelled")
    if not held_views or (kind != LORA and not views):
        return Round(None, "no photo shows a mask that is large enough to learn from; annotate larger things")

    started = time.monotonic()
    progress("Judging the model", 0.0)
    # A number of steps is given for a result that depends on no clock.
    timed = budget_s if steps is None else float("inf")
    before = judge(base, held_views, seconds=JUDGING_HELD * timed)
    judging = time.monotonic() - started
    generic_before = judge(base, generic_views, seconds=JUDGING_GENERIC * timed)
    judging_generic = time.monotonic() - started - judging
    tensors, course = learn(
        budget_s=max(LEARNING * timed, timed - 2 * judging - 3 * judging_generic),
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
    # Time in which the result embeds photos again is not part of the budget, as that before is not.
    ends = started + timed
    for share in BLENDS:
        weights = TunedWeights(_tuning(model, base, kind), blended(base, tensors, share))
        candidate = weights.apply(base, name=f"{base.name}-tuned")
        if kind == LORA:
            again = time.monotonic()
            own = predictor.like(model=candidate, cache=EmbeddingCache(1))
            held_views, generic_views = embedded(held, own), embedded(others, own)
            ends, embedding_seconds = (to + time.monotonic() - again for to in (ends, embedding_seconds))
        left = ends - time.monotonic()
        generic_after = judge(
            candidate, generic_views, seconds=max(left - judging, left / 2), most=len(generic_before.sizes)
        )
        left = ends - time.monotonic()
        if not forgets(generic_before, generic_after) or left < judging + judging_generic:
            break
    # On a machine that has become busy, it is judged on fewer masks, rather than for longer.
    after = judge(candidate, held_views, seconds=max(left, judging), most=len(before.sizes))
    before, generic_before = before.of(len(after.sizes)), generic_before.of(len(generic_after.sizes))
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
    photos: Sequence[TaughtPhoto],
    predictor: Predictor,
    *,
    augment: bool = False,
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
