"""`sam-widget serve --ray`: the server on a Ray cluster.

One door speaks the protocol, as it does without Ray: it knows the people and the queue, keeps the embeddings, and
answers prompts. Behind it, any number of encoders embed images, each on a GPU; Ray Serve starts them, loads the model
that an image needs, batches images and replaces encoders that die. The door hands an image whose encoder has died to
another.

`build` is what a `serve.yaml` names.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import ray
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.schema import LoggingConfig
from tornado.netutil import bind_sockets

from sam_widget.errors import ModelError, SessionError
from sam_widget.model.headless import pack, unpack
from sam_widget.model.zoo import load_model
from sam_widget.predictor.embeddings import Embedding, EmbeddingCache, EmbeddingStore
from sam_widget.predictor.predictor import Predictor
from sam_widget.serve.asgi_service import AsgiService
from sam_widget.serve.cluster import connected
from sam_widget.serve.embedder import BATCH, PAUSE_SECONDS
from sam_widget.serve.people import People
from sam_widget.serve.service import IN_MEMORY, Service

NAME = "sam-widget"
# Models that an encoder keeps loaded.
MODELS = 2
# How often an image is handed to another encoder after the first has died.
ATTEMPTS = 3


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is served to whom: the arguments in a `serve.yaml`.

    Attributes:
        models: Names, or paths that every machine has.
        tokens: Token by name.
        people: A file of tokens instead, on every machine.
        share: Let everyone ask for everyone's images by their hashes.
        store: Folder of the embeddings; None for the folder that widgets use.
        no_store: Keep embeddings in memory only.
        encoders: The most encoders.
        device: Where they compute: cuda, with a GPU each, or cpu. By default, on GPUs if the cluster has any.
    """

    models: tuple[str, ...] = ("tiny",)
    tokens: dict[str, str] = {}
    people: str | None = None
    share: bool = False
    store: str | None = None
    no_store: bool = False
    encoders: int = 1
    device: str | None = None


@serve.deployment(max_ongoing_requests=4 * BATCH)
class Encoder:
    """Embeds images; runs on a GPU, if there is one."""

    def __init__(self, device: str | None) -> None:
        """Load nothing yet."""
        self._device = device

    @serve.multiplexed(max_num_models_per_replica=MODELS)
    async def load(self, model: str) -> Predictor:
        """Load a model; Ray Serve keeps those used last."""
        return Predictor(load_model(model, device=self._device), cache=EmbeddingCache(size=0))

    async def decoder(self, model: str) -> bytes:
        """Return the model without its image encoder, as a file."""
        return pack((await self.load(model)).model)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=PAUSE_SECONDS)
    async def embed(self, images: list[np.ndarray]) -> list[bytes]:
        """Embed images for one model, and return the embeddings as files."""
        predictor = await self.load(serve.get_multiplexed_model_id())
        return await asyncio.get_running_loop().run_in_executor(None, _embedded, predictor, images)


def _embedded(predictor: Predictor, images: Sequence[np.ndarray]) -> list[bytes]:
    """Embed images; those of one size together."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        by_size.setdefault(image.shape, []).append(index)
    found: dict[int, bytes] = {}
    for indices in by_size.values():
        made = predictor.embed_many([images[index] for index in indices], keep=False)
        found |= {index: embedding.to_bytes() for index, embedding in zip(indices, made, strict=True)}
    return [found[index] for index in range(len(images))]


class ClusterPredictor(Predictor):
    """A predictor that lets encoders embed images, and answers prompts itself."""

    def __init__(self, encoders: Any, name: str, decoder: bytes, *, cache: EmbeddingCache) -> None:
        """Take a handle of the encoders, and the file of the model's decoder."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "decoder.safetensors"
            path.write_bytes(decoder)
            super().__init__(unpack(path), cache=cache)
        self._encoders = encoders.options(multiplexed_model_id=name).embed

    def _encode(self, rgbs: Sequence[np.ndarray], hashes: Sequence[str]) -> list[Embedding]:
        del hashes  # the encoders make the same
        return [self._sent(rgb) for rgb in rgbs]

    def _sent(self, rgb: np.ndarray) -> Embedding:
        for _ in range(ATTEMPTS):
            try:
                content: bytes = self._encoders.remote(rgb).result()
            except RayActorError:  # the encoder has died, and Ray Serve hands no image on by itself
                continue
            with TemporaryDirectory() as folder:
                path = Path(folder) / "embedding.safetensors"
                path.write_bytes(content)
                return Embedding.load(path)
        raise ModelError(f"{ATTEMPTS} encoders died while they embedded the image")


# It computes nothing, so it takes no core of its own: with as many encoders as cores, Ray would never start it.
@serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})
@serve.ingress()
class Door:
    """Speaks the protocol. There is one, because it knows the queue and who has sent which image."""

    async def __init__(self, encoders: Any, options: Options) -> None:  # type: ignore[misc]  # Ray Serve awaits it
        """Fetch the decoders."""
        people = (
            People(options.tokens, share=options.share)
            if options.people is None
            else People.read(options.people, share=options.share)
        )
        store = None if options.no_store else EmbeddingStore(options.store)
        cache = EmbeddingCache(size=IN_MEMORY, pixels=False, store=store)
        predictors: dict[str, Predictor] = {}
        decoders: dict[str, bytes] = {}
        for name in options.models:
            decoder = await encoders.options(multiplexed_model_id=name).decoder.remote(name)
            predictor = ClusterPredictor(encoders, name, decoder, cache=cache)
            predictors[predictor.model.name], decoders[predictor.model.name] = predictor, decoder
        self._service = Service.of(predictors, people, at_once=options.encoders * BATCH, decoders=decoders)

    def __serve_build_asgi_app__(self) -> AsgiService:
        return AsgiService(self._service)

    def __del__(self) -> None:
        if hasattr(self, "_service"):  # not if it did not start
            self._service.close()


def build(given: Mapping[str, Any]) -> Any:
    """Return the application for Ray Serve; `given` are the `args` of a `serve.yaml`, see `Options`.

    Raises:
        ModelError: An argument is unknown or of the wrong type.
    """
    try:
        options = msgspec.convert(dict(given), Options)
    except msgspec.ValidationError as error:
        raise ModelError(f"the arguments of the application are malformed: {error}") from error
    device = device_of(options)
    needs = {"num_gpus": 1} if device.startswith("cuda") else {"num_cpus": 1}
    # What the decorators return.
    encoder: Any = Encoder
    door: Any = Door
    encoders = encoder.options(num_replicas=options.encoders, ray_actor_options=needs)
    return door.bind(encoders.bind(device), options)


def device_of(options: Options) -> str:
    """Return where encoders compute."""
    return options.device or ("cuda" if ray.cluster_resources().get("GPU") else "cpu")


def check_room(options: Options) -> None:
    """Check that every encoder finds a GPU or a core, since Ray would wait for one without a word.

    Raises:
        ModelError: The cluster has too few.
    """
    kind, word = ("GPU", "GPU") if device_of(options).startswith("cuda") else ("CPU", "core")
    there = int(ray.cluster_resources().get(kind, 0))
    if options.encoders > there:
        raise ModelError(
            f"the cluster has {there} {word}{'s' * (there != 1)}, and {options.encoders} encoders need one each; "
            f"use --encoders {there}, or add machines"
            if there
            else f"the cluster has no {word} for an encoder; add machines, or use --device"
        )


def serve_on_cluster(
    options: Options, *, host: str = "127.0.0.1", port: int = 0, ready: Callable[[str], object] = print
) -> None:
    """Serve models on a Ray cluster until SIGTERM or SIGINT.

    Args:
        options: What is served to whom.
        host: Address to listen on.
        port: Port; 0 for any free one.
        ready: Called with the address, without a token, once requests are answered.

    Raises:
        SessionError: The port is taken, or a file of tokens is malformed.
        ModelError: The cluster cannot be used or is too small, or a model cannot be served.
    """
    try:
        with bind_sockets(port, host)[0] as free:
            chosen = free.getsockname()[1]
    except OSError as error:
        raise SessionError(f"the server cannot listen on {host}, port {port} ({error.strerror or error})") from error
    if options.people is not None:
        People.read(options.people)
    connected()
    check_room(options)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
    serve.start(http_options={"host": host, "port": chosen}, logging_config=quiet)
    try:
        serve.run(build(msgspec.to_builtins(options)), name=NAME, route_prefix="/", logging_config=quiet)
        ready(f"http://{f'[{host}]' if ':' in host else host}:{chosen}/")
        ended.wait()
    except RuntimeError as error:  # a deployment that did not start; Ray's message has the reason
        raise ModelError(f"the models cannot be served: {error}") from error
    finally:
        serve.shutdown()
