"""Get a finder by its name, and the predictor of one that answers clicks too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from sam_widget.automatic.finding.finder import Finder
from sam_widget.errors import ModelError
from sam_widget.predictor.interface import PROVIDERS, FindsElsewhere, Predictor, Provider

# The finders in the package: `embedded` and `own`.
EMBEDDED, OWN = "tiny", "own"
_MEMBERS = ("name", "weights_id", "threshold", "check", "order", "encode", "find", "describe")


def finder_of(model: Any = None) -> Finder:
    """Return a finder: by its name, or `model` itself if it is one; None for the embedded one.

    Raises:
        ModelError: There is no such finder, or it cannot be loaded.
    """
    if model is None or model == EMBEDDED:
        from sam_widget.automatic.finding.embedded import EmbeddedFinder  # Imports torch.

        return EmbeddedFinder()
    if model == OWN:
        from sam_widget.automatic.finding.own import OwnFinder  # Imports torch.

        return OwnFinder()
    if isinstance(model, str | Path):
        from sam_widget.automatic.finding.published.catalogue import load_published  # Imports torch.

        return load_published(model)
    if all(hasattr(model, member) for member in _MEMBERS):
        return cast("Finder", model)
    raise ModelError(
        f"{type(model).__name__} is not a finder; expected a name, or an object with {', '.join(_MEMBERS)}"
    )


def finder_for(predictor: Any, model: Any = None) -> Finder:
    """Return the finder to search with next to a predictor: the predictor's own if it has one, as SAM 3 does.

    If the predictor's server searches, the finders in the package run there.

    Args:
        predictor: The predictor of a session.
        model: Another finder to use; see `finder_of`.

    Raises:
        ModelError: There is no such finder, or it cannot be loaded.
    """
    found = finder_of(getattr(predictor, "finder", None) if model is None else model)
    if isinstance(predictor, FindsElsewhere) and model in {None, EMBEDDED, OWN}:
        from sam_widget.automatic.finding.elsewhere import ServedFinder  # Imports torch.

        return ServedFinder(found)
    return found


def predictor_with_words(name: str) -> Predictor:
    """Return the predictor of a published model that answers words and clicks.

    Raises:
        MissingExtraError: The transformers library is not installed.
        ModelError: The model cannot be loaded, or answers no clicks.
    """
    finder = finder_of(name)
    if not hasattr(finder, "predictor"):
        raise ModelError(
            f"{name} finds words, and answers no clicks; choose another model for clicks, and call "
            f"find('cat', model={name!r})"
        )
    return cast("Predictor", finder.predictor())


def _is_here(name: str) -> bool:
    from sam_widget.automatic.finding.published.catalogue import is_here  # Imports torch.

    return is_here(name)


PROVIDERS[:] = [Provider(_is_here, predictor_with_words)]


def finder_named_in_file(name: str) -> Finder:
    """Return a finder named by a session file, unless its weights would have to be downloaded: a file may be anyone's.

    Raises:
        ModelError: It is a path on another machine, its weights are not here, or it cannot be loaded.
    """
    if name not in {EMBEDDED, OWN}:
        from sam_widget.automatic.finding.published.catalogue import is_here  # Imports torch.

        if name.startswith(("\\\\", "//")) or "://" in name:
            raise ModelError(f"the finder {name!r} is on another machine and was not looked for")
        if not is_here(name):
            raise ModelError(
                f"the weights of the finder {name!r} are not on this machine; find something with it first"
            )
    return finder_of(name)
