"""Models without their image encoders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from sam_widget.errors import ModelError
from sam_widget.model.calibration import Calibration
from sam_widget.model.headless import architecture_in, pack, unpack
from sam_widget.model.sam import Sam
from sam_widget.model.tuned import TunedWeights, Tuning
from sam_widget.model.zoo import BUILDERS, load_model
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor

SMALL = ["tiny", "efficient_sam_ti", "mobile_sam", "sam2_hiera_tiny", "hq_vit_b", "vit_b"]


def unpacked(model: Sam, folder: Path) -> Sam:
    path = folder / "decoder.safetensors"
    path.write_bytes(pack(model))
    return unpack(path, device="cpu")


@pytest.fixture
def tuned() -> Sam:
    base = load_model("tiny", device="cpu", dtype=torch.float32)
    key = "mask_decoder.mask_tokens.weight"
    tensors = {key: base.state_dict()[key] + 0.1}
    knots = ((0.0, 0.5, 1.0), (0.0, 0.4, 0.9))
    tuning = Tuning(
        base="tiny", base_weights=base.weights_id.removesuffix("-float32"), kind="decoder", calibration=knots
    )
    return TunedWeights(tuning, tensors).apply(base, name="mine")


@pytest.mark.parametrize("name", SMALL)
def test_all_but_the_image_encoder_arrives(name: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        model = next(build for _, build in BUILDERS if build.__name__ == name)()
    model = model.to_empty(device="cpu").eval()
    for number, tensor in enumerate(model.state_dict().values()):
        tensor.fill_(number + 1)
    found = unpacked(model, tmp_path)
    ours = {key: value for key, value in model.state_dict().items() if not key.startswith("image_encoder.")}
    theirs = found.state_dict()
    assert type(found) is type(model)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key].float(), theirs[key].float()) for key in ours)
    assert (found.name, found.weights_id, found.encoder_id) == (model.name, model.weights_id, model.encoder_id)
    assert not found.training
    assert architecture_in(pack(model)) == name


def test_it_answers_as_the_whole_model_bit_for_bit(photo: np.ndarray, tmp_path: Path) -> None:
    whole = Predictor(load_model("tiny", device="cpu"), cache=EmbeddingCache())
    rest = Predictor(unpacked(whole.model, tmp_path), cache=EmbeddingCache())
    embedding = whole.embed(photo)
    for prompt in (
        {"points": [(200, 200)]},
        {"points": [(200, 200), (40, 40)], "labels": [1, 0]},
        {"box": (60, 20, 380, 290)},
    ):
        ours, theirs = whole.predict(embedding, **prompt), rest.predict(embedding, **prompt)  # type: ignore[arg-type]
        assert np.array_equal(ours.logits, theirs.logits)
        assert np.array_equal(ours.scores, theirs.scores)


def test_a_tuned_model_arrives_with_its_base_and_calibration(tuned: Sam, photo: np.ndarray, tmp_path: Path) -> None:
    whole, rest = Predictor(tuned, cache=EmbeddingCache()), Predictor(unpacked(tuned, tmp_path), cache=EmbeddingCache())
    assert rest.model.calibration == Calibration((0.0, 0.5, 1.0), (0.0, 0.4, 0.9))
    assert rest.model.weights_id == tuned.weights_id
    embedding = whole.embed(photo)
    for prompt in ({"points": [(200, 200)]}, {"box": (60, 20, 380, 290)}):
        ours, theirs = whole.predict(embedding, **prompt), rest.predict(embedding, **prompt)  # type: ignore[arg-type]
        assert np.array_equal(ours.logits, theirs.logits)
        assert np.array_equal(ours.scores, theirs.scores)


def test_it_does_not_embed(tmp_path: Path) -> None:
    found = unpacked(load_model("tiny", device="cpu"), tmp_path)
    with pytest.raises(ModelError, match="has no image encoder"):
        found.image_encoder.forward_features(torch.zeros(1, 3, 8, 8))


def test_an_architecture_of_somewhere_else_is_not_packed() -> None:
    model = load_model("tiny", device="cpu")
    model.image_encoder.more = torch.nn.Linear(2, 2)
    with pytest.raises(ModelError, match="not one of the architectures"):
        pack(model)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[: len(content) // 2], "cannot be read as a decoder"),
        (lambda _content: b"", "cannot be read as a decoder"),
        (lambda content: save(load(content), {"format": "pt"}), "not a decoder of this version"),
        (lambda content: save(load(content), {"format": "sam_widget.decoder.1", "facts": "{}"}), "cannot be read"),
        (lambda content: content.replace(b'tiny\\"', b'huge\\"'), "does not know|cannot be read|does not fit"),
    ],
)
def test_a_damaged_file_is_refused(damage: object, said: str, tmp_path: Path) -> None:
    path = tmp_path / "decoder.safetensors"
    path.write_bytes(damage(pack(load_model("tiny", device="cpu"))))  # type: ignore[operator]
    with pytest.raises(ModelError, match=said):
        unpack(path)


def test_a_file_of_other_tensors_is_refused(tmp_path: Path) -> None:
    content = pack(load_model("tiny", device="cpu"))
    path = tmp_path / "decoder.safetensors"
    from safetensors import safe_open

    path.write_bytes(content)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = dict(load(content))
    del tensors[min(tensors)]
    path.write_bytes(save(tensors, metadata))
    with pytest.raises(ModelError, match="does not fit"):
        unpack(path)
