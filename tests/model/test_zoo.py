"""Loading weights: the embedded model, published layouts, and files that are not what they seem."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import sam_widget as sw
from sam_widget.model import sam
from sam_widget.model.config import TINY
from sam_widget.model.zoo import WEIGHTS


def test_the_table_names_what_can_be_loaded() -> None:
    (info,) = sw.models()
    assert (info.name, info.local, info.image_size) == ("tiny", True, TINY.image_size)
    assert info.parameters == sum(p.numel() for p in sw.load_model("tiny").state_dict().values())
    assert info.sha256 is not None
    assert len(info.sha256) == 64


def test_the_embedded_weights_fit_in_the_wheel() -> None:
    assert (WEIGHTS / "tiny.safetensors").stat().st_size <= 30_000_000


def test_a_checkpoint_of_ones_own_loads_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(sw.load_model("tiny").state_dict(), path)
    model = sw.load_model(path)
    assert model.name == "mine"
    assert model.weights_id != sw.load_model("tiny").weights_id
    assert not model.training


def test_the_published_layout_loads(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ours = sam.vit_b()
    published = {
        key.replace(".mlp.fc", ".mlp.lin") if key.startswith("image_encoder.") else key: value
        for key, value in ours.state_dict().items()
    }
    torch.save(published, tmp_path / "sam_vit_b.pth")
    loaded = sw.load_model(tmp_path / "sam_vit_b.pth")
    assert loaded.name == "vit_b"
    assert loaded.config.image_size == 1024
    torch.testing.assert_close(loaded.state_dict(), ours.state_dict())


class Bomb:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["bomb.pth", "garbage.pth", "garbage.safetensors", "empty.pt", "other.safetensors"])
def test_a_bad_checkpoint_is_a_clear_error_and_runs_no_code(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("bomb"):
        path.write_bytes(pickle.dumps({"x": Bomb(tmp_path / "ran")}))
    elif name.startswith("other"):
        save_file({"layer.weight": torch.zeros(3)}, path)
    else:
        path.write_bytes(b"not weights" if "garbage" in name else b"")
    with pytest.raises(sw.ModelError, match=name):
        sw.load_model(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["huge", "no/such/file.pth"])
def test_an_unknown_model_is_a_clear_error(name: str) -> None:
    with pytest.raises(sw.ModelError, match=name):
        sw.load_model(name)
