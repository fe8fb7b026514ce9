"""Shared by the tests of training: a folder for rendered scenes."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where scenes are kept once they are rendered."""
    return tmp_path_factory.mktemp("scenes")
