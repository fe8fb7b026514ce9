"""Photo augmentation: photos are cropped, mirrored, recoloured and mixed.

Whole things from other photos are pasted into photos and scenes with their masks ("Simple Copy-Paste", Ghiasi et al.,
arXiv 2012.07177): the border of a pasted thing is exact, and its surroundings give no hint of it.
"""

from __future__ import annotations

import cv2
import numpy as np

from sam_widget.learn.photo_masks import PhotoMasks

CUT_SHARE = 0.65
"""Share of draws that show a crop instead of the whole photo."""
SMALLEST_CUT = 0.4
"""Minimum size of a crop, as a share of the photo's longest side."""
PASTED_AREA = (0.01, 0.5)
"""Range of the share of its own photo that a pasted thing covers."""
ATTEMPTS = 3
"""Number of photos searched for a thing to paste, as some contain no complete thing."""


def cut(image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Crop a photo (H, W, 3) and its labels (3, H, W), usually around one of its things.

    A thing is drawn with a weight of the square root of its area, and the crop at random among those that contain it.
    """
    if rng.random() >= CUT_SHARE:
        return image, labels
    height, width = labels.shape[1:]
    wholes, areas = np.unique(labels[2], return_counts=True)
    weights = np.sqrt(np.where(wholes > 0, areas, 0))
    if not weights.sum():
        return image, labels
    thing = labels[2] == rng.choice(wholes, p=weights / weights.sum())
    rows, columns = np.flatnonzero(thing.any(1)), np.flatnonzero(thing.any(0))
    longest = max(height, width)
    sides = []
    for first, last, whole in ((rows[0], rows[-1] + 1, height), (columns[0], columns[-1] + 1, width)):
        margin = rng.uniform(0.02, 0.3) * (last - first)
        least = min(whole, max(SMALLEST_CUT * longest, last - first + 2 * margin))
        side = int(least + rng.random() * (whole - least))
        low, high = max(0, last - side), min(first, whole - side)
        start = int(rng.integers(low, high + 1)) if high > low else max(0, min(low, whole - side))
        sides.append((start, start + side))
    (top, bottom), (left, right) = sides
    return image[top:bottom, left:right], labels[:, top:bottom, left:right]


def mirror(image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mirror half of the photos left to right."""
    return (image[:, ::-1], labels[:, :, ::-1]) if rng.random() < 0.5 else (image, labels)


def fit(image: np.ndarray, labels: np.ndarray, *, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale a photo and its labels so that the longest side is `size`."""
    height, width = labels.shape[1:]
    scale = size / max(height, width)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    planes = [cv2.resize(np.ascontiguousarray(p), fitted, interpolation=cv2.INTER_NEAREST) for p in labels]
    return cv2.resize(np.ascontiguousarray(image), fitted, interpolation=method), np.stack(planes)


def recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change sharpness, gamma, saturation, contrast, brightness and white balance, less than those of scenes."""
    if rng.random() < 0.25:
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.4))
        amount = rng.uniform(-0.8, 1.0)
        image = cv2.addWeighted(image, 1 + amount, soft, -amount, 0)
    colours = (image.astype(np.float32) / 255) ** rng.uniform(0.75, 1.35)
    grey = colours.mean(2, keepdims=True)
    colours = grey + (colours - grey) * (0.0 if rng.random() < 0.05 else rng.uniform(0.5, 1.4))
    colours = (colours - 0.5) * rng.uniform(0.8, 1.2) + 0.5 + rng.uniform(-0.08, 0.08)
    colours = colours * rng.uniform(0.93, 1.07, 3)
    return (colours.clip(0, 1) * 255).astype(np.uint8)


def pad(image: np.ndarray, labels: np.ndarray, *, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put a photo into the top left of a square; returns (3, size, size) pixels and labels, and a (size, size) mask."""
    height, width = labels.shape[1:]
    pixels, regions = np.zeros((3, size, size), np.uint8), np.zeros((3, size, size), np.uint8)
    valid = np.zeros((size, size), bool)
    pixels[:, :height, :width] = image.transpose(2, 0, 1)
    regions[:, :height, :width] = labels
    valid[:height, :width] = True
    return pixels, regions, valid


def whole_thing(photos: PhotoMasks, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Draw a thing that no border truncates; returns the image (h, w, 3), labels (3, h, w) and mask (h, w) of its box.

    Returns None if the photos searched contain none.
    """
    for _ in range(ATTEMPTS):
        image, labels = photos[photos.draw(rng)]
        wholes, areas = np.unique(labels[2], return_counts=True)
        border = np.concatenate([labels[2, 0], labels[2, -1], labels[2, :, 0], labels[2, :, -1]])
        shares = areas / labels[2].size
        good = (wholes > 0) & (shares >= PASTED_AREA[0]) & (shares <= PASTED_AREA[1]) & ~np.isin(wholes, border)
        if good.any():
            mask = labels[2] == rng.choice(wholes[good])
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            return image[window], labels[:, *window], mask[window]
    return None


def paste(
    image: np.ndarray, labels: np.ndarray, thing: tuple[np.ndarray, np.ndarray, np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paste a thing into a photo (H, W, 3) with labels (3, H, W), at some size and place.

    Its parts keep their nesting, under ids that are new in the photo; if these do not fit into a byte, nothing is
    pasted.
    """
    theirs, regions, mask = mirror_thing(thing, rng)
    height, width = labels.shape[1:]
    wanted = max(height, width) * float(np.exp(rng.uniform(np.log(0.15), np.log(0.75))))
    scale = min(wanted / max(mask.shape), 2.0)
    size = (max(2, round(mask.shape[1] * scale)), max(2, round(mask.shape[0] * scale)))
    theirs = cv2.resize(np.ascontiguousarray(theirs), size, interpolation=cv2.INTER_AREA if scale < 1 else 1)
    soft = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    alpha = cv2.GaussianBlur(cv2.copyMakeBorder(soft, 2, 2, 2, 2, cv2.BORDER_CONSTANT), (0, 0), 0.7)[2:-2, 2:-2]
    regions = np.stack([cv2.resize(np.ascontiguousarray(p), size, interpolation=cv2.INTER_NEAREST) for p in regions])

    # Up to a third of it may be outside.
    top = int(rng.uniform(-0.33 * size[1], height - 0.67 * size[1]))
    left = int(rng.uniform(-0.33 * size[0], width - 0.67 * size[0]))
    here = (slice(max(top, 0), min(top + size[1], height)), slice(max(left, 0), min(left + size[0], width)))
    there = tuple(slice(s.start - offset, s.stop - offset) for s, offset in zip(here, (top, left), strict=True))
    if any(s.stop <= s.start for s in here):
        return image, labels
    covered = soft[there] > 0.5
    renamed = np.zeros((3, *covered.shape), np.uint8)
    first = int(labels.max()) + 1
    for level in range(3):
        for region in np.unique(regions[level][there][covered]):
            if region:
                if first > 250:
                    return image, labels
                renamed[level][regions[level][there] == region] = first
                first += 1
    image, labels = image.copy(), labels.copy()
    blend = ((1.6 * (alpha[there] - 0.5) + 0.5).clip(0, 1))[..., None]
    image[here] = (image[here] * (1 - blend) + theirs[there] * blend + 0.5).astype(np.uint8)
    for level in range(3):
        labels[level][here][covered] = renamed[level][covered]
    return image, labels


def mirror_thing(
    thing: tuple[np.ndarray, np.ndarray, np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mirror half of the things left to right."""
    if rng.random() < 0.5:
        return thing
    image, labels, mask = thing
    return image[:, ::-1], labels[..., ::-1], mask[:, ::-1]


def view(
    photos: PhotoMasks, rng: np.random.Generator, *, size: int, paste_share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a photo and return one view of it: (3, size, size) pixels and labels, and the photo's mask (size, size)."""
    image, labels = mirror(*cut(*photos[photos.draw(rng)], rng), rng)
    image, labels = fit(image, labels, size=size)
    if rng.random() < paste_share and (thing := whole_thing(photos, rng)) is not None:
        image, labels = paste(image, labels, thing, rng)
    return pad(recolour(image, rng), labels, size=size)
