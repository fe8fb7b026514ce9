"""Every published layout at full size: the reference's own keys and shapes fit the model of that name.

Built without memory, so that a ViT-H costs nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import segment_anything
import torch
import transformers
from torch import Tensor, nn

import sam_widget as sw
from sam_widget.model.checkpoint import builder_for, fill, recognise
from sam_widget.model.zoo import BUILDERS, PUBLISHED
from tests.model.references import segment_anything_hq

VITS = {
    "vit_b": {},
    "vit_l": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "mlp_dim": 4096},
    "vit_h": {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "mlp_dim": 5120},
}
GLOBAL = {"vit_b": [2, 5, 8, 11], "vit_l": [5, 11, 17, 23], "vit_h": [7, 15, 23, 31]}
HIERAS: dict[str, dict[str, object]] = {
    "sam2.1_hiera_tiny": {},
    "sam2.1_hiera_small": {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
    "sam2.1_hiera_base_plus": {
        "hidden_size": 112,
        "num_attention_heads": 2,
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 3, 16, 3],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "sam2.1_hiera_large": {
        "hidden_size": 144,
        "num_attention_heads": 2,
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 6, 36, 4],
        "window_size_per_stage": [8, 4, 16, 8],
        "global_attention_blocks": [23, 33, 43],
    },
}


def hugging_face_sam(name: str) -> nn.Module:
    size = name.removeprefix("hq_")
    vision = {**VITS[size], "global_attn_indexes": GLOBAL[size]}
    if name.startswith("hq_"):
        decoder = {"vit_dim": vision.get("hidden_size", 768)}
        config = transformers.SamHQConfig(vision_config=vision, mask_decoder_config=decoder)
        return transformers.SamHQModel(config)
    return transformers.SamModel(transformers.SamConfig(vision_config=vision))


def hugging_face_sam2(name: str, *, video: bool) -> nn.Module:
    trunk = HIERAS[name]
    widths = trunk.get("embed_dim_per_stage", [96, 192, 384, 768])
    vision = {
        "backbone_config": {"model_type": "sam2_hiera_det_model", **trunk},
        "backbone_channel_list": widths[::-1],  # type: ignore[index]
    }
    if video:  # What the files on the Hub were saved from.
        return transformers.Sam2VideoModel(transformers.Sam2VideoConfig(vision_config=vision))
    return transformers.Sam2Model(transformers.Sam2Config(vision_config=vision))


def mobile_sam() -> nn.Module:
    with torch.device("cpu"):  # It reads back numbers that it computes.
        encoder = segment_anything_hq.sam_model_registry["vit_tiny"]().image_encoder
    model = segment_anything.sam_model_registry["vit_b"]()
    model.image_encoder = encoder
    return model


REFERENCES: dict[str, tuple[str, Callable[[], nn.Module]]] = {}
for _name in VITS:
    REFERENCES[f"Meta's {_name}"] = _name, segment_anything.sam_model_registry[_name]
    REFERENCES[f"Hugging Face's {_name}"] = _name, lambda name=_name: hugging_face_sam(name)
    REFERENCES[f"the authors' hq_{_name}"] = f"hq_{_name}", segment_anything_hq.sam_model_registry[_name]
    REFERENCES[f"Hugging Face's hq_{_name}"] = f"hq_{_name}", lambda name=f"hq_{_name}": hugging_face_sam(name)
for _name in HIERAS:
    REFERENCES[f"Hugging Face's {_name}"] = _name, lambda name=_name: hugging_face_sam2(name, video=False)
    REFERENCES[f"Hugging Face's {_name}, for videos"] = _name, lambda name=_name: hugging_face_sam2(name, video=True)
REFERENCES["the authors' mobile_sam"] = "mobile_sam", mobile_sam


def state_without_memory(build: Callable[[], nn.Module]) -> dict[str, Tensor]:
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        return build().state_dict()


@pytest.mark.parametrize("reference", list(REFERENCES))
def test_the_layout_is_recognised_and_fits(reference: str) -> None:
    name, build = REFERENCES[reference]
    path = Path("published.pth")
    state = recognise(state_without_memory(build), path)
    found = builder_for(state, path, BUILDERS)
    with torch.device("meta"):
        model = found()
    assert model.name == name
    fill(model, state, path)


@pytest.mark.parametrize("name", ["vit_b", "hq_vit_b", "sam2.1_hiera_tiny"])
def test_files_that_hold_tied_weights_once_are_whole(name: str) -> None:
    state = state_without_memory(REFERENCES[f"Hugging Face's {name}"][1])
    whole = recognise(state, Path("model.safetensors"))
    del state["prompt_encoder.shared_embedding.positional_embedding"]
    assert recognise(state, Path("model.safetensors")).keys() == whole.keys()


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_the_table_tells_the_size(name: str) -> None:
    published = PUBLISHED[name]
    with torch.device("meta"):
        model = published.build()
    features = model.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.numel()
    assert published.parameters == sum(p.numel() for p in model.parameters()) + features
    assert model.config == published.config


def test_keys_that_differ_are_named() -> None:
    path = Path("finetuned.pth")
    state = recognise(state_without_memory(segment_anything.sam_model_registry["vit_b"]), path)
    state["adapter.weight"] = torch.zeros(1)
    state["mask_decoder.mask_tokens.weight"] = torch.zeros(5, 256)
    del state["prompt_encoder.no_mask_embed.weight"]
    with torch.device("meta"):
        model = builder_for(state, path, BUILDERS)()
    with pytest.raises(sw.ModelError) as caught:
        fill(model, state, path)
    for part in ("finetuned.pth", "vit_b", "adapter.weight", "no_mask_embed", "(5, 256)", "(4, 256)"):
        assert part in str(caught.value)


def test_a_size_that_nobody_published_is_named() -> None:
    path = Path("wide.pth")
    state = state_without_memory(lambda: hugging_face_sam("vit_b"))
    state = {key: value.repeat(2) if key.endswith("layer_norm1.weight") else value for key, value in state.items()}
    with pytest.raises(
        sw.ModelError, match=r"wide\.pth fits none of tiny, tiny_vit, vit_b, .* 1536 channels and 12 blocks"
    ):
        builder_for(recognise(state, path), path, BUILDERS)
