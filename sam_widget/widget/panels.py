"""What a gallery and a data engine show in addition to the widget's state: traits of their own.

They are part of `protocol`, from which their TypeScript is generated.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class GalleryData(Struct, frozen=True):
    """The images of a gallery: a separate trait, because it never changes and may be long."""

    names: list[str]


class PlaceData(Struct, frozen=True):
    """The position and progress of a gallery: the displayed image, and the number of objects of every image.

    `done` and `failed` are the indices of the images that are marked as done, and that could not be opened.
    """

    index: int
    objects: list[int]
    done: list[int]
    failed: list[int]


class HitData(Struct, frozen=True):
    """An image of a gallery in which something was found: its index, how many, and the best score."""

    index: int
    found: int
    score: float


class SearchedData(Struct, frozen=True):
    """A search in all images of a gallery, `done` of `total`; hits are sorted, best first.

    `message` says what was found, once it has ended; empty before.
    """

    text: str
    done: int
    total: int
    message: str
    hits: list[HitData]


class StageData(Struct, frozen=True):
    """A stage of a data engine: its name, and why it cannot begin yet; empty if it can."""

    name: str
    hindrance: str


class RoundData(Struct, frozen=True):
    """A round of tuning, with the mean number of clicks to IoU 0.85 before and after; null if it was not judged."""

    number: int
    adopted: bool
    reason: str
    before: float | None
    after: float | None


class JobData(Struct, frozen=True):
    """What a data engine is doing in the background, and the share that is done; null if it is not known."""

    what: str
    share: float | None


class CheckData(Struct, frozen=True):
    """The blind check of a data engine: `done` of `wanted` masks, and what it shows so far.

    `image` and `object` are the index of the image and the id of the object to check next; null if none is left.
    """

    done: int
    wanted: int
    sentence: str
    image: int | None
    object: str | None


class EngineData(Struct, frozen=True):
    """A data engine: its stage, from 1, what to do next, and what was achieved.

    `buttons` are what can be done now, the best first. `seconds` and `clicks` are those of the last masks that people
    made, oldest first. `expected` is the share of pre-filled masks that is expected to be accepted, and `accepted` the
    share that was, both null if not known; `filled` are the ids of pre-filled objects of the displayed image that are
    not confirmed. `current` is the time in seconds since the last mask of the displayed image; null if it is not open.
    """

    stage: int
    stages: list[StageData]
    photos: int
    done: int
    advice: str
    buttons: list[Literal["done", "next", "tune", "run", "check", "right"]]
    seconds: list[float]
    clicks: list[int]
    rounds: list[RoundData]
    expected: float | None
    accepted: float | None
    filled: list[str]
    job: JobData | None
    error: str
    check: CheckData | None
    current: float | None
