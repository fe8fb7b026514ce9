"""How well does the embedded finder name masks, find instances, and find more of the same?

    python tests/benchmarks/words.py ../shared/data/val --sources coco animals cats --photos 96

The folder holds photos with human masks: each source is a folder of photos and a JSON file next to it, whose masks
have a label and COCO's run lengths. Labels outside the vocabulary count as things that the finder should not know.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from pycocotools import mask as coco

from sam_widget.automatic.finding.embedded import EmbeddedFinder, _resized, _window, describe, load_namer
from sam_widget.automatic.finding.own import OwnFinder
from sam_widget.automatic.finding.regions import Regions
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.errors import PromptError
from sam_widget.image.reading import to_rgb
from sam_widget.masks.measures import iou
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.words import vocabulary

THRESHOLDS = (0.3, 0.5, 0.7)
# Broad terms; what is under none of them is left out.
BROAD = ("animal", "vehicle", "furniture", "container", "food", "device", "tool", "home appliance", "clothing", "toy")


@dataclass
class Photo:
    """A photo, its masks and their labels, and what was computed for it."""

    source: str
    image: np.ndarray
    labels: list[str]
    masks: list[StoredMask]
    names: dict[str, np.ndarray] = field(default_factory=dict)
    features: dict[str, np.ndarray] = field(default_factory=dict)
    regions: Regions | None = None


def read(folder: Path, sources: Sequence[str], most: int) -> list[Photo]:
    photos = []
    for source in sources:
        for item in json.loads((folder / f"{source}.json").read_text(encoding="utf-8"))["images"][:most]:
            masks = [
                (one["label"], coco.decode({"size": one["size"], "counts": one["counts"].encode()}).astype(bool))
                for one in item["masks"]
            ]
            masks = [(label, mask) for label, mask in masks if mask.any()]
            image = to_rgb(folder / source / Path(item["file"]).name)
            photos.append(Photo(source, image, [label for label, _ in masks], [StoredMask(mask) for _, mask in masks]))
    return photos


def crops(photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    """Describe plain crops: the baseline that does not look at the mask."""
    namer, found = load_namer(), []
    with torch.inference_mode():
        for mask in photo.masks:
            pixels = _resized(photo.image[_window(mask, 0.1, False)])
            found.append(namer.features(pixels).mean((2, 3)))
        pooled = torch.cat(found)
        names = namer.probabilities(pooled)[:, None]
    return names.numpy(), torch.nn.functional.normalize(pooled, dim=1).numpy()


def colours(photo: Photo) -> np.ndarray:
    """Histograms of 8 x 8 x 8 colours under the masks, of unit length."""
    bins = (photo.image >> 5).astype(int) @ (64, 8, 1)
    found = [np.sqrt(np.bincount(bins[mask.array], minlength=512)) for mask in photo.masks]
    return np.array([row / np.linalg.norm(row) for row in found], np.float32)


def average_precision(scores: np.ndarray, right: np.ndarray) -> float:
    ranked = right[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(ranked) / np.arange(1, len(ranked) + 1))[ranked].mean())


def naming(photos: list[Photo], classes: dict[str, tuple[int, ...]], kind: str) -> None:
    sums = [(label, row) for photo in photos for label, row in zip(photo.labels, photo.names[kind], strict=True)]
    known = list(classes)
    scores = np.array([[row[:, list(classes[word])].sum(1).min() for word in known] for _, row in sums])
    inside = np.array([label in classes for label, _ in sums])
    right = np.array([known[int(row.argmax())] == label for (label, _), row in zip(sums, scores, strict=True)])
    best = scores.max(1)
    print(f"{kind}: top-1 of {len(known)} names {right[inside].mean():.3f} ({inside.sum()} masks)")
    source = np.array([photo.source for photo in photos for _ in photo.labels])
    for threshold in (*THRESHOLDS, 0.9):
        sure, unknown = inside & (best >= threshold), ~inside
        wrong = 1 - right[sure].mean() if sure.any() else 0.0
        print(
            f"  sure from {threshold}: {sure.sum() / inside.sum():.2f} of them, wrong {wrong:.3f}; "
            f"things outside the vocabulary named {np.mean(best[unknown] >= threshold):.3f} ({unknown.sum()})"
        )
        for one in dict.fromkeys(source.tolist()):
            here, answered = inside & (source == one), sure & (source == one)
            if here.any():
                wrong = 1 - right[answered].mean() if answered.any() else 0.0
                print(f"    {one}: {answered.sum()} of {here.sum()}, wrong {wrong:.3f}")


def hypernyms(photos: list[Photo], classes: dict[str, tuple[int, ...]], kind: str) -> None:
    """Broad terms: right if all classes of the label are under it. For WordNet, a car is a container too."""
    broad = [set(vocabulary().parse(word).classes) for word in BROAD]
    rows = [
        (set(classes[label]), row)
        for photo in photos
        for label, row in zip(photo.labels, photo.names[kind], strict=True)
        if label in classes and any(term >= set(classes[label]) for term in broad)
    ]
    scores = np.array([[row[:, list(term)].sum(1).min() for term in broad] for _, row in rows])
    right = np.array([broad[int(best.argmax())] >= own for (own, _), best in zip(rows, scores, strict=True)])
    print(f"{kind}: top-1 of {len(BROAD)} broad terms {right.mean():.3f} ({len(rows)} masks)")
    for threshold in THRESHOLDS:
        sure = scores.max(1) >= threshold
        print(f"  sure from {threshold}: {sure.mean():.2f} of them, wrong {1 - right[sure].mean():.3f}")


def examples(photos: list[Photo], kind: str) -> None:
    within, across = [], []
    owner = np.concatenate([np.full(len(photo.labels), k) for k, photo in enumerate(photos)])
    labels = np.array([label for photo in photos for label in photo.labels])
    features = np.concatenate([photo.features[kind] for photo in photos])
    for k in range(len(labels)):
        scores = features @ features[k]
        same, here = labels == labels[k], owner == owner[k]
        here_others, others = here & (np.arange(len(labels)) != k), ~here
        if (same & here_others).any() and (~same & here_others).any():
            within.append(average_precision(scores[here_others], same[here_others]))
        if (same & others).any():
            across.append(average_precision(scores[others], same[others]))
    print(
        f"{kind}: mean average precision within a photo {np.mean(within):.3f} ({len(within)} examples), "
        f"across photos {np.mean(across):.3f} ({len(across)})"
    )


def instances(photos: list[Photo], classes: dict[str, tuple[int, ...]]) -> None:
    finder, predictor, store = EmbeddedFinder(), Predictor("tiny"), FeatureStore()
    counts: dict[float, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])  # right, found, absent, answered, misnamed
    there = reachable = 0
    for photo in photos:
        regions = store.features(finder, photo.image, predictor)
        for word in classes:
            wanted = [mask.array for label, mask in zip(photo.labels, photo.masks, strict=True) if label == word]
            there += len(wanted)
            reachable += sum(any(iou(mask, one.mask) >= 0.5 for one in regions.records) for mask in wanted)
            found = finder.find(regions, [word]).instances
            for threshold in THRESHOLDS:
                left, right, above = list(wanted), 0, [one for one in found if one.score >= threshold]
                named = np.any(wanted, axis=0) if wanted else np.zeros(photo.image.shape[:2], bool)
                misnamed = 0
                for one in above:
                    best = max(left, key=lambda mask: float(iou(mask, one.mask)), default=None)
                    if best is not None and iou(best, one.mask) >= 0.5:
                        right += 1
                        left = [mask for mask in left if mask is not best]
                    else:  # a part of such a thing, or more than it, has the right name
                        shared = np.count_nonzero(one.mask & named)
                        misnamed += shared < 0.5 * one.area and shared < 0.6 * max(1, np.count_nonzero(named))
                row = counts[threshold]
                row[0] += right
                row[1] += len(above)
                row[2] += not wanted
                row[3] += not wanted and bool(above)
                row[4] += misnamed
    print(f"instances: {there}, of which everything mode has {reachable / there:.2f} at an IoU of 0.5")
    for threshold, (right, found_count, absent, answered, misnamed) in counts.items():
        print(
            f"  from {threshold}: {found_count} found, precision {right / max(found_count, 1):.2f}, "
            f"recall {right / there:.2f}, of another kind {misnamed / max(found_count, 1):.2f}; "
            f"words that are not there answered {answered / max(absent, 1):.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sources", nargs="+", default=["coco", "animals", "cats"])
    parser.add_argument("--photos", type=int, default=48, help="of each source")
    parser.add_argument("--instances", action="store_true", help="also search every photo (ten seconds each)")
    options = parser.parse_args()
    photos = [photo for photo in read(options.folder, options.sources, options.photos) if photo.masks]
    classes: dict[str, tuple[int, ...]] = {}
    for label in sorted({label for photo in photos for label in photo.labels}):
        try:
            classes[label] = vocabulary().parse(label).classes
        except PromptError:
            continue
    kinds: dict[str, Callable[[Photo], tuple[np.ndarray, np.ndarray]]] = {
        "pooled under the mask": lambda photo: describe(photo.image, photo.masks),
        "crops": crops,
    }
    for kind, of in kinds.items():
        for photo in photos:
            photo.names[kind], photo.features[kind] = of(photo)
        naming(photos, classes, kind)
        hypernyms(photos, classes, kind)
    finder, predictor = OwnFinder(), Predictor("tiny")
    for photo in photos:
        photo.features["colours"] = colours(photo)
        seen = finder.look(photo.image, predictor)
        photo.features["embedding of tiny"] = finder.described(photo.image, photo.masks, seen).features
    for kind in (*kinds, "embedding of tiny", "colours"):
        examples(photos, kind)
    if options.instances:
        instances(photos, classes)


if __name__ == "__main__":
    main()
