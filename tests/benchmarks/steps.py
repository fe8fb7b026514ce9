"""`make bench`: the waiting time of each step on this machine."""

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from sam_widget.image.reading import image_hash, to_rgb
from sam_widget.image.samples import sample
from sam_widget.masks.runs import mask_from_runs, runs_from_mask
from sam_widget.model.zoo import load_model
from sam_widget.predictor.predictor import EmbeddingCache, Predictor


def measure(step: str, function: Callable[[], object], *, repeats: int) -> None:
    """Call a function a few times after one call to warm up, and print the median and the worst."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1000)
    print(f"{step:<44}{statistics.median(times):>10.2f} ms{max(times):>10.2f} ms")


def main() -> None:
    """Measure every step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny", help="a model's name, or a path to a checkpoint")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    repeats = arguments.repeats

    # No cache: it is the embedding that is measured.
    predictor = Predictor(arguments.model, cache=EmbeddingCache(size=0))
    device = torch.cuda.get_device_name() if predictor.device.type == "cuda" else platform.processor() or "CPU"
    print(f"torch {torch.__version__}, {predictor.device.type} ({device}), {torch.get_num_threads()} threads")
    print(f"{'step':<44}{'median':>13}{'worst':>13}")

    for module in ("numpy", "sam_widget.session.session"):
        command = [sys.executable, "-c", f"import {module}"]
        measure(f"start Python, import {module}", lambda: subprocess.run(command, check=True), repeats=repeats)  # noqa: B023
    measure(f"load {arguments.model}", lambda: load_model(arguments.model), repeats=repeats)
    photo = np.array(Image.fromarray(sample("coffee")).resize((1024, 768)))
    embedding = predictor.embed(photo)
    height, width = photo.shape[:2]
    centre = [(width / 2, height / 2)]
    measure(f"embed, {width} x {height}", lambda: predictor.embed(photo), repeats=repeats)
    measure(
        "predict, one point, three masks", lambda: predictor.predict(embedding, points=centre).masks, repeats=repeats
    )
    box = (width / 4, height / 4, width * 3 / 4, height * 3 / 4)
    measure(
        "predict, a box, one mask",
        lambda: predictor.predict(embedding, box=box, multimask=False).masks,
        repeats=repeats,
    )

    rows, columns = np.ogrid[:4096, :4096]
    disc = (columns - 2048) ** 2 + (rows - 2048) ** 2 < 1500**2
    runs = runs_from_mask(disc)
    measure("row runs of a 4096 x 4096 mask", lambda: runs_from_mask(disc), repeats=repeats)
    measure("the mask from its row runs", lambda: mask_from_runs(runs, 4096, 4096), repeats=repeats)
    large = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
    measure("read a 12-megapixel array", lambda: to_rgb(large), repeats=repeats)
    measure("hash it", lambda: image_hash(large), repeats=repeats)


if __name__ == "__main__":
    main()
