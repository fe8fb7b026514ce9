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


# Each is imported where it is used. Without them, `import sam_widget.session` costs little more than NumPy does.
HEAVY = {
    "PIL",
    "anywidget",
    "asyncio",
    "concurrent.futures",
    "cv2",
    "cyclopts",
    "email",
    "filelock",
    "hashlib",
    "http.client",
    "huggingface_hub",
    "importlib.metadata",
    "importlib.resources",
    "ipywidgets",
    "logging",
    "matplotlib",
    "msgspec",
    "multiprocessing",
    "pycocotools",
    "rich",
    "safetensors",
    "scipy",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "timm",
    "torch",
    "tqdm",
    "urllib.request",
    "uuid",
}


def test_importing_a_session_imports_nothing_heavy() -> None:
    # What NumPy brings along differs from release to release.
    code = (
        "import sys, numpy; before = {*sys.modules}; import sam_widget.session.session; print(*{*sys.modules} - before)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    imported = set(out.stdout.split())
    assert "sam_widget.session.session" in imported
    assert not imported & HEAVY


def test_masks_are_read_measured_and_exported_where_there_is_no_torch() -> None:
    """As in Pyodide; `pyproject.toml` leaves these out there."""
    code = """
import sys
for name in ("torch", "torchvision", "timm", "pycocotools"):
    sys.modules[name] = None
import numpy as np, sam_widget as sw, tempfile, pathlib
labels = np.zeros((30, 40), np.uint8); labels[5:15, 5:20] = 1; labels[18:25, 22:33] = 2
path = pathlib.Path(tempfile.mkdtemp(), "labels.npy"); np.save(path, labels)
masks = sw.load_masks(path)
print([mask.area for mask in masks], sw.to_rgb(labels).shape, sw.sample("cat").shape)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert out.stdout.strip() == "[150, 77] (30, 40, 3) (300, 451, 3)", out.stderr


def test_every_public_name_can_be_imported() -> None:
    for name in sw.__all__:
        assert getattr(sw, name).__doc__, name
    assert set(sw.__all__) <= set(dir(sw))


def test_no_module_takes_the_place_of_a_public_name_once_it_is_imported() -> None:
    specs = {name: importlib.util.find_spec(f"sam_widget.{name}") for name in sw.__all__}
    assert {name for name, spec in specs.items() if spec and spec.origin} == {"export", "teach"}, "rooms of their own"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(sw, "segment_nothing")
