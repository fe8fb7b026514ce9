"""Ablations: train variants of a run, measure each on unseen data, and time it.

All networks get the same training: the same scenes, augmentation, prompts, seed and number of steps, regardless of how
long a step takes. An ablation is the same network with one part of its training left out.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sam_widget.image.samples import sample
from sam_widget.learn.evaluate.evaluate import REPORTED, ModelMethod, Sample, evaluate
from sam_widget.learn.networks import trunk_of
from sam_widget.learn.scenes.canvas import Effects
from sam_widget.learn.scenes.scenes import render_scene
from sam_widget.learn.train import Trainer
from sam_widget.learn.train_config import TrainConfig
from sam_widget.masks.measures import iou
from sam_widget.model.image_encoder import resample_positions
from sam_widget.model.sam import Sam
from sam_widget.predictor.predictor import Predictor

NETWORKS: dict[str, dict[str, Any]] = {
    name: {"network": name} for name in ("tiny", "tiny_tuned", "tiny_random", "tiny_mae", "tiny_plain", "tiny_hybrid")
}
"""Networks that differ only in the trunk of the image encoder and the weights that it starts with."""
ABLATIONS: dict[str, dict[str, Any]] = {
    "everything": {},
    **{f"no {effect.name}": {"without": effect.name} for effect in dataclasses.fields(Effects)},
    "no affinity": {"affinity_steps": 0},
    "no balanced loss": {"balanced_steps": 0},
    "no levels": {"level_share": 0.0},
    "no mask prompts": {"mask_share": 0.0},
    "no boxes": {"box_share": 0.0},
    "no corrections": {"rounds": 1, "learned_rounds": 1},
}
"""Ablations of one network: each leaves out one part of its scenes or its training."""
BUDGET = TrainConfig(
    scene_size=256,
    steps=200,
    affinity_steps=40,
    balanced_steps=80,
    batch_size=4,
    prompts=4,
    rounds=8,
    box_share=0.45,
    warmup_steps=20,
)
"""Training that takes a few minutes on one processor core."""
UNSEEN = 500_000_000
"""Scene seeds from here on are never used in training, which uses its seed * 1,000,003 + index."""
PHOTO = (1024, 768)
"""Size of the photo whose embedding is timed."""


@dataclass(frozen=True)
class Result:
    """The results of a variant.

    Attributes:
        name: Name of the variant.
        steps: Number of training steps.
        seconds: Median time of a training step.
        parameters: Number of parameters of the model and of its trunk.
        scenes: Mean IoU on unseen scenes after each of `REPORTED` clicks, and from the box.
        photos: The same on photos; empty without photos.
        embed: Median seconds to embed a photo of size `PHOTO` at the network's intended input size.
        decode: Median seconds to decode a click on it, including masks at the photo's size.
    """

    name: str
    steps: int
    seconds: float
    parameters: tuple[int, int]
    scenes: list[float]
    photos: list[float]
    embed: float
    decode: float


def compare(
    folder: Path,
    cache: Path,
    *,
    variants: Mapping[str, Mapping[str, Any]] = NETWORKS,
    budget: TrainConfig = BUDGET,
    scenes: int = 30,
    photos: Sequence[Sample] = (),
    workers: int = 0,
    device: str = "cpu",
) -> list[Result]:
    """Train and measure variants in turn; resume where an earlier call with the same budget stopped.

    Args:
        folder: Folder of the runs: a subfolder per variant, with `result.json` once it has been measured.
        cache: Cache of rendered scenes.
        variants: Changes to the budget, by name.
        budget: Training configuration that every variant starts from.
        scenes: Number of unseen scenes.
        photos: Photos with human masks.
        workers: Processes that render and augment.
        device: Where to compute.

    Raises:
        ModelError: A network is unknown, or a checkpoint is not a training checkpoint.
    """
    unseen = unseen_scenes(scenes, size=budget.scene_size)
    results = []
    for name, changes in variants.items():
        config = dataclasses.replace(budget, **changes)
        run = folder / name.replace(" ", "-")
        kept = run / "result.json"
        if kept.exists():
            result = Result(**json.loads(kept.read_text(encoding="utf-8")))
            if result.steps == config.steps and bool(result.photos) == bool(photos):
                results.append(result)
                continue
        checkpoint = run / "checkpoint.pt"
        if checkpoint.exists():
            trainer = Trainer.resume(checkpoint, device=device, **dataclasses.asdict(config))
        else:
            trainer = Trainer(config, device=device)
        trainer.run(run, cache, workers=workers, save_every=20)
        results.append(measure(name, trainer, run, unseen, photos))
        kept.write_text(json.dumps(dataclasses.asdict(results[-1]), indent=2), encoding="utf-8")
    return results


def measure(name: str, trainer: Trainer, folder: Path, scenes: Sequence[Sample], photos: Sequence[Sample]) -> Result:
    """Measure the trained model of the run in `folder`."""
    model, trunk = averaged(trainer, image_size=trainer.config.image_size), trunk_of(trainer.model)
    embed, decode = speed(averaged(trainer, image_size=trainer.network.config.image_size))
    with (folder / "log.csv").open(encoding="utf-8") as file:
        minutes = [float(row["minutes"]) for row in csv.DictReader(file)]
    return Result(
        name=name,
        steps=trainer.step,
        seconds=60 * statistics.median(np.diff([0.0, *minutes]).tolist()),
        parameters=(_count(trainer.model), 0 if trunk is None else _count(trunk)),
        scenes=_reached(model, scenes),
        photos=_reached(model, photos),
        embed=embed,
        decode=decode,
    )


def averaged(trainer: Trainer, *, image_size: int) -> Sam:
    """Return the model of a run with its averaged weights, for another image size, in evaluation mode."""
    config = dataclasses.replace(trainer.network.config, image_size=image_size)
    model = type(trainer.model)(config, name=trainer.config.network)
    model.load_state_dict(resample_positions(trainer.average, config))
    return model.to(trainer.device).eval().requires_grad_(requires_grad=False)


def _count(model: object) -> int:
    return sum(parameter.numel() for parameter in model.parameters())  # type: ignore[attr-defined]


def _reached(model: Sam, data: Sequence[Sample]) -> list[float]:
    if not data:
        return []
    figures = evaluate(ModelMethod(Predictor(model)), data)
    return [*(float(figures.after(clicks).mean()) for clicks in REPORTED), float(np.mean(figures.box))]


def unseen_scenes(count: int, *, size: int) -> list[Sample]:
    """Render scenes that training never uses, with up to two wholes each, neither tiny nor the whole picture."""
    data = []
    for seed in range(UNSEEN, UNSEEN + count):
        scene = render_scene(seed, size=size)
        wholes = [scene.labels[2] == label for label in np.unique(scene.labels[2])]
        fitting = [mask for mask in wholes if 0.02 <= mask.mean() <= 0.5]
        data += [Sample(f"{seed}", scene.image, mask) for mask in fitting[:2]]
    return data


def speed(model: Sam, *, repeats: int = 9) -> tuple[float, float]:
    """Return the median seconds to embed a photo, and to decode a click on it with masks at its size."""
    photo = cv2.resize(sample("coffee"), PHOTO, interpolation=cv2.INTER_AREA)
    predictor = Predictor(model)
    embeds, decodes = [], []
    for turn in range(repeats + 1):
        shifted = np.roll(photo, turn, axis=1)  # The predictor caches the embedding of a photo it has seen.
        started = time.perf_counter()
        embedding = predictor.embed(shifted)
        embedded = time.perf_counter()
        answer = predictor.predict(embedding, points=[(500 + turn, 400)], labels=[1])
        iou(answer.masks[0], answer.masks[1])  # Masks are computed on first access.
        decodes.append(time.perf_counter() - embedded)
        embeds.append(embedded - started)
    return statistics.median(embeds[1:]), statistics.median(decodes[1:])


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table."""
    clicks = [f"{n} click{'s' * (n > 1)}" for n in REPORTED]
    head = ["", *(f"{kind}: {prompt}" for kind in ("scenes", "photos") for prompt in (*clicks, "box"))]
    head += ["embed", "decode", "parameters", "of the trunk", "s a step"]
    rows = [
        [
            result.name,
            *(f"{value:.3f}" for value in result.scenes),
            *([f"{value:.3f}" for value in result.photos] or ["-"] * (len(REPORTED) + 1)),
            f"{1000 * result.embed:.0f} ms",
            f"{1000 * result.decode:.0f} ms",
            *(f"{count / 1e6:.1f} M" for count in result.parameters),
            f"{result.seconds:.2f}",
        ]
        for result in results
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))
