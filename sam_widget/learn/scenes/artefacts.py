"""Man-made things: buildings, vehicles, vessels, frames, fences."""

import cv2
import numpy as np

from sam_widget.learn.scenes.shapes import Node, Pen, pick, union
from sam_widget.learn.scenes.textures import Rng


def building(rng: Rng, pen: Pen) -> Node:
    """A tower, house or barn: a front with windows (panes), a door and a roof."""
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
    """A solid of revolution with bands as parts: a vase, a bottle, a mushroom, a lamp."""
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
