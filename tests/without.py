"""Python as in JupyterLite: code that hides the libraries that Pyodide lacks, for a process or a kernel of its own."""

from __future__ import annotations

# Of our requirements.
MISSING = ("pycocotools", "timm", "torch", "torchvision")
HIDE = f"import sys\nsys.modules.update(dict.fromkeys({MISSING}))\n"
