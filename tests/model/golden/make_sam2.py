"""Write sam2.npz and sam2.json: what Meta's own SAM 2 code answers, and how its checkpoints name their tensors.

Run once, from the root of the repository, in an environment of its own that has the package `sam2` (1.1.0 here, which
takes minutes to build and pins old companions; this is why its answers are kept and not computed in every test
run): `python -m tests.model.golden.make_sam2`. The weights are not trained: `golden_weights` makes them from the
names and shapes of the tensors, so they need not be kept.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from sam2.build_sam import build_sam2
from sam2.sam2_image_predictor import SAM2ImagePredictor

from tests.model.references import GOLDEN_CASES, SMALL_SAM2, golden_weights, photo, prompts

HERE = Path(__file__).resolve().parent


def main() -> None:
    c = SMALL_SAM2
    widths = [c.embed_dim << stage for stage in range(4)]
    trunk = "model.image_encoder.trunk"
    model = build_sam2(
        "configs/sam2.1/sam2.1_hiera_t.yaml",
        device="cpu",
        hydra_overrides_extra=[
            f"model.image_size={c.image_size}",
            f"{trunk}.embed_dim={c.embed_dim}",
            f"{trunk}.stages={list(c.stages)}",
            f"{trunk}.global_att_blocks={list(c.global_attention)}",
            f"+{trunk}.window_spec={list(c.windows)}",
            f"model.image_encoder.neck.d_model={c.prompt_dim}",
            f"model.image_encoder.neck.backbone_channel_list={widths[::-1]}",
            f"model.image_encoder.neck.position_encoding.num_pos_feats={c.prompt_dim}",
            "model.memory_attention.num_layers=1",
        ],
    )
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    model.load_state_dict(golden_weights(shapes))
    predictor = SAM2ImagePredictor(model)
    predictor._bb_feat_sizes = [(4 * c.grid_size,) * 2, (2 * c.grid_size,) * 2, (c.grid_size,) * 2]

    answers: dict[str, np.ndarray] = {}
    for size, prompt, multimask in GOLDEN_CASES:
        given = prompts(*size)[prompt]
        predictor.set_image(photo(size))
        masks, scores, logits = predictor.predict(
            point_coords=given.get("points"),
            point_labels=given.get("labels"),
            box=given.get("box"),
            mask_input=given["mask"][None] if "mask" in given else None,
            multimask_output=multimask,
        )
        case = f"{size[0]}x{size[1]}, {prompt}, {multimask}"
        answers[f"{case}: masks"] = np.packbits(masks.astype(bool), axis=-1)
        answers[f"{case}: scores"] = scores
        answers[f"{case}: logits"] = logits[:, ::2, ::2]
        print(case, masks.mean(axis=(1, 2)), scores, logits.min(), logits.max())
    answers["embedding"] = predictor.get_image_embedding()[0, ::8].numpy()
    np.savez_compressed(HERE / "sam2.npz", **answers)
    (HERE / "sam2.json").write_text(json.dumps(shapes, indent=0).replace(",\n", ", ").replace("], ", "],\n") + "\n")


if __name__ == "__main__":
    torch.set_grad_enabled(mode=False)
    main()
