"""The weights in the package are trained ones: on scenes they have not seen they beat what no model at all reaches."""

from __future__ import annotations

import numpy as np

import sam_widget as sw
from sam_widget.learn.evaluate.baselines import Disc
from sam_widget.learn.evaluate.evaluate import ModelMethod, Sample, evaluate
from sam_widget.learn.scenes.scenes import render_scene

# Training seeds are seed * 1,000,003 + index, with seed 0: far below these.
UNSEEN = range(500_000_000, 500_000_016)


def test_tiny_beats_the_disc_on_unseen_scenes_and_gains_from_clicks(predictor: sw.Predictor) -> None:
    data = []
    for seed in UNSEEN:
        scene = render_scene(seed, size=256)
        wholes = [scene.labels[2] == label for label in np.unique(scene.labels[2])]
        fitting = [mask for mask in wholes if 0.02 <= mask.mean() <= 0.5]
        data += [Sample(f"{seed}", scene.image, mask) for mask in fitting[:2]]
    tiny, disc = evaluate(ModelMethod(predictor), data), evaluate(Disc(), data)
    reached, prior = np.array(tiny.clicks).mean(0), np.array(disc.clicks).mean(0)
    assert reached[0] > prior[0] + 0.05
    assert reached[4] > reached[0] + 0.05
    assert np.mean(tiny.oracle) > reached[0]
