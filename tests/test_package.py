"""The package as a whole: what importing it costs, and its public names."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import sam_widget as sw


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, sam_widget; print('torch' in sys.modules, 'anywidget' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]


def test_every_public_name_can_be_imported() -> None:
    for name in sw.__all__:
        assert getattr(sw, name).__doc__, name
    assert set(sw.__all__) <= set(dir(sw))


def test_no_module_takes_the_place_of_a_public_name_once_it_is_imported() -> None:
    specs = {name: importlib.util.find_spec(f"sam_widget.{name}") for name in sw.__all__}
    assert {name for name, spec in specs.items() if spec and spec.origin} == {"export"}, "a room of its own"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(sw, "segment_nothing")
