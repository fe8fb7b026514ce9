"""`sam-widget serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sam_widget.cli.terminal import Quiet

SERVE = """\
examples:
  sam-widget serve --model vit_h                                   for this machine, with a random token
  sam-widget serve --model vit_h --host 0.0.0.0 --port 9000 --people class.txt
  sam-widget serve --model vit_h --ray --encoders 4                on the GPUs of a Ray cluster
  sam-widget serve --new-token ada >> class.txt                    a line of the file: a name and a token

In a notebook on another machine, with the address that was printed:
  SamWidget("photo.jpg", model="http://lab:9000/?token=...")

Images are embedded here, and clicks are answered on each laptop. Put a proxy such as Caddy or nginx in
front for https; see the documentation.
"""


def serve(
    *,
    model: Annotated[list[str] | None, Parameter(alias="-m", metavar="MODEL")] = None,
    host: Annotated[str, Parameter(metavar="ADDRESS", show_default=True)] = "127.0.0.1",
    port: Annotated[int, Parameter(metavar="NUMBER", show_default=lambda _: "any free one")] = 0,
    people: Annotated[str | None, Parameter(metavar="FILE")] = None,
    jupyterhub: Annotated[bool, Parameter(show_default=False)] = False,
    new_token: Annotated[str | None, Parameter(metavar="NAME")] = None,
    share: Annotated[bool, Parameter(show_default=False)] = False,
    store: Annotated[str | None, Parameter(metavar="FOLDER")] = None,
    no_store: Annotated[bool, Parameter(show_default=False)] = False,
    device: Annotated[str | None, Parameter(metavar="NAME")] = None,
    ray: Annotated[bool, Parameter(show_default=False)] = False,
    encoders: Annotated[int, Parameter(metavar="N")] = 1,
    quiet: Quiet = False,
) -> int:
    """Serve models to widgets on other machines.

    Thirty laptops share one GPU: an image is embedded once for all of them, and each click is answered
    on the laptop itself. Prints the address, with a token, on a line of its own.

    Args:
        model: A model to serve, by name or path (default: tiny). May be repeated; the first is the default.
        host: Address to listen on. 0.0.0.0 is every network of this machine.
        port: Port to listen on.
        people: File with a name and a token in each line. Without it, there is one random token, or that
            in $SAM_WIDGET_TOKEN.
        jupyterhub: Accept the tokens of a JupyterHub's users. The Hub starts this command as a service, and says where
            to listen.
        new_token: Print a line for this file, and end.
        share: Let everyone ask for everyone's images by their hashes.
        store: Folder that keeps embeddings (default: the folder that widgets use, $SAM_WIDGET_CACHE).
        no_store: Keep embeddings in memory only.
        device: Where to compute: cuda, mps or cpu.
        ray: Serve from a Ray cluster: the one at $RAY_ADDRESS, or a new one on this machine.
        encoders: With --ray, how many processes embed images, each on a GPU if there are any.
    """
    from sam_widget.errors import SessionError, import_extra
    from sam_widget.serve.people import SHORTEST_TOKEN, People
    from sam_widget.serve.people import new_token as random_token

    if new_token is not None:
        if len(new_token.split()) != 1 or "#" in new_token:
            raise SessionError(f"invalid name {new_token!r}; expected one word without '#'")
        print(new_token, random_token())
        return 0
    import_extra("tornado", "serve")
    import_extra("prometheus_client", "serve")
    import logging

    from sam_widget.model.zoo import load_model
    from sam_widget.predictor.embeddings import EmbeddingCache, EmbeddingStore
    from sam_widget.predictor.predictor import Predictor
    from sam_widget.serve.cluster import imported
    from sam_widget.serve.server import serve as run
    from sam_widget.serve.service import IN_MEMORY

    token = os.environ.get("SAM_WIDGET_TOKEN") or random_token()
    if people is None and len(token) < SHORTEST_TOKEN:
        raise SessionError(f"$SAM_WIDGET_TOKEN is too short; expected at least {SHORTEST_TOKEN} characters")
    where: dict[str, Any] = {"host": host, "port": port}
    if jupyterhub:
        from sam_widget.serve.hub import Hub, HubPeople

        if people is not None:
            raise SessionError("--people and --jupyterhub exclude each other; the users of the Hub have its tokens")
        hub = Hub.of_environment()
        who: People = HubPeople(hub, share=share)
        where = {"host": hub.host or host, "port": hub.port or port, "prefix": hub.prefix}
    elif people is not None:
        who = People.read(people, share=share)
    else:
        who = People({"everyone": token}, share=share)
    cache = EmbeddingCache(size=IN_MEMORY, pixels=False, store=None if no_store else EmbeddingStore(store))

    def ready(address: str) -> None:
        own = people is None and not jupyterhub
        print(f"{address}?token={token}" if own else address, flush=True)
        if people is not None and not quiet:
            print(f"{len(who.names)} people of {Path(people).name}, each with a token", file=sys.stderr)

    if ray:
        if jupyterhub:
            raise SessionError("--ray and --jupyterhub exclude each other; give people tokens with --people")
        imported()
        from sam_widget.serve.replicas import Options, serve_on_cluster

        options = Options(
            models=tuple(model or ["tiny"]),
            tokens={} if people else {"everyone": token},
            people=None if people is None else str(Path(people).absolute()),
            share=share,
            store=None if store is None else str(Path(store).expanduser().absolute()),
            no_store=no_store,
            encoders=encoders,
            device=device,
        )
        serve_on_cluster(options, host=host, port=port, ready=ready)
        return 0
    predictors = {}
    for name in model or ["tiny"]:
        loaded = load_model(name, device=device)
        if loaded.name in predictors:
            raise SessionError(f"two models are called {loaded.name}; rename one of the files")
        predictors[loaded.name] = Predictor(loaded, cache=cache)
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr
    )
    # It logs every question to a JupyterHub.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    run(predictors, who, ready=ready, **where)
    return 0
