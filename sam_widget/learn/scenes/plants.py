"""Plants: trees, flowers, leaves and blades."""

import numpy as np

from sam_widget.learn.scenes.shapes import Node, Pen, patches, pick, union
from sam_widget.learn.scenes.textures import Rng


def tree(rng: Rng, pen: Pen) -> Node:
    """A tree: a trunk with branches, bare or with a ragged crown."""
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
    """A flower: petals around a disc, sometimes on a stem with leaves."""
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
