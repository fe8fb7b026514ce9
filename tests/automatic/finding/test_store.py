"""What a finder computed for an image is kept."""

from __future__ import annotations

import contextlib
import copy
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from sam_widget.automatic.finding.finder import Example
from sam_widget.automatic.finding.own import OwnFinder
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.masks.runs import StoredMask
from sam_widget.predictor.embeddings import EmbeddingCache, EmbeddingStore
from sam_widget.predictor.predictor import Predictor
from tests.finders import Squares

pytestmark = pytest.mark.usefixtures("coarse_search")


def image(value: int) -> np.ndarray:
    return np.full((60, 200, 3), value, np.uint8)


def test_an_image_is_encoded_once(predictor: Predictor) -> None:
    store, finder = FeatureStore(), Squares()
    first = store.features(finder, image(1), predictor)
    assert store.features(finder, image(1).copy(), predictor) is first
    assert finder.encoded == 1
    store.features(finder, image(2), predictor)
    assert finder.encoded == 2


def test_other_weights_encode_again(predictor: Predictor) -> None:
    store = FeatureStore()
    one, other = Squares("one"), Squares("other")
    store.features(one, image(1), predictor)
    store.features(other, image(1), predictor)
    assert (one.encoded, other.encoded) == (1, 1)


def test_the_least_recently_used_is_forgotten(predictor: Predictor) -> None:
    store, finder = FeatureStore(size=2), Squares()
    for value in (1, 2, 1, 3):
        store.features(finder, image(value), predictor)
    assert len(store) == 2
    assert finder.encoded == 3
    store.features(finder, image(1), predictor)
    assert finder.encoded == 3
    store.features(finder, image(2), predictor)
    assert finder.encoded == 4


def test_an_encoding_that_fails_keeps_nothing(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    store, finder = FeatureStore(), Squares()
    with monkeypatch.context() as patch:
        patch.setattr(finder, "_encode", lambda _image: iter(()).throw(ValueError))  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            store.features(finder, image(1), predictor)
    assert len(store) == 0
    assert store.features(finder, image(1), predictor)


# ------------------------------------------------------------------------------------------------ on disk


class Other(OwnFinder):
    """The same with other weights."""

    weights_id = "other"


def discs() -> np.ndarray:
    """Two discs on grey, (90, 120, 3) uint8."""
    rows, columns = np.mgrid[:90, :120]
    picture = np.full((90, 120, 3), 150, np.uint8)
    for x, colour in ((35, (200, 40, 40)), (85, (40, 60, 190))):
        picture[(columns - x) ** 2 + (rows - 45) ** 2 < 400] = colour
    return picture


@pytest.fixture
def kept(predictor: Predictor, tmp_path: Path) -> Predictor:
    """A predictor that writes to a folder of its own."""
    return Predictor(predictor.model, cache=EmbeddingCache(store=EmbeddingStore(tmp_path / "store")))


def reopened(kept: Predictor) -> Predictor:
    """Another predictor on the same folder, as in another process."""
    store = kept.cache.store
    assert store is not None
    return Predictor(kept.model, cache=EmbeddingCache(store=EmbeddingStore(store.folder)))


@contextlib.contextmanager
def nothing_is_computed() -> Iterator[None]:
    """Refuse to encode an image, and to find masks in it."""
    with pytest.MonkeyPatch.context() as patch:
        for method in ("_encode", "masks_at"):
            patch.setattr(Predictor, method, lambda *_args, **_options: pytest.fail("something was computed"))
        yield


def files(kept: Predictor) -> list[Path]:
    store = kept.cache.store
    assert store is not None
    return [path for path in store.folder.glob("*/*.safetensors") if path.parent.name.startswith("own")]


def test_another_store_on_the_same_folder_computes_nothing(kept: Predictor) -> None:
    finder = OwnFinder()
    first = FeatureStore().features(finder, discs(), kept)
    assert len(first.records) > 1
    with nothing_is_computed():
        again = FeatureStore().features(finder, discs(), reopened(kept))
    assert np.array_equal(again.features, first.features)
    for one, other in zip(first.records, again.records, strict=True):
        assert np.array_equal(one.mask, other.mask)
        assert one.predicted_iou == other.predicted_iou
        assert one.point_coords == other.point_coords
    mask = StoredMask(discs()[..., 0] == 200)
    example = [Example(mask)]
    found, found_again = (finder.find(each, [], example).instances for each in (first, again))
    assert [one.score for one in found] == [one.score for one in found_again]


def test_features_of_others_are_not_used(kept: Predictor) -> None:
    FeatureStore().features(OwnFinder(), discs(), kept)
    assert len(files(kept)) == 1
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        masks_at = Predictor.masks_at
        patch.setattr(Predictor, "masks_at", lambda *args, **options: calls.append(1) or masks_at(*args, **options))
        for finder, image, model in (
            (Other(), discs(), kept.model),
            (OwnFinder(), discs()[::-1].copy(), kept.model),
            (OwnFinder(), discs(), copy.copy(kept.model)),
        ):
            if model is not kept.model:
                model.weights_id = "another model"
            calls.clear()
            FeatureStore().features(finder, image, Predictor(model, cache=reopened(kept).cache))
            assert calls


@pytest.mark.parametrize("how", ["cut", "flipped", "renamed", "of another finder", "of other masks"])
def test_a_damaged_file_is_measured_again(kept: Predictor, how: str) -> None:
    first = FeatureStore().features(OwnFinder(), discs(), kept)
    (path,) = files(kept)
    data = bytearray(path.read_bytes())
    if how == "cut":
        path.write_bytes(data[:-9])
    elif how == "flipped":
        data[-9] ^= 4
        path.write_bytes(data)
    elif how == "renamed":
        FeatureStore().features(OwnFinder(), discs()[::-1].copy(), kept)
        (other,) = set(files(kept)) - {path}
        other.replace(path)
    else:
        store = kept.cache.store
        assert store is not None
        facts = safe_open(path, "pt").metadata()
        tensors = load_file(path)
        if how == "of another finder":
            del tensors["features"]
        else:
            tensors["counts"] = tensors["counts"] + 1
        store.put_features(facts["image_hash"], facts["identity"], tensors)
    with pytest.warns(UserWarning, match="stored features are dropped"):
        again = FeatureStore().features(OwnFinder(), discs(), reopened(kept))
    assert np.array_equal(again.features, first.features)
    with nothing_is_computed(), warnings.catch_warnings():
        warnings.simplefilter("error")
        FeatureStore().features(OwnFinder(), discs(), reopened(kept))


def test_a_read_only_cache_writes_no_features(kept: Predictor) -> None:
    kept.cache.read_only = True
    FeatureStore().features(OwnFinder(), discs(), kept)
    assert not files(kept)


def test_features_make_room_with_the_embeddings(predictor: Predictor, tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, max_bytes=1000)
    kept = Predictor(predictor.model, cache=EmbeddingCache(store=store))
    assert FeatureStore().features(OwnFinder(), discs(), kept).records
    assert store.nbytes <= 1000


def test_a_folder_that_cannot_be_written_to_is_reported_once(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = Predictor(predictor.model, cache=EmbeddingCache(store=EmbeddingStore(tmp_path / "file")))
    with pytest.warns(UserWarning, match="kept in memory alone") as told:
        assert FeatureStore().features(OwnFinder(), discs(), kept).records
    assert len(told) == 1


PROCESS = """
import sys
import numpy as np
from sam_widget.automatic.finding import embedded
from sam_widget.predictor.embeddings import EmbeddingCache, EmbeddingStore
from sam_widget.predictor.predictor import Predictor
from sam_widget.session.session import Session

calls = []
for holder, name in ((Predictor, "_encode"), (Predictor, "masks_at"), (embedded, "describe")):
    def counted(*args, _plain=getattr(holder, name), **options):
        calls.append(1)
        return _plain(*args, **options)
    setattr(holder, name, counted)
predictor = Predictor("tiny", cache=EmbeddingCache(store=EmbeddingStore(sys.argv[1])))
found = Session(np.load(sys.argv[2]), model=predictor).find("red cat", "ball", threshold=0)
print(len(calls), [(one.word, one.score, one.area) for one in found])
"""


def test_a_second_process_encodes_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", discs())
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "store"), str(tmp_path / "image.npy")]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.split(" ", 1)
        for _ in range(2)
    )
    assert int(first[0]) > 2
    assert int(second[0]) == 0
    assert first[1] == second[1] != "[]\n"
