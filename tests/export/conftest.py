"""Objects of every awkward kind, and those that the model finds on a photo."""

from __future__ import annotations

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.runs import StoredMask
from tests.export.masks import HEIGHT, WIDTH, disc, pixel


@pytest.fixture
def shapes() -> AnnotatedImage:
    """The rest of the image, a disc, a ring with an island, two parts meeting at a corner, a pixel, a disc on top."""
    ring = disc(50, 30, 20) & ~disc(52, 28, 9) | disc(52, 28, 3)
    corner = np.zeros((HEIGHT, WIDTH), bool)
    corner[0:5, 0:4] = corner[5:9, 4:12] = True
    whole = disc(20, 30, 15)
    masks = {"rest": ~(whole | ring), "cat": whole, "ring é": ring, "corner": corner, "dot": pixel(79, 59)}
    items = [
        Annotation(label, StoredMask(mask), score) for (label, mask), score in zip(masks.items(), SCORES, strict=True)
    ]
    items.append(Annotation("cat", StoredMask(disc(30, 36, 12)), 0.5))
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    return AnnotatedImage(tuple(items), (WIDTH, HEIGHT), "shapes.png", pixels)


SCORES = (0.75, 0.5, 1.0, 0.0, 0.125)


@pytest.fixture(scope="session")
def photo_objects(photo: np.ndarray, predictor: sw.Predictor) -> sw.Session:
    """What the model answers to six clicks on a photo: parts, holes, overlaps."""
    session = sw.Session(photo, model=predictor)
    for number, (x, y) in enumerate([(175, 130), (60, 60), (300, 200), (400, 50), (220, 260), (30, 280)]):
        session.click(x, y)
        session.accept(f"thing {number % 4}")
    session.image_name = "cat.jpg"
    return session
