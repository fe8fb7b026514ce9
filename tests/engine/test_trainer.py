from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sam_widget.engine.judging import judge
from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.engine.trainer import CLICKS, TOKENS, blended, teach
from sam_widget.engine.views import View, cells_of, valid_cells, views_of
from sam_widget.masks.runs import StoredMask
from sam_widget.model import efficient_sam, hq_sam, mobile_sam, sam, sam2
from sam_widget.model.names import without_precision
from sam_widget.model.sam import Sam
from sam_widget.model.tiny.tiny import Tiny
from sam_widget.model.tuned import TunedWeights, Tuning
from sam_widget.model.zoo import load_model
from sam_widget.predictor.embeddings import Embedding
from sam_widget.predictor.predictor import Predictor
from sam_widget.prompts.prompt import Prompt
from tests.engine.cells import rings


@pytest.fixture(scope="module")
def base() -> Sam:
    return load_model("tiny", device="cpu")


@pytest.fixture(scope="module")
def views(base: Sam) -> list[View]:
    found: list[View] = []
    for seed in range(2):
        picture, masks = rings(seed)
        middles = [mask.nonzero() for mask in masks]
        prompts = [Prompt.from_arrays(points=[(x.mean(), y.mean())]) for y, x in middles]
        taught = tuple(TaughtMask(StoredMask(mask.copy()), p) for mask, p in zip(masks, prompts, strict=True))
        photo = TaughtPhoto(str(seed), lambda picture=picture: picture, taught)
        found += views_of(photo, photo.read(), Predictor(base), augment=False)
    return found


def test_only_the_decoder_learns_and_the_base_stays_as_it_is(base: Sam, views: list[View]) -> None:
    before = {name: value.clone() for name, value in base.state_dict().items()}
    tensors, course = teach(base, views, generic=views, budget_s=60, most_steps=3)
    assert course.steps == len(course.losses) == 3
    assert not any(name.startswith("image_encoder") for name in tensors)
    assert any(not torch.equal(value, before[name]) for name, value in tensors.items())
    assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items())
    again, _ = teach(base, views, generic=views, budget_s=60, most_steps=3)
    assert all(torch.equal(value, again[name]) for name, value in tensors.items())


def test_it_learns(base: Sam, views: list[View]) -> None:
    _, course = teach(base, views, budget_s=600, most_steps=16)
    assert sum(course.losses[-5:]) < 0.9 * sum(course.losses[:5])


def test_it_learns_corrections_as_well_as_first_clicks(
    base: Sam, views: list[View], monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: set[int] = set()
    decode = Tiny.decode

    def seen(self: Tiny, image: torch.Tensor, **given: Any) -> Any:
        if torch.is_grad_enabled():
            learned.add(given["labels"].shape[1])
        return decode(self, image, **given)

    monkeypatch.setattr(Tiny, "decode", seen)
    teach(base, views, budget_s=600, most_steps=8)
    assert learned == set(range(1, CLICKS + 1))


def test_tokens_are_the_smallest_kind(base: Sam, views: list[View]) -> None:
    tensors, _ = teach(base, views, kind="tokens", budget_s=60, most_steps=2)
    assert {name: tuple(value.shape) for name, value in tensors.items()} == {"tokens": (TOKENS, base.config.prompt_dim)}
    tuning = Tuning(base="tiny", base_weights=without_precision(base.weights_id), kind="tokens")
    weights = TunedWeights(tuning, tensors)
    assert len(weights.to_bytes()) < 5_000
    model = weights.apply(base, name="mailed")
    assert model.tokens is not None
    assert base.tokens is None
    features = views[0].features
    given = {"points": torch.tensor([[[100.0, 100.0]]]), "labels": torch.ones(1, 1, dtype=torch.long)}
    both = [each.decode(features.embedding, high_resolution=features.high_resolution, **given)[0]
            for each in (base, model)]  # fmt: skip
    assert not torch.equal(*both)


def test_it_stops_in_time_and_when_cancelled(base: Sam, views: list[View]) -> None:
    shares: list[float] = []
    _, course = teach(base, views, budget_s=0.5, progress=shares.append)
    assert 1 <= course.steps < 50
    assert shares == sorted(shares)
    assert teach(base, views, budget_s=60, cancelled=lambda: True)[1].steps == 0


def test_a_blend_lies_between_the_base_and_what_was_learned(base: Sam) -> None:
    name = "mask_decoder.score_of_certainty"
    there = base.state_dict()[name]
    tensors = {name: there + 1, "tokens": torch.ones(2, 3)}
    half = blended(base, tensors, 0.5)
    torch.testing.assert_close(half[name], there + 0.5)
    torch.testing.assert_close(half["tokens"], torch.full((2, 3), 0.5))


BUILDERS = (
    sam.vit_b,
    sam2.sam2_hiera_tiny,
    mobile_sam.mobile_sam,
    efficient_sam.efficient_sam_ti,
    hq_sam.hq_vit_b,
)


@pytest.mark.parametrize("build", BUILDERS)
def test_every_decoder_can_be_tuned(build: Callable[[], Sam], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = build().eval()
    monkeypatch.setattr(model, "image_encoder", nn.Identity())  # the encoder does not run
    view = random_view(model)
    tensors, course = teach(model, [view], budget_s=600, most_steps=1)
    assert course.steps == 1
    assert any(not torch.equal(value, model.state_dict()[name]) for name, value in tensors.items())
    weights = TunedWeights(
        Tuning(base=model.name, base_weights=without_precision(model.weights_id), kind="decoder"),
        blended(model, tensors, 1),
    )
    tuned = weights.apply(model, name="tuned")
    assert len(judge(tuned, [view]).counts) == len(view.targets)


def random_view(model: Sam) -> View:
    """A view of an image that was never embedded, with one mask."""
    config = model.config
    grid = config.grid_size
    finer: dict[str, list[tuple[int, ...]]] = {
        "sam2.1_hiera_tiny": [(1, 32, 4 * grid, 4 * grid), (1, 64, 2 * grid, 2 * grid)],
        "hq_vit_b": [(1, 32, 4 * grid, 4 * grid)],
    }
    shapes = finer.get(model.name, [])
    embedding = Embedding(
        torch.randn(1, config.prompt_dim, grid, grid), (64, 64), "0", model.name, model.encoder_id,
        tuple(torch.randn(shape) for shape in shapes),
    )  # fmt: skip
    mask = np.zeros((64, 64), bool)
    mask[10:40, 20:50] = True
    return View(embedding, cells_of(mask, config), valid_cells((64, 64), config), (np.zeros((0, 3), np.float32),))
