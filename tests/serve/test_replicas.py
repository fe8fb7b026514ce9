"""The server on a real Ray cluster: encoders that are killed, and its arguments. The protocol is in `test_app`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_widget.errors import ModelError, OutOfReachError
from sam_widget.predictor.embeddings import Embedding, EmbeddingCache
from sam_widget.predictor.served import ServedPredictor, connect
from tests.serve.cluster import ray_serving, workers
from tests.serve.test_app import client, picture, send
from tests.serving import TOKENS
from tests.waiting import until

# Ray is imported later, because it reads the environment then.
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
]


def test_a_class_continues_while_its_processes_are_killed() -> None:
    with ray_serving(encoders=2) as address:
        there = connect(f"{address}?token={TOKENS['ada']}")
        there.cache = EmbeddingCache(size=0)
        made: dict[int, Any] = {}

        def embed(numbers: range) -> None:
            for number in numbers:
                made[number] = there.embed(picture(number))

        people = [threading.Thread(target=embed, args=(range(start, start + 10),)) for start in (0, 20)]
        for one in people:
            one.start()
        until(lambda: len(made) >= 4, seconds=120, what="four images are embedded")
        # One encoder less is not noticed.
        workers("ray::ServeReplica:sam-widget:Encoder")[0].kill()
        for one in people:
            one.join(240)
        assert len(made) == 20
        # The door is missed, and forgets who has sent what; clients send it again.
        workers("ray::ServeReplica:sam-widget:Door")[0].kill()
        again = until(lambda: embedded(there, picture(3)), seconds=240, what="the door is back")
        assert np.array_equal(again.features.numpy(), made[3].features.numpy())


def embedded(there: ServedPredictor, pixels: np.ndarray) -> Embedding | None:
    """Return an embedding, or None if the server is out of reach."""
    try:
        return there.embed(pixels)
    except OutOfReachError:
        return None


def test_the_door_takes_no_core_so_that_encoders_may_have_all() -> None:
    from sam_widget.serve.replicas import Door

    assert Door.ray_actor_options["num_cpus"] == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("there", "options", "said"),
    [
        ({"CPU": 2.0}, {"encoders": 3}, "has 2 cores, and 3 encoders need one each; use --encoders 2"),
        ({"CPU": 8.0, "GPU": 1.0}, {"encoders": 2}, "has 1 GPU, and 2 encoders need one each"),
        ({"CPU": 8.0}, {"device": "cuda"}, "has no GPU for an encoder"),
        ({"CPU": 2.0}, {"encoders": 2}, None),
        ({"CPU": 4.0, "GPU": 1.0}, {"encoders": 4, "device": "cpu"}, None),
    ],
)
def test_more_encoders_than_there_is_room_for_are_refused(
    monkeypatch: pytest.MonkeyPatch, there: dict[str, float], options: dict[str, Any], said: str | None
) -> None:
    import ray

    from sam_widget.serve.replicas import Options, check_room

    monkeypatch.setattr(ray, "cluster_resources", lambda: there)
    with pytest.raises(ModelError, match=said) if said else nullcontext():
        check_room(Options(**options))


def test_the_command_refuses_more_encoders_than_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t" * 64)
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path))
    many = str(1000 * (os.cpu_count() or 1))
    command = [sys.executable, "-m", "sam_widget", "serve", "--ray", "--encoders", many, "--device", "cpu"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert found.returncode == 1
    assert "encoders need one each" in found.stderr


def test_images_of_thirty_people_are_embedded_once() -> None:
    with ray_serving(encoders=2) as address:
        http = client(address)
        digests = {send(client(address, who), picture(1)) for who in ("ada", "bob") * 15}
        assert len(digests) == 1
        assert http.get(f"v1/embeddings/{digests.pop()}?model=tiny&wait=30").status_code == 200
        assert "sam_widget_images_embedded 1.0" in http.get("metrics").text


@pytest.mark.parametrize("given", [{"models": "tiny"}, {"model": ["tiny"]}, {"encoders": "two"}])
def test_malformed_arguments_are_refused(given: dict[str, Any]) -> None:
    from sam_widget.serve.replicas import build

    with pytest.raises(ModelError, match="arguments of the application are malformed"):
        build(given)


def test_the_example_of_the_documentation_is_understood() -> None:
    import msgspec
    import yaml
    from ray.serve.schema import ServeDeploySchema

    from sam_widget.serve.replicas import Options

    file = Path(__file__).parents[2] / "notebooks/docs/pages/guides/deploy/serve.yaml"
    schema = ServeDeploySchema(**yaml.safe_load(file.read_text(encoding="utf-8")))
    application = schema.applications[0]
    assert application.import_path == "sam_widget.serve.replicas:build"
    options = msgspec.convert(application.args, Options)
    assert options.models
