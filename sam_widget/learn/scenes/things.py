"""Things, one builder per kind: blobs, stones and heaps here, the others in modules by subject.

A builder takes a random generator and a pen and returns a tree of masks: the whole, its parts, their subparts. It draws
upright, facing right, roughly within the square -1..1 of the pen's local coordinates.
"""

from collections.abc import Callable

import numpy as np

from sam_widget.learn.scenes.artefacts import boat, building, ring, vehicle, vessel, wires
from sam_widget.learn.scenes.creatures import bird, butterfly, fish, person, portrait, quadruped
from sam_widget.learn.scenes.plants import flower, plant, tree, tuft
from sam_widget.learn.scenes.shapes import Node, Pen, jitter, paste, patches, pick, union
from sam_widget.learn.scenes.textures import Rng
from sam_widget.learn.scenes.textures import field as texture_field


def blob(rng: Rng, pen: Pen) -> Node:
    """A roundish shape: a random Fourier radius, with patches as parts."""
    t = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    radius = np.exp(rng.uniform(0.08, 0.45) * jitter(rng, 96, rng.uniform(1.2, 2.2)) * 0.6)
    squash = np.exp(rng.normal(0, 0.35))
    points = 0.85 * np.stack([radius * np.cos(t) * squash, radius * np.sin(t) / squash], 1)
    root = Node(
        pen.polygon(points, rough=rng.uniform(0, 0.05)),
        stuff=pick(rng, "stone", "fur", "vivid", "plant", "earth", "pale", "dark"),
    )
    if rng.random() < 0.6:
        root.children = patches(rng, pen, root.mask)
    return root


def fractal(rng: Rng, pen: Pen) -> Node:
    """A ragged outline, a level set of noise over a dome: a bush, a cloud, a rock, smoke, a coral."""
    s = pen.size
    span = int(np.clip(pen.radius * 2.6, 12, 2 * s))
    yy, xx = np.mgrid[-1.3 : 1.3 : span * 1j, -1.3 : 1.3 : span * 1j].astype(np.float32)
    squash = float(np.exp(rng.normal(0, 0.3)))
    dome = 0.9 - np.sqrt((xx / squash) ** 2 + (yy * squash) ** 2)
    values = dome + np.float32(rng.uniform(0.1, 0.3)) * texture_field(
        rng, pick(rng, "fractal", "smooth", "leaves", "fractal"), (span, span), zoom=rng.uniform(150, 450) / span
    )
    alpha = np.clip(127 + values * 127 * span / rng.uniform(4, 10), 0, 255).astype(np.uint8)
    mask = pen.blank()
    x, y = (pen.centre - span / 2).astype(int)
    paste(mask, alpha, int(x), int(y))
    root = Node(mask, stuff=pick(rng, "plant", "plant", "stone", "sky", "earth", "vivid"))
    if rng.random() < 0.35:
        root.children = patches(rng, pen, mask)
    return root


def facets(rng: Rng, pen: Pen) -> Node:
    """A convex or star-like polygon with flat faces as parts: a crate, a crystal, a sign, a rock."""
    n = int(rng.integers(3, 8))
    turn = (
        np.sort(rng.uniform(0, 2 * np.pi, n))
        if rng.random() < 0.5
        else np.arange(n) * 2 * np.pi / n + rng.uniform(0, 7)
    )
    points = np.stack([np.cos(turn), np.sin(turn)], 1) * rng.uniform(0.7, 1.0, (n, 1)) * np.exp(rng.normal(0, 0.25, 2))
    root = Node(pen.polygon(points), stuff=pick(rng, "stone", "wall", "vivid", "pale"), relief=0.3)
    if n > 3 and rng.random() < 0.6:
        middle = points.mean(0) + rng.normal(0, 0.2, 2)
        for k in rng.choice(n, int(rng.integers(1, n)), replace=False):
            root.children.append(
                Node(pen.polygon([points[k], points[(k + 1) % n], middle]), distance=rng.uniform(0.15, 0.5), relief=0.0)
            )
    return root


def peak(rng: Rng, pen: Pen) -> Node:
    """A mountain, dune or boulder, sometimes with snow or moss on it."""
    n = int(rng.integers(3, 7))
    x = np.sort(rng.uniform(-0.8, 0.8, n))
    y = -rng.uniform(0.1, 0.8, n)
    mask = pen.polygon(
        [(-1.3, 1), (-1.1, 0.6), *zip(x, y, strict=True), (1.1, 0.6), (1.3, 1)],
        rough=rng.uniform(0.01, 0.05),
        smooth=rng.random() < 0.5,
    )
    root = Node(mask, stuff=pick(rng, "stone", "stone", "earth", "plant"), relief=0.8)
    if rng.random() < 0.5:
        level = rng.uniform(-0.5, 0.1)
        cap = pen.polygon(
            [(-2, -2), (2, -2), *[(u, level + rng.normal(0, 0.15)) for u in np.linspace(2, -2, 14)]], rough=0.03
        )
        root.children.append(
            Node(np.minimum(cap, mask), stuff=pick(rng, "pale", "kin", "plant"), distance=0.5, relief=0.0)
        )
    return root


def heap(rng: Rng, pen: Pen) -> Node:
    """A pile of overlapping look-alikes: stones, fruit, logs, coral, bread; the pile is the whole."""
    made = []
    round_ones = rng.random() < 0.5
    small = rng.uniform(0.15, 0.35)
    for _ in range(int(rng.integers(5, 22))):
        x, y = rng.uniform(-0.85, 0.85), rng.uniform(-0.5, 0.6)
        r = small * np.exp(rng.normal(0, 0.3))
        if round_ones:
            made.append(pen.ellipse(x, y, r, r * rng.uniform(0.7, 1.0), angle=rng.uniform(0, 3)))
        else:
            t = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 9))))
            made.append(
                pen.polygon(np.stack([x + r * np.cos(t), y + r * np.sin(t) * 0.8], 1), smooth=rng.random() < 0.6)
            )
    near = rng.uniform(0.05, 0.35)
    return Node(
        union(made),
        [Node(mask, distance=near) for mask in made],
        stuff=pick(rng, "stone", "vivid", "earth", "plant", "fur", "wall"),
        relief=0.0,
    )


BUILDERS: dict[str, Callable[[Rng, Pen], Node]] = {
    build.__name__: build
    for build in (
        blob,
        fractal,
        facets,
        quadruped,
        person,
        bird,
        fish,
        tree,
        flower,
        building,
        vehicle,
        vessel,
        ring,
        wires,
        boat,
        peak,
        portrait,
        heap,
        plant,
        tuft,
        butterfly,
    )
}
"""Every kind of thing by name."""

EXTENT: dict[str, float] = {
    "blob": 2.2,
    "fractal": 2.0,
    "facets": 1.9,
    "quadruped": 1.0,
    "person": 0.6,
    "bird": 0.8,
    "fish": 1.0,
    "tree": 1.0,
    "flower": 1.7,
    "building": 2.0,
    "vehicle": 1.4,
    "vessel": 1.4,
    "ring": 1.0,
    "wires": 0.35,
    "boat": 1.2,
    "peak": 2.2,
    "portrait": 1.7,
    "heap": 1.3,
    "plant": 0.8,
    "tuft": 0.6,
    "butterfly": 1.3,
}
"""Approximate area of each kind in square local units, used to choose a radius for a given area."""
