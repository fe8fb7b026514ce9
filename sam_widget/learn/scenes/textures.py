"""Texture fields for the rendered training scenes.

Natural images owe their statistics to two things: power spectra that fall as 1/f^beta (Field, "Relations between the
statistics of natural images and the response properties of cortical cells", JOSA A 1987) and opaque things that
occlude each other at every size (dead leaves: Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 2001).
Both are drawn here once per process into an atlas of tiles; a texture is a tile seen through a random affine or
perspective map, so that one cheap warp gives orientation, grain, scale and foreshortening.
"""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from sam_widget.learn.photos import TRAINING

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
Rng = np.random.Generator

TILE = 512
"""Side of an atlas tile in pixels; at zoom 1 it spans two scenes of size 256."""

# --- the atlas -------------------------------------------------------------------------------------------------------


def _standardise(tile: npt.NDArray[np.floating]) -> Float:
    """Standardise to mean 0 and standard deviation 1, and clip at 3."""
    tile = tile - tile.mean()
    return np.clip(tile / (tile.std() + 1e-6), -3, 3).astype(np.float32)


def _spectral(rng: Rng, beta: float, low: float = 0.0) -> Float:
    """Seamless noise with amplitudes falling as 1/f^beta, and none below `low` cycles per tile."""
    fy = np.fft.fftfreq(TILE)[:, None] * TILE
    fx = np.fft.rfftfreq(TILE)[None] * TILE
    radius = np.hypot(fy, fx)
    amplitude = np.where(radius > max(low, 0.5), np.maximum(radius, 1.0) ** -beta, 0.0)
    return _standardise(np.fft.irfft2(np.fft.rfft2(rng.standard_normal((TILE, TILE))) * amplitude, s=(TILE, TILE)))


def _ridged(rng: Rng) -> Float:
    """Creases: rock faces, bark, wrinkled cloth."""
    octaves = [np.abs(_spectral(rng, 1.6, low)) * weight for low, weight in ((2, 1.0), (8, 0.6), (24, 0.4))]
    return _standardise(-np.sqrt(sum(octaves)))


def _dead_leaves(rng: Rng, smallest: float, largest: float, shape: str) -> Float:
    """Opaque shapes dropped onto each other, with radii of density r^-3: foliage, gravel, rubble, crowds."""
    canvas = np.zeros((TILE, TILE), np.float32)
    covered = 0.0
    while covered < 5 * TILE * TILE:
        u = rng.random()
        r = (smallest**-2 + u * (largest**-2 - smallest**-2)) ** -0.5
        x, y = rng.integers(0, TILE, 2).tolist()
        tone = float(rng.normal())
        if shape == "disc":
            cv2.circle(canvas, (x, y), int(r), tone, -1, cv2.LINE_8)
        elif shape == "leaf":
            axes = (int(r * 1.6), max(1, int(r * rng.uniform(0.25, 0.7))))
            cv2.ellipse(canvas, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, tone, -1, cv2.LINE_8)
        else:
            turn = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 8))))
            points = np.stack([x + r * np.cos(turn), y + r * np.sin(turn)], 1).astype(np.int32)
            cv2.fillConvexPoly(canvas, points, tone, cv2.LINE_8)
        covered += 2.5 * r * r
    return _standardise(cv2.GaussianBlur(canvas, (0, 0), 0.7))


def _strokes(rng: Rng, length: float, spread: float) -> Float:
    """Short strokes around one direction: grass, straw, fur, feathers."""
    canvas = np.zeros((TILE, TILE), np.float32)
    for _ in range(9000):
        x, y = rng.uniform(0, TILE, 2)
        turn, reach = rng.normal(0, spread), length * rng.uniform(0.4, 1.4)
        end = (int(x + reach * np.cos(turn)), int(y + reach * np.sin(turn)))
        cv2.line(canvas, (int(x), int(y)), end, float(rng.normal()), int(rng.integers(1, 4)), cv2.LINE_8)
    return _standardise(cv2.GaussianBlur(canvas, (0, 0), 0.6))


def _cells(rng: Rng, count: int, *, edges: bool) -> Float:
    """Voronoi cells, each with its own tone (stones, scales, hide), or only the cracks between them."""
    seeds = np.ones((TILE, TILE), np.uint8)
    xy = rng.integers(0, TILE, (count, 2))
    seeds[xy[:, 1], xy[:, 0]] = 0
    near, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    tones = rng.standard_normal(int(labels.max()) + 1).astype(np.float32)
    tile = tones[labels]
    crack = cv2.morphologyEx(labels.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    depth = 1 - near / near.max()
    if edges:
        tile = 0.15 * tile + depth
    return _standardise(cv2.GaussianBlur(np.where(crack, -1.8, tile + depth).astype(np.float32), (0, 0), 0.9))


def _courses(rng: Rng, height: int, width: int, joint: int, *, shifted: bool) -> Float:
    """Rows of units with joints: bricks, tiles, planks, window fronts."""
    tile = np.zeros((TILE, TILE), np.float32)
    for row, y in enumerate(range(0, TILE, height)):
        offset = -(row % 2) * width // 2 if shifted else 0
        for x in range(offset, TILE, width):
            tile[y : y + height - joint, max(x, 0) : max(x + width - joint, 0)] = 1.2 + 0.5 * rng.normal()
    return _standardise(cv2.GaussianBlur(tile, (0, 0), 0.8))


def _wave(rng: Rng, period: float, waver: float, sharpness: float) -> Float:
    """Wavering parallel bands: zebra, corrugated iron, ploughed fields, fabric stripes."""
    y = np.arange(TILE, dtype=np.float32)[:, None] + waver * period * _spectral(rng, 2.2)
    return _standardise(np.tanh(sharpness * np.sin(2 * np.pi * y / period)))


def _weave(rng: Rng, period: float) -> Float:
    """Threads over and under, and a plaid of slow bands."""
    t = np.arange(TILE)
    fine = np.sin(2 * np.pi * t / period)
    plaid = np.sin(2 * np.pi * t / (period * rng.integers(4, 9))) + np.sin(
        2 * np.pi * t / (period * rng.integers(9, 17))
    )
    return _standardise(fine[:, None] * fine[None] + 0.7 * np.tanh(plaid)[:, None] + 0.7 * np.tanh(plaid)[None])


def _spots(rng: Rng, frequency: float, sharpness: float) -> Float:
    """Round patches of one size: leopard, dapple, lichen, dots."""
    band = cv2.GaussianBlur(_spectral(rng, 0.3, frequency), (0, 0), TILE / frequency / 5)
    return _standardise(np.tanh(sharpness * (_standardise(band) - 0.8)))


FAMILIES: dict[str, tuple[Callable[[Rng], Float], ...]] = {
    "smooth": (lambda r: _spectral(r, 2.3), lambda r: _spectral(r, 2.8), lambda r: _spectral(r, 2.0)),
    "fractal": (lambda r: _spectral(r, 1.7), lambda r: _spectral(r, 1.4), lambda r: _spectral(r, 1.9)),
    "rough": (lambda r: _spectral(r, 1.1), lambda r: _spectral(r, 0.8)),
    "grain": (lambda r: _spectral(r, 0.4), lambda r: _spectral(r, 0.9, 30)),
    "ridged": (_ridged, _ridged),
    "leaves": (lambda r: _dead_leaves(r, 2, 40, "leaf"), lambda r: _dead_leaves(r, 3, 14, "leaf")),
    "discs": (lambda r: _dead_leaves(r, 2, 60, "disc"), lambda r: _dead_leaves(r, 3, 10, "disc")),
    "rubble": (lambda r: _dead_leaves(r, 3, 70, "poly"), lambda r: _dead_leaves(r, 3, 12, "poly")),
    "strokes": (lambda r: _strokes(r, 30, 0.25), lambda r: _strokes(r, 14, 0.7), lambda r: _strokes(r, 50, 0.12)),
    "cells": (lambda r: _cells(r, 400, edges=False), lambda r: _cells(r, 1500, edges=False)),
    "cracks": (lambda r: _cells(r, 300, edges=True), lambda r: _cells(r, 900, edges=True)),
    "courses": (
        lambda r: _courses(r, 16, 38, 3, shifted=True),
        lambda r: _courses(r, 32, 32, 3, shifted=False),
        lambda r: _courses(r, 24, 400, 2, shifted=True),
        lambda r: _courses(r, 44, 30, 14, shifted=False),
    ),
    "stripes": (lambda r: _wave(r, 32, 0.6, 2), lambda r: _wave(r, 20, 0.15, 1), lambda r: _wave(r, 40, 1.2, 4)),
    "weave": (lambda r: _weave(r, 8), lambda r: _weave(r, 14)),
    "spots": (lambda r: _spots(r, 16, 3), lambda r: _spots(r, 30, 2)),
}
"""Texture families, each with a few tiles of different scale and regularity."""


@cache
def atlas() -> dict[str, tuple[tuple[Float, ...], ...]]:
    """Draw the tiles of every family once, each with a mipmap pyramid so that distant textures do not alias.

    The result is the same in every process.
    """
    tiles = {}
    for index, (family, builders) in enumerate(FAMILIES.items()):
        pyramids = []
        for variant, build in enumerate(builders):
            levels = [build(np.random.default_rng((7, index, variant)))]
            for _ in range(3):
                levels.append(
                    cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32)
                )
            pyramids.append(tuple(levels))
        tiles[family] = tuple(pyramids)
    return tiles


@cache
def photos() -> tuple[tuple[Float, ...], ...]:
    """Return the photos bundled with dependencies as mipmap pyramids: (H, W, 3), 0..1, gamma encoded.

    They are used only as textures; their content is not labelled.
    """
    pyramids = []
    for photo in TRAINING:
        levels = [photo.load().astype(np.float32) / 255]
        for _ in range(3):
            levels.append(np.asarray(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)))
        pyramids.append(tuple(level.astype(np.float32, copy=False) for level in levels))
    return tuple(pyramids)


def field(
    rng: Rng,
    family: str,
    shape: tuple[int, int],
    *,
    zoom: float = 1.0,
    angle: float | None = None,
    stretch: float = 1.0,
    tilt: float = 0.0,
    bend: float = 0.0,
) -> Float:
    """Sample a random part of a random tile of `family` through an affine or perspective map.

    Args:
        rng: Source of the tile, its offset and an unset angle.
        family: A key of `FAMILIES`.
        shape: (h, w) of the result.
        zoom: Tile pixels per result pixel; larger is finer.
        angle: Direction of the grain in radians; None draws one.
        stretch: How much longer the texture is along its direction.
        tilt: 0 faces the viewer; towards 1 the plane recedes to the top (a ground, a lake).
        bend: Size of a smooth random distortion, in result pixels.

    Returns:
        (h, w) field with about zero mean and unit deviation.
    """
    h, w = shape
    step = min(shape) // 64
    if family == "smooth" and step > 1 and tilt == 0 and bend == 0:
        # It has no detail finer than a few pixels, so a side of 64 is enough.
        coarse = field(rng, family, (-(-h // step), -(-w // step)), zoom=step * zoom, angle=angle, stretch=stretch)
        return cv2.resize(coarse, (w, h), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
    pyramids = atlas()[family]
    pyramid = pyramids[int(rng.integers(len(pyramids)))]
    wraps = family in {"smooth", "fractal", "rough", "grain", "ridged"}
    return seen(rng, pyramid, shape, zoom=zoom, angle=angle, stretch=stretch, tilt=tilt, bend=bend, wraps=wraps)


def seen(
    rng: Rng,
    pyramid: tuple[Float, ...],
    shape: tuple[int, int],
    *,
    zoom: float,
    angle: float | None = None,
    stretch: float = 1.0,
    tilt: float = 0.0,
    bend: float = 0.0,
    wraps: bool = True,
) -> Float:
    """Sample a random part of a tile, given as a mipmap pyramid, as `field` does.

    Args:
        rng: Source of the offset and an unset angle.
        pyramid: Tiles (H, W) or (H, W, 3), each half the size of the previous one.
        shape: (h, w) of the result.
        zoom: See `field`.
        angle: See `field`.
        stretch: See `field`.
        tilt: See `field`.
        bend: See `field`.
        wraps: Whether opposite borders of the tile match; if not, the tile is mirrored.

    Returns:
        (h, w) or (h, w, 3).
    """
    h, w = shape
    level = int(np.clip(np.floor(np.log2(max(zoom, 1e-3)) + 0.5), 0, len(pyramid) - 1))
    tile = pyramid[level]
    scale = zoom / 2**level
    turn = rng.uniform(0, 2 * np.pi) if angle is None else angle
    c, s = np.cos(turn), np.sin(turn)
    ox, oy = rng.uniform(0, tile.shape[:2])[::-1]
    # Result pixel -> tile pixel; the first tile axis runs along `turn`.
    matrix = np.array([[c * scale / stretch, s * scale / stretch, ox], [-s * scale, c * scale, oy], [0, 0, 1]])
    border = cv2.BORDER_WRAP if wraps else cv2.BORDER_REFLECT
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if tilt > 0:
        # Rows near the top are distant: x and y are divided by a depth that falls from 1 / (1 - tilt) to 1.
        centre = np.array([[1, 0, -w / 2], [0, 1, -h], [0, 0, 1]])
        recede = np.array([[1, 0, 0], [0, 1, 0], [0, tilt / h, 1]])
        return cv2.warpPerspective(tile, matrix @ recede @ centre, (w, h), flags=flags, borderMode=border).astype(
            np.float32
        )
    if bend > 0:
        y, x = np.mgrid[:h, :w].astype(np.float32)
        x += bend * field(rng, "smooth", shape, zoom=0.8 * 256 / max(h, w, 64))
        y += bend * field(rng, "smooth", shape, zoom=0.8 * 256 / max(h, w, 64))
        m = matrix.astype(np.float32)
        return cv2.remap(
            tile,
            m[0, 0] * x + m[0, 1] * y + m[0, 2],
            m[1, 0] * x + m[1, 1] * y + m[1, 2],
            cv2.INTER_LINEAR,
            borderMode=border,
        ).astype(np.float32)
    return cv2.warpAffine(tile, matrix[:2], (w, h), flags=flags, borderMode=border).astype(np.float32)


def coloured(plane: Float, colour: npt.ArrayLike = (1.0, 1.0, 1.0)) -> Float:
    """Return (h, w) times (3,) as (h, w, 3), several times faster than NumPy's broadcast over an axis of three."""
    r, g, b = np.asarray(colour, np.float32)
    return np.asarray(cv2.merge((plane * r, plane * g, plane * b)))
