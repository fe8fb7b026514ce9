"""A checkpoint is loaded completely or not at all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import sam_widget as sw
from sam_widget.automatic.finding.published import checkpoints
from sam_widget.automatic.finding.published.catalogue import load_published
from sam_widget.automatic.finding.published.checkpoints import Architecture, load, refuse_differences
from tests.automatic.finding.published import models

ALL = [*models.MODELS]


@pytest.mark.parametrize("kind", ALL)
def test_all_weights_are_those_of_the_file(kind: str, folder: Path) -> None:
    finder = load_published(models.saved(kind, folder))
    loaded, expected = finder.checkpoint.model, models.built(kind)[0]
    expected = getattr(expected, "detector_model", expected)  # of the checkpoint that has other models too
    inner = {key.replace(".backbone.backbone.", ".backbone."): value for key, value in loaded.state_dict().items()}
    # The position embedding of Grounding DINO has no weights, so that it is in neither.
    assert inner.keys() == expected.state_dict().keys()
    for key, value in expected.state_dict().items():
        assert torch.equal(inner[key], value), key
    assert not loaded.training


@pytest.mark.parametrize("kind", ALL)
def test_missing_weights_are_refused(kind: str, folder: Path) -> None:
    models.saved(kind, folder)
    key = change(folder, lambda tensors: tensors.pop(chosen(tensors)))
    with pytest.raises(sw.ModelError, match=r"1 weights are missing \(.*\)\. It was not loaded, because") as refused:
        load_published(folder)
    assert key.split(".", 1)[1] in str(refused.value)


@pytest.mark.parametrize("kind", ALL)
def test_unknown_weights_are_refused(kind: str, folder: Path) -> None:
    models.saved(kind, folder)
    change(folder, lambda tensors: tensors.update({"a_new_head.weight": torch.zeros(2, 2)}))
    with pytest.raises(sw.ModelError, match=r"1 weights are unknown \(.*a_new_head\.weight\)"):
        load_published(folder)


@pytest.mark.parametrize("kind", ALL)
def test_weights_of_another_shape_are_refused(kind: str, folder: Path) -> None:
    models.saved(kind, folder)
    key = change(folder, lambda tensors: tensors.update({chosen(tensors): torch.zeros(3, 5)}))
    with pytest.raises(sw.ModelError, match=r"1 weights are of another shape \(") as refused:
        load_published(folder)
    assert key.split(".", 1)[1] in str(refused.value)


def chosen(tensors: dict[str, torch.Tensor]) -> str:
    """A weight of the text encoder, which was random after an unlucky change of names (see facebook/sam3)."""
    return next(key for key in sorted(tensors) if "text" in key and key.endswith("weight") and tensors[key].ndim == 2)


def change(folder: Path, edit: object) -> str:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    key = chosen(tensors)
    edit(tensors)  # type: ignore[operator]
    save_file(tensors, path, {"format": "pt"})
    return key


def test_differences_are_named_and_counted() -> None:
    report = {
        "missing_keys": {"e", "d", "c", "b", "a"},
        "unexpected_keys": ["new"],
        "mismatched_keys": [("head.weight", (2, 2), (3, 3))],
    }
    with pytest.raises(sw.ModelError) as refused:
        refuse_differences(report, "someone/a-model", "Sam3Model")
    assert (
        "someone/a-model does not fit Sam3Model: 5 weights are missing (a, b, c and 2 more); 1 weights are unknown "
        "(new); 1 weights are of another shape (head.weight). It was not loaded"
    ) in str(refused.value)
    refuse_differences({"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set()}, "a", "b")


def test_only_safetensors_are_read(folder: Path) -> None:
    models.saved("clip", folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(sw.ModelError, match=r"no weights in the safetensors format, only pytorch_model\.bin"):
        load_published(folder)


@pytest.mark.parametrize("content", [b"", b"not a tensor", b"\xff" * 64])
def test_a_damaged_file_is_refused(content: bytes, folder: Path) -> None:
    models.saved("clip", folder)
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(sw.ModelError, match="cannot be loaded as CLIPModel"):
        load_published(folder)


@pytest.mark.parametrize(("files", "match"), [("*token*", "has no vocabulary"), ("*processor*", "cannot be loaded as")])
def test_a_folder_without_a_processor_is_refused(files: str, match: str, folder: Path) -> None:
    models.saved("clip", folder)
    for path in folder.glob(files):
        path.unlink()
    with pytest.raises(sw.ModelError, match=match):
        load_published(folder)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model_type": '])
def test_a_folder_without_a_configuration_is_refused(content: str, folder: Path) -> None:
    models.saved("clip", folder)
    (folder / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(sw.ModelError, match=r"its config\.json cannot be read"):
        load_published(folder)


def test_another_kind_of_model_is_refused(folder: Path) -> None:
    models.saved("clip", folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    with pytest.raises(sw.ModelError, match="is a model of the kind 'bert'; expected one of sam3, "):
        load_published(folder)


def test_weights_and_settings_identify_a_model(folder: Path, tmp_path: Path) -> None:
    first = load_published(models.saved("clip", folder)).weights_id
    assert load_published(models.saved("clip", tmp_path / "copy")).weights_id == first
    settings = tmp_path / "copy" / "processor_config.json"
    changed = json.loads(settings.read_text(encoding="utf-8"))
    changed["image_processor"]["image_mean"] = [0.1, 0.2, 0.3]
    settings.write_text(json.dumps(changed), encoding="utf-8")
    second = load_published(tmp_path / "copy").weights_id
    change(tmp_path / "copy", lambda tensors: tensors.update({chosen(tensors): tensors[chosen(tensors)] * 2}))
    third = load_published(tmp_path / "copy").weights_id
    assert len({first, second, third}) == 3


def test_too_little_memory_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models.saved("clip", folder)

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.nn.Module, "to", full)
    with pytest.raises(sw.ModelError, match="has too little memory for clip; choose a smaller model"):
        load(folder, "clip", Architecture("CLIPModel", "CLIPProcessor"))


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(sw.MissingExtraError, match=r'needs transformers, .* pip install "sam-widget\[text\]"'):
        checkpoints.library()
    with pytest.raises(sw.MissingExtraError):
        load_published("facebook/sam3")
