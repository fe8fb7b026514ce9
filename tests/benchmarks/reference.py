"""`make bench`: the speed of a ViT compared with Meta's code on this machine, with the same weights.

Same random weights, one image of 1200 x 1800 pixels, one click; the best of a few.
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import segment_anything
import torch

from sam_widget.model import sam
from sam_widget.model.checkpoint import recognise
from sam_widget.model.zoo import best_device, fast_dtype
from sam_widget.predictor.embeddings import tokens_first
from sam_widget.predictor.predictor import Embedding, EmbeddingCache, Predictor


def seconds(run: Callable[[], object], times: int) -> float:
    """Return the shortest of `times` runs, each until the device is done."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return best


def alternately(ours: Callable[[], object], reference: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the shortest of `times` runs of each, in turns: a machine is faster at one time than at another."""
    pairs = [(seconds(ours, 1), seconds(reference, 1)) for _ in range(times)]
    mine, theirs = zip(*pairs, strict=True)
    return min(mine), min(theirs)


def peak(device: torch.device) -> float:
    """Return the most memory used so far, in GB: of the GPU since the last call, or of this process on a processor."""
    if device.type == "cuda":
        most = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return most / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return the IoU of all masks together."""
    return float((a & b).sum() / max((a | b).sum(), 1))


def versus(step: str, ours: float, reference: float) -> None:
    """Print a line of the table."""
    print(f"{step:<36}{ours * 1e3:>12.1f} ms{reference * 1e3:>12.1f} ms{ours / reference:>9.2f}")


def both(name: str, device: torch.device) -> tuple[segment_anything.SamPredictor, Predictor]:
    """Return the reference and ours, with the same weights."""
    torch.manual_seed(0)
    reference = segment_anything.sam_model_registry[name]().eval().requires_grad_(requires_grad=False)
    model = getattr(sam, name)()
    # Not copied, so that memory holds the weights once.
    model.load_state_dict(recognise(reference.state_dict(), Path("meta.pth")), assign=True)
    model.eval().requires_grad_(requires_grad=False).to(device)
    return segment_anything.SamPredictor(reference.to(device)), Predictor(model, cache=EmbeddingCache(size=0))


def clicks(name: str, device: torch.device) -> None:
    """Print the times of a click alone, on made-up features, because the image encoder takes minutes."""
    theirs, ours = both(name, device)
    height, width = 1200, 1800
    features = torch.randn(1, 256, 64, 64, generator=torch.Generator().manual_seed(0)).to(device) / 10
    theirs.features, theirs.is_image_set = features, True
    theirs.original_size, theirs.input_size = (
        (height, width),
        theirs.transform.get_preprocess_shape(height, width, 1024),
    )
    embedding = Embedding(tokens_first(features), (height, width), "", name, ours.model.weights_id)
    print(f"{name:<36}{'ours':>15}{'reference':>15}{'ratio':>9}")
    for what, points, labels in (
        ("a point", [[900.0, 500.0]], [1]),
        ("four points", [[900.0, 500.0], [300.0, 900.0], [1500.0, 80.0], [20.0, 600.0]], [1, 0, 1, 0]),
    ):
        given = np.array(points), np.array(labels)
        pairs = [
            (
                seconds(lambda: ours.predict(embedding, points=given[0], labels=given[1]).masks, 1),  # noqa: B023
                seconds(lambda: theirs.predict(*given), 1),  # noqa: B023
            )
            for _ in range(22)
        ][2:]
        mine, reference = (statistics.median(times) for times in zip(*pairs, strict=True))
        versus(f"{what} to masks of {height} x {width}", mine, reference)
        answer = ours.predict(embedding, points=given[0], labels=given[1])
        masks, _, logits = theirs.predict(*given)
        difference = np.abs(logits - answer.logits).max()
        print(f"    logits within {difference:.1e}, mask IoU {mask_iou(masks, answer.masks):.6f}")


def beside_the_reference(name: str, device: torch.device, repeats: int) -> None:
    """Print times and peak memory of both."""
    theirs, ours = both(name, device)
    model = ours.model
    image = np.random.default_rng(0).integers(0, 256, (1200, 1800, 3), dtype=np.uint8)
    points, labels = np.array([[900.0, 500.0]]), np.array([1])
    # A GPU's first run loads kernels; a processor's costs as much as any.
    warm = 1 if device.type == "cuda" else 0

    seconds(lambda: ours.embed(image), warm)
    peak(device)
    embedding = ours.embed(image)
    our_peak = peak(device)
    seconds(lambda: theirs.set_image(image), warm)
    peak(device)
    theirs.set_image(image)
    their_peak = peak(device)
    exact, encode = alternately(lambda: ours.embed(image), lambda: theirs.set_image(image), repeats)
    difference = (embedding.features - theirs.features).abs().max().item()

    click, reference_click = alternately(
        lambda: ours.predict(embedding, points=points, labels=labels).masks, lambda: theirs.predict(points, labels), 20
    )
    masks = mask_iou(theirs.predict(points, labels)[0], ours.predict(embedding, points=points, labels=labels).masks)

    print(f"{name:<36}{'ours':>15}{'reference':>15}{'ratio':>9}")
    versus("encode, float32", exact, encode)
    versus("click: prompt to masks of 1200 x 1800", click, reference_click)
    if device.type == "cuda":
        fast = Predictor(model, compile=True)
        fast.warm_up(embedding, wait=True)
        compiled_click = seconds(lambda: fast.predict(embedding, points=points, labels=labels).masks, 10)
        versus("click, decoder compiled", compiled_click, reference_click)
    dtype = fast_dtype(device, model.config)
    if dtype != torch.float32:
        model.image_encoder.to(dtype)
        seconds(lambda: ours.embed(image), warm)
        peak(device)
        half = seconds(lambda: ours.embed(image), repeats)
        versus(f"encode, {str(dtype).removeprefix('torch.')} (the default here)", half, encode)
    print(f"peak memory, encode in float32: ours {our_peak:.1f} GB, reference {their_peak:.1f} GB")
    if dtype != torch.float32 and device.type == "cuda":
        print(f"peak memory, encode in the default type: {peak(device):.1f} GB, with the reference's float32 weights")
    if dtype != torch.float32:
        cost_of_half_precision(ours, embedding, ours.embed(image))
    print(f"same numbers: embedding within {difference:.1e}, mask IoU {masks:.6f}")


def cost_of_half_precision(predictor: Predictor, exact: Embedding, rounded: Embedding) -> None:
    """Print the loss in masks if the image is embedded in the default type."""
    height, width = exact.image_size
    ious = []
    for point in np.random.default_rng(0).uniform((0, 0), (width, height), (36, 2)):
        a, b = (predictor.predict(e, points=[point], multimask=False).masks for e in (exact, rounded))
        ious.append(mask_iou(a, b))
    print(f"the default type costs: median mask IoU {np.median(ious):.4f}, worst {min(ious):.4f} ({len(ious)} clicks)")


def main() -> None:
    """Measure one size of SAM on one device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vit_b", choices=list(segment_anything.sam_model_registry)[1:])
    parser.add_argument("--device", type=torch.device, default=best_device())
    parser.add_argument("--repeats", type=int, default=2, help="encodes, of which the shortest counts")
    parser.add_argument("--clicks", action="store_true", help="time clicks alone, on made-up features")
    arguments = parser.parse_args()
    device: torch.device = arguments.device
    what = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(
        f"{dt.datetime.now(tz=dt.UTC).date()}, {what} ({device.type}), {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )
    if arguments.clicks:
        clicks(arguments.model, device)
    else:
        beside_the_reference(arguments.model, device, arguments.repeats)


if __name__ == "__main__":
    main()
