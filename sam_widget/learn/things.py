"""What kinds of things are there? One builder a kind: plants, buildings, vehicles, stones; more in `creatures`.

A builder is given a generator and a pen and returns a tree of masks: the whole, its parts, their subparts. It draws
about the square -1..1 of the pen's local coordinates, upright, facing right.
"""

from collections.abc import Callable

import cv2
import numpy as np

from sam_widget.learn.creatures import bird, butterfly, fish, person, portrait, quadruped
from sam_widget.learn.shapes import Node, Pen, jitter, paste, patches, pick, union
from sam_widget.learn.textures import Rng
from sam_widget.learn.textures import field as texture_field


def blob(rng: Rng, pen: Pen) -> Node:
    """Anything round-ish: a random Fourier radius, with patches as parts."""
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
    """A ragged outline, the level set of noise over a dome: a bush, a cloud, a rock, smoke, a coral."""
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


def tree(rng: Rng, pen: Pen) -> Node:
    """A trunk with branches and a ragged crown, or bare."""
    lean, thick = rng.normal(0, 0.1), rng.uniform(0.03, 0.1)
    trunk = pen.limb([(0, 1), (lean, 0.3), (lean * 1.5, -0.4)], [thick * 1.4, thick, thick * 0.5])
    bare = rng.random() < 0.3
    for _ in range(int(rng.integers(2, 9 if bare else 4))):
        y = rng.uniform(-0.4, 0.4)
        dx = rng.uniform(0.3, 0.8) * rng.choice([-1, 1])
        pen.limb(
            [(lean, y), (lean + dx * 0.5, y - 0.2), (lean + dx, y - rng.uniform(0.2, 0.6))],
            [thick * 0.5, thick * 0.3, thick * 0.12],
            on=trunk,
        )
    if bare:
        return Node(trunk, stuff=pick(rng, "earth", "dark", "stone"))
    crown = pen.blank()
    if rng.random() < 0.3:
        for k, y in enumerate(np.linspace(-1, 0.3, 6)):
            w = 0.15 + 0.11 * k
            pen.polygon([(lean, y - 0.25), (lean + w, y + 0.25), (lean - w, y + 0.25)], rough=0.04, on=crown)
    else:
        for _ in range(int(rng.integers(2, 7))):
            pen.ellipse(
                lean + rng.normal(0, 0.25),
                rng.uniform(-0.8, -0.1),
                rng.uniform(0.25, 0.5),
                rng.uniform(0.2, 0.45),
                rough=0.04,
                on=crown,
            )
    part = Node(
        crown, patches(rng, pen, crown) if rng.random() < 0.3 else [], stuff="plant" if rng.random() < 0.8 else "vivid"
    )
    return Node(union([trunk, crown]), [part], stuff=pick(rng, "earth", "dark", "stone"))


def flower(rng: Rng, pen: Pen) -> Node:
    """Petals about a disc, sometimes on a stem with leaves."""
    n, slim = int(rng.integers(4, 14)), rng.uniform(0.6, 1.3)
    petals, start = [], rng.uniform(0, 7)
    for k in range(n):
        t = start + 2 * np.pi * k / n
        reach = rng.uniform(0.4, 0.5)
        petals.append(
            pen.ellipse(
                reach * np.cos(t), reach * np.sin(t), reach, min(slim * 1.6 / n, 0.4), angle=t + rng.normal(0, 0.08)
            )
        )
    order = rng.permutation(n)
    disc = pen.ellipse(0, 0, rng.uniform(0.12, 0.4), rng.uniform(0.12, 0.4), rough=0.02)
    ring = Node(
        union(petals),
        [Node(petals[k], distance=rng.uniform(0.05, 0.2), stuff="kin") for k in order],
        stuff=pick(rng, "vivid", "vivid", "pale"),
    )
    parts = [ring, Node(disc, stuff=pick(rng, "vivid", "earth", "plant"))]
    whole = [*petals, disc]
    if rng.random() < 0.4:
        stem = pen.limb([(0, 0), (rng.normal(0, 0.1), 1.0), (rng.normal(0, 0.3), 2.2)], [0.05, 0.05, 0.06])
        pen.polygon([(0, 1.5), (0.4, 1.1), (0.8, 1.2), (0.4, 1.5)], smooth=True, on=stem)
        parts.insert(0, Node(stem, stuff="plant"))
        whole.append(stem)
    return Node(union(whole), parts, stuff="plant")


def building(rng: Rng, pen: Pen) -> Node:
    """A front with windows (panes), a door and a roof; a tower, a house, a barn."""
    wide, top = rng.uniform(0.35, 1.0), -rng.uniform(0.2, 0.9)
    skew = rng.normal(0, 0.08)
    front = pen.polygon([(-wide, top), (wide, top + skew), (wide, 1), (-wide, 1)])
    parts, whole = [], [front]
    kind = rng.random()
    if kind < 0.6:
        over, peak = rng.uniform(0, 0.12), top - rng.uniform(0.15, 0.6)
        ridge = rng.uniform(0, 0.9) * wide
        roof = pen.polygon(
            [(-wide - over, top + 0.04), (-ridge, peak), (ridge, peak + skew * 0.5), (wide + over, top + 0.04 + skew)]
        )
        parts.append(Node(roof, stuff=pick(rng, "wall", "stone", "dark", "earth"), relief=0.0, distance=0.5))
        whole.append(roof)
    if rng.random() < 0.35:
        side = rng.uniform(0.3, 0.9) * wide
        parts.append(
            Node(pen.polygon([(wide - side, top), (wide, top), (wide, 1), (wide - side, 1)]), distance=0.4, relief=0)
        )
    columns, rows = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    w, h = 2 * wide / columns, (0.9 - top) / rows
    ww, wh = w * rng.uniform(0.25, 0.7), h * rng.uniform(0.3, 0.75)
    windows, panes = pen.blank(), pen.blank()
    for i in range(columns):
        for j in range(rows):
            x, y = -wide + (i + 0.5) * w - ww / 2, top + (j + 0.55) * h - wh / 2
            y += skew * (i + 0.5) / columns
            pen.polygon([(x, y), (x + ww, y), (x + ww, y + wh), (x, y + wh)], on=windows)
            m = 0.12
            pen.polygon(
                [
                    (x + m * ww, y + m * wh),
                    (x + ww * (1 - m), y + m * wh),
                    (x + ww * (1 - m), y + wh * (1 - m)),
                    (x + m * ww, y + wh * (1 - m)),
                ],
                on=panes,
            )
    glass = Node(panes, stuff=pick(rng, "dark", "water", "sky"), relief=0.0)
    parts.append(Node(windows, [glass], stuff=pick(rng, "pale", "dark", "wall"), relief=0.0))
    if rng.random() < 0.5:
        d = rng.uniform(-wide * 0.7, wide * 0.5)
        parts.append(
            Node(
                pen.polygon([(d, 0.5), (d + 0.25, 0.5), (d + 0.25, 1), (d, 1)]),
                stuff=pick(rng, "earth", "dark", "vivid"),
                relief=0.0,
            )
        )
    return Node(union(whole), parts, stuff=pick(rng, "wall", "wall", "stone", "pale"), relief=0.0)


def vehicle(rng: Rng, pen: Pen) -> Node:
    """A car, van or cart from the side."""
    roof, hood = -rng.uniform(0.35, 0.6), -rng.uniform(0.0, 0.2)
    back, front = rng.uniform(-0.9, -0.5), rng.uniform(0.2, 0.6)
    body = pen.polygon(
        [
            (-1, 0.3),
            (-0.98, hood),
            (back, hood),
            (back + 0.2, roof),
            (front - 0.2, roof),
            (front + 0.1, hood),
            (0.98, hood + 0.1),
            (1, 0.3),
        ]
    )
    glass = pen.polygon([(back + 0.1, hood), (back + 0.25, roof + 0.08), (front - 0.25, roof + 0.08), (front, hood)])
    post = pen.polygon(
        [
            ((back + front) / 2, -1),
            ((back + front) / 2 + 0.06, -1),
            ((back + front) / 2 + 0.06, 1),
            ((back + front) / 2, 1),
        ]
    )
    tyres, hubs = pen.blank(), pen.blank()
    r = rng.uniform(0.17, 0.25)
    for x in (-0.6, 0.6):
        pen.ellipse(x, 0.32, r, r, on=tyres)
        pen.ellipse(x, 0.32, r * 0.55, r * 0.55, on=hubs)
    parts = [
        Node(
            glass,
            [Node(np.minimum(post, glass), stuff="pale", relief=0.0)],
            stuff=pick(rng, "dark", "water", "sky"),
            relief=0.2,
        ),
        Node(tyres, [Node(hubs, stuff=pick(rng, "pale", "stone"))], stuff="dark", relief=0.3),
    ]
    return Node(union([body, tyres]), parts, stuff=pick(rng, "vivid", "vivid", "pale", "dark", "stone", "wall"))


def vessel(rng: Rng, pen: Pen) -> Node:
    """A thing turned on a lathe: a vase, a bottle, a mushroom, a lamp; with bands as parts."""
    n = int(rng.integers(4, 8))
    y = np.linspace(-1, 1, n)
    r = np.clip(rng.uniform(0.12, 0.65, n), 0.05, 1)
    fine = np.linspace(-1, 1, 40)
    profile = np.convolve(np.pad(np.interp(fine, y, r), 3, mode="edge"), np.ones(7) / 7, mode="valid")
    outline = np.concatenate([np.stack([profile, fine], 1), np.stack([-profile[::-1], fine[::-1]], 1)])
    mask = pen.polygon(outline)
    root = Node(mask, stuff=pick(rng, "vivid", "wall", "earth", "pale", "water", "dark"))
    for a in rng.uniform(-0.9, 0.7, int(rng.integers(0, 4))):
        b = a + rng.uniform(0.1, 0.6)
        band = pen.polygon([(-1, a), (1, a), (1, b), (-1, b)])
        root.children.append(
            Node(np.minimum(band, mask), stuff=pick(rng, "kin", "vivid", "pale", "earth"), distance=0.5, relief=1.0)
        )
    return root


def ring(rng: Rng, pen: Pen) -> Node:
    """Something with a hole: a wheel, an arch, a frame, a handle."""
    inner, squash = rng.uniform(0.45, 0.85), rng.uniform(0.5, 1)
    if rng.random() < 0.5:
        outer, hole = pen.ellipse(0, 0, 1, squash), pen.ellipse(0, 0, inner, squash * inner)
    else:
        outer = pen.polygon([(-1, -squash), (1, -squash), (1, squash), (-1, squash)])
        hole = pen.polygon(
            [(-inner, -squash * inner), (inner, -squash * inner), (inner, squash * inner), (-inner, squash * inner)]
        )
    mask = np.minimum(outer, cv2.bitwise_not(hole))
    spokes = pen.blank()
    if rng.random() < 0.4:
        for t in np.arange(int(rng.integers(2, 6))) * np.pi / rng.integers(2, 6):
            pen.limb(
                [(-0.9 * np.cos(t), -0.9 * squash * np.sin(t)), (0.9 * np.cos(t), 0.9 * squash * np.sin(t))],
                [0.05, 0.05],
                on=spokes,
            )
        mask = union([mask, spokes])
    return Node(mask, stuff=pick(rng, "stone", "vivid", "dark", "wall", "pale"))


def wires(rng: Rng, pen: Pen) -> Node:
    """Thin things: poles, branches, ropes, reeds, a fence."""
    mask = pen.blank()
    thin = rng.uniform(0.015, 0.06)
    if rng.random() < 0.4:
        for x in np.arange(-1, 1.01, rng.uniform(0.2, 0.7)):
            pen.limb([(x, 0.6), (x, -0.6)], [thin, thin], on=mask)
        for y in (-0.35, 0.2):
            pen.limb([(-1.1, y), (0, y), (1.1, y)], [thin * 0.7] * 3, on=mask)
    else:
        for _ in range(int(rng.integers(1, 6))):
            x = rng.normal(0, 0.25)
            pen.limb(
                [(x, 1.2), (x + rng.normal(0, 0.15), 0), (x + rng.normal(0, 0.3), -1.2)],
                [thin, thin * rng.uniform(0.6, 1), thin * rng.uniform(0.3, 1)],
                on=mask,
            )
    return Node(mask, stuff=pick(rng, "earth", "dark", "stone", "plant", "pale", "wall"))


def boat(rng: Rng, pen: Pen) -> Node:
    """A hull with a cabin, or a mast and a sail."""
    hull = pen.polygon([(-1, 0.1), (1, rng.uniform(-0.1, 0.1)), (0.75, 0.5), (-0.75, 0.5)])
    stripe = pen.polygon([(-1.1, 0.32), (1.1, 0.32), (1.1, 0.6), (-1.1, 0.6)])
    parts, whole = [], [hull]
    if rng.random() < 0.6:
        mast = pen.limb([(0, 0.2), (0, -1.4)], [0.03, 0.02])
        sail = pen.polygon([(0.05, -1.3), (0.75, 0), (0.05, 0)], smooth=False)
        jib = pen.polygon([(-0.05, -1.2), (-0.6, 0.0), (-0.05, 0.0)])
        parts += [
            Node(mast, stuff="earth"),
            Node(union([sail, jib]), [Node(jib, distance=0.25)], stuff=pick(rng, "pale", "vivid")),
        ]
        whole += [mast, sail, jib]
    else:
        cabin = pen.polygon([(-0.5, 0.15), (-0.45, -0.35), (0.3, -0.35), (0.4, 0.15)])
        glass = pen.polygon([(-0.35, -0.05), (-0.35, -0.25), (0.2, -0.25), (0.25, -0.05)])
        parts.append(
            Node(cabin, [Node(glass, stuff="dark", relief=0.0)], stuff=pick(rng, "pale", "wall", "vivid"), relief=0.3)
        )
        whole.append(cabin)
    parts.append(
        Node(hull, [Node(np.minimum(stripe, hull), stuff=pick(rng, "vivid", "dark", "pale"), relief=0.3)], stuff="")
    )
    return Node(union(whole), parts, stuff=pick(rng, "vivid", "pale", "dark", "earth"))


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
    """A pile of look-alikes that hide each other: stones, fruit, logs, coral, bread; the pile is the whole."""
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


def plant(rng: Rng, pen: Pen) -> Node:
    """A stem with leaves: a houseplant, a fern, a branch, a cactus flower."""
    bend = rng.normal(0, 0.3)
    stem = pen.limb([(0, 1), (bend * 0.3, 0.2), (bend, -0.8)], [0.05, 0.035, 0.015])
    slim, n = rng.uniform(0.12, 0.5), int(rng.integers(4, 13))
    leaves = []
    for k in range(n):
        f = (k + 1) / (n + 1)
        x, y = bend * f**1.5, 0.9 - 1.7 * f
        turn = (-1) ** k * rng.uniform(0.2, 1.2) - np.pi / 2 + rng.normal(0, 0.2)
        reach = rng.uniform(0.35, 0.75) * (1.1 - 0.5 * f)
        ux, uy = np.cos(turn), np.sin(turn)
        middle = (x + ux * reach * 0.5, y + uy * reach * 0.5)
        leaves.append(
            pen.polygon(
                [
                    (x, y),
                    (middle[0] - uy * reach * slim * 0.6, middle[1] + ux * reach * slim * 0.6),
                    (x + ux * reach, y + uy * reach),
                    (middle[0] + uy * reach * slim * 0.6, middle[1] - ux * reach * slim * 0.6),
                ],
                smooth=True,
            )
        )
    near = rng.uniform(0.05, 0.3)
    parts = [Node(leaf, distance=near) for leaf in leaves]
    whole = [stem, *leaves]
    if rng.random() < 0.4:
        pot = pen.polygon([(-0.35, 0.7), (0.35, 0.7), (0.25, 1.25), (-0.25, 1.25)])
        parts.append(Node(pot, stuff=pick(rng, "wall", "earth", "pale", "vivid")))
        whole.append(pot)
    return Node(union(whole), parts, stuff="plant")


def tuft(rng: Rng, pen: Pen) -> Node:
    """A clump of blades: grass, reeds, spines, an anemone."""
    mask = pen.blank()
    thick, spread = rng.uniform(0.015, 0.05), rng.uniform(0.2, 0.9)
    for _ in range(int(rng.integers(12, 40))):
        x, lean, high = rng.normal(0, spread * 0.4), rng.normal(0, spread), rng.uniform(0.6, 1.6)
        pen.polygon(
            [
                (x - thick, 0.6),
                (x + lean * 0.35, 0.6 - high * 0.6),
                (x + lean, 0.6 - high),
                (x + lean * 0.35 + 2 * thick, 0.6 - high * 0.6),
                (x + thick, 0.6),
            ],
            on=mask,
        )
    return Node(mask, stuff=pick(rng, "plant", "plant", "earth", "vivid"), relief=0.3)


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
"""About how many square local units each kind covers, to choose a radius for a wanted area."""
