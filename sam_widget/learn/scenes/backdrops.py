"""Backdrops, made of regions of stuff: landscapes, rooms, thickets, fields from above."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from sam_widget.learn.scenes.canvas import Canvas
from sam_widget.learn.scenes.materials import kin, material
from sam_widget.learn.scenes.shapes import SHIFT, Node, jitter, pick
from sam_widget.learn.scenes.textures import Float, Mask, Rng, coloured, field

ALIKE = 0.2
"""Share of backdrop regions whose material is related to the one behind, as a lake resembles the sky."""


def stuff(
    rng: Rng, canvas: Canvas, mask: Mask, kind: str, *, tilt: float = 0.0, blur: float = 0.0, haze: float = 0.0,
    air: Float | None = None, patches: bool = False,
) -> None:  # fmt: skip
    """Draw a backdrop region with a gradient of light over it.

    Args:
        rng: Source of its material.
        canvas: What to draw on; its `materials` grows by one.
        mask: (S, S) coverage.
        kind: A key of `materials.COLOURS`.
        tilt: How far its plane recedes; see `textures.field`.
        blur: Depth blur in pixels at size 256.
        haze: Share of the colour `air` mixed in.
        air: (3,) colour of the haze.
        patches: Whether it may contain a second kind of stuff as a part: clouds, snow, bare soil.
    """
    # Courses of a wall and waves of a lake are level.
    surface = material(rng, kind, tilt=tilt, grain=float(rng.normal(0, 0.05)) if kind in {"wall", "water"} else None)
    if canvas.materials and rng.random() < ALIKE:
        surface = replace(kin(rng, canvas.materials[-1], distance=float(rng.uniform(0.1, 0.4))), tilt=tilt)
    canvas.materials.append(surface)
    node = Node(mask, relief=0.0)
    if patches and rng.random() < 0.4:
        other = "pale" if kind == "sky" else pick(rng, "kin", kind)
        patch = islands(rng, canvas, rng.uniform(0.2, 1.2), stretch=float(rng.uniform(1, 3)))
        node.children.append(Node(patch, stuff=other, distance=0.4, relief=0.0))
    canvas.draw(rng, node, surface, blur=blur, haze=haze, haze_colour=air)
    turn, strength = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.25)
    if kind == "sky":
        turn, strength = np.pi / 2 + rng.normal(0, 0.3), abs(rng.normal(0, 0.35))
    ramp = np.linspace(-0.5, 0.5, canvas.size, dtype=np.float32)
    plane = np.float32(np.sin(turn) * strength) * ramp[:, None] + np.float32(np.cos(turn) * strength) * ramp[None]
    canvas.image *= coloured(1 + plane * (mask * np.float32(1 / 255)))


# --- masks -----------------------------------------------------------------------------------------------------------


def everything(size: int) -> Mask:
    """The whole frame."""
    return np.full((size, size), 255, np.uint8)


def polygon(size: int, points: npt.NDArray[np.float64]) -> Mask:
    """A filled polygon with corners (n, 2) as fractions of the frame."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(points * size * 2**SHIFT).astype(np.int32)], 255, cv2.LINE_AA, SHIFT)
    return mask


def below(rng: Rng, size: int, height: float, *, rough: float, slope: float = 0.0) -> Mask:
    """Everything under a ragged line at `height` (0 top, 1 bottom)."""
    n = 96
    y = height + rough * jitter(rng, 2 * n, float(rng.uniform(0.5, 1.8)))[:n] + slope * np.linspace(-1, 1, n)
    line = np.stack([np.linspace(-0.02, 1.02, n), y], 1)
    return polygon(size, np.concatenate([line, [[1.1, 1.1], [-0.1, 1.1]]]))


def islands(rng: Rng, canvas: Canvas, level: float, *, stretch: float = 1.0) -> Mask:
    """Where random smooth or ragged noise exceeds a level, with a hard or a soft shore."""
    values = field(
        rng, pick(rng, "smooth", "fractal"), (canvas.size, canvas.size), stretch=stretch,
        zoom=float(rng.uniform(0.4, 1.4)) / canvas.scale, angle=float(rng.normal(0, 0.2)) if stretch > 1 else None,
    )  # fmt: skip
    return np.clip(127 + 127 * (values - level) * rng.uniform(4, 25), 0, 255).astype(np.uint8)


# --- backdrops -------------------------------------------------------------------------------------------------------


def landscape(rng: Rng, canvas: Canvas, blur: float) -> None:
    """Sky, ranges that fade with distance, ground or water, perhaps a near bank."""
    s = canvas.size
    horizon = float(rng.uniform(0.1, 0.75))
    stuff(rng, canvas, everything(s), "sky", blur=blur * 0.3, patches=True)
    air = canvas.image[: max(int(horizon * s), 1)].mean((0, 1))
    ranges = int(rng.integers(0, 3))
    for k in range(ranges):
        far = (ranges - k) / ranges
        mask = below(rng, s, horizon - 0.25 * rng.random() * far, rough=float(rng.uniform(0.005, 0.06)))
        kind = pick(rng, "stone", "plant", "earth", "plant")
        stuff(rng, canvas, mask, kind, haze=float(rng.uniform(0, 0.7)) * far, air=air, blur=blur, patches=True)
    mask = below(rng, s, horizon, rough=float(rng.uniform(0, 0.015)), slope=float(rng.normal(0, 0.015)))
    ground = pick(rng, "plant", "plant", "earth", "water", "stone", "pale")
    stuff(rng, canvas, mask, ground, tilt=float(rng.uniform(0.3, 0.9)), blur=blur * 0.6, patches=True)
    if rng.random() < 0.5:
        height, slope = float(rng.uniform(horizon + 0.1, 1.0)), float(rng.normal(0, 0.1))
        mask = below(rng, s, height, rough=float(rng.uniform(0.005, 0.05)), slope=slope)
        stuff(rng, canvas, mask, pick(rng, "plant", "earth", "stone"), tilt=float(rng.uniform(0, 0.6)), blur=blur * 0.3)


def room(rng: Rng, canvas: Canvas, blur: float) -> None:
    """Walls that meet in corners, perhaps a floor or a table top."""
    s = canvas.size
    stuff(rng, canvas, everything(s), "wall", blur=blur)
    for _ in range(int(rng.integers(0, 3))):
        x, lean, side = rng.uniform(0.1, 0.9), rng.normal(0, 0.05), float(rng.choice([-1, 2]))
        mask = polygon(s, np.array([[x, -0.1], [x + lean, 1.1], [side, 1.1], [side, -0.1]]))
        stuff(rng, canvas, mask, pick(rng, "wall", "stone", "pale", "dark"), blur=blur)
    if rng.random() < 0.8:
        floor = below(rng, s, float(rng.uniform(0.5, 0.9)), rough=0.0, slope=float(rng.normal(0, 0.05)))
        kind = pick(rng, "earth", "wall", "stone", "vivid")
        stuff(rng, canvas, floor, kind, tilt=float(rng.uniform(0.3, 0.8)), blur=blur * 0.5)


def thicket(rng: Rng, canvas: Canvas, blur: float) -> None:
    """A frame filled with one kind of stuff, perhaps with others in it: a meadow, foliage, a reef, snow, a wall."""
    kind = pick(rng, "plant", "plant", "water", "earth", "stone", "dark", "pale", "wall", "sky")
    tilt = float(rng.uniform(0, 0.7)) if rng.random() < 0.4 else 0.0
    stuff(rng, canvas, everything(canvas.size), kind, tilt=tilt, blur=blur, patches=True)
    for _ in range(int(rng.integers(0, 3))):
        mask = islands(rng, canvas, rng.normal(0.4, 0.5))
        stuff(rng, canvas, mask, pick(rng, "plant", "earth", "water", "stone", "dark"), blur=blur)


def aerial(rng: Rng, canvas: Canvas, blur: float) -> None:
    """Fields seen from above, or any mosaic of straight and crooked borders."""
    s = canvas.size
    stuff(rng, canvas, everything(s), "plant", blur=blur)
    y, x = np.mgrid[:s, :s].astype(np.float32) - s / 2
    for _ in range(int(rng.integers(2, 5))):
        turn, offset = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.3) * s
        wave = field(rng, "smooth", (s, s), zoom=1 / canvas.scale) * np.float32(rng.choice([0, 6, 20]) * canvas.scale)
        plane = np.float32(np.cos(turn)) * x + np.float32(np.sin(turn)) * y + wave - np.float32(offset)
        mask = np.clip(127 + 127 * plane, 0, 255).astype(np.uint8)
        stuff(rng, canvas, mask, pick(rng, "plant", "earth", "water", "stone", "sky", "wall"), blur=blur)


@dataclass(frozen=True)
class Backdrop:
    """A backdrop: how to draw it (with a depth blur), how frequent it is, and which things appear in front of it."""

    draw: Callable[[Rng, Canvas, float], None]
    share: float
    things: tuple[str, ...]


BACKDROPS = (
    Backdrop(
        landscape,
        0.42,
        ("tree", "tree", "quadruped", "quadruped", "person", "building", "peak", "fractal", "bird", "boat", "vehicle",
         "wires", "blob", "tuft", "heap", "portrait", "plant"),
    ),
    Backdrop(
        room,
        0.2,
        ("person", "portrait", "portrait", "vessel", "vessel", "facets", "building", "ring", "blob", "flower", "heap",
         "vehicle", "quadruped", "plant"),
    ),
    Backdrop(
        thicket,
        0.28,
        ("quadruped", "quadruped", "bird", "bird", "fish", "flower", "flower", "blob", "fractal", "person", "portrait",
         "wires", "butterfly", "heap", "plant", "tuft"),
    ),
    Backdrop(aerial, 0.1, ("building", "tree", "fractal", "boat", "facets", "blob", "vehicle", "bird", "heap")),
)  # fmt: skip
"""All backdrops. Shares add up to one; kinds listed twice are twice as frequent."""
