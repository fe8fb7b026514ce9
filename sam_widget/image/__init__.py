"""Read images of any kind as RGB, raw values or tiles.

`reading` turns a path, URL, bytes, array or tensor into pixels, `sources` opens files, streams and URLs, `blocks` reads
arrays that are not in memory, `rendering` maps channels and value ranges to RGB, `pyramid` cuts large images into
tiles, `provenance` records where an image came from, `files` lists the photos of a folder, and `samples` holds the
bundled ones. Nothing here runs a model or knows about masks.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
