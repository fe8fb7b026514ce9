"""Classical segmentation methods that answer the same clicks and boxes as a model.

Each uses the parameters that its authors or its library recommend. Those that they leave open (the neighbourhood
represented by a click, the scale of segments) were chosen on rendered scenes, never on photos used for measurements.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sam_widget.learn.evaluate.evaluate import Answer, Method

SIZE = 256
"""Longest side of a photo for methods that would take seconds per prompt at full size."""


def _discs(shape: tuple[int, int], points: np.ndarray, radius: float) -> np.ndarray:
    """Return the pixels within `radius` of any of the points (N, 2), as (H, W) bool."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for px, py in points:
        inside |= (x - px) ** 2 + (y - py) ** 2 <= max(radius, 0.71) ** 2  # at least the pixel that contains the point
    return inside


def _rectangle(shape: tuple[int, int], box: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = (round(float(value)) for value in box)
    inside = np.zeros(shape, bool)
    inside[max(y0, 0) : y1, max(x0, 0) : x1] = True
    return inside


def _scaled(image: np.ndarray, scale: float) -> np.ndarray:
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _resized(likely: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Scale a mask or probability to (H, W) and return where it exceeds one half."""
    return np.asarray(cv2.resize(likely.astype(np.float32), (shape[1], shape[0])) > 0.5)


def _clicked_components(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Keep the connected components of a mask that contain a foreground click (N, 2); keep all of it if none does."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    columns, rows = np.floor(points).astype(int).T
    clicked = [part for part in np.unique(parts[rows, columns]) if part]
    return np.isin(parts, clicked) if clicked else mask


class Disc:
    """A prior that ignores the image: discs around foreground clicks, minus discs around background clicks.

    Their radii are 0.2 and 0.1 of the short side.
    """

    name = "disc"
    FOREGROUND, BACKGROUND = 0.2, 0.1

    def start(self, image: np.ndarray) -> None:
        """Remember the photo's size."""
        self._shape = image.shape[:2]

    def answer(self, points: np.ndarray, labels: np.ndarray, box: np.ndarray | None) -> Answer:
        """Return discs around the clicks, or the box itself."""
        if box is not None:
            return Answer(_rectangle(self._shape, box)[None])
        short = min(self._shape)
        mask = _discs(self._shape, points[labels == 1], self.FOREGROUND * short)
        return Answer((mask & ~_discs(self._shape, points[labels == 0], self.BACKGROUND * short))[None])


class GrabCut:
    """GrabCut (Rother et al., SIGGRAPH 2004) in OpenCV, five iterations.

    A box is used as in the paper: outside is background, inside is unknown. Clicks are seeds: a small disc around each
    is certain, the larger disc of `Disc` is probable, and only clicked components of the result are kept. The photo is
    scaled to 256 px, as for the small models.
    """

    name = "GrabCut"
    ITERATIONS = 5
    CERTAIN = 0.01  # of the short side

    def start(self, image: np.ndarray) -> None:
        """Scale a photo down; OpenCV expects BGR."""
        self._shape, self._scale = image.shape[:2], min(1.0, SIZE / max(image.shape[:2]))
        self._image = np.ascontiguousarray(_scaled(image, self._scale)[..., ::-1])
        self._prior = Disc()
        self._prior.start(self._image)

    def answer(self, points: np.ndarray, labels: np.ndarray, box: np.ndarray | None) -> Answer:
        """Fit colour models to the seeds, and cut."""
        points = points * self._scale
        box = None if box is None else box * self._scale
        prior = self._prior.answer(points, labels, box).masks[0]
        if box is not None:
            seeds = np.where(prior, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
            found = self._cut(seeds)
            return self._full(found if found.any() else prior)
        certain = self.CERTAIN * min(prior.shape)
        seeds = np.where(prior, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        seeds[_discs(prior.shape, points[labels == 0], certain)] = cv2.GC_BGD
        seeds[_discs(prior.shape, points[labels == 1], certain)] = cv2.GC_FGD
        return self._full(_clicked_components(self._cut(seeds), points[labels == 1]))

    def _full(self, mask: np.ndarray) -> Answer:
        return Answer(_resized(mask, self._shape)[None])

    def _cut(self, seeds: np.ndarray) -> np.ndarray:
        foreground = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
        if foreground.all() or not foreground.any():  # one of the two classes has no pixels to learn from
            return foreground
        cv2.setRNGSeed(0)  # the mixtures start from random means
        colours = (np.zeros((1, 65)), np.zeros((1, 65)))
        cut, *_ = cv2.grabCut(self._image, seeds, None, *colours, self.ITERATIONS, cv2.GC_INIT_WITH_MASK)
        return (cut == cv2.GC_FGD) | (cut == cv2.GC_PR_FGD)


class Felzenszwalb:
    """Segments of Felzenszwalb and Huttenlocher (IJCV 2004) in scikit-image, at the coarsest scale that fits.

    A click selects its segment at the coarsest scale at which it contains no click of the other label; the foreground
    is the union of the segments of its clicks minus those of the background. A box selects the segments that lie more
    than half inside it. Smoothing, minimum size and the coarsest scale are the authors' own.
    """

    name = "Felzenszwalb"
    SIGMA, MIN_SIZE = 0.8, 20
    SCALES = (500, 250, 125, 60, 30)
    BOX_SCALE = 250

    def start(self, image: np.ndarray) -> None:
        """Segment a photo at every scale."""
        from skimage.segmentation import felzenszwalb

        scales = {*self.SCALES, self.BOX_SCALE}
        self._segments = {
            scale: felzenszwalb(image, scale=scale, sigma=self.SIGMA, min_size=self.MIN_SIZE) for scale in scales
        }

    def answer(self, points: np.ndarray, labels: np.ndarray, box: np.ndarray | None) -> Answer:
        """Return the segments that the prompt selects."""
        if box is not None:
            segments = self._segments[self.BOX_SCALE]
            inside = _rectangle(segments.shape, box)
            share = np.bincount(segments[inside], minlength=segments.max() + 1) / np.bincount(segments.ravel())
            return Answer(((share > 0.5)[segments] & inside)[None])
        mask = np.zeros(self._segments[self.BOX_SCALE].shape, bool)
        cells = np.floor(points).astype(int)
        for label in (1, 0):
            others = cells[labels != label]
            for x, y in cells[labels == label]:
                for scale in self.SCALES:
                    segments = self._segments[scale]
                    meant = segments == segments[y, x]
                    if not meant[others[:, 1], others[:, 0]].any():
                        break
                else:  # no scale separates the two
                    if not label:
                        meant = _discs(mask.shape, np.array([[x, y]]) + 0.5, Disc.BACKGROUND * min(mask.shape))
                mask[meant] = bool(label)
        return Answer(mask[None])


class RandomWalker:
    """Random walker segmentation (Grady, PAMI 2006) in scikit-image, on the photo scaled to 256 px.

    A walk from a pixel ends at a foreground click, or at a background click or the edge of the photo; where the former
    is more likely, the pixel is foreground. With a box, walks end outside it or in its middle.
    """

    name = "random walker"
    SEED = 0.12  # radius of a click, as a share of the short side
    MIDDLE = 0.65  # side of the middle of a box, as a share of the box

    def start(self, image: np.ndarray) -> None:
        """Scale a photo down."""
        self._shape = image.shape[:2]
        self._scale = min(1.0, SIZE / max(self._shape))
        self._image = _scaled(image, self._scale)

    def answer(self, points: np.ndarray, labels: np.ndarray, box: np.ndarray | None) -> Answer:
        """Solve for the probability of foreground."""
        from skimage.segmentation import random_walker

        shape = self._image.shape[:2]
        if box is not None:
            centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
            middle = np.concatenate([centre - self.MIDDLE * half, centre + self.MIDDLE * half])
            background = ~_rectangle(shape, box * self._scale)
            foreground = _rectangle(shape, middle * self._scale)
        else:
            background = np.ones(shape, bool)
            background[1:-1, 1:-1] = False
            radius = self.SEED * min(shape)
            foreground = _discs(shape, points[labels == 1] * self._scale, radius)
            background |= _discs(shape, points[labels == 0] * self._scale, radius)
            # Where discs overlap, only their centres are kept as seeds.
            both = foreground & background
            foreground = foreground & ~both | _discs(shape, points[labels == 1] * self._scale, 0)
            background = background & ~both & ~foreground | _discs(shape, points[labels == 0] * self._scale, 0)
        markers = np.where(background, 2, 0)
        markers[foreground] = 1
        if not (markers == 2).any():  # a box around the whole photo
            return Answer(np.ones((1, *self._shape), bool))
        if not (markers == 1).any():  # a box of a pixel or two
            return Answer(_rectangle(self._shape, box)[None] if box is not None else np.zeros((1, *self._shape), bool))
        if markers.all():
            likely = foreground
        else:
            options = {"mode": "cg_j", "tol": 1e-4, "prob_tol": 0.01}
            likely = random_walker(self._image, markers, channel_axis=-1, return_full_prob=True, **options)[0]
        return Answer(_resized(likely, self._shape)[None])


RIVALS: dict[str, Callable[[], Method]] = {
    "disc": Disc,
    "grabcut": GrabCut,
    "felzenszwalb": Felzenszwalb,
    "random-walker": RandomWalker,
}
"""The methods by their command line names."""
