"""One model for many people: `sam-widget serve` embeds images for widgets on other machines.

`embedder` queues images and embeds them, `people` says who may ask for what, `service` holds what is served, `app` and
`prompts` speak HTTP, `server` runs it all. `predictor.connection` is the other side.

On a cluster, with Ray: `asgi` and `asgi_service` put the same handlers behind Ray Serve, and `replicas` deploys them;
`jobs`, `spread` and `many_machines` share the photos of a folder out; `object_store` reads and writes them elsewhere.
"""
