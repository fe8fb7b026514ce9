"""`make bench`: everything mode compared with Meta's generator on this machine: its speed, and whether the masks agree.

A full-size ViT of the same random weights, one photo of 1200 x 1800 pixels, the same settings. Random weights answer
every point alike, which no generator has work with; so both decoders compute what they always do, and then both answer
with the same hills around the points instead, of which a lifelike share is good, stable and double.
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import segment_anything
import torch
from PIL import Image
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sam_widget as sw
from sam_widget.model import sam
from sam_widget.model.checkpoint import recognise
from sam_widget.predictor.predictor import EmbeddingCache, Predictor
from tests.model.bumps import Bumps, MetaBumps

SETTINGS: dict[str, Any] = {"pred_iou_thresh": 0.8, "stability_score_thresh": 0.7, "stability_score_offset": 0.5}


class Beside(nn.Module):
    """A decoder that takes its own time, but returns another decoder's results."""

    def __init__(self, computes: nn.Module, answers: nn.Module) -> None:
        super().__init__()
        self.computes, self.answers = computes, answers

    def forward(self, *arguments: Any, **named: Any) -> Any:
        """Call both decoders."""
        self.computes(*arguments, **named)
        return self.answers(*arguments, **named)


class Known(nn.Module):
    """An image encoder that returns stored features: encoders are compared by `reference.py`."""

    def __init__(self, encoder: nn.Module, features: Tensor) -> None:
        super().__init__()
        self.img_size = encoder.img_size
        self.features = features

    def forward(self, _pixels: Tensor) -> Tensor:
        """Return the features."""
        return self.features


class Timed:
    """The shortest of several runs, in wall-clock and in processor time."""

    def __init__(self) -> None:
        self.wall = self.processor = float("inf")

    def run(self, work: Callable[[], Any]) -> Any:
        """Run once more."""
        wall, processor = time.perf_counter(), time.process_time()
        result = work()
        self.wall = min(self.wall, time.perf_counter() - wall)
        self.processor = min(self.processor, time.process_time() - processor)
        return result


def ious(a: list[np.ndarray], b: list[np.ndarray]) -> np.ndarray:
    """Return the best IoU that each mask of `a` has with one of `b`."""
    first, second = (np.array([mask.reshape(-1) for mask in masks], dtype=np.float32) for masks in (a, b))
    shared = first @ second.T
    return np.asarray((shared / (first.sum(1)[:, None] + second.sum(1) - shared)).max(axis=1))


def main() -> None:
    """Measure one size of SAM on a processor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vit_b", choices=list(segment_anything.sam_model_registry)[1:])
    parser.add_argument("--points-per-side", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2, help="runs of each, in turn, of which the shortest counts")
    arguments = parser.parse_args()
    settings = {**SETTINGS, "points_per_side": arguments.points_per_side}

    torch.manual_seed(0)
    reference = segment_anything.sam_model_registry[arguments.model]().eval().requires_grad_(requires_grad=False)
    model = getattr(sam, arguments.model)()
    model.load_state_dict(recognise(reference.state_dict(), Path("meta.pth")), assign=True)
    model.eval().requires_grad_(requires_grad=False)
    hills = Bumps(model)
    model.mask_decoder = Beside(model.mask_decoder, hills)
    reference.mask_decoder = Beside(reference.mask_decoder, MetaBumps(hills))
    image = np.array(Image.fromarray(sw.sample("coffee")).resize((1800, 1200)))
    predictor = Predictor(model, cache=EmbeddingCache())
    reference.image_encoder = Known(reference.image_encoder, predictor.embed(image).features)
    generator = segment_anything.SamAutomaticMaskGenerator(reference, **settings)

    whole, streaming, theirs = Timed(), Timed(), Timed()
    for _ in range(arguments.repeats):
        records = whole.run(lambda: sw.segment_everything(predictor, image, **settings))
        streaming.run(lambda: list(sw.iter_everything(predictor, image, **settings)))
        annotations = theirs.run(lambda: generator.generate(image))

    print(
        f"{dt.datetime.now(tz=dt.UTC).date()}, {platform.processor() or platform.machine()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, Python {platform.python_version()}"
    )
    print(
        f"{arguments.model} without its encoder, {arguments.points_per_side**2} points, {len(annotations)} masks found"
    )
    print(f"{'':<24}{'ours':>10}{'reference':>12}{'ratio':>8}{'of processor time':>20}")
    for name, ours in (("all masks at the end", whole), ("masks as they are found", streaming)):
        ratio, processor = ours.wall / theirs.wall, ours.processor / theirs.processor
        print(f"{name:<24}{ours.wall:>8.1f} s{theirs.wall:>10.1f} s{ratio:>8.2f}{processor:>20.2f}")
    found, wanted = [record.mask for record in records], [record["segmentation"] for record in annotations]
    if not (found and wanted):
        print(f"{len(found)} and {len(wanted)} masks: none to compare; choose more --points-per-side")
        return
    for name, best_ious in (("the reference's masks", ious(wanted, found)), ("our masks", ious(found, wanted))):
        same = (best_ious >= 0.99).mean()
        print(f"{name}: {same:.1%} are the other's at IoU >= 0.99; the worst has {best_ious.min():.4f}")


if __name__ == "__main__":
    main()
