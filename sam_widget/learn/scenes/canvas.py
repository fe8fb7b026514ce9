"""Drawing things on a canvas: shading, cast shadows, depth blur, and the labels of the pixels."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from sam_widget.learn.scenes.materials import Material, kin, material, paint
from sam_widget.learn.scenes.shapes import Node
from sam_widget.learn.scenes.textures import Float, Mask, Rng, coloured, field

MAX_REGIONS = 240
"""Maximum number of leaf regions in a scene, so that ids fit into a byte."""
SMALLEST = 12
"""Minimum number of pixels, at size 256, of a connected piece of a region; smaller ones are dissolved."""


@dataclass(frozen=True)
class Light:
    """A light: `direction` (3,) is a unit vector towards it, `ambient` the light on a face turned away from it."""

    direction: Float
    ambient: float
    shadow: float


@dataclass(frozen=True)
class Effects:
    """Effects that make scenes as hard as photos. Each can be disabled to measure what it contributes to a model.

    Attributes:
        photos: Surfaces cut from photos.
        camouflage: Things made of the backdrop's material.
        flocks: Groups of look-alikes.
        parts: Parts and subparts, both in the labels and in the picture.
        shadows: Cast shadows, and dapples of shadow across everything.
        blur: Depth blur.
        camera: Lens, colour cast, tone curve, noise and compression.
    """

    photos: bool = True
    camouflage: bool = True
    flocks: bool = True
    parts: bool = True
    shadows: bool = True
    blur: bool = True
    camera: bool = True


ALL = Effects()


class Canvas:
    """The picture drawn so far, and the leaf region of each pixel.

    Leaves are the finest regions; `parents[leaf]` is a leaf's (part, whole). Nesting holds by construction.
    `materials` are those of the backdrop, used for camouflage.
    """

    def __init__(self, size: int, light: Light, effects: Effects = ALL) -> None:
        self.size, self.light, self.effects = size, light, effects
        self.scale = size / 256
        self.image: Float = np.zeros((size, size, 3), np.float32)
        self.leaf: npt.NDArray[np.uint8] = np.zeros((size, size), np.uint8)
        self.parents: list[tuple[int, int]] = []
        self.materials: list[Material] = []
        self._parts = self._wholes = 0

    def draw(
        self,
        rng: Rng,
        node: Node,
        surface: Material,
        *,
        blur: float = 0.0,
        shadow: float = 0.0,
        haze: float = 0.0,
        haze_colour: Float | None = None,
    ) -> None:
        """Draw a whole: its cast shadow, its shaded surface and parts, and its leaf regions.

        Args:
            rng: Source of its textures.
            node: The whole.
            surface: Its material.
            blur: Deviation of the depth blur in pixels at size 256; it softens edges, while labels stay at half
                coverage.
            shadow: Strength of the shadow it casts on the picture behind it.
            haze: Share of `haze_colour` mixed in, for distant things.
            haze_colour: (3,) colour of the air.
        """
        if not self.effects.blur:
            blur = 0.0
        if not self.effects.parts:
            node = replace(node, children=[])
        margin = int(3 * blur * self.scale) + 3
        x, y, w, h = cv2.boundingRect(node.mask)
        x0, y0 = max(x - margin, 0), max(y - margin, 0)
        x1, y1 = min(x + w + margin, self.size), min(y + h + margin, self.size)
        if w * h < 4 or len(self.parents) >= MAX_REGIONS:
            return
        window = (slice(y0, y1), slice(x0, x1))
        if shadow > 0 and self.effects.shadows:
            self._cast(rng, node.mask, shadow)
        colours = self._surface(rng, node, surface, window)
        if haze > 0 and haze_colour is not None:
            colours += haze * (haze_colour - colours)
        alpha = node.mask[window].astype(np.float32) / np.float32(255)
        if blur > 0:
            sigma = blur * self.scale
            # Blurring colour times coverage, then dividing, keeps background colours out of a soft edge.
            colours = cv2.GaussianBlur(np.multiply(colours, coloured(alpha), dtype=np.float32), (0, 0), sigma)
            alpha = cv2.GaussianBlur(alpha, (0, 0), sigma)
            colours /= coloured(np.maximum(alpha, 1e-3))
        self.image[window] = cv2.blendLinear(colours, np.ascontiguousarray(self.image[window]), alpha, 1 - alpha)
        self._label(node, window)

    def _surface(self, rng: Rng, node: Node, surface: Material, window: tuple[slice, slice]) -> Float:
        """Return the lit colours of a node and its descendants, in a window."""
        mask = node.mask[window]
        if not self.effects.photos:
            surface = replace(surface, printed=None)
        colours = paint(rng, surface, mask.shape, scale=self.scale)
        if node.relief > 0:
            colours *= relief(
                rng, mask, self.light, strength=node.relief * float(rng.uniform(0.3, 1.0)), gloss=surface.gloss
            )
        for child in node.children:
            cut = np.minimum(child.mask[window], mask)
            cx, cy, cw, ch = cv2.boundingRect(cut)
            if cw * ch == 0:
                continue
            inner = Node(
                cut,
                [Node(np.minimum(c.mask[window], cut), [], c.stuff, c.distance, c.relief) for c in child.children],
                child.stuff,
                child.distance,
                child.relief,
            )
            patch = (slice(cy, cy + ch), slice(cx, cx + cw))
            if child.stuff == "":
                own = surface
            elif child.stuff == "kin":
                own = kin(rng, surface, distance=child.distance)
            else:
                own = material(rng, child.stuff)
            if rng.random() < 0.5:
                # A raised part darkens its surroundings slightly (ambient occlusion).
                soft = cv2.GaussianBlur(cut, (0, 0), float(rng.uniform(0.8, 4)) * self.scale)
                colours *= coloured(1 - np.float32(rng.uniform(0.1, 0.5) / 255) * soft)
            alpha = cut[patch].astype(np.float32) / 255
            view = colours[patch]
            colours[patch] = cv2.blendLinear(
                self._surface(rng, inner, own, patch), np.ascontiguousarray(view), alpha, 1 - alpha
            )
        return colours

    def _cast(self, rng: Rng, mask: Mask, strength: float) -> None:
        """Cast a shadow: darken the picture by the thing's outline, sheared away from the light and blurred."""
        lx, ly = self.light.direction[:2]
        _x, y, w, h = cv2.boundingRect(mask)
        small = cv2.resize(mask, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        reach = float(rng.uniform(0.02, 0.35)) * min(w, h)
        if rng.random() < 0.5:
            matrix = np.array([[1, 0, -lx * reach / 2], [0, 1, -ly * reach / 2]])
        else:
            # A shadow on the ground stays attached to the feet.
            foot, squash = (y + h) / 2, float(rng.uniform(0.15, 0.5))
            shear = lx * float(rng.uniform(0.3, 1.2))
            matrix = np.array([[1, shear, -shear * foot], [0, squash, foot * (1 - squash)]])
        shade = cv2.warpAffine(small, matrix, small.shape[::-1])
        shade = cv2.GaussianBlur(shade, (0, 0), float(np.exp(rng.uniform(np.log(0.6), np.log(6)))) * self.scale)
        shade = cv2.resize(shade, (self.size, self.size), interpolation=cv2.INTER_LINEAR)
        self.image *= coloured(1 - np.float32(strength / 255) * shade)

    def _label(self, node: Node, window: tuple[slice, slice]) -> None:
        """Assign the pixels at least half covered by a whole to its leaves."""
        solid = node.mask[window] > 127
        leaf = self.leaf[window]
        whole, self._wholes = self._wholes, self._wholes + 1

        def leaf_of(part: int, where: npt.NDArray[np.bool_]) -> None:
            if len(self.parents) < MAX_REGIONS:
                leaf[where] = len(self.parents)
                self.parents.append((part, whole))

        def new_part() -> int:
            self._parts += 1
            return self._parts - 1

        leaf_of(new_part(), solid)
        for child in node.children:
            if len(self.parents) >= MAX_REGIONS:
                break
            covered = solid & (child.mask[window] > 127)
            part = new_part()
            leaf_of(part, covered)
            for grandchild in child.children:
                leaf_of(part, covered & (grandchild.mask[window] > 127))


def relief(rng: Rng, mask: Mask, light: Light, *, strength: float, gloss: float = 0.0) -> Float:
    """Shade a flat outline as if it bulged: height grows with the distance to the border, and light falls on the slope.

    Returns:
        (h, w, 3) factors to multiply colours by, about 1 on average.
    """
    h, w = mask.shape
    factor = 2 if min(h, w) > 40 else 1
    small = (
        cv2.resize(mask, (max(w // factor, 1), max(h // factor, 1)), interpolation=cv2.INTER_AREA)
        if factor > 1
        else mask
    )
    # Where the mask touches the border of the window it is truncated there: replicate before measuring distances.
    distance = cv2.distanceTransform(cv2.threshold(small, 127, 255, cv2.THRESH_BINARY)[1], cv2.DIST_L2, 3)
    # A thing that fills its window has no border: distances are infinite and the relief is a plateau.
    distance = np.minimum(distance, max(small.shape))
    depth = float(distance.max()) * float(rng.uniform(0.35, 1.0)) + 1e-3
    slope = 1 - np.minimum(distance / depth, 1)
    height = depth * np.sqrt(np.maximum(1 - slope * slope, 0))
    if rng.random() < 0.6:
        height += (
            depth
            * float(rng.uniform(0.05, 0.3))
            * field(rng, "smooth", height.shape, zoom=float(rng.uniform(0.7, 2.5)))
        )
    height = cv2.GaussianBlur(height, (0, 0), max(depth * 0.12, 0.7))
    gx = cv2.Scharr(height, cv2.CV_32F, 1, 0, scale=1 / 32)
    gy = cv2.Scharr(height, cv2.CV_32F, 0, 1, scale=1 / 32)
    inverse = 1 / np.sqrt(gx * gx + gy * gy + 1)
    lx, ly, lz = (float(v) for v in light.direction)
    cosine = (lz - lx * gx - ly * gy) * inverse
    shade = light.ambient + (1.25 - light.ambient) * np.maximum(cosine, 0)
    shade = 1 + strength * (shade - 1)
    if gloss > 0:
        shade += gloss * 2 * np.maximum(cosine, 0) ** 30
    if factor > 1:
        shade = cv2.resize(shade, (w, h), interpolation=cv2.INTER_LINEAR)
    return coloured(np.asarray(shade, np.float32))


def regions(canvas: Canvas) -> npt.NDArray[np.uint8]:
    """Return the (3, S, S) labels of a canvas: fragments dissolved, ids without gaps."""
    parents = np.array(canvas.parents, np.int64)
    leaf = dissolve(canvas.leaf.copy(), parents, max(int(SMALLEST * canvas.scale**2), 2))
    levels = []
    for ids in (leaf, parents[leaf, 0], parents[leaf, 1]):
        present = np.bincount(ids.ravel()) > 0
        levels.append((np.cumsum(present) - 1).astype(np.uint8)[ids])
    return np.stack(levels)


def dissolve(leaf: npt.NDArray[np.uint8], parents: npt.NDArray[np.int64], smallest: int) -> npt.NDArray[np.uint8]:
    """Merge pieces of under `smallest` pixels into a neighbour: of the same part, else the same whole, else any."""
    h, w = leaf.shape
    suspects = set(np.flatnonzero(np.bincount(leaf.ravel())).tolist())
    for _ in range(8):
        small = []
        for value in suspects:
            same = (leaf == value).view(np.uint8)
            left, top, wide, high = cv2.boundingRect(same)
            count, pieces, stats, _centres = cv2.connectedComponentsWithStats(
                np.ascontiguousarray(same[top : top + high, left : left + wide]), connectivity=4, ltype=cv2.CV_16U
            )
            for k in np.flatnonzero(stats[1:count, cv2.CC_STAT_AREA] < smallest) + 1:
                x, y, bw, bh, area = (int(v) for v in stats[k])
                small.append((area, left + x, top + y, bw, bh, pieces[y : y + bh, x : x + bw] == k))
        suspects = set()
        if not small:
            break
        for _area, x, y, bw, bh, piece in sorted(small, key=lambda item: item[:3]):
            x0, y0, x1, y1 = max(x - 1, 0), max(y - 1, 0), min(x + bw + 1, w), min(y + bh + 1, h)
            window = leaf[y0:y1, x0:x1]
            inside = np.zeros(window.shape, np.uint8)
            inside[y - y0 : y - y0 + bh, x - x0 : x - x0 + bw] = piece
            own = int(window[inside > 0][0])
            around = window[
                (cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))) > 0) & (inside == 0)
            ]
            votes = np.bincount(around, minlength=len(parents)).astype(np.float64)
            votes[own] = 0
            votes += (votes > 0) * 1e3 * ((parents[:, 1] == parents[own, 1]) + 1.0 * (parents[:, 0] == parents[own, 0]))
            if votes.max() > 0:
                window[inside > 0] = heir = int(votes.argmax())
                # If the neighbour was itself a fragment and has been merged, this piece may still be too small.
                suspects.add(heir)
    return leaf
