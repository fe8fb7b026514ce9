"""What the handlers of a server share: models, people, the queue, and what is counted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client import Counter as Counted

from sam_widget import __version__
from sam_widget.model.headless import architecture_in, pack
from sam_widget.predictor.connection import PROTOCOL, About, ServedModel
from sam_widget.predictor.embeddings import Embedding
from sam_widget.predictor.predictor import Predictor
from sam_widget.serve.embedder import Embedder
from sam_widget.serve.people import People

# Embeddings kept in memory, on the GPU: 2.1 MB each for SAM in bfloat16, 4.2 in float32.
IN_MEMORY = 256


class Metrics:
    """What a server counts, for Prometheus."""

    def __init__(self, embedder: Embedder) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        self.requests = Counted(
            "sam_widget_requests", "Requests by kind and status.", ["kind", "status"], registry=self.registry
        )
        self.seconds = Histogram("sam_widget_request_seconds", "Time of requests.", ["kind"], registry=self.registry)
        # Requests under way.
        self.active = 0
        # Websockets open, by person.
        self.lines: Counter[str] = Counter()
        under_way = Gauge("sam_widget_requests_under_way", "Requests being answered.", registry=self.registry)
        under_way.set_function(lambda: self.active)
        waiting = Gauge("sam_widget_images_waiting", "Images in the queue.", registry=self.registry)
        waiting.set_function(lambda: len(embedder))
        embedded = Gauge("sam_widget_images_embedded", "Images embedded since the start.", registry=self.registry)
        embedded.set_function(lambda: embedder.embedded)
        lines = Gauge("sam_widget_websockets_open", "Websockets for prompts.", registry=self.registry)
        lines.set_function(self.lines.total)


@dataclass(frozen=True, eq=False)
class Service:
    """What the handlers of requests share.

    Attributes:
        predictors: By the name of the model.
        people: Who may ask for what.
        embedder: Embeds images.
        decoders: Files of the models without their image encoders.
        about: What the server says of itself.
        metrics: What it counts.
        workers: Threads that read images and write embeddings.
        decoding: The thread that answers prompts.
        runs: How many runs of everything mode are under way for each person.
    """

    predictors: Mapping[str, Predictor]
    people: People
    embedder: Embedder
    decoders: Mapping[str, bytes]
    about: About
    metrics: Metrics
    workers: ThreadPoolExecutor
    decoding: ThreadPoolExecutor
    runs: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls,
        predictors: Mapping[str, Predictor],
        people: People,
        *,
        at_once: int = 1,
        decoders: Mapping[str, bytes] | None = None,
    ) -> Service:
        """Prepare to serve models, by name.

        Args:
            predictors: By the name of the model.
            people: Who may ask for what.
            at_once: Images handed to the predictors at the same time; more than one for those of a cluster.
            decoders: Files of the models without their image encoders, if the predictors have no encoders either.

        Raises:
            ModelError: A model cannot be served.
        """
        if decoders is None:
            decoders = {name: pack(predictor.model) for name, predictor in predictors.items()}
        models = tuple(
            ServedModel(
                name=name,
                weights_id=predictor.model.weights_id,
                encoder_id=predictor.model.encoder_id,
                image_size=predictor.config.image_size,
                architecture=architecture_in(decoders[name]),
                device=predictor.device.type,
                decoder=hashlib.sha256(decoders[name]).hexdigest(),
            )
            for name, predictor in predictors.items()
        )
        embedder = Embedder(predictors, at_once=at_once)
        return cls(
            predictors=predictors,
            people=people,
            embedder=embedder,
            decoders=decoders,
            about=About(protocol=PROTOCOL, version=__version__, models=models),
            metrics=Metrics(embedder),
            workers=ThreadPoolExecutor(2, "sam_widget serving"),
            decoding=ThreadPoolExecutor(1, "sam_widget decoding"),
        )

    def kept(self, model: str, digest: str) -> Embedding | None:
        """Return an embedding that exists, or None."""
        predictor = self.predictors[model]
        return predictor.cache.get(digest, predictor.model.encoder_id, device=predictor.device)

    def close(self) -> None:
        """Finish what is being computed."""
        self.embedder.close()
        self.workers.shutdown(cancel_futures=True)
        self.decoding.shutdown(cancel_futures=True)
