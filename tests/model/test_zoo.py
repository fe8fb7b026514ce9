"""Loading weights: the embedded model, published layouts, and files that are not what they seem."""

from __future__ import annotations

import pickle
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import Tensor

import sam_widget as sw
from sam_widget.model import mobile_sam, names, sam, zoo
from sam_widget.model.config import MOBILE, SAM2_LARGE, TINY, VIT_B
from sam_widget.model.layouts import LAYOUTS, State
from sam_widget.model.tiny import tiny
from sam_widget.model.zoo import WEIGHTS


def test_the_table_names_what_can_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    embedded, *published = sw.models()
    assert (embedded.name, embedded.local, embedded.image_size) == ("tiny", True, TINY.image_size)
    learned = sum(parameter.numel() for parameter in sw.load_model("tiny").parameters())
    assert embedded.parameters == learned + TINY.prompt_dim  # and the fixed random features
    assert embedded.sha256 is not None
    assert len(embedded.sha256) == 64
    assert {"vit_b", "sam2.1_hiera_tiny", "mobile_sam", "hq_vit_h", "efficient_sam_s"} <= {
        info.name for info in published
    }
    assert not any(info.local or info.sha256 for info in published)
    assert all(info.image_size == 1024 and info.licence and "Hub" in info.source for info in published)


def test_the_names_are_those_of_the_table() -> None:
    assert tuple(row.name for row in sw.models()) == names.NAMES


def test_the_embedded_weights_fit_in_the_wheel() -> None:
    assert (WEIGHTS / "tiny.safetensors").stat().st_size <= 30_000_000


def test_a_checkpoint_of_ones_own_loads_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(sw.load_model("tiny").state_dict(), path)
    model = sw.load_model(path)
    assert model.name == "mine"
    assert model.weights_id != sw.load_model("tiny").weights_id
    assert not model.training


def test_half_precision_safetensors_load_as_float32(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = {key: value.bfloat16() for key, value in sam.vit_b().state_dict().items()}
    save_file(state, tmp_path / "half.safetensors")
    loaded = sw.load_model(tmp_path / "half.safetensors", device="cpu", dtype=torch.float32)
    assert loaded.name == "half"
    assert loaded.config == VIT_B
    torch.testing.assert_close(loaded.state_dict(), {key: value.float() for key, value in state.items()})


WRAPPERS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "nothing": lambda state: state,
    "model": lambda state: {"model": state, "optimizer": {"state": {}}, "epoch": 3},
    "state_dict": lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 3},
    "module": lambda state: {f"module.{key}": value for key, value in state.items()},
    "compiled": lambda state: {"model": {f"_orig_mod.module.{key}": value for key, value in state.items()}},
}


@pytest.mark.parametrize("wrapper", list(WRAPPERS))
def test_the_usual_wrappers_are_taken_off(tmp_path: Path, wrapper: str) -> None:
    torch.manual_seed(0)
    state = tiny.tiny().state_dict()
    torch.save(WRAPPERS[wrapper](state), tmp_path / "tuned.pt")
    loaded = sw.load_model(tmp_path / "tuned.pt", device="cpu")
    assert loaded.name == "tuned"
    torch.testing.assert_close(dict(loaded.state_dict()), dict(state))


def test_a_model_built_from_a_file_answers(tmp_path: Path) -> None:
    """Nothing of a model that was built without memory stays without, tables outside of the weights included."""
    torch.manual_seed(0)
    torch.save(mobile_sam.mobile_sam().state_dict(), tmp_path / "mobile.pt")
    loaded = sw.load_model(tmp_path / "mobile.pt", device="cpu")
    assert not any(tensor.is_meta for tensor in (*loaded.parameters(), *loaded.buffers()))


@pytest.mark.parametrize("has_instructions", [True, False])
def test_the_default_type_is_what_the_processor_is_fast_in(
    monkeypatch: pytest.MonkeyPatch, has_instructions: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_instructions, raising=False)
    cpu, half = torch.device("cpu"), torch.bfloat16
    assert zoo.fast_dtype(cpu, VIT_B) == (half if has_instructions else torch.float32)
    assert {zoo.fast_dtype(cpu, config) for config in (TINY, MOBILE, SAM2_LARGE)} == {torch.float32}
    assert zoo.fast_dtype(torch.device("mps"), VIT_B) == torch.float32
    assert zoo.fast_dtype(torch.device("cuda"), MOBILE) == half
    assert zoo.fast_dtype(torch.device("cuda"), TINY) == torch.float32


class Bomb:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize(
    "name",
    [
        "bomb.pth",
        "bomb in a zip.pth",
        "garbage.pth",
        "garbage.safetensors",
        "empty.pt",
        "cut.pth",
        "cut.safetensors",
        "other.safetensors",
        "list.pt",
    ],
)
def test_a_bad_checkpoint_is_a_clear_error_and_runs_no_code(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("bomb in"):
        torch.save({"model": {"x": Bomb(tmp_path / "ran")}}, path)
    elif name.startswith("bomb"):
        path.write_bytes(pickle.dumps({"x": Bomb(tmp_path / "ran")}, protocol=2))
    elif name == "cut.pth":
        torch.save(tiny.tiny().state_dict(), path)
        path.write_bytes(path.read_bytes()[:1_000_000])
    elif name == "cut.safetensors":
        path.write_bytes((WEIGHTS / "tiny.safetensors").read_bytes()[:1_000_000])
    elif name == "list.pt":
        torch.save([torch.zeros(3)], path)
    elif name.startswith("other"):
        save_file({"layer.weight": torch.zeros(3)}, path)
    else:
        path.write_bytes(b"not weights" if "garbage" in name else b"")
    before = set(tmp_path.iterdir())
    began = time.thread_time()
    with pytest.raises(sw.ModelError, match=name):
        sw.load_model(path)
    assert time.thread_time() - began < 1
    assert set(tmp_path.iterdir()) == before, "no code was run"


def test_an_unknown_layout_names_the_known_ones_and_the_keys(tmp_path: Path) -> None:
    save_file({f"backbone.{k}.weight": torch.zeros(3) for k in range(9)}, tmp_path / "other.safetensors")
    with pytest.raises(sw.ModelError) as caught:
        sw.load_model(tmp_path / "other.safetensors")
    for layout in LAYOUTS:
        assert f"{layout.name} (has {', '.join(layout.marks)}" in str(caught.value)
    assert "its keys are backbone.0.weight, backbone.1.weight" in str(caught.value)


@pytest.mark.parametrize("name", ["huge", "no/such/file.pth"])
def test_an_unknown_model_is_a_clear_error(name: str) -> None:
    with pytest.raises(sw.ModelError, match=name):
        sw.load_model(name)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model_state_dict": state, "loss": torch.tensor(0.3), "epoch": 3},
        lambda state: {"model": state, "optimizer": {"state": {}, "param_groups": []}},
        lambda state: {"model_state": state},
        lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 1},
    ],
    ids=["a loss", "an optimizer", "torch_em", "Lightning"],
)
def test_weights_load_from_what_training_scripts_save(wrap: Callable[[State], object], tmp_path: Path) -> None:
    weights = sw.load_model("tiny").state_dict()
    torch.save(wrap(dict(weights)), tmp_path / "trained.pth")
    loaded = sw.load_model(tmp_path / "trained.pth").state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in weights.items())


def test_what_is_left_over_under_a_prefix_is_named(tmp_path: Path) -> None:
    weights = {f"model.{key}": value for key, value in sw.load_model("tiny").state_dict().items()}
    torch.save({"state_dict": {**weights, "criterion.weight": torch.ones(2)}}, tmp_path / "lightning.pth")
    with pytest.raises(sw.ModelError, match=r"looks like tiny .* 1 are left over \(criterion.weight\)"):
        sw.load_model(tmp_path / "lightning.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    weights = dict(sw.load_model("tiny").state_dict())
    key = next(key for key in weights if weights[key].is_floating_point())
    weights[key] = torch.full_like(weights[key], value)
    torch.save(weights, tmp_path / "diverged.pth")
    with pytest.raises(sw.ModelError, match=f"not finite, in {re.escape(key)}"):
        sw.load_model(tmp_path / "diverged.pth")


@pytest.mark.parametrize(
    ("wrong", "meant"), [("vit-b", "vit_b"), ("mobilesam", "mobile_sam"), ("Tiny", "tiny"), ("sam2_hiera_tiny", "sam2")]
)
def test_a_misspelt_name_is_answered_with_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(sw.ModelError, match=f"did you mean '{meant}"):
        sw.load_model(wrong)
