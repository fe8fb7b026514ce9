"""How fast a ViT-B is beside Meta's code, on this machine's processor: `python -m tests.model.bench [threads]`.

Same random weights, one image of 1200 x 1800 pixels, one click; the better of two encodes and of ten clicks. Prints
what half precision costs, too, with the embedded model, since masks of random weights would say nothing.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import segment_anything
import torch

import sam_widget as sw
from sam_widget.model.checkpoint import recognise
from sam_widget.model.sam import vit_b
from sam_widget.predictor import EmbeddingCache, Predictor
from tests.model.references import mask_iou


def seconds(run: Callable[[], object], times: int) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return best


def main(threads: int) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {platform.machine()}, {threads} threads")
    reference = segment_anything.sam_model_registry["vit_b"]().eval()
    model = vit_b()
    model.load_state_dict(recognise(reference.state_dict(), Path("meta.pth")))
    theirs, ours = segment_anything.SamPredictor(reference), Predictor(model.eval(), cache=EmbeddingCache(size=0))
    image = np.random.default_rng(0).integers(0, 256, (1200, 1800, 3), dtype=np.uint8)
    points, labels = np.array([[900.0, 500.0]]), np.array([1])

    encode = seconds(lambda: theirs.set_image(image), 2)
    embed = seconds(lambda: ours.embed(image), 2)
    print(f"encode, float32:  reference {encode:.2f} s, ours {embed:.2f} s, ratio {embed / encode:.2f}")
    embedding = ours.embed(image)
    difference = np.abs(embedding.features.numpy() - theirs.features.numpy()).max()
    model.image_encoder.bfloat16()
    half = seconds(lambda: ours.embed(image), 2)
    print(f"encode, bfloat16: ours {half:.2f} s, ratio {half / encode:.2f}")
    predict = seconds(lambda: theirs.predict(points, labels), 10)
    answer = seconds(lambda: ours.predict(embedding, points=points, labels=labels), 10)
    print(f"click:            reference {predict * 1e3:.0f} ms, ours {answer * 1e3:.0f} ms, {answer / predict:.2f}")
    masks = mask_iou(theirs.predict(points, labels)[0], ours.predict(embedding, points=points, labels=labels).masks)
    print(f"same numbers:     embedding within {difference:.1e}, mask IoU {masks:.6f}")

    exact = Predictor(sw.load_model("tiny", device="cpu", dtype=torch.float32))
    rounded = Predictor(sw.load_model("tiny", device="cpu", dtype=torch.bfloat16))
    ious = []
    for name in ("astronaut", "cat", "coffee"):
        photo = sw.sample(name)
        for point in np.random.default_rng(0).uniform((0, 0), photo.shape[1::-1], (12, 2)):
            a, b = (p.predict(p.embed(photo), points=[point], multimask=False).masks for p in (exact, rounded))
            ious.append(mask_iou(a, b))
    print(f"bfloat16 costs:   median mask IoU {np.median(ious):.4f}, worst {min(ious):.4f} (tiny, {len(ious)} clicks)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads())
