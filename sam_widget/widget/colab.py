"""Google Colab: shows widgets from outside ipywidgets only after a switch, and in outputs that name its widget manager.

anywidget does both for its own widgets; this does it for panels, which are widgets of ipywidgets that contain others.
"""

from __future__ import annotations

import sys
from typing import Any

_OUTPUT = "google.colab.output"
_VIEW = "application/vnd.jupyter.widget-view+json"


def in_colab() -> bool:
    """Whether this is a kernel of Colab."""
    return _OUTPUT in sys.modules


def enable_widgets() -> None:
    """In Colab, load the widget manager that can show this package's widgets; elsewhere, do nothing."""
    if in_colab():
        sys.modules[_OUTPUT].enable_custom_widget_manager()


def view_metadata() -> dict[str, Any]:
    """Return the metadata that an output with a view needs: in Colab, the address of the widget manager.

    Colab adds it to what is displayed, but not to a cell's result.
    """
    if not in_colab():
        return {}
    manager = sys.modules[_OUTPUT]._widgets._installed_url  # noqa: SLF001  has no public name
    return {} if manager is None else {_VIEW: {"colab": {"custom_widget_manager": {"url": manager}}}}
