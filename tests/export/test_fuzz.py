"""Damaged annotation files are read, or refused with an error of this package.

Files of every format are written, then bytes and values of JSON are changed at random: 500 inputs in `make test`,
20,000 in `make fuzz` (`FUZZ=20000`).
"""

from __future__ import annotations

import copy
import json
import os
import resource
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sam_widget as sw
from tests.export.masks import disc

INPUTS = int(os.environ.get("FUZZ", "500"))
FORMATS = {
    "coco": ".json",
    "geojson": ".geojson",
    "labelme": ".json",
    "label_studio": ".json",
    "pandas": ".csv",
    "svg": ".svg",
    "npz": ".npz",
    "npy": ".npy",
    "indexed_png": ".png",
}
OPTIONS: dict[str, dict[str, Any]] = {"coco": {"segmentation": "polygons"}}
# Values that tools write, and some that they should not.
ODD = (
    *(None, True, "", "x", "1", -1, 0, 1e308, -1e308, float("nan"), float("inf"), 10**400, 2**31, 2**63, 0.5),
    *(
        [],
        [[]],
        [None],
        [1],
        [[1, 2]],
        {},
        {"a": 1},
        {"type": "Polygon"},
        {"size": [1, 1], "counts": "1"},
        "\ud83d",
        [[[]]],
    ),
)


def spots(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values in JSON."""
    found = [path] if path else []
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        found += spots(value, (*path, key))
    return found


def changed_json(data: Any, random: np.random.Generator) -> Any:
    data = copy.deepcopy(data)
    for _ in range(random.integers(1, 4)):
        places = spots(data)
        if not places:
            break
        *way, last = places[random.integers(len(places))]
        inner = data
        for key in way:
            inner = inner[key]
        if random.random() < 0.2:
            del inner[last]
        else:
            inner[last] = copy.deepcopy(ODD[random.integers(len(ODD))])
    return data


def changed_bytes(data: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(random.integers(1, 9)):
        changed[random.integers(len(changed))] = random.integers(256)
    return bytes(changed[: random.integers(1, len(changed))] if random.random() < 0.2 else changed)


@pytest.mark.timeout(7200)
def test_whatever_is_in_a_file_it_is_read_or_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(int(os.environ.get("SEED", "0")))
    source = {"a.png": sw.export.annotations_of([disc(20, 20, 9), disc(40, 30, 20)], labels=["cat", "dog"])}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = {"read": 0, "refused": 0}
    for name, suffix in FORMATS.items():
        original = tmp_path / f"original-{name}{suffix}"
        sw.export.export(source, original, format=name, **OPTIONS.get(name, {}))
        whole = original.read_bytes()
        data = json.loads(whole) if "json" in suffix else None
        for number in range(INPUTS // len(FORMATS) + 1):
            given: Any = tmp_path / f"changed{suffix}"
            if data is not None and number % 4:
                given = changed_json(data, random)
            else:
                given.write_bytes(changed_bytes(whole, random))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    found = sw.export.load_dataset(given, format=name, size=(80, 60))
                except sw.SamWidgetError as error:
                    outcomes["refused"] += 1
                    assert "NoneType" not in str(error)  # noqa: PT017 - whatever the error
                except BaseException as error:
                    error.add_note(
                        f"{name}: {str(given)[:3000] if data is not None and number % 4 else given.read_bytes()!r}"
                    )
                    raise
                else:
                    outcomes["read"] += 1
                    assert all(item.area for image in found for item in image)
    assert min(outcomes.values()) > INPUTS / 20
    # Kilobytes, on Linux.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
