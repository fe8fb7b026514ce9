"""Outlines of things, as trees of masks: a whole, its parts, their subparts.

A `Pen` draws in local coordinates: x to the right, y down, about -1..1. It bends everything it draws by one smooth
random distortion, so that no two things are alike while the parts of a thing still fit together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from sam_widget.learn.scenes.textures import Mask, Rng
from sam_widget.learn.scenes.textures import field as texture_field

Points = npt.NDArray[np.float64]
SHIFT = 4
"""Fractional bits of the coordinates passed to OpenCV."""


@dataclass
class Node:
    """A region and the regions inside it.

    Attributes:
        mask: (S, S) coverage, 0..255, anti-aliased. It is clipped to the parent's mask.
        children: Drawn over this node, in order.
        stuff: A key of `materials.COLOURS`, or "" for the parent's own material, or "kin" for a relative of it.
        distance: For "kin", how far the colour is from the parent's, 0..1.
        relief: How rounded the shading makes it look; 0 is flat.
    """

    mask: Mask
    children: list["Node"] = field(default_factory=list)
    stuff: str = "kin"
    distance: float = 0.3
    relief: float = 1.0


def union(masks: Sequence[Mask]) -> Mask:
    """Return the pixelwise maximum of masks of the same shape."""
    total = masks[0].copy()
    for mask in masks[1:]:
        np.maximum(total, mask, out=total)
    return total


class Pen:
    """Draws shapes given in local coordinates on an (S, S) canvas.

    Args:
        rng: Source of the pen's distortion.
        size: S.
        centre: (x, y) of the local origin in pixels.
        radius: Pixels of one local unit.
        angle: Rotation in radians.
        flip: Mirror left and right first.
        wobble: Size of the distortion in local units.
    """

    def __init__(
        self,
        rng: Rng,
        size: int,
        centre: tuple[float, float],
        radius: float,
        *,
        angle: float = 0.0,
        flip: bool = False,
        wobble: float = 0.04,
    ) -> None:
        self.rng, self.size, self.radius = rng, size, radius
        c, s = np.cos(angle) * radius, np.sin(angle) * radius
        sign = -1 if flip else 1
        self._matrix = np.array([[sign * c, -s], [sign * s, c]])
        self.centre = np.array(centre)
        frequencies = rng.normal(0, 1, (6, 2)) * np.array([1.5, 1.5, 3, 3, 6, 6])[:, None]
        self._waves = frequencies
        self._phases = rng.uniform(0, 2 * np.pi, (6, 2))
        self._weights = wobble * np.array([1, 1, 0.5, 0.5, 0.22, 0.22])[:, None] * rng.normal(0, 1, (6, 2))

    def to_pixels(self, points: Points) -> Points:
        """Map local (n, 2) to pixel (n, 2) coordinates, including the distortion."""
        swing = np.sin((points @ self._waves.T)[..., None] + self._phases)
        return (points + (swing * self._weights).sum(1)) @ self._matrix.T + self.centre

    def blank(self) -> Mask:
        """Return an empty mask."""
        return np.zeros((self.size, self.size), np.uint8)

    def polygon(
        self, points: npt.ArrayLike, *, rough: float = 0.0, smooth: bool = False, on: Mask | None = None
    ) -> Mask:
        """Fill a polygon given by (n, 2) corners.

        Args:
            points: Local corners.
            rough: Size of a 1/f jitter of the outline, in local units.
            smooth: Round the corners into a closed spline.
            on: Mask to add to; a new one by default.
        """
        corners = np.asarray(points, float)
        outline = closed_spline(corners) if smooth else densify(corners)
        if rough > 0:
            outline = outline + rough * jitter(self.rng, len(outline))[:, None] * normals(outline)
        pixels = np.round(self.to_pixels(outline) * 2**SHIFT).astype(np.int32)
        mask = self.blank() if on is None else on
        cv2.fillPoly(mask, [pixels], 255, cv2.LINE_AA, SHIFT)
        return mask

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        *,
        angle: float = 0.0,
        rough: float = 0.0,
        on: Mask | None = None,
    ) -> Mask:
        """Fill an ellipse."""
        t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        u, v = rx * np.cos(t), ry * np.sin(t)
        c, s = np.cos(angle), np.sin(angle)
        outline = np.stack([x + c * u - s * v, y + s * u + c * v], 1)
        if rough > 0:
            outline = outline + rough * jitter(self.rng, len(outline))[:, None] * normals(outline)
        mask = self.blank() if on is None else on
        cv2.fillPoly(mask, [np.round(self.to_pixels(outline) * 2**SHIFT).astype(np.int32)], 255, cv2.LINE_AA, SHIFT)
        return mask

    def limb(self, points: npt.ArrayLike, radii: npt.ArrayLike, *, on: Mask | None = None) -> Mask:
        """Draw a tube of varying thickness along a smooth line: a leg, a neck, a tail, a branch."""
        knots = np.asarray(points, float)
        stations = np.linspace(0, 1, len(knots))
        t = np.linspace(0, 1, 4 * len(knots) + 2)
        line = np.stack([smooth_interpolation(t, stations, knots[:, k]) for k in (0, 1)], 1)
        width = np.maximum(np.interp(t, stations, np.asarray(radii, float)), 1e-3)
        along = np.gradient(line, axis=0)
        across = np.stack([-along[:, 1], along[:, 0]], 1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
        left, right = self.to_pixels(line + across * width[:, None]), self.to_pixels(line - across * width[:, None])
        centre = self.to_pixels(line)
        mask = self.blank() if on is None else on
        quads = np.stack([left[:-1], left[1:], right[1:], right[:-1]], 1)
        for quad in np.round(quads * 2**SHIFT).astype(np.int32):
            cv2.fillConvexPoly(mask, quad, 255, cv2.LINE_AA, SHIFT)
        # Round joints are slightly narrower than the distorted tube, so that they do not show as beads.
        radius = np.maximum(np.linalg.norm(left - right, axis=1) * (0.48 * 2**SHIFT), 1).astype(int).tolist()
        for spot, r in zip(np.round(centre * 2**SHIFT).astype(int).tolist(), radius, strict=True):
            cv2.circle(mask, spot, r, 255, -1, cv2.LINE_AA, SHIFT)
        return mask


def densify(corners: Points, step: float = 0.08) -> Points:
    """Insert points along the sides of a closed polygon, so that a distortion can bend them."""
    sides = np.roll(corners, -1, axis=0) - corners
    count = np.clip(np.hypot(sides[:, 0], sides[:, 1]) / step, 1, 40).astype(int)
    side = np.repeat(np.arange(len(corners)), count)
    along = (np.arange(len(side)) - np.repeat(np.cumsum(count) - count, count)) / count[side]
    return np.asarray(corners[side] + sides[side] * along[:, None])


def closed_spline(corners: Points, per_side: int = 10) -> Points:
    """Return a Catmull-Rom spline through the corners of a closed polygon."""
    t = np.linspace(0, 1, per_side, endpoint=False)[:, None, None]
    p0, p1, p2, p3 = (np.roll(corners, k, axis=0)[None] for k in (1, 0, -1, -2))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return np.asarray(curve).transpose(1, 0, 2).reshape(-1, 2)


def smooth_interpolation(t: Points, stations: Points, values: Points) -> Points:
    """Interpolate piecewise linearly, with corners rounded by a short moving average."""
    line = np.interp(t, stations, values)
    padded = np.pad(line, 2, mode="reflect", reflect_type="odd")
    return np.convolve(padded, np.ones(5) / 5, mode="valid")


def normals(outline: Points) -> Points:
    """Return the unit normals of a closed outline."""
    along = np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)
    return np.stack([along[:, 1], -along[:, 0]], 1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)


def jitter(rng: Rng, count: int, beta: float = 0.9) -> Points:
    """Return `count` samples of periodic 1/f noise with unit deviation."""
    spectrum = rng.normal(size=(2, count // 2 + 1)) / np.maximum(np.arange(count // 2 + 1), 1) ** beta
    spectrum[:, :2] = 0
    wave = np.fft.irfft(spectrum[0] + 1j * spectrum[1], n=count)
    return np.asarray(wave / (wave.std() + 1e-9))


def patches(rng: Rng, pen: Pen, mask: Mask) -> list[Node]:
    """Split a mask into a few parts by level sets of smooth noise, or by straight cuts."""
    size = pen.size
    x0, y0, w, h = cv2.boundingRect(mask)
    if w < 8 or h < 8:
        return []
    nodes = []
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.5:
            values = texture_field(
                rng, "smooth" if rng.random() < 0.7 else "fractal", (h, w), zoom=rng.uniform(150, 500) / max(w, h)
            )
        else:
            turn = rng.uniform(0, 2 * np.pi)
            yy, xx = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j].astype(np.float32)
            values = 2 * (np.cos(turn) * xx + np.sin(turn) * yy)
        inside = values[mask[y0 : y0 + h, x0 : x0 + w] > 127]
        if inside.size < 40:
            break
        level = np.quantile(inside, rng.uniform(0.45, 0.85))
        part = np.zeros((size, size), np.uint8)
        part[y0 : y0 + h, x0 : x0 + w] = np.clip(
            127 + (values - level) / (np.abs(values).max() + 1e-6) * 127 * max(w, h) / 8, 0, 255
        )
        nodes.append(
            Node(
                np.minimum(part, mask),
                stuff=pick(rng, "kin", "kin", "fur", "vivid", "stone"),
                distance=rng.uniform(0.2, 0.7),
                relief=0.0,
            )
        )
    return nodes


def paste(mask: Mask, stamp: Mask, x: int, y: int) -> None:
    """Copy a stamp into a mask at (x, y), clipped to the mask's border."""
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + stamp.shape[1], mask.shape[1]), min(y + stamp.shape[0], mask.shape[0])
    if x1 > x0 and y1 > y0:
        mask[y0:y1, x0:x1] = np.maximum(mask[y0:y1, x0:x1], stamp[y0 - y : y1 - y, x0 - x : x1 - x])


def pick(rng: Rng, *options: str) -> str:
    """Return one of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]
