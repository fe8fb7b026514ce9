"""Write `packed_masks.json`: masks as Python packs them, for the tests of what unpacks them in TypeScript.

Run with `python -m tests.masks.golden.make_packed_masks`.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np

from sam_widget.image.samples import sample
from sam_widget.masks.runs import runs_from_mask
from sam_widget.masks.wire_codec import pack_runs
from sam_widget.predictor.predictor import Predictor
from tests.masks.examples import MASKS


def main() -> None:
    """Pack the masks of the unit tests, random ones, and some that the embedded model predicts."""
    rng = np.random.default_rng(1)
    masks = dict(MASKS)
    for k, density in enumerate((0.02, 0.3, 0.9)):
        masks[f"random {k}"] = rng.random((20 + 9 * k, 33 - 8 * k)) < density
    wide = np.zeros((3, 70_000), bool)
    wide[1, 66_000:69_999] = wide[2, 5] = True
    masks["wide"] = wide
    predictor = Predictor("tiny")
    cat = predictor.embed(sample("cat"))
    for k, mask in enumerate(predictor.predict(cat, points=[(175, 130)]).masks):
        masks[f"cat {k}"] = mask
    records = []
    for name, mask in masks.items():
        runs = runs_from_mask(mask)
        packed = base64.b64encode(pack_runs(runs, mask.shape[1])).decode()
        height, width = mask.shape
        records.append(
            {"name": name, "width": width, "height": height, "packed": packed, "runs": runs.reshape(-1).tolist()}
        )
    lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in records)
    Path(__file__).with_name("packed_masks.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
