"""The embedded vocabulary can be built again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from timm.data import ImageNetInfo

from sam_widget.errors import SamWidgetError
from sam_widget.learn.words import build_words
from sam_widget.model.zoo import WEIGHTS


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    """A small WordNet: ImageNet's classes, of which the first three are fish, and one word for all."""
    ids = [name[1:] for name in ImageNetInfo("imagenet-1k").label_names()]
    lines = ["  1 This line is a licence."]
    lines += ["00000001 03 n 01 creature 0 000 | anything"]
    lines += ["00000002 05 n 02 fish 0 swimmer 0 001 @ 00000001 n 0000 | a fish"]
    for index, synset in enumerate(ids):
        above = "00000002" if index < 3 else "00000001"
        lines.append(f"{synset} 05 n 01 Class_{index} 0 002 ~ 00000002 n 0000 @ {above} n 0000 | a | b")
    path = tmp_path / "data.noun"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_words_are_classes_and_all_above_them(wordnet: Path, tmp_path: Path) -> None:
    (tmp_path / "zh.tsv").write_text("魚\tfish\n", encoding="utf-8")
    build_words(wordnet, tmp_path / "zh.tsv", tmp_path)
    built = json.loads((tmp_path / "words.json").read_text(encoding="utf-8"))
    assert built["words"]["fish"] == built["words"]["swimmer"] == [0, 3]
    assert built["words"]["creature"] == [0, 1000]
    assert built["words"]["class 7"] == [7, 8]
    assert built["names"][7] == "Class 7"
    assert built["translations"] == {"魚": "fish"}


def test_the_shipped_classifier_is_the_published_one(wordnet: Path, tmp_path: Path) -> None:
    (tmp_path / "zh.tsv").write_text("", encoding="utf-8")
    build_words(wordnet, tmp_path / "zh.tsv", tmp_path)
    built, shipped = load_file(tmp_path / "words.safetensors"), load_file(WEIGHTS / "words.safetensors")
    assert set(built) == set(shipped)
    for name, tensor in shipped.items():
        torch.testing.assert_close(built[name], tensor)


def test_a_translation_of_an_unknown_word_is_refused(wordnet: Path, tmp_path: Path) -> None:
    (tmp_path / "zh.tsv").write_text("魚\tfish\n龍\tdragon\n", encoding="utf-8")
    with pytest.raises(SamWidgetError, match="line 2: 'dragon'"):
        build_words(wordnet, tmp_path / "zh.tsv", tmp_path)


def test_a_missing_wordnet_is_told(tmp_path: Path) -> None:
    with pytest.raises(SamWidgetError, match="data.noun of WordNet"):
        build_words(tmp_path / "nowhere", tmp_path / "zh.tsv", tmp_path)
