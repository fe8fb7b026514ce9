"""Small models of the transformers library with random weights, as `save_pretrained` writes them; toy vocabularies."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf
from safetensors.torch import save_file

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 48,
    "projection_dim": 32,
}
VISION = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
# Its first tokens are letters; the models look for CLS, SEP and the full stop where BERT has them.
BERT_SIZE, BERT_PLACES = (
    1100,
    {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029},
)


def clip_tokenizer() -> Any:
    """Bytes as tokens, none merged."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    numbers = {token: number for number, token in enumerate(tokens)}
    return hf.CLIPTokenizer(vocab=numbers, merges=[], model_max_length=TEXT["max_position_embeddings"])


def bert_tokenizer() -> Any:
    """Letters as tokens."""
    vocabulary = dict(BERT_PLACES)
    numbers = iter(number for number in range(200, BERT_SIZE) if number not in BERT_PLACES.values())
    for letter in "abcdefghijklmnopqrstuvwxyz":
        vocabulary[letter], vocabulary[f"##{letter}"] = next(numbers), next(numbers)
    used = set(vocabulary.values())
    vocabulary |= {f"[unused{number}]": number for number in range(BERT_SIZE) if number not in used}
    return hf.BertTokenizer(vocab=dict(sorted(vocabulary.items(), key=lambda item: item[1])))


def clip_text() -> dict[str, Any]:
    """A text encoder's sizes, with the numbers of the vocabulary above."""
    tokenizer = clip_tokenizer()
    return {
        **TEXT,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def sam3_config() -> Any:
    small = {"hidden_size": 32, "num_layers": 1, "num_attention_heads": 4, "intermediate_size": 32}
    return hf.Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                **VISION,
                "image_size": 112,
                "patch_size": 14,
                "pretrain_image_size": 56,
                "window_size": 4,
                "global_attn_indexes": [1],
            },
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config={"model_type": "clip_text_model", **clip_text(), "max_position_embeddings": 32},
        geometry_encoder_config={**small, "roi_size": 3},
        detr_encoder_config=small,
        detr_decoder_config={**small, "num_queries": 12},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 4},
    )


def sam3_processor() -> Any:
    images = hf.Sam3ImageProcessor(size={"height": 112, "width": 112}, mask_size={"height": 32, "width": 32})
    return hf.Sam3Processor(images, clip_tokenizer())


def sam3() -> tuple[Any, Any]:
    return hf.Sam3Model(sam3_config()), sam3_processor()


def sam3_video() -> tuple[Any, Any]:
    """What the published checkpoint holds: the models for words, for clicks and for videos, on one vision tower."""
    detector = sam3_config()
    tracker = hf.Sam3TrackerVideoConfig(
        vision_config={**detector.vision_config.to_dict(), "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]]},
        prompt_encoder_config={"hidden_size": 32, "image_size": 112, "patch_size": 14, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 32,
            "mlp_dim": 48,
            "num_attention_heads": 4,
            "iou_head_hidden_dim": 24,
        },
        image_size=112,
        memory_attention_hidden_size=32,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_encoder_hidden_size=32,
        memory_encoder_output_channels=16,
        mask_downsampler_embed_dim=32,
        memory_fuser_embed_dim=32,
        memory_fuser_intermediate_dim=32,
        memory_attention_rope_feat_sizes=[8, 8],
    )
    config = hf.Sam3VideoConfig(detector_config=detector, tracker_config=tracker)
    return hf.Sam3VideoModel(config), sam3_processor()


def lite_text() -> tuple[Any, Any]:
    sizes = sam3_config().to_dict()
    text = {key: value for key, value in clip_text().items() if not key.endswith("_token_id")}
    parts = {
        key: {name: value for name, value in sizes[key].items() if name != "model_type"}
        for key in ("geometry_encoder_config", "detr_encoder_config", "detr_decoder_config", "mask_decoder_config")
    }
    config = hf.Sam3LiteTextConfig(
        vision_config=sizes["vision_config"], text_config={**text, "max_position_embeddings": 32}, **parts
    )
    return hf.Sam3LiteTextModel(config), sam3_processor()


def owlv2() -> tuple[Any, Any]:
    config = hf.Owlv2Config(
        text_config=clip_text(),
        vision_config={**VISION, "image_size": 64, "patch_size": 8},
        projection_dim=32,
    )
    images = hf.Owlv2ImageProcessor(size={"height": 64, "width": 64})
    return hf.Owlv2ForObjectDetection(config), hf.Owlv2Processor(images, clip_tokenizer())


def dino_sizes() -> dict[str, Any]:
    return {
        "backbone_config": {
            "model_type": "swin",
            "image_size": 64,
            "window_size": 4,
            "embed_dim": 16,
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 1, 2, 2],
            "out_indices": [2, 3, 4],
        },
        "text_config": {
            "model_type": "bert",
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "vocab_size": BERT_SIZE,
            "max_position_embeddings": 64,
        },
        "d_model": 32,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "num_queries": 12,
        "max_text_len": 48,
    }


def dino_processor() -> Any:
    images = hf.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    return hf.GroundingDinoProcessor(images, bert_tokenizer())


def grounding_dino() -> tuple[Any, Any]:
    return hf.GroundingDinoForObjectDetection(hf.GroundingDinoConfig(**dino_sizes())), dino_processor()


def mm_grounding_dino() -> tuple[Any, Any]:
    return hf.MMGroundingDinoForObjectDetection(hf.MMGroundingDinoConfig(**dino_sizes())), dino_processor()


def clip() -> tuple[Any, Any]:
    config = hf.CLIPConfig(
        text_config=clip_text(), vision_config={**VISION, "image_size": 32, "patch_size": 8}, projection_dim=24
    )
    images = hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return hf.CLIPModel(config), hf.CLIPProcessor(images, clip_tokenizer())


def siglip() -> tuple[Any, Any]:
    text = {key: value for key, value in TEXT.items() if key != "projection_dim"}
    config = hf.SiglipConfig(
        text_config={
            **text,
            "vocab_size": BERT_SIZE,
            "projection_size": 32,
            "bos_token_id": BERT_PLACES["[CLS]"],
            "eos_token_id": BERT_PLACES["[SEP]"],
            "pad_token_id": BERT_PLACES["[PAD]"],
        },
        vision_config={**VISION, "image_size": 32, "patch_size": 8},
    )
    images = hf.SiglipImageProcessor(size={"height": 32, "width": 32})
    return hf.SiglipModel(config), hf.SiglipProcessor(images, bert_tokenizer())


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "sam3": sam3,
    "sam3_video": sam3_video,
    "lite_text": lite_text,
    "owlv2": owlv2,
    "grounding_dino": grounding_dino,
    "mm_grounding_dino": mm_grounding_dino,
    "clip": clip,
    "siglip": siglip,
}


@functools.cache
def built(name: str) -> tuple[Any, Any]:
    """A model with random weights, such that what it finds depends on image and words; and its processor."""
    torch.manual_seed(sum(map(ord, name)))
    model, processor = MODELS[name]()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "box_head.dense2" in key and name == "owlv2":
                parameter.mul_(0.01)  # Otherwise all boxes are at the edge.
            elif key.startswith("tracker_model") and parameter.ndim > 1:
                parameter.mul_(8)
            elif parameter.ndim > 1 and name != "owlv2":
                parameter.mul_(3)
        if name == "sam3_video":  # One matrix in the published checkpoint, stored twice.
            tracker = model.tracker_model
            tracker.shared_image_embedding.positional_embedding.copy_(
                tracker.prompt_encoder.shared_embedding.positional_embedding
            )
    return model.eval(), processor


def saved(name: str, folder: Path) -> Path:
    """Write a model and its processor to a folder."""
    kept = _written(name)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    return folder


# Removed when the tests end.
_kept: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def _written(name: str) -> Path:
    _kept.append(tempfile.TemporaryDirectory())
    folder = Path(_kept[-1].name)
    model, processor = built(name)
    if name == "sam3_video":
        # As published. `save_pretrained` of transformers 5.24 writes keys that it does not read again.
        save_file(
            {key: tensor.clone() for key, tensor in model.state_dict().items()},
            folder / "model.safetensors",
            {"format": "pt"},
        )
        model.config.save_pretrained(folder)
    else:
        model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def picture() -> np.ndarray:
    """A red square, a green disc and noise, (72, 96, 3) uint8."""
    image = np.random.default_rng(1).integers(0, 60, (72, 96, 3), np.uint8)
    image[10:40, 12:44] = (220, 30, 30)
    rows, columns = np.mgrid[:72, :96]
    image[(rows - 48) ** 2 + (columns - 70) ** 2 < 300] = (30, 200, 60)
    return image
