"""`make notebooks`: run the lessons that changed, and keep their outputs for GitHub and the documentation.

    python notebooks/outputs.py            # weave all lessons; run those whose code differs from the code that was run
    python notebooks/outputs.py 04 05      # these alone
    python notebooks/outputs.py --all      # also those that did not change, after a change in what the package draws

Widgets are stored as pictures of their state when the notebook ended: their identifiers mean nothing in another kernel.
The hash of the code that was run is in the metadata, so that a test can say when outputs are out of date without
running anything.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Also where it is run as a script.
sys.path.insert(0, str(HERE.parent))

from notebooks import weave  # noqa: E402

VIEW = "application/vnd.jupyter.widget-view+json"
# Seconds for one cell.
PATIENCE = 900
# Pixels: wider than the text of any page that shows a notebook.
WIDEST = 1200
# A terminal's codes, which a page shows as boxes.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# The text of tqdm's bars.
_BAR = re.compile(r"[^|]*\d+%\|")
# Run after each cell: what the widgets show now that outputs above have displayed.
_LOOK = """
def _look(names):
    import contextlib, json
    from ipywidgets.widgets.widget import _instances
    found = {}
    for name in names:
        # A closed widget, or the bar of a progress that has ended, is unchanged.
        with contextlib.suppress(KeyError, ReferenceError):
            bundle = _instances[name]._repr_mimebundle_()
            found[name] = bundle[0] if isinstance(bundle, tuple) else bundle or {}
    print(json.dumps(found))
"""


def notebooks() -> list[Path]:
    """Return every notebook, those that are not woven included."""
    return sorted(HERE.glob("*.ipynb"))


def read(path: Path) -> dict[str, Any]:
    """Return a notebook."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def code_hash(notebook: dict[str, Any]) -> str:
    """Return the hash of a notebook's code, cell by cell."""
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def is_stale(notebook: dict[str, Any]) -> bool:
    """Whether a notebook's outputs are missing, or those of other code."""
    return bool(notebook["metadata"].get("sam_widget", {}).get("outputs_of") != code_hash(notebook))


def run(notebook: dict[str, Any], *, folder: Path) -> dict[str, Any]:
    """Return a notebook with the outputs of its cells.

    Args:
        notebook: As JSON; may have outputs, which are replaced.
        folder: Where it runs, and where its temporary files are.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raises.
    """
    import nbformat
    from nbclient import NotebookClient

    document = nbformat.reads(json.dumps(weave.without_outputs(notebook)), as_version=4)
    # The last cell is ours: the client needs one to run code.
    document.cells.append(nbformat.v4.new_code_cell())
    client = NotebookClient(document, timeout=PATIENCE, resources={"metadata": {"path": str(folder)}})
    shown: dict[str, list[Any]] = {}
    number = 0
    # The last two are what Windows calls the first.
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    private = {**temporary, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(HERE.parent)}
    with client.setup_kernel(env={**os.environ, **private}):
        # As in a page, where someone could answer: outputs then say which widget they display.
        client.kc.allow_stdin = True
        for index, cell in enumerate(document.cells[:-1]):
            if cell.cell_type != "code" or not cell.source.strip():
                continue
            number += 1
            client.execute_cell(cell, index, execution_count=number)
            cell.execution_count = number
            for output in cell.outputs:
                if VIEW in output.get("data", {}):
                    shown.setdefault(output.data[VIEW]["model_id"], []).append(output)
            if shown:
                ours = nbformat.v4.new_code_cell(f"{_LOOK}_look({list(shown)})\ndel _look")
                client.execute_cell(ours, len(document.cells) - 1, store_history=False)
                for name, data in json.loads("".join(one.text for one in ours.outputs)).items():
                    for output in shown[name]:
                        # A widget that has no picture keeps its text.
                        output.data = nbformat.from_dict({**output.data, **data})
    document.cells.pop()
    found: dict[str, Any] = json.loads(nbformat.writes(document))
    for cell in found["cells"]:
        if cell["cell_type"] == "code":
            cell["metadata"].pop("execution", None)
            cell["outputs"] = list(_kept(cell["outputs"], folder))
    found["metadata"].pop("widgets", None)
    found["metadata"]["language_info"] = {"name": "python"}
    found["metadata"]["sam_widget"] = {"outputs_of": code_hash(found)}
    return found


def _kept(outputs: list[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """Yield outputs without what is of this machine or this run, and with small pictures."""
    for output in outputs:
        data = output.get("data", {})
        # Progress bars, and the warnings of libraries.
        if output.get("name") == "stderr" or (VIEW in data and _BAR.match("".join(data.get("text/plain", "")))):
            continue
        if "text" in output:
            output["text"] = _portable(output["text"], folder)
        data.pop(VIEW, None)
        for kind, value in list(data.items()):
            if kind == "image/png":
                del data[kind]
                smaller, encoded = small("".join(value))
                data[smaller] = encoded
                output["metadata"] = {}
            elif kind.startswith("text/"):
                data[kind] = _portable(value, folder)
        yield output


def _portable(text: str | list[str], folder: Path) -> list[str]:
    """Return lines of text without temporary files, folders of this machine, addresses in memory and colours."""
    joined = _COLOUR.sub("", "".join(text))
    joined = re.sub(re.escape(str(folder)) + r"(?:[/\\]tmp\w+)?", "/tmp", joined)  # noqa: S108  a name to read
    joined = joined.replace(str(HERE.parent), "sam_widget").replace(str(Path.home()), "~")
    return re.sub(r" at 0x[0-9a-f]+", "", joined).splitlines(keepends=True)


def small(encoded: str) -> tuple[str, str]:
    """Return the type and the base64 of a picture, as the smaller of PNG with a palette and JPEG."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    picture.load()
    if picture.mode == "RGBA":
        sheet = Image.new("RGB", picture.size, "white")
        sheet.paste(picture, (0, 0), picture)
        picture = sheet
    picture = picture.convert("RGB")
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    png, jpeg = io.BytesIO(), io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
    picture.save(jpeg, "JPEG", quality=88, optimize=True)
    if len(png.getvalue()) <= len(jpeg.getvalue()):
        return "image/png", base64.b64encode(png.getvalue()).decode()
    return "image/jpeg", base64.b64encode(jpeg.getvalue()).decode()


def write(path: Path, notebook: dict[str, Any]) -> None:
    """Write a notebook, formatted as `weave` does."""
    path.write_text(weave.as_text(notebook), encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Read the command line, and weave and run notebooks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", metavar="NN", nargs="*", help="numbers of lessons")
    parser.add_argument("--all", action="store_true", help="also those whose code has not changed")
    given = parser.parse_args(arguments)
    weave.write_all()
    for path in notebooks():
        before = read(path)
        if (given.numbers and path.name[:2] not in given.numbers) or not (given.all or is_stale(before)):
            continue
        with tempfile.TemporaryDirectory(prefix="lesson-") as folder:
            write(path, run(before, folder=Path(folder).resolve()))
        print(f"{path.name}: run, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
