from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sam_widget.engine import encoder_trainer, tuning
from sam_widget.engine.encoder_trainer import check_room, needed_bytes, teach_encoder
from sam_widget.engine.judging import Clicks, judge
from sam_widget.engine.taught import TaughtMask, TaughtPhoto
from sam_widget.engine.trainer import blended
from sam_widget.engine.tuning import tune, tuning_round
from sam_widget.engine.views import View
from sam_widget.errors import ModelError
from sam_widget.masks.runs import StoredMask
from sam_widget.model import sam, sam2
from sam_widget.model.config import Sam2Config, SamConfig
from sam_widget.model.names import without_precision
from sam_widget.model.sam import Sam
from sam_widget.model.tiny.tiny import tiny_vit
from sam_widget.model.tuned import TunedWeights, Tuning
from sam_widget.model.zoo import load_model
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.predictor import Predictor
from sam_widget.session.session import Session
from tests.engine.cells import rings, taught


def truth(count: int) -> list[Session]:
    found = []
    for seed in range(count):
        picture, masks = rings(seed)
        session = Session(picture)
        for mask in masks:
            session.add_objects(mask)
        found.append(session)
    return found


def small_vit() -> Sam:
    config = SamConfig(image_size=256, embed_dim=48, depth=2, num_heads=2, global_attention=(1,), window_size=4)
    return Sam(config, name="small_vit")


def small_hiera() -> Sam:
    return sam2.Sam2(Sam2Config(image_size=256, embed_dim=16, num_heads=1, stages=(1, 1, 2, 1), global_attention=(3,)))


@pytest.mark.parametrize("build", [small_vit, small_hiera, tiny_vit])
def test_every_kind_of_attention_learns_and_the_base_stays_as_it_is(build: Callable[[], Sam]) -> None:
    torch.manual_seed(0)
    base = build().eval()
    before = {name: value.clone() for name, value in base.state_dict().items()}
    tensors, course = teach_encoder(base, taught(2), generic=taught(1), budget_s=600, most_steps=3)
    assert course.steps == 3
    assert all(name.startswith("lora.") for name in tensors)
    assert all(bool(value.any()) for value in tensors.values())
    assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items())
    assert not base.training
    tuning = Tuning(base=base.name, base_weights=without_precision(base.weights_id), kind="lora")
    model = TunedWeights(tuning, blended(base, tensors, 1.0)).apply(base, name="tuned")
    picture = taught(1)[0].read()
    plain, own = (Predictor(each, cache=EmbeddingCache()).embed(picture) for each in (base, model))
    assert not torch.equal(plain.features, own.features)
    none = TunedWeights(tuning, blended(base, tensors, 0.0)).apply(base, name="tuned")
    same = Predictor(none, cache=EmbeddingCache()).embed(picture)
    torch.testing.assert_close(plain.features, same.features, rtol=0, atol=1e-5)


def test_the_loss_falls() -> None:
    base = load_model("tiny", device="cpu")
    _, course = teach_encoder(base, taught(2), budget_s=600, most_steps=24)
    assert np.mean(course.losses[-8:]) < 0.9 * np.mean(course.losses[:8])


def test_a_seed_determines_the_result() -> None:
    torch.manual_seed(0)
    base = small_vit().eval()
    one, other, third = (teach_encoder(base, taught(2), budget_s=600, most_steps=2, seed=seed)[0] for seed in (1, 1, 2))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert not all(torch.equal(value, third[name]) for name, value in one.items())


def test_it_stops_when_cancelled_and_says_what_is_missing() -> None:
    base = load_model("tiny", device="cpu")
    assert teach_encoder(base, taught(1), budget_s=60, cancelled=lambda: True)[1].steps == 0
    empty = TaughtPhoto("a", lambda: np.zeros((64, 64, 3), np.uint8), (TaughtMask(StoredMask(np.eye(64) > 2)),))
    with pytest.raises(ModelError, match="large enough to learn from"):
        teach_encoder(base, [empty], budget_s=60)


def test_without_a_gpu_it_must_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"needs a GPU, but tiny is on the CPU.*kind='decoder'.*on_cpu=True"):
        tuning_round(load_model("tiny", device="cpu"), taught(3), kind="lora")
    base = load_model("tiny", device="cpu")
    check_room(base, on_cpu=True)
    monkeypatch.setattr(encoder_trainer, "free_bytes", lambda _device: 10_000_000)
    with pytest.raises(ModelError, match=r"needs about 0\.\d GB of memory, but cpu has 0\.0 GB free"):
        tuning_round(base, taught(3), kind="lora", on_cpu=True)
    monkeypatch.setattr(encoder_trainer, "layers_of", lambda _encoder: {})
    with pytest.raises(ModelError, match="no attention"):
        check_room(base, on_cpu=True)


def test_the_memory_of_a_step_is_known_before_it() -> None:
    """Measured as resident memory on a CPU: 3.9 GB for `vit_b`, 1.5 GB for the smallest SAM 2.1."""
    for build, low, high in ((sam.vit_b, 3.9, 4.5), (sam2.sam2_hiera_tiny, 1.5, 1.8)):
        with torch.device("meta"):
            model = build()
        assert low < needed_bytes(model) / 1e9 < high


def test_the_guard_refuses_what_is_no_better() -> None:
    base = load_model("tiny", device="cpu")
    result = tuning_round(base, taught(4), kind="lora", on_cpu=True, steps=1, generic=taught(2))
    assert result.model is None
    assert "no fewer than by chance" in result.reason
    assert result.figures is not None
    assert result.figures.clicks == pytest.approx((result.figures.clicks[0],) * 2, abs=0.3)


def test_what_is_adopted_was_judged_on_its_own_embeddings_and_loads_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, set[str]]] = []

    def judged(model: Sam, views: list[View], **options: Any) -> Clicks:
        seen.append((model.encoder_id, {view.embedding.weights_id for view in views}))
        return judge(model, views, most=1) if options else judge(model, views)

    monkeypatch.setattr(tuning, "judge", judged)
    monkeypatch.setattr(tuning, "verdict", lambda *_: "")
    base = load_model("tiny", device="cpu")
    model = tune(base, truth(4), kind="lora", on_cpu=True, steps=1, generic=truth(2))
    assert model is not None
    assert seen[0] == seen[1] == (base.encoder_id, {base.encoder_id})
    assert seen[-1][0] != base.encoder_id
    assert all({encoder} == embedded for encoder, embedded in seen)
    model.save(tmp_path / "rings.safetensors")
    loaded = load_model(tmp_path / "rings.safetensors", device="cpu")
    assert loaded.weights_id == model.weights_id
    picture = rings(9)[0]
    own, again = (Predictor(each, cache=EmbeddingCache()).embed(picture) for each in (model, loaded))
    torch.testing.assert_close(own.features, again.features, rtol=0, atol=1e-5)
