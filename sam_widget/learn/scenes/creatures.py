"""Animals and people, one builder per kind; builders are described in `things`."""

import cv2
import numpy as np

from sam_widget.learn.scenes.shapes import Node, Pen, patches, pick, union
from sam_widget.learn.scenes.textures import Rng


def quadruped(rng: Rng, pen: Pen) -> Node:
    """A four-legged animal from the side."""
    length, girth = rng.uniform(0.4, 0.65), rng.uniform(0.17, 0.34)
    drop, thick = rng.uniform(0.25, 0.85), rng.uniform(0.05, 0.12)
    body = pen.limb(
        [(-length, 0.02), (-length / 2, rng.normal(0, 0.04)), (length / 2, rng.normal(0, 0.04)), (length, -0.05)],
        [girth * 0.8, girth, girth, girth * 0.85],
    )
    legs = []
    for x in (-length, -length * 0.75, length * 0.7, length):
        knee = x + rng.normal(0, 0.1)
        foot = knee + rng.normal(0.03, 0.1)
        base = girth * 0.5
        legs.append(
            pen.limb(
                [(x, base), (knee, base + drop * 0.5), (foot, base + drop), (foot + 0.08, base + drop)],
                [thick * 1.5, thick, thick * 0.75, thick * 0.7],
            )
        )
    reach, rise = rng.uniform(0.1, 0.4), rng.uniform(-0.35, 0.75)
    hx, hy = length + reach, -rise
    skull, snout = rng.uniform(0.12, 0.22), rng.uniform(0.1, 0.35)
    neck = pen.limb(
        [(length * 0.85, -0.05), ((length + hx) / 2, hy * 0.55), (hx, hy)], [girth * 0.7, skull * 0.9, skull * 0.8]
    )
    tip = (hx + snout, hy + rng.uniform(0, 0.2))
    muzzle = pen.limb([(hx, hy), tip], [skull * 0.7, skull * 0.45])
    head = pen.ellipse(hx, hy, skull, skull * rng.uniform(0.7, 1))
    head = union([head, muzzle])
    ear = [
        pen.polygon(
            [
                (hx - 0.1 + d, hy - skull * 0.6),
                (hx - 0.08 + d + rng.normal(0, 0.05), hy - skull * rng.uniform(1.2, 2.2)),
                (hx + 0.05 + d, hy - skull * 0.6),
            ],
            smooth=True,
        )
        for d in (-0.04, 0.06)
    ]
    tail = pen.limb(
        [
            (-length - girth * 0.5, -0.05),
            (-length - 0.3, rng.uniform(-0.4, 0.2)),
            (-length - rng.uniform(0.3, 0.6), rng.uniform(-0.6, 0.6)),
        ],
        [0.06, 0.045, rng.uniform(0.02, 0.08)],
    )
    eye = pen.ellipse(hx + 0.05, hy - skull * 0.2, 0.035, 0.03)
    face = Node(
        union([head, *ear]),
        [Node(union(ear)), Node(muzzle, distance=0.4), Node(eye, stuff="dark")],
        distance=rng.uniform(0, 0.4),
    )
    kind = pick(rng, "fur", "fur", "dark", "pale", "earth")
    root = Node(union([body, neck, head, tail, *legs, *ear]), stuff=kind)
    far = Node(union([legs[0], legs[2]]), distance=0.35)
    near = Node(union([legs[1], legs[3]]), distance=rng.uniform(0, 0.3))
    root.children = [
        Node(tail, distance=rng.uniform(0, 0.4)),
        far,
        Node(body, patches(rng, pen, body) if rng.random() < 0.4 else [], stuff=""),
        near,
        face,
    ]
    return root


def person(rng: Rng, pen: Pen) -> Node:
    """A clothed figure, standing or walking; a portrait if the frame truncates it."""
    hip, shoulder, stride = rng.uniform(0.12, 0.2), rng.uniform(0.2, 0.3), rng.normal(0, 0.18)
    skull = rng.uniform(0.12, 0.19)
    neck_y, waist, foot = -0.5, rng.uniform(-0.1, 0.1), rng.uniform(0.75, 1.0)
    torso = pen.polygon(
        [(-shoulder, neck_y + 0.06), (0, neck_y), (shoulder, neck_y + 0.06), (hip, waist + 0.1), (-hip, waist + 0.1)],
        smooth=True,
    )
    head = pen.ellipse(0, neck_y - skull * 1.05, skull * 0.8, skull)
    neck = pen.limb([(0, neck_y - skull * 0.5), (0, neck_y + 0.05)], [skull * 0.45, skull * 0.5])
    hair = pen.ellipse(
        rng.normal(0, 0.03), neck_y - skull * 1.55, skull * 0.95, skull * rng.uniform(0.5, 0.9), rough=0.02
    )
    hair = np.minimum(
        hair, cv2.bitwise_not(pen.ellipse(rng.normal(0, 0.04), neck_y - skull * 0.75, skull * 0.68, skull * 0.8))
    )
    eyes = pen.ellipse(-skull * 0.3, neck_y - skull * 1.05, skull * 0.14, skull * 0.09)
    pen.ellipse(skull * 0.3, neck_y - skull * 1.05, skull * 0.14, skull * 0.09, on=eyes)
    mouth = pen.ellipse(0, neck_y - skull * 0.55, skull * 0.28, skull * 0.08)
    legs, shoes, arms, hands = pen.blank(), pen.blank(), pen.blank(), pen.blank()
    for side in (-1, 1):
        ankle = side * (hip * 0.6 + abs(stride)) + stride * 0.3
        pen.limb(
            [(side * hip * 0.5, waist), ((side * hip * 0.5 + ankle) / 2 + 0.05, (waist + foot) / 2), (ankle, foot)],
            [hip * 0.6, hip * 0.45, hip * 0.33],
            on=legs,
        )
        pen.limb([(ankle, foot), (ankle + 0.1, foot + 0.02)], [0.05, 0.045], on=shoes)
        elbow = (side * (shoulder + rng.uniform(0.0, 0.2)), rng.uniform(-0.3, -0.05))
        hand = (elbow[0] + rng.normal(0, 0.15), elbow[1] + rng.uniform(-0.3, 0.25))
        pen.limb([(side * shoulder * 0.85, neck_y + 0.1), elbow, hand], [0.08, 0.06, 0.045], on=arms)
        pen.ellipse(hand[0], hand[1], 0.05, 0.06, on=hands)
    skin = Node(
        union([head, neck, hair]),
        [Node(hair, stuff=pick(rng, "dark", "fur", "fur")), Node(eyes, stuff="dark"), Node(mouth, distance=0.3)],
        stuff="skin",
    )
    cloth = ("vivid", "vivid", "pale", "dark", "wall", "water", "earth")
    shirt = Node(
        union([torso, arms]), [Node(arms, stuff="", distance=0.1), Node(hands, stuff="skin")], stuff=pick(rng, *cloth)
    )
    if rng.random() < 0.3:
        shirt.children.append(
            Node(
                np.minimum(
                    torso, pen.polygon([(-0.05, neck_y), (0.06, neck_y), (0.09, waist + 0.1), (-0.09, waist + 0.1)])
                ),
                stuff=pick(rng, *cloth),
            )
        )
    trousers = Node(
        union([legs, shoes]), [Node(shoes, stuff=pick(rng, "dark", "vivid", "earth"))], stuff=pick(rng, *cloth)
    )
    return Node(
        union([torso, legs, shoes, arms, hands, head, neck, hair]), [trousers, shirt, skin], stuff=pick(rng, *cloth)
    )


def bird(rng: Rng, pen: Pen) -> Node:
    """A bird on its legs or in flight."""
    plump = rng.uniform(0.22, 0.4)
    body = pen.limb([(-0.5, 0.15), (0, 0), (0.35, -0.15)], [plump * 0.45, plump, plump * 0.7])
    hx, hy, skull = rng.uniform(0.4, 0.6), -rng.uniform(0.25, 0.7), rng.uniform(0.12, 0.2)
    neck = pen.limb([(0.3, -0.1), (hx - 0.05, (hy - 0.1) / 2), (hx, hy)], [plump * 0.6, skull * 0.9, skull * 0.9])
    head = pen.ellipse(hx, hy, skull, skull)
    bill = rng.uniform(0.12, 0.4)
    beak = pen.polygon(
        [
            (hx + skull * 0.6, hy - skull * 0.35),
            (hx + skull + bill, hy + rng.uniform(-0.05, 0.1)),
            (hx + skull * 0.6, hy + skull * 0.4),
        ]
    )
    tail = pen.polygon(
        [
            (-0.4, 0.0),
            (-0.5 - rng.uniform(0.2, 0.6), rng.uniform(0, 0.35)),
            (-0.5 - rng.uniform(0.1, 0.4), rng.uniform(0.2, 0.5)),
            (-0.35, 0.3),
        ]
    )
    if rng.random() < 0.3:
        wing = pen.polygon([(-0.3, -0.05), (-0.5, -1.0), (-0.1, -0.9), (0.25, -0.1)], smooth=True, rough=0.02)
    else:
        wing = pen.polygon([(0.2, -0.15), (0.05, 0.2), (-0.6, 0.25), (-0.85, 0.2), (-0.4, -0.05)], smooth=True)
    legs = pen.blank()
    if rng.random() < 0.7:
        for x in (-0.05, 0.1):
            pen.limb(
                [(x, plump * 0.7), (x + 0.03, plump + 0.2), (x + rng.normal(0, 0.05), plump + rng.uniform(0.25, 0.7))],
                [0.05, 0.025, 0.025],
                on=legs,
            )
    eye = pen.ellipse(hx + skull * 0.25, hy - skull * 0.2, skull * 0.2, skull * 0.2)
    face = Node(
        union([head, beak, np.minimum(neck, pen.ellipse(hx, hy, skull * 1.6, skull * 1.6))]),
        [Node(beak, stuff=pick(rng, "vivid", "dark", "earth")), Node(eye, stuff="dark")],
        distance=0.6,
        stuff=pick(rng, "kin", "fur", "vivid"),
    )
    stuff = pick(rng, "fur", "pale", "dark", "vivid", "stone", "water")
    parts = [
        Node(legs, stuff=pick(rng, "dark", "vivid", "earth"), relief=0.3),
        Node(tail, distance=0.4),
        face,
        Node(wing, patches(rng, pen, wing) if rng.random() < 0.4 else [], distance=0.4),
    ]
    return Node(union([body, neck, head, beak, tail, wing, legs]), parts, stuff=stuff)


def fish(rng: Rng, pen: Pen) -> Node:
    """A fish: body, fins, tail, eye, perhaps bands."""
    tall = rng.uniform(0.22, 0.55)
    body = pen.polygon(
        [
            (0.8, 0),
            (0.4, -tall * 0.8),
            (0, -tall),
            (-0.4, -tall * 0.5),
            (-0.65, 0),
            (-0.4, tall * 0.5),
            (0, tall),
            (0.4, tall * 0.75),
        ],
        smooth=True,
    )
    tail = pen.polygon(
        [(-0.55, -0.06), (-1, -rng.uniform(0.2, 0.5)), (-0.85, 0), (-1, rng.uniform(0.2, 0.5)), (-0.55, 0.06)]
    )
    fins = pen.polygon([(0.2, -tall * 0.8), (-0.1, -tall * rng.uniform(1.2, 1.7)), (-0.4, -tall * 0.5)])
    pen.polygon([(0.1, tall * 0.7), (-0.2, tall * rng.uniform(1.2, 1.6)), (-0.3, tall * 0.6)], on=fins)
    eye = pen.ellipse(0.52, -tall * 0.2, 0.06, 0.06)
    gill = pen.ellipse(0.6, 0, 0.3, tall)
    bands = pen.blank()
    for x in np.arange(-0.3, 0.35, rng.uniform(0.18, 0.4)):
        pen.polygon([(x, -1), (x + 0.1, -1), (x + 0.08, 1), (x - 0.02, 1)], on=bands)
    parts = [
        Node(tail, distance=0.5),
        Node(fins, distance=0.5),
        Node(np.minimum(gill, body), [Node(eye, stuff="dark")], distance=0.2),
    ]
    if rng.random() < 0.5:
        parts.insert(2, Node(np.minimum(bands, body), distance=0.8, relief=0))
    return Node(union([body, tail, fins]), parts, stuff=pick(rng, "vivid", "stone", "pale", "water", "fur"))


def portrait(rng: Rng, pen: Pen) -> Node:
    """Head and shoulders in close-up: hair, eyes, brows, nose, mouth, collar."""
    wide, tall = rng.uniform(0.38, 0.5), rng.uniform(0.5, 0.62)
    face = pen.polygon(
        [
            (0, -tall),
            (wide * 0.8, -tall * 0.7),
            (wide, 0),
            (wide * 0.7, tall * 0.7),
            (0, tall),
            (-wide * 0.7, tall * 0.7),
            (-wide, 0),
            (-wide * 0.8, -tall * 0.7),
        ],
        smooth=True,
    )
    ears = pen.ellipse(-wide, 0.05, 0.08, 0.14)
    pen.ellipse(wide, 0.05, 0.08, 0.14, on=ears)
    neck = pen.limb([(0, tall * 0.6), (0, tall + 0.3)], [wide * 0.6, wide * 0.7])
    hair = pen.ellipse(
        rng.normal(0, 0.05),
        -tall * 0.45,
        wide * rng.uniform(1.05, 1.5),
        tall * rng.uniform(0.75, 1.0),
        rough=rng.uniform(0, 0.06),
    )
    opening = pen.ellipse(rng.normal(0, 0.08), 0.12, wide * 0.9, tall * rng.uniform(0.8, 1.0))
    hair = np.minimum(hair, cv2.bitwise_not(opening))
    shoulders = pen.polygon(
        [(-1.1, 1.6), (-1.0, tall + 0.35), (-0.3, tall + 0.12), (0.3, tall + 0.12), (1.0, tall + 0.35), (1.1, 1.6)],
        smooth=True,
    )
    turn, gaze = rng.normal(0, 0.08), rng.uniform(-0.12, 0.0)
    white, iris, brows = pen.blank(), pen.blank(), pen.blank()
    for side in (-1, 1):
        x = turn + side * wide * 0.42
        pen.ellipse(x, gaze, 0.085, 0.045, on=white)
        pen.ellipse(x, gaze, 0.04, 0.042, on=iris)
        pen.limb([(x - 0.1, gaze - 0.11), (x, gaze - 0.15), (x + 0.1, gaze - 0.11)], [0.015, 0.025, 0.015], on=brows)
    nose = pen.polygon(
        [(turn - 0.03, gaze), (turn + 0.03, gaze), (turn + 0.09, gaze + 0.27), (turn - 0.09, gaze + 0.27)], smooth=True
    )
    mouth = pen.ellipse(turn, gaze + rng.uniform(0.36, 0.42), rng.uniform(0.1, 0.2), rng.uniform(0.025, 0.06))
    features = [
        Node(nose, stuff="", relief=1.0),
        Node(white, stuff="pale"),
        Node(iris, stuff="dark"),
        Node(brows, stuff="dark"),
        Node(mouth, distance=0.35),
    ]
    head = Node(
        union([face, ears, neck]),
        [Node(neck, stuff="kin", distance=0.1), Node(face, stuff=""), *features],
        stuff="skin",
        relief=0.7,
    )
    cloth = Node(
        shoulders,
        patches(rng, pen, shoulders) if rng.random() < 0.4 else [],
        stuff=pick(rng, "vivid", "dark", "pale", "wall", "water"),
    )
    top = Node(hair, stuff=pick(rng, "dark", "fur", "fur", "vivid"), relief=0.5)
    return Node(union([face, ears, neck, hair, shoulders]), [cloth, head, top], stuff="skin")


def butterfly(rng: Rng, pen: Pen) -> Node:
    """A butterfly: a thin body and two pairs of wings with a border and spots."""
    wings, borders, spots = [], [], pen.blank()
    for k, (x, y) in enumerate(
        ((rng.uniform(0.7, 0.95), -rng.uniform(0.4, 0.8)), (rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.7)))
    ):
        low = -0.02 if k == 0 else 0.35
        for side in (-1, 1):
            corners = np.array([(0.03, low - 0.1), (x * 0.6, y * 1.15), (x, y), (x * 0.95, y * 0.4), (0.04, low)]) * (
                side,
                1,
            )
            wings.append(pen.polygon(corners, smooth=True))
            borders.append(pen.polygon(corners * 0.78, smooth=True))
            pen.ellipse(side * x * 0.6, y * 0.65, 0.09, 0.09, on=spots)
    body = pen.limb([(0, -0.35), (0, 0), (0, 0.5)], [0.05, 0.07, 0.04])
    inner = Node(
        union(borders),
        [Node(spots, stuff=pick(rng, "pale", "dark", "vivid"), relief=0.0)],
        stuff=pick(rng, "vivid", "vivid", "pale"),
        relief=0.2,
    )
    return Node(
        union([*wings, body]), [inner, Node(body, stuff="dark")], stuff=pick(rng, "dark", "vivid", "fur"), relief=0.2
    )
