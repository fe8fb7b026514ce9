"""Build the embedded vocabulary: the words of `sam_widget.prompts.words`, and the classifier that scores them.

The classifier is the head of the published EfficientNet-Lite2, whose trunk `tiny` shares, from the same Apache-2.0
package. Synonyms and broader terms are those of WordNet 3.0, whose synsets are ImageNet's classes.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from timm.data import ImageNetInfo
from torch import Tensor

from sam_widget.atomic import write_whole
from sam_widget.errors import SamWidgetError
from sam_widget.learn.networks import published_network

# Everyday words that WordNet lacks or defines otherwise, by the names of classes or other words.
ALIASES: dict[str, tuple[str, ...]] = {
    "bed": ("four-poster", "studio couch"),
    "bike": ("bicycle",),
    "boat": ("boat", "ship", "sailing vessel", "canoe", "gondola"),
    "cow": ("ox", "water buffalo"),
    # In WordNet, big cats are cats too.
    "cat": ("domestic cat",),
    "couch": ("studio couch",),
    "cup": ("cup", "coffee mug", "espresso"),
    "fridge": ("refrigerator",),
    "glasses": ("sunglass", "sunglasses"),
    "hot dog": ("hotdog",),
    "kitten": ("domestic cat",),
    "laptop": ("laptop", "notebook"),
    "mobile phone": ("cellular telephone",),
    "mug": ("coffee mug",),
    "phone": ("cellular telephone", "dial telephone", "pay-phone"),
    "plane": ("airliner", "warplane"),
    "airplane": ("airliner", "warplane"),
    "puppy": ("dog",),
    "sofa": ("studio couch",),
    "teddy bear": ("teddy",),
    "toilet": ("toilet seat",),
    "tv": ("television",),
    "rocket": ("missile", "projectile"),
}
# WordNet's own use of these words covers a few odd classes only: "person" would find ball players, grooms and divers.
OMITTED = frozenset(
    {
        "abstraction",
        "artefact",
        "artifact",
        "attribute",
        "body",
        "bottom",
        "building",
        "cell",  # a telephone
        "center",
        "centre",
        "entity",
        "flora",
        "group",
        "home",
        "house",
        "human",
        "individual",
        "left",
        "line",
        "material",
        "matter",
        "measure",
        "middle",
        "mortal",
        "object",
        "part",
        "person",
        "place",
        "plant",
        "point",
        "relation",
        "right",
        "set",
        "solid",
        "somebody",
        "someone",
        "soul",
        "substance",
        "thing",
        "top",
        "tree",
        "unit",
        "way",
        "whole",
    }
)


def build_words(wordnet: Path, translations: Path, folder: Path) -> None:
    """Write `words.json` and `words.safetensors`.

    Args:
        wordnet: `data.noun` of WordNet 3.0.
        translations: A table of Chinese and English words, separated by tabs.
        folder: Folder to write into.

    Raises:
        SamWidgetError: A file cannot be read, or a translation names an unknown word.
        ModelError: The package with the published weights is not installed.
    """
    synsets = _read_nouns(wordnet)
    ids = [line[1:] for line in ImageNetInfo("imagenet-1k").label_names()]
    classes = defaultdict(list)
    for index, synset in enumerate(ids):
        for broader in _closure(synset, synsets):
            classes[broader].append(index)
    words: dict[str, set[int]] = defaultdict(set)
    for synset, indices in classes.items():
        for lemma in synsets[synset].lemmas:
            words[lemma.replace("_", " ").lower()] |= set(indices)
    words = {word: indices for word, indices in words.items() if word not in OMITTED}
    words |= {alias: set().union(*(words.get(known, ()) for known in names)) for alias, names in ALIASES.items()}
    translated = _read_translations(translations, words)
    names = [synsets[synset].lemmas[0].replace("_", " ") for synset in ids]
    ranges = {word: _ranges(sorted(indices)) for word, indices in sorted(words.items()) if indices}
    document = {"names": names, "words": ranges, "translations": translated}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    write_whole(folder / "words.json", text.encode())
    head = {name: tensor.to(torch.float16).contiguous() for name, tensor in _published_head().items()}
    write_whole(folder / "words.safetensors", save(head))


@dataclass(frozen=True)
class _Synset:
    lemmas: tuple[str, ...]
    hypernyms: tuple[str, ...]


def _read_nouns(path: Path) -> dict[str, _Synset]:
    """Read WordNet's `data.noun` (format: wndb(5WN)): synsets by their offset in the file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SamWidgetError(f"{str(path)!r} cannot be read ({error}); give data.noun of WordNet 3.0") from error
    synsets = {}
    for line in lines:
        if line.startswith("  "):
            continue
        fields = line.split(" | ")[0].split(" ")
        count = int(fields[3], 16)
        pointers = fields[5 + 2 * count :]
        synsets[fields[0]] = _Synset(
            lemmas=tuple(fields[4 : 4 + 2 * count : 2]),
            hypernyms=tuple(b for a, b in itertools.pairwise(pointers) if a in ("@", "@i")),
        )
    return synsets


def _closure(synset: str, synsets: Mapping[str, _Synset]) -> set[str]:
    found: set[str] = set()
    waiting = [synset]
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += synsets[one].hypernyms
    return found


def _read_translations(path: Path, words: Mapping[str, object]) -> dict[str, str]:
    translated = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        chinese, _, english = line.partition("\t")
        if english not in words:
            raise SamWidgetError(f"{path}, line {number}: {english!r} is not in the vocabulary; use a word that is")
        translated[chinese] = english
    return translated


def _ranges(indices: list[int]) -> list[int]:
    """Return sorted indices as begin, end, begin, end, ...; ends exclusive."""
    flat: list[int] = []
    for index in indices:
        if flat and flat[-1] == index:
            flat[-1] = index + 1
        else:
            flat += [index, index + 1]
    return flat


def _published_head() -> dict[str, Tensor]:
    """Return the last convolution, with its batch norm folded in, and the linear layer behind the pooling."""
    network: Any = published_network("tf_efficientnet_lite2")
    scale = network.bn2.weight / torch.sqrt(network.bn2.running_var + network.bn2.eps)
    return {
        "head.weight": (network.conv_head.weight[:, :, 0, 0] * scale[:, None]).detach(),
        "head.bias": (network.bn2.bias - network.bn2.running_mean * scale).detach(),
        "classes.weight": network.classifier.weight.detach(),
        "classes.bias": network.classifier.bias.detach(),
    }
