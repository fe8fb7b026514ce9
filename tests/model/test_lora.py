from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sam_widget.errors import ModelError
from sam_widget.image.samples import sample
from sam_widget.model import efficient_sam, hq_sam, mobile_sam, sam, sam2
from sam_widget.model.headless import pack, unpack
from sam_widget.model.lora import RANK, adapt, layers_of, merged_weights, scaled
from sam_widget.model.names import without_precision
from sam_widget.model.sam import Sam
from sam_widget.model.tiny import tiny
from sam_widget.model.tuned import TunedWeights, Tuning, twin_of
from sam_widget.model.zoo import load_model
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor

LAYERS = {
    tiny.tiny: 2,
    tiny.tiny_vit: 8,
    sam.vit_b: 12,
    sam.vit_h: 32,
    hq_sam.hq_vit_b: 12,
    sam2.sam2_hiera_tiny: 12,
    sam2.sam2_hiera_large: 48,
    mobile_sam.mobile_sam: 10,
    efficient_sam.efficient_sam_ti: 12,
}


def built(build: Callable[[], Sam]) -> Sam:
    with torch.device("meta"):
        return build()


@pytest.mark.parametrize("build", LAYERS, ids=lambda build: build.__name__)
def test_each_architecture_has_layers_to_adapt(build: Callable[[], Sam]) -> None:
    model = built(build)
    layers = layers_of(model.image_encoder)
    assert len(layers) == LAYERS[build]
    assert len(adapt(model.image_encoder)) == 2 * len(layers)


@pytest.fixture(scope="module")
def base() -> Sam:
    return load_model("tiny", device="cpu")


@pytest.fixture(scope="module")
def difference(base: Sam) -> dict[str, Tensor]:
    learned = adapt(twin_of(base).image_encoder, seed=1)
    noise = torch.Generator().manual_seed(2)
    return {
        name: value.detach() + 0.3 * torch.randn(value.shape, generator=noise) * value.shape[-1] ** -0.5
        for name, value in learned.items()
    }


def tuned(base: Sam, tensors: dict[str, Tensor]) -> Sam:
    knots = ((0.0, 0.5, 1.0), (0.0, 0.4, 0.9))
    tuning = Tuning(base="tiny", base_weights=without_precision(base.weights_id), kind="lora", calibration=knots)
    return TunedWeights(tuning, tensors).apply(base, name="cells")


def test_an_adapted_encoder_starts_as_its_base_which_it_leaves_alone(base: Sam) -> None:
    before = {name: value.clone() for name, value in base.state_dict().items()}
    pixels = torch.randint(0, 255, (1, 3, 384, 384), generator=torch.Generator().manual_seed(0)).float()
    twin = twin_of(base)
    learned = adapt(twin.image_encoder)
    with torch.no_grad():
        torch.testing.assert_close(twin.encode_image(pixels), base.encode_image(pixels), rtol=0, atol=0)
        for value in learned.values():
            value.add_(0.1)
        assert not torch.allclose(twin.encode_image(pixels), base.encode_image(pixels), atol=1e-2)
    assert [name for name, value in twin.image_encoder.named_parameters() if value.requires_grad]
    assert len({name for name, value in twin.named_parameters() if value.requires_grad and "image_enc" in name}) == 4
    assert base.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items())


def test_merged_it_computes_the_same_with_the_modules_of_its_base(base: Sam, difference: dict[str, Tensor]) -> None:
    pixels = torch.randint(0, 255, (1, 3, 384, 384), generator=torch.Generator().manual_seed(0)).float()
    twin, half = twin_of(base), {name: value.half().float() for name, value in difference.items()}
    for name, parameter in adapt(twin.image_encoder).items():
        parameter.data.copy_(half[name])
    model = tuned(base, difference)
    with torch.no_grad():
        torch.testing.assert_close(model.encode_image(pixels), twin.encode_image(pixels), rtol=0, atol=1e-5)
        assert not torch.allclose(model.encode_image(pixels), base.encode_image(pixels), atol=1e-2)
    # It is as fast as its base, because it consists of the same modules and as many weights.
    kinds = [[(name, type(module)) for name, module in each.named_modules()] for each in (model, base)]
    assert kinds[0] == kinds[1]
    assert [value.shape for value in model.parameters()] == [value.shape for value in base.parameters()]


def test_it_loads_by_path_and_embeds_and_answers_by_itself(
    base: Sam, difference: dict[str, Tensor], tmp_path: Path
) -> None:
    model = tuned(base, difference)
    model.save(tmp_path / "cells.safetensors")
    assert (tmp_path / "cells.safetensors").stat().st_size < 12_000
    loaded = load_model(tmp_path / "cells.safetensors", device="cpu")
    assert loaded.encoder_id == loaded.weights_id == model.weights_id != base.encoder_id
    assert loaded.later is None
    image, cache = sample("cat"), EmbeddingCache()
    plain, one, other = (Predictor(each, cache=cache) for each in (base, model, loaded))
    assert one.embed(image) is other.embed(image)
    assert one.embed(image) is not plain.embed(image)
    box = {"box": (100, 60, 280, 220)}
    answers = [each.predict(each.embed(image), **box).logits for each in (plain, one, other)]  # type: ignore[arg-type]
    np.testing.assert_allclose(answers[1], answers[2], atol=1e-5)
    assert not np.allclose(answers[0], answers[1])
    with pytest.raises(ModelError, match="embed the image with this predictor"):
        one.predict(plain.embed(image), points=[(220, 110)])


def test_its_decoder_can_be_sent_without_the_encoder(base: Sam, difference: dict[str, Tensor], tmp_path: Path) -> None:
    model = tuned(base, difference)
    (tmp_path / "decoder.safetensors").write_bytes(pack(model))
    found = unpack(tmp_path / "decoder.safetensors", device="cpu")
    assert (found.name, found.weights_id, found.encoder_id) == (model.name, model.weights_id, model.encoder_id)
    embedding = Predictor(model, cache=EmbeddingCache()).embed(sample("cat"))
    answers = [Predictor(each).predict(embedding, points=[(220, 110)]) for each in (model, found)]
    np.testing.assert_array_equal(answers[0].logits, answers[1].logits)
    np.testing.assert_array_equal(answers[0].scores, answers[1].scores)


def test_a_share_of_a_difference_is_a_share_of_each_product(base: Sam, difference: dict[str, Tensor]) -> None:
    (name, whole), *_ = merged_weights(base.image_encoder, difference).items()
    half = merged_weights(base.image_encoder, scaled(difference, 0.5))[name]
    plain = base.image_encoder.state_dict()[name]
    torch.testing.assert_close(half - plain, (whole - plain) / 2)


def test_damaged_differences_are_refused(base: Sam, difference: dict[str, Tensor]) -> None:
    name = next(iter(difference))
    for wrong, said in (
        ({name: difference[name]}, "the file lacks one of its two matrices"),
        (difference | {name: torch.zeros(RANK, 3)}, "is of another shape"),
        ({"lora.blocks.99.qkv.up": torch.zeros(1, 1)}, "the encoder has no layer blocks.99.qkv"),
    ):
        with pytest.raises(ModelError, match=said):
            tuned(base, wrong)
