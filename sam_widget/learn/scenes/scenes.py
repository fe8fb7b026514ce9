"""Rendered training scenes, whose regions are known exactly at three levels.

A scene is a backdrop of stuff (sky, ground, walls) with things in front of it. Region borders come from geometry alone;
shading, cast shadows, haze, blur and texture run across regions or stop inside them as they do in photos, so that a
border has to be recognised rather than just detected. Everything is a pure function of the seed.

To view some, run `python -m sam_widget.learn.scenes.scenes --seed 0 --count 12 sheet.png`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sam_widget.learn.scenes.backdrops import BACKDROPS
from sam_widget.learn.scenes.camera import expose
from sam_widget.learn.scenes.canvas import ALL, MAX_REGIONS, Canvas, Effects, Light, regions
from sam_widget.learn.scenes.materials import kin, material
from sam_widget.learn.scenes.shapes import Pen, pick
from sam_widget.learn.scenes.textures import Rng, coloured, field
from sam_widget.learn.scenes.things import BUILDERS, EXTENT

LEVELS = ("subpart", "part", "whole")
"""The order of `Scene.labels`."""


@dataclass(frozen=True)
class Scene:
    """A picture and its regions.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        labels: (3, S, S) uint8, region ids 0, 1, 2, ... without gaps at each of `LEVELS`. Every pixel has a region at
            each level, including the backdrop, and levels nest: each subpart lies inside one part, each part inside
            one whole.
    """

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


UPRIGHT = frozenset(
    (
        "person",
        "portrait",
        "quadruped",
        "bird",
        "tree",
        "plant",
        "tuft",
        "building",
        "vehicle",
        "boat",
        "peak",
        "vessel",
        "heap",
    )
)
"""Things that usually stand upright; the others appear at any angle."""
RIGID = frozenset(("building", "vehicle", "facets", "ring"))
"""Things with mostly straight edges."""
CAMOUFLAGE = 0.17
"""Share of things whose material is related to the backdrop's."""


def add_things(rng: Rng, canvas: Canvas, kinds: Sequence[str], focus: float) -> None:
    """Put 1 to 8 things, or flocks of look-alikes, into the scene.

    Args:
        rng: Source of all randomness.
        canvas: Canvas to draw on, with its backdrop.
        kinds: Things that are usually found in front of the backdrop.
        focus: Depth blur of the backdrop, in pixels at size 256.
    """
    count = int(np.clip(rng.geometric(0.28), 1, 8))
    areas = np.exp(rng.uniform(np.log(0.01), np.log(0.6), count))
    # Photos usually have a subject: thing 0 is rather large, sharp, and near the middle.
    areas[0] = np.exp(rng.uniform(np.log(0.04), np.log(0.6)))
    order = np.argsort(areas)
    draw = rng.random()
    if draw < 0.45:
        order = order[::-1]
    elif draw < 0.75:
        order = rng.permutation(count)
    for index in order:
        kind = pick(rng, *kinds) if rng.random() < 0.85 else pick(rng, *BUILDERS)
        area = float(areas[index])
        sharp = rng.random() < (0.9 if index == 0 else 0.7)
        blur = float(np.abs(rng.normal(0, 0.3))) if sharp else float(rng.uniform(0.3, 2)) * focus
        middle = np.clip(rng.normal(0.5, 0.16, 2), 0.1, 0.9) if index == 0 else rng.uniform(0.05, 0.95, 2)
        flock = int(rng.integers(3, 8)) if area < 0.06 and rng.random() < 0.45 and canvas.effects.flocks else 1
        surface = None
        if rng.random() < CAMOUFLAGE and canvas.effects.camouflage:
            behind = canvas.materials[int(rng.integers(len(canvas.materials)))]
            surface = kin(rng, behind, distance=float(rng.uniform(0.05, 0.3)))
        for _ in range(flock):
            if len(canvas.parents) > MAX_REGIONS - 30:
                return
            radius = float(canvas.size * np.sqrt(area / EXTENT[kind]))
            x, y = middle * canvas.size
            if flock > 1:
                radius *= float(np.exp(rng.normal(0, 0.15)))
                x, y = rng.normal((x, y), 3 * radius)
            node = BUILDERS[kind](rng, hold_pen(rng, kind, canvas.size, (float(x), float(y)), radius))
            if rng.random() < 0.12:
                node.children = []
            if surface is None:
                surface = material(rng, node.stuff)
            shadow = canvas.light.shadow * float(rng.uniform(0, 1)) if rng.random() < 0.7 else 0.0
            canvas.draw(rng, node, kin(rng, surface, distance=0.1), blur=blur, shadow=shadow)


def hold_pen(rng: Rng, kind: str, size: int, centre: tuple[float, float], radius: float) -> Pen:
    """Return a pen that is rotated and distorted to suit the kind of thing."""
    stands = kind in UPRIGHT and rng.random() < 0.85
    straight = kind in RIGID and rng.random() < 0.8
    return Pen(
        rng,
        size,
        centre,
        radius,
        angle=float(rng.normal(0, 0.1) if stands else rng.uniform(0, 2 * np.pi)),
        flip=bool(rng.random() < 0.5),
        wobble=float(rng.uniform(0.0, 0.02) if straight else rng.uniform(0.01, 0.09)),
    )


def render_scene(seed: int, *, size: int = 256, effects: Effects = ALL) -> Scene:
    """Render a scene.

    Args:
        seed: Any non-negative integer; the scene is a pure function of it, `size` and `effects`.
        size: S, the side of the picture in pixels.
        effects: Effects to use; only ablations leave some out.

    Returns:
        The picture and its regions at three levels.
    """
    rng = np.random.default_rng((seed, 2023))
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.2)
    direction = np.array(
        [np.cos(azimuth) * np.cos(height), -abs(np.sin(azimuth)) * np.cos(height), np.sin(height)], np.float32
    )
    light = Light(direction, ambient=float(rng.uniform(0.2, 0.8)), shadow=float(rng.uniform(0.1, 0.75)))
    canvas = Canvas(size, light, effects)
    backdrop = BACKDROPS[int(rng.choice(len(BACKDROPS), p=[b.share for b in BACKDROPS]))]
    focus = float(rng.uniform(0.5, 5)) if rng.random() < 0.3 else float(rng.uniform(0, 0.4))
    backdrop.draw(rng, canvas, focus)
    add_things(rng, canvas, backdrop.things, focus)
    if rng.random() < 0.2 and effects.shadows:
        dapple(rng, canvas)
    if effects.camera:
        return Scene(expose(rng, canvas.image, canvas.scale), regions(canvas))
    return Scene(cv2.convertScaleAbs(np.clip(canvas.image, 0, 1), alpha=255).astype(np.uint8), regions(canvas))


def dapple(rng: Rng, canvas: Canvas) -> None:
    """Cast shadows of things outside the picture across all regions."""
    s = canvas.size
    values = field(
        rng, "fractal" if rng.random() < 0.5 else "leaves", (s, s), zoom=float(rng.uniform(0.3, 1.0)) / canvas.scale
    )
    shade = 0.5 + 0.5 * np.tanh((values - np.float32(rng.normal(0, 0.7))) * np.float32(rng.uniform(1, 6)))
    shade = cv2.GaussianBlur(shade, (0, 0), float(rng.uniform(0.5, 4)) * canvas.scale)
    canvas.image *= coloured(1 - np.float32(rng.uniform(0.15, 0.6)) * shade)


# --- looking at them --------------------------------------------------------------------------------------------------


def contact_sheet(scenes: Sequence[Scene], *, columns: int = 2) -> npt.NDArray[np.uint8]:
    """Return an (H, W, 3) picture of each scene next to its coloured subparts, parts and wholes."""
    # Steps of the golden ratio keep the hues of neighbouring ids apart.
    hues = (np.arange(256) * 0.618034 % 1 * 180).astype(np.uint8)
    tones = np.stack([hues, np.full(256, 150, np.uint8), np.where(np.arange(256) % 2, 235, 150).astype(np.uint8)], 1)
    palette = cv2.cvtColor(tones[None], cv2.COLOR_HSV2RGB)[0]
    cells = [np.concatenate([scene.image, *(palette[level] for level in scene.labels)], axis=1) for scene in scenes]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    return np.concatenate([np.concatenate(cells[k : k + columns], axis=1) for k in range(0, len(cells), columns)])


def main() -> None:
    """Write a contact sheet."""
    parser = argparse.ArgumentParser(description="Write a contact sheet of training scenes.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="the first scene")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    scenes = [render_scene(options.seed + k, size=options.size) for k in range(options.count)]
    cv2.imwrite(str(options.out), contact_sheet(scenes)[..., ::-1])


if __name__ == "__main__":
    main()
