"""`sam-widget serve`, as a process of its own."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import numpy as np
import pytest

from sam_widget.cli.cli import main
from sam_widget.errors import ModelError
from sam_widget.predictor.embeddings import EmbeddingCache
from sam_widget.predictor.served import connect
from tests.serving import process


@pytest.fixture(autouse=True)
def on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path / "client"))
    monkeypatch.delenv("SAM_WIDGET_TOKEN", raising=False)


def test_it_prints_an_address_serves_and_ends_when_told(tmp_path: Path, photo: np.ndarray) -> None:
    with process(tmp_path) as (served, address):
        client = connect(address)
        client.cache = EmbeddingCache()
        embedding = client.embed(photo)
        assert client.predict(embedding, points=[(200, 200)]).masks.any()
        served.send_signal(signal.SIGTERM)
        assert served.wait(30) == 0
    assert len(list((tmp_path / "server/embeddings").rglob("*.safetensors"))) == 1
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "200 GET /v1/models everyone" in log
    assert address.rpartition("=")[2] not in log
    # A second server finds the embedding on disk.
    with process(tmp_path, "--no-store", "--quiet", SAM_WIDGET_TOKEN="t" * 20) as (served, address):
        assert address.endswith("?token=" + "t" * 20)
        assert connect(address).server.about().queue == 0
        served.send_signal(signal.SIGINT)
        assert served.wait(30) == 0


def test_people_have_tokens_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--new-token", "ada"]) == 0
    row = capsys.readouterr().out
    path = tmp_path / "class.txt"
    path.write_text(row, encoding="utf-8")
    name, token = row.split()
    assert name == "ada"
    with process(tmp_path, "--people", str(path)) as (_, address):
        assert "token" not in address
        with pytest.raises(ModelError, match="token is missing or wrong"):
            connect(address)
        assert connect(f"{address}?token={token}").model.name == "tiny"


def test_share_and_no_store_do_what_they_say(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "class.txt"
    path.write_text("ada ada-0123456789abcdef\nbob bob-0123456789abcdef\n", encoding="utf-8")
    for share, status in ((["--share"], 200), ([], 404)):
        with process(tmp_path, "--people", str(path), "--no-store", *share) as (_, address):
            ada = connect(f"{address}?token=ada-0123456789abcdef")
            ada.cache = EmbeddingCache()
            digest = ada.embed(photo[:200, :300]).image_hash  # not scaled, so this is the hash that was sent
            headers = {"Authorization": "Bearer bob-0123456789abcdef"}
            where = f"{address}v1/embeddings/{digest}?model=tiny"
            assert httpx.get(where, headers=headers, trust_env=False).status_code == status
    assert list((tmp_path / "server").rglob("*.safetensors")) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--people", "none.txt"], "cannot be read"),
        (["--new-token", "two words"], "expected one word"),
        (["--model", "vit_x"], "unknown model"),
        (["--model", "tiny", "--model", "tiny"], "two models are called tiny"),
    ],
)
def test_wrong_options_are_refused(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *options]) == 1
    assert said in capsys.readouterr().err


def test_a_short_token_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SAM_WIDGET_TOKEN", "short")
    assert main(["serve"]) == 1
    assert "too short" in capsys.readouterr().err
