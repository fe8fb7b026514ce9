"""In Colab, widgets switch the manager on that can show them, and their outputs name it."""

from __future__ import annotations

import sys
import types
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import sam_widget as sw
from sam_widget.teach.guesses import Question
from sam_widget.widget import cell_output, colab

VIEW = "application/vnd.jupyter.widget-view+json"
URL = "https://example.org/manager.js"


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What Colab provides; the manager has an address once it is switched on."""
    output: Any = types.ModuleType("google.colab.output")
    output._widgets = SimpleNamespace(_installed_url=None)
    output.enable_custom_widget_manager = lambda: setattr(output._widgets, "_installed_url", URL)
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    return output


def test_nothing_is_done_elsewhere() -> None:
    assert not colab.in_colab()
    colab.enable_widgets()
    assert colab.view_metadata() == {}
    _, metadata = Question("AB")._repr_mimebundle_()
    assert VIEW not in metadata


def test_a_panel_switches_the_manager_on_and_names_it(google: Any) -> None:
    assert colab.view_metadata() == {}
    _, metadata = Question("AB")._repr_mimebundle_()
    assert google._widgets._installed_url == URL
    assert metadata[VIEW] == {"colab": {"custom_widget_manager": {"url": URL}}}


def test_a_view_has_one_output_which_names_the_manager(google: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    colab.enable_widgets()
    # Colab's kernels are started by a Jupyter server, too.
    monkeypatch.setenv("JPY_SESSION_NAME", "notebook.ipynb")
    assert not cell_output.is_jupyter()
    widget = sw.SamWidget(np.zeros((30, 40, 3), np.uint8))
    bundle = widget._repr_mimebundle_()
    widget.close()
    assert bundle is not None
    assert bundle[1][VIEW] == colab.view_metadata()[VIEW]
    assert "image/png" in bundle[0]
    assert google._widgets._installed_url == URL
