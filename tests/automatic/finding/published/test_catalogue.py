"""Published finders by name: which there are, and what is said when one cannot be had."""

from __future__ import annotations

import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import HfApi, constants

import sam_widget as sw
from sam_widget.automatic.finding.loading import finder_named_in_file, finder_of
from sam_widget.automatic.finding.published import catalogue, checkpoints
from sam_widget.automatic.finding.published.catalogue import FINDERS, _kinds, load_published
from sam_widget.automatic.finding.published.concepts import ConceptFinder
from sam_widget.automatic.finding.store import FeatureStore
from sam_widget.predictor.predictor import Predictor
from tests.automatic.finding.published import models
from tests.automatic.finding.published.calls import counted
from tests.hub import FolderHub, serving_folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    catalogue._loaded.cache_clear()
    yield
    catalogue._loaded.cache_clear()


@pytest.fixture
def hub_with_sam3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FolderHub]:
    files = {path.name: path.read_bytes() for path in models.saved("sam3_video", folder).iterdir()}
    with serving_folder("facebook/sam3", files) as server:
        initialize = HfApi.__init__

        def initialized(self: HfApi, **kwargs: object) -> None:
            initialize(self, **{**kwargs, "endpoint": server.endpoint})  # type: ignore[arg-type]

        monkeypatch.setattr(HfApi, "__init__", initialized)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        pattern = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


def test_the_table_names_each_model_once() -> None:
    names = [known.name for known in FINDERS]
    assert len(set(names)) == len(names)
    for known in FINDERS:
        assert re.fullmatch(r"[\w-]+/[\w.-]+", known.name)
        assert known.parameters > 100
        assert known.finds
        assert known.licence


def test_the_documentation_has_a_row_for_each_model() -> None:
    page = Path(__file__).resolve().parents[4] / "notebooks" / "docs" / "pages" / "guides" / "models.md"
    for known in FINDERS:
        row = next(
            (
                line
                for line in page.read_text(encoding="utf-8").splitlines()
                if line.startswith("|") and known.name in line
            ),
            "",
        )
        assert row, known.name
        assert f"{known.parameters} M" in row
        assert known.licence in row


def test_each_kind_of_model_is_in_the_library() -> None:
    names = {*dir(checkpoints.library())}
    for kind in _kinds().values():
        assert {kind.architecture.model, kind.architecture.processor} <= names


@pytest.mark.parametrize(
    ("name", "meant"),
    [("sam3", "facebook/sam3"), ("clip", "openai/clip"), ("owlv2-base-patch16", "google/owlv2-base-patch16-ensemble")],
)
def test_an_unknown_name_is_refused_with_near_ones(name: str, meant: str) -> None:
    with pytest.raises(sw.ModelError, match=rf"unknown finder '{name}'; .* Did you mean .*{meant}"):
        load_published(name)


def test_what_is_not_here_is_not_waited_for() -> None:
    with pytest.raises(sw.ModelError, match="openai/clip-vit-base-patch32 is not on this machine, and HF_HUB_OFFLINE"):
        load_published("openai/clip-vit-base-patch32")
    with pytest.raises(sw.ModelError, match=r"Did you mean 'google/owlv2-base-patch16-ensemble'"):
        load_published("google/owlv2-base-patch16-ensembl")


def test_a_finder_is_got_by_its_folder_and_loaded_once(folder: Path) -> None:
    models.saved("clip", folder)
    finder = finder_of(str(folder))
    assert finder_of(folder) is finder
    assert finder.name == str(folder.resolve())
    (folder / "config.json").touch()
    assert finder_of(str(folder)) is not finder


def test_a_gated_model_is_downloaded_once_with_its_licence_shown_first(
    hub_with_sam3: FolderHub, image: np.ndarray, tiny: Predictor
) -> None:
    with pytest.warns(
        UserWarning, match=r"facebook/sam3 is released under the SAM License, .* read it at https://hugg"
    ):
        finder = load_published("facebook/sam3")
    assert isinstance(finder, ConceptFinder)
    assert finder.find(FeatureStore().features(finder, image, tiny), ["cat"]).instances
    catalogue._loaded.cache_clear()
    asked = len(hub_with_sam3.requests)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_published("facebook/sam3")
    assert len(hub_with_sam3.requests) == asked


def test_refused_access_says_what_to_do(hub_with_sam3: FolderHub) -> None:
    hub_with_sam3.gated = True
    with (
        pytest.warns(UserWarning, match="SAM License"),
        pytest.raises(sw.ModelError, match=r"access to facebook/sam3 was refused: .* `hf auth login`"),
    ):
        load_published("facebook/sam3")


def test_a_finder_named_in_a_file_is_not_downloaded(hub_with_sam3: FolderHub, folder: Path) -> None:
    with pytest.raises(sw.ModelError, match="the weights of the finder 'facebook/sam3' are not on this machine"):
        finder_named_in_file("facebook/sam3")
    for name in ("//server/share", r"\\server\share", "https://example.org/model"):
        with pytest.raises(sw.ModelError, match="is on another machine and was not looked for"):
            finder_named_in_file(name)
    assert hub_with_sam3.requests == []
    with pytest.warns(UserWarning, match="SAM License"):
        loaded = load_published("facebook/sam3")
    asked = len(hub_with_sam3.requests)
    assert finder_named_in_file("facebook/sam3") is loaded
    assert finder_named_in_file(str(folder)).weights_id == loaded.weights_id
    assert finder_named_in_file("tiny").name == "tiny"
    assert len(hub_with_sam3.requests) == asked


def test_sessions_on_one_photo_share_what_a_finder_computed(folder: Path, tiny: Predictor) -> None:
    image = np.ascontiguousarray(models.picture()[:, ::-1])  # that no other test searches
    model = str(models.saved("owlv2", folder))
    vision = finder_of(model).checkpoint.model.owlv2.vision_model  # type: ignore[attr-defined]
    first, second = sw.Session(image, model=tiny), sw.Session(image, model=tiny)
    with counted(vision) as calls:
        found = first.find("cat", model=model, threshold=0.1)
        assert calls.calls == 1
        again = first.find("dog", "cat", model=model, threshold=0.1)
        other = second.find("cat", model=model, threshold=0.1)
        assert calls.calls == 1
    assert found.search.found
    assert {one.word for one in again.search.found} <= {"cat", "dog"}
    assert [one.id for one in other.search.found] == [one.id for one in found.search.found]
    first.undo()
    assert first.state.search is not None
    assert first.state.search.query.words == ("cat",)


@pytest.fixture
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model has been loaded by name yet."""
    monkeypatch.setattr("sam_widget.predictor.interface._named", {})


@pytest.mark.usefixtures("unnamed")
def test_a_session_gets_sam3_by_name_with_its_licence_shown_first(
    hub_with_sam3: FolderHub, image: np.ndarray, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="facebook/sam3 is released under the SAM License"):
        session = sw.Session(image, model="facebook/sam3", autosave=tmp_path / "photo.sam")
    assert session.predictor.config.takes_words
    session.set_prompt(sw.Prompt((sw.Point(28, 25),)))
    session.accept("square")
    assert "sw.Session" in session.to_code(image="photo.png")
    assert "model='facebook/sam3'" in session.to_code(image="photo.png")
    session.close()
    asked = len(hub_with_sam3.requests)
    assert sw.Session(image, model="facebook/sam3").predictor is session.predictor
    assert sw.Session.load(tmp_path / "photo.sam").predictor is session.predictor
    assert len(hub_with_sam3.requests) == asked


@pytest.mark.usefixtures("unnamed")
def test_a_widget_gets_sam3_by_name_or_folder(folder: Path, image: np.ndarray) -> None:
    widget = sw.SamWidget(image, model=str(models.saved("sam3_video", folder)))
    try:
        widget.click(28, 25)
        assert len(widget.candidates) == 3
        widget.session.set_prompt(sw.Prompt(words="cat"))
        assert widget.state["prompt"]["words"] == "cat"
    finally:
        widget.close()


@pytest.mark.usefixtures("unnamed")
def test_without_a_hub_or_the_library_it_is_said(
    image: np.ndarray, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.warns(UserWarning, match="SAM License"),
        pytest.raises(sw.ModelError, match="facebook/sam3 is not on this machine, and HF_HUB_OFFLINE"),
    ):
        sw.Session(image, model="facebook/sam3")
    with pytest.raises(sw.ModelError, match="a-model finds words, and answers no clicks"):
        sw.Session(image, model=models.saved("clip", folder))
    with pytest.raises(sw.ModelError, match=r"a predictor of its own; give the name to Session"):
        sw.load_model("facebook/sam3")
    with pytest.raises(sw.ModelError, match=r"did you mean 'facebook/sam3'"):
        sw.Session(image, model="sam3")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(sw.MissingExtraError, match=r"sam-widget\[text\]"):
        sw.Session(image, model="facebook/sam3")


@pytest.mark.usefixtures("unnamed")
def test_a_session_file_downloads_no_sam3(hub_with_sam3: FolderHub, image: np.ndarray, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="SAM License"):
        session = sw.Session(image, model="facebook/sam3")
    session.save(tmp_path / "photo.sam")
    shutil.rmtree(constants.HF_HUB_CACHE)
    sys.modules["sam_widget.predictor.interface"]._named.clear()  # type: ignore[attr-defined]
    asked = len(hub_with_sam3.requests)
    with pytest.raises(sw.ModelError, match="'facebook/sam3', whose weights are not on this machine"):
        sw.Session.load(tmp_path / "photo.sam")
    assert len(hub_with_sam3.requests) == asked
