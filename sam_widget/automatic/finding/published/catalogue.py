"""The published models that find by words, and how to load one by name."""

from __future__ import annotations

import difflib
import functools
import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sam_widget.automatic.finding.finder import Finder
from sam_widget.automatic.finding.published import checkpoints
from sam_widget.automatic.finding.published.checkpoints import Architecture, Checkpoint
from sam_widget.errors import ModelError, door
from sam_widget.model import hub

SAM_LICENCE = "SAM License"
_APACHE = "Apache-2.0"
# Loaded models that are kept: those of a comparison.
_KEPT = 2


@dataclass(frozen=True)
class PublishedFinder:
    """A published model.

    Attributes:
        name: Name for `load_published`: its repository on the Hugging Face Hub.
        parameters: Number of parameters, in millions.
        licence: Licence of its weights.
        finds: What it is asked, and what it returns.
        terms: Page with a licence that has to be accepted before weights can be downloaded; empty if there is none.
    """

    name: str
    parameters: int
    licence: str
    finds: str
    terms: str = ""


_CONCEPTS = "masks, by words, examples in the image, or both"
_BOXES = "boxes, by words"
_BOXES_LIKE = "boxes, by words or examples"
_RANKS = "masks of everything mode, by words or examples"

FINDERS = (
    PublishedFinder("facebook/sam3", 840, SAM_LICENCE, _CONCEPTS, "https://huggingface.co/facebook/sam3"),
    PublishedFinder("vil-uob/sam3-litetext-s0", 548, SAM_LICENCE, _CONCEPTS),
    PublishedFinder("google/owlv2-base-patch16-ensemble", 155, _APACHE, _BOXES_LIKE),
    PublishedFinder("google/owlv2-large-patch14-ensemble", 438, _APACHE, _BOXES_LIKE),
    PublishedFinder("IDEA-Research/grounding-dino-tiny", 172, _APACHE, _BOXES),
    PublishedFinder("IDEA-Research/grounding-dino-base", 232, _APACHE, _BOXES),
    PublishedFinder("openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det", 172, _APACHE, _BOXES),
    PublishedFinder("openai/clip-vit-base-patch32", 151, "MIT", _RANKS),
    PublishedFinder("openai/clip-vit-large-patch14", 428, "MIT", _RANKS),
    PublishedFinder("google/siglip2-base-patch16-224", 375, _APACHE, _RANKS),
)


@dataclass(frozen=True)
class _Kind:
    """How a kind of model is loaded and used."""

    architecture: Architecture
    wrap: Callable[[str, Checkpoint, float], Finder]
    threshold: float


def _kinds() -> dict[str, _Kind]:
    """Return the kinds of models by the name that their configuration has for them.

    Thresholds are those of the models' own processors and documentation. CLIP's is where a word fits better than all
    canonical phrases; SigLIP's sigmoids are known to be low.
    """
    from sam_widget.automatic.finding.published.concepts import ConceptFinder
    from sam_widget.automatic.finding.published.grounding_dino import GroundingFinder
    from sam_widget.automatic.finding.published.owlv2 import OwlFinder
    from sam_widget.automatic.finding.published.rankers import RankingFinder

    def dino(model: str) -> _Kind:
        return _Kind(Architecture(model, "GroundingDinoProcessor"), GroundingFinder, 0.25)

    sam3 = _Kind(Architecture("Sam3Model", "Sam3Processor"), ConceptFinder, 0.3)
    return {
        "sam3": sam3,
        "sam3_video": sam3,  # The published checkpoint, which also has the weights for clicks and for videos.
        "sam3_lite_text": _Kind(Architecture("Sam3LiteTextModel", "Sam3Processor"), ConceptFinder, 0.3),
        "owlv2": _Kind(Architecture("Owlv2ForObjectDetection", "Owlv2Processor"), OwlFinder, 0.2),
        "grounding-dino": dino("GroundingDinoForObjectDetection"),
        "mm-grounding-dino": dino("MMGroundingDinoForObjectDetection"),
        "clip": _Kind(Architecture("CLIPModel", "CLIPProcessor"), RankingFinder, 0.5),
        "siglip": _Kind(Architecture("SiglipModel", "SiglipProcessor"), RankingFinder, 0.1),
        "siglip2": _Kind(Architecture("Siglip2Model", "Siglip2Processor"), RankingFinder, 0.1),
    }


@door
def load_published(name: str | Path) -> Finder:
    """Load a published model that finds by words, or return it if it was loaded last.

    Args:
        name: A name from `FINDERS`, another repository with such a model, or a folder written by `save_pretrained` of
            a model and its processor.

    Raises:
        MissingExtraError: The transformers library is not installed.
        ModelError: The name is unknown, files cannot be fetched, or the checkpoint is not complete.
    """
    checkpoints.library()
    folder = Path(name)
    with _loading:
        if folder.is_dir():
            changed = max((path.stat().st_mtime_ns for path in folder.iterdir()), default=0)
            return _loaded(str(folder.resolve()), changed)
        return _loaded(str(name), 0)


def is_here(name: str) -> bool:
    """Whether a model can be loaded without a download: a folder, or a repository that is cached."""
    return Path(name).is_dir() or (_is_repository(name) and hub.cached_folder(name, checkpoints.FILES) is not None)


def _is_repository(name: str) -> bool:
    return re.fullmatch(r"[\w-]+/[\w.-]+", name) is not None


_loading = threading.Lock()


@functools.lru_cache(_KEPT)
def _loaded(name: str, changed: int) -> Finder:  # noqa: ARG001  a folder that has changed is read again
    folder = Path(name)
    if not folder.is_dir():
        _show_terms(name)
        folder = _fetch(name)
    kind = checkpoints.model_type(folder)
    kinds = _kinds()
    if kind not in kinds:
        raise ModelError(f"{name} is a model of the kind {kind!r}; expected one of {', '.join(kinds)}")
    chosen = kinds[kind]
    return chosen.wrap(name, checkpoints.load(folder, name, chosen.architecture), chosen.threshold)


def _show_terms(name: str) -> None:
    """Name the licence of a model before it is downloaded, unless it is a usual one for open source."""
    for known in FINDERS:
        if known.name == name and known.licence == SAM_LICENCE and hub.cached_folder(name, checkpoints.FILES) is None:
            page = known.terms or f"https://huggingface.co/{name}"
            warnings.warn(
                f"{name} is released under the SAM License, which forbids some uses, among them military ones; read "
                f"it at {page}. By downloading the weights you accept it",
                stacklevel=2,
            )


def _fetch(name: str) -> Path:
    """Return the folder of a model, downloaded on first use.

    Raises:
        ModelError: It is not the name of a repository, or cannot be fetched; the message suggests similar names.
    """
    names = [known.name for known in FINDERS]
    said = name.rsplit("/", maxsplit=1)[-1].lower()
    short = {known.split("/")[1].lower(): known for known in names}
    near = [one for one in short if said in one] or difflib.get_close_matches(said, [*short], n=2, cutoff=0.4)
    near = [] if name in names else near[:2]
    meant = f". Did you mean {' or '.join(repr(short[one]) for one in near)}?" if near else ""
    if not _is_repository(name):
        raise ModelError(
            f"unknown finder {name!r}; expected 'tiny', a folder written by save_pretrained, or a repository of the "
            f"Hugging Face Hub such as {', '.join(names)}{meant}"
        )
    try:
        return checkpoints.fetch(name)
    except ModelError as error:
        raise ModelError(f"{error}{meant}") from error
