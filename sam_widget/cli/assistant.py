"""The command `sam-widget mcp`: an assistant segments a photo or a folder, over standard input and output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sam_widget.cli.terminal import Model

MCP = """\
examples:
  sam-widget mcp photos                     an assistant labels a folder; masks are saved next to the photos
  sam-widget mcp cat.jpg --autosave cat.sam

The entry for an assistant's list of servers:
  {"command": "sam-widget", "args": ["mcp", "/path/to/photos"]}

In a notebook, sw.mcp(w) lets an assistant drive a widget that is open.
"""


def mcp(
    image: Annotated[str, Parameter(name="IMAGE")],
    /,
    *,
    model: Model = "tiny",
    autosave: Annotated[str | None, Parameter(metavar="FILE")] = None,
) -> int:
    """Let an assistant segment a photo or a folder of photos.

    Serves the Model Context Protocol over standard input and output, so that only the program that
    started it can use it. In a folder, every step is saved next to the photos; a gallery opens them.

    Args:
        image: A photo, or a folder of photos.
        autosave: The session file of a single photo, in which every step is saved.
    """
    from sam_widget.errors import SamWidgetError
    from sam_widget.widget.assistant import server
    from sam_widget.widget.gallery import Gallery
    from sam_widget.widget.sam_widget import SamWidget

    if Path(image).is_dir():
        if autosave is not None:
            raise SamWidgetError("--autosave is for a single photo; a folder's sessions are saved next to its photos")
        widget: SamWidget = Gallery(image, model=model)
    else:
        widget = SamWidget(image, model=model, autosave=autosave)
    try:
        server(widget).run("stdio")
    finally:
        widget.close()
    return 0
