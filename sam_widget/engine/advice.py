"""What a person should do next, in a sentence or two: the panel needs no manual."""

from __future__ import annotations

from dataclasses import dataclass

from sam_widget.engine.tuning import LEAST_PHOTOS


@dataclass(frozen=True)
class Situation:
    """What the advice depends on.

    Attributes:
        stage: 1, 2 or 3.
        photos: Number of photos.
        done: Number of those that are done.
        rounds: Number of rounds of tuning.
        adopted: Whether any was adopted.
        due: Whether enough photos are done for another one.
        expected: Share of the pre-filled masks that is expected to be accepted; None if it is not known.
        filled: Number of photos that were pre-filled in this stage.
        checked: Number of masks that are checked, and of all in the check; None before it.
    """

    stage: int
    photos: int
    done: int
    rounds: int
    adopted: bool
    due: bool
    expected: float | None
    filled: int
    checked: tuple[int, int] | None


def advice(now: Situation) -> str:
    """Return what to do next."""
    left = now.photos - now.done
    if now.stage == 1:
        return _first(now, left)
    if now.stage == 2:
        if not left:
            return "All photos are done. The report shows what came of it."
        second = "Look at what was filled in: remove what is wrong (X), click on what is missing, then press Done."
        if now.due:
            return f"{second} There are enough new photos for another round of tuning: press Tune."
        return f"{second} When little is wrong any more, go to stage 3 for the other {_photos(left)}."
    if now.checked is not None:
        done, wanted = now.checked
        if done < wanted:
            return (
                f"Check {wanted} masks drawn at random ({done} done): correct the mask and accept it, or press Right "
                "as it is."
            )
        return "The check is complete. The report shows how many masks agree with their corrections."
    if now.filled:
        return f"{_photos(now.filled)} segmented. Press Check to see how good the masks are, on 30 drawn at random."
    return f"Press Run to segment the other {_photos(left)}. It can be cancelled, and continues where it stopped."


def _first(now: Situation, left: int) -> str:
    if not now.done:
        return (
            "Click on an object and press Enter to accept its mask, until all objects of the photo are accepted. "
            "Then press Done: the next photo is the one that teaches the model most."
        )
    if not left:
        return "All photos are done. Press Tune to teach the model what you accepted."
    if now.done <= LEAST_PHOTOS and not now.rounds:
        more = LEAST_PHOTOS + 1 - now.done
        return f"{_photos(now.done)} done. The first round of tuning needs {more} more: continue with this photo."
    if now.due:
        return "There are enough photos for a round of tuning: press Tune. You can continue while the model learns."
    if now.expected is not None and now.expected >= 0.85:
        return (
            f"Stage 2 can begin: of the masks it would fill in, about {now.expected:.0%} are right. Or continue here, "
            "and the model gets better."
        )
    if now.rounds and not now.adopted:
        return "The last round was no better than the model you have, so that one stays. More photos may help."
    return "Continue with this photo. When more photos are done, another round of tuning is worth it."


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count} photos"
