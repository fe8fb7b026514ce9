"""What the distributions say about themselves: the README, with links that also work on PyPI. Called by hatchling."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Readme(MetadataHookInterface):
    """Sets the long description."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the README to the project's metadata."""
        sys.path.insert(0, self.root)
        try:
            from notebooks.docs.address import absolute, repository
        finally:
            sys.path.remove(self.root)
        root = Path(self.root)
        address = repository((root / "pyproject.toml").read_text(encoding="utf-8"))
        text = absolute((root / "README.md").read_text(encoding="utf-8"), address)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
