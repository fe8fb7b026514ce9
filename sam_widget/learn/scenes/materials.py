"""Surface materials: natural colours with textures or pieces of photos laid over them."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from sam_widget.learn.photos import TRAINING
from sam_widget.learn.scenes.textures import FAMILIES, Float, Rng, coloured, field, photos, seen

COLOURS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "sky": (
        (135, 175, 220),
        (90, 140, 205),
        (200, 212, 225),
        (175, 185, 195),
        (230, 205, 180),
        (60, 90, 150),
        (215, 225, 235),
    ),
    "plant": ((70, 95, 40), (45, 65, 30), (105, 125, 55), (140, 150, 80), (30, 45, 25), (85, 105, 65), (160, 160, 90)),
    "earth": (
        (120, 95, 65),
        (165, 140, 105),
        (90, 70, 50),
        (190, 170, 135),
        (140, 110, 85),
        (205, 190, 160),
        (110, 75, 50),
    ),
    "stone": ((130, 128, 122), (95, 92, 88), (165, 160, 150), (70, 70, 72), (185, 182, 176), (140, 125, 110)),
    "water": ((60, 85, 100), (80, 115, 130), (45, 65, 75), (110, 140, 150), (70, 110, 140), (90, 100, 85)),
    "fur": (
        (150, 115, 75),
        (90, 65, 45),
        (200, 175, 140),
        (45, 38, 34),
        (225, 215, 200),
        (170, 100, 50),
        (110, 100, 92),
    ),
    "skin": ((205, 160, 130), (170, 120, 90), (225, 185, 160), (115, 78, 58), (85, 58, 45)),
    "wall": (
        (190, 180, 165),
        (150, 80, 65),
        (210, 205, 195),
        (120, 110, 100),
        (175, 150, 115),
        (95, 105, 115),
        (225, 215, 190),
    ),
    "dark": ((25, 25, 28), (40, 36, 32), (18, 22, 20), (50, 50, 58)),
    "pale": ((240, 238, 232), (225, 228, 232), (248, 246, 240), (215, 205, 195)),
    "vivid": (
        (190, 45, 40),
        (220, 185, 60),
        (45, 80, 160),
        (210, 110, 40),
        (165, 35, 50),
        (40, 120, 95),
        (225, 140, 155),
        (235, 210, 90),
    ),
}
"""Prototype colours in sRGB, by the kind of stuff that has them."""


@dataclass(frozen=True)
class Layer:
    """One texture of a material: a family and how it is applied."""

    family: str
    amplitude: float
    zoom: float
    angle: float
    stretch: float = 1.0
    bend: float = 0.0


@dataclass(frozen=True)
class Print:
    """A piece of a photo instead of a texture: it varies like real surfaces, and its content ignores region borders.

    Attributes:
        photo: Index into `textures.photos()`.
        zoom: Photo pixels per pixel at size 256.
        angle: Rotation in radians.
        contrast: 1 keeps the photo's contrast, 0 would leave only its mean colour.
        own: Share of the photo's own colours; the rest is its brightness in the material's base colour.
    """

    photo: int
    zoom: float
    angle: float
    contrast: float
    own: float


PRINTED = 0.4
"""Share of materials that are pieces of photos."""


@dataclass(frozen=True)
class Material:
    """A surface: a base colour, texture layers that darken and lighten it, and perhaps a second colour in patches.

    Colours are (3,) float32 in 0..1, gamma encoded, as are all painted surfaces. A `printed` piece of a photo, if
    present, replaces the first layer.
    """

    base: Float
    layers: tuple[Layer, ...]
    tint: Float
    accent: Float | None = None
    accent_layer: Layer | None = None
    cover: float = 0.0
    edge: float = 2.0
    gloss: float = 0.0
    tilt: float = 0.0
    printed: Print | None = None


STUFF_FAMILIES: dict[str, tuple[str, ...]] = {
    "sky": ("smooth", "smooth", "fractal"),
    "plant": ("leaves", "leaves", "strokes", "rough", "fractal", "discs"),
    "earth": ("fractal", "rough", "rubble", "strokes", "fractal", "rough", "grain", "cracks", "stripes"),
    "stone": ("ridged", "ridged", "fractal", "fractal", "rough", "rubble", "rubble", "cells", "cracks"),
    "water": ("rough", "fractal", "ridged", "smooth", "stripes"),
    "fur": ("strokes", "grain", "fractal", "spots", "stripes", "rough", "smooth"),
    "skin": ("smooth", "fractal", "smooth"),
    "wall": ("courses", "courses", "smooth", "fractal", "grain", "cracks"),
    "dark": ("smooth", "fractal", "strokes", "grain", "leaves"),
    "pale": ("smooth", "fractal", "weave", "grain"),
    "vivid": ("smooth", "fractal", "weave", "stripes", "grain", "spots", "smooth"),
}
"""The usual texture families of each kind of stuff. One time in eight, any family may be used."""


FINE_FAMILIES = ("grain", "rough", "rough", "ridged", "strokes")
"""The finest structure of a surface."""


def colour(rng: Rng, stuff: str) -> Float:
    """Draw a colour for this kind of stuff: a prototype, made darker or lighter, greyer and slightly off."""
    prototypes = COLOURS[stuff]
    c = np.array(prototypes[int(rng.integers(len(prototypes)))], np.float32) / 255
    c = c * np.exp(rng.normal(0, 0.25))
    c = c + rng.uniform(0, 0.6) ** 1.5 * (c.mean() - c)
    return np.clip(c * np.exp(rng.normal(0, 0.05, 3)), 0.02, 0.98).astype(np.float32)


def _layer(rng: Rng, family: str, amplitude: float, *, grain: float | None = None) -> Layer:
    long = family in {"strokes", "grain", "rough", "fractal"} and rng.random() < 0.45
    return Layer(
        family=family,
        amplitude=amplitude,
        zoom=float(np.exp(rng.uniform(np.log(0.5), np.log(4.0)))),
        angle=float(rng.uniform(0, np.pi) if grain is None else grain),
        stretch=float(rng.uniform(2, 8)) if long else 1.0,
        bend=float(rng.uniform(4, 25))
        if family in {"stripes", "weave", "courses", "strokes"} and rng.random() < 0.35
        else 0.0,
    )


def _print(rng: Rng, calm: float) -> Print:
    shares = np.array([photo.share for photo in TRAINING])
    return Print(
        photo=int(rng.choice(len(shares), p=shares / shares.sum())),
        zoom=float(np.exp(rng.uniform(np.log(0.25), np.log(1.5)))),
        angle=float(rng.normal(0, 0.2) if rng.random() < 0.7 else rng.uniform(0, 2 * np.pi)),
        contrast=calm * float(rng.uniform(0.25, 1.0)),
        own=float(rng.uniform(0, 1)) if rng.random() < 0.7 else 1.0,
    )


def material(rng: Rng, stuff: str, *, tilt: float = 0.0, grain: float | None = None) -> Material:
    """Draw a material for this kind of stuff. `grain` fixes its texture's direction, `tilt` lays it on the ground."""
    families = STUFF_FAMILIES[stuff] if rng.random() > 1 / 8 else tuple(FAMILIES)
    main = families[int(rng.integers(len(families)))]
    calm = 0.35 if stuff in {"sky", "skin"} else 1.0
    strength = calm * float(np.exp(rng.uniform(np.log(0.05), np.log(0.6))))
    if main in {"leaves", "discs", "rubble"}:
        strength = max(strength, 0.15)
    elif main in {"weave", "stripes", "cracks", "cells"}:
        # Strong regular patterns are rarer in nature than in a list of textures.
        strength *= 0.6
    if stuff == "water" and grain is None:
        grain = float(rng.normal(0, 0.05))
    layers = [_layer(rng, main, strength, grain=grain)]
    if rng.random() < 0.7:
        layers.append(_layer(rng, "smooth" if rng.random() < 0.6 else "fractal", calm * float(rng.uniform(0.03, 0.25))))
    if rng.random() < 0.65:
        fine = FINE_FAMILIES[int(rng.integers(len(FINE_FAMILIES)))]
        layers.append(_layer(rng, fine, calm * float(rng.uniform(0.02, 0.2)), grain=grain))
    base = colour(rng, stuff)
    accent, accent_layer, cover = None, None, 0.0
    if rng.random() < (0.25 if stuff in {"fur", "vivid", "plant", "sky", "stone"} else 0.12):
        accent = colour(rng, stuff if stuff != "sky" else "pale")
        choices = (
            ("smooth", "fractal") if stuff == "sky" else ("fractal", "spots", "stripes", "leaves", "smooth", "cells")
        )
        accent_layer = _layer(rng, choices[int(rng.integers(len(choices)))], 1.0, grain=grain)
        cover = float(rng.normal(0.4, 0.5))
    return Material(
        base=base,
        layers=tuple(layers),
        tint=(rng.normal(0, 1, 3) * rng.uniform(0, 0.1)).astype(np.float32),
        accent=accent,
        accent_layer=accent_layer,
        cover=cover,
        edge=float(rng.uniform(0.8, 5)),
        gloss=float(rng.uniform(0.1, 0.6)) if rng.random() < 0.25 else 0.0,
        tilt=tilt,
        printed=_print(rng, calm) if rng.random() < PRINTED else None,
    )


def kin(rng: Rng, parent: Material, *, distance: float) -> Material:
    """Return a relative of a material, for camouflage, siblings, limbs: its layers, a colour `distance` (0..1) away."""
    base = parent.base * np.exp(distance * (rng.normal(0, 0.8) + rng.normal(0, 0.4, 3)))
    layers = tuple(
        replace(
            layer,
            zoom=layer.zoom * float(np.exp(rng.normal(0, distance))),
            angle=layer.angle + float(rng.normal(0, 2 * distance)),
        )
        for layer in parent.layers
    )
    return replace(parent, base=np.clip(base, 0.02, 0.98).astype(np.float32), layers=layers, tilt=0.0)


def paint(rng: Rng, surface: Material, shape: tuple[int, int], *, scale: float = 1.0) -> Float:
    """Paint an unlit material.

    Args:
        rng: Source of the position in the tile at which the texture is cut.
        surface: What to paint.
        shape: (h, w) of the result.
        scale: Pixels of the result per pixel at size 256; textures keep their size relative to the photo.

    Returns:
        (h, w, 3) colours, about 0..1.
    """

    def lay(layer: Layer) -> Float:
        bend = layer.bend * scale if surface.tilt == 0 else 0.0
        return field(
            rng,
            layer.family,
            shape,
            zoom=layer.zoom / scale,
            angle=layer.angle,
            stretch=layer.stretch,
            tilt=surface.tilt,
            bend=bend,
        )

    tone = np.zeros(shape, np.float32)
    for layer in surface.layers[1:] if surface.printed else surface.layers:
        tone += lay(layer) * np.float32(layer.amplitude)
    light = cv2.exp(tone - np.float32(0.1))
    image = coloured(light, surface.base)
    if surface.printed:
        image *= _develop(rng, surface.printed, surface, shape, scale)
    if surface.accent is not None and surface.accent_layer is not None:
        mix = 0.5 + 0.5 * np.tanh(np.float32(surface.edge) * (lay(surface.accent_layer) - np.float32(surface.cover)))
        image += coloured(mix * light, surface.accent - surface.base)
    if np.abs(surface.tint).max() > 0.01:
        image += coloured(field(rng, "smooth", shape, zoom=1.0 / scale), surface.tint * surface.base.mean())
    return image


def _develop(rng: Rng, printed: Print, surface: Material, shape: tuple[int, int], scale: float) -> Float:
    """Cut a piece out of a photo: (h, w, 3) factors on the base colour of a material, about 1 on average."""
    zoom = printed.zoom / scale
    piece = seen(rng, photos()[printed.photo], shape, zoom=zoom, angle=printed.angle, tilt=surface.tilt, wraps=False)
    grey = np.asarray(cv2.cvtColor(piece, cv2.COLOR_RGB2GRAY), np.float32)
    level = max(float(grey.mean()), 0.1)
    factor = coloured(1 + np.float32(printed.contrast) * (grey / np.float32(level) - 1))
    if printed.own > 0:
        # On average as bright as the material, in the photo's colours.
        middle = float(surface.base.mean())
        own = middle / level * (np.float32(level) + np.float32(printed.contrast) * (piece - np.float32(level)))
        factor += np.float32(printed.own) * (own / np.maximum(surface.base, 0.05) - factor)
    return np.maximum(factor, 0.02, dtype=np.float32)
