"""A widget without torch: what views ask for and tell, and Python without threads. The browser tests have the view."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from safetensors.numpy import load

import sam_widget as sw
from sam_widget.predictor.in_view import tensors
from sam_widget.widget.view_decoding import _FILES
from tests.without import HIDE

# As in Pyodide, with what a view would send.
ASK = (
    HIDE
    + """
import asyncio, sys, threading
from pathlib import Path

def start(self):
    raise RuntimeError("can't start new thread")

import numpy as np
import sam_widget as sw
from sam_widget.widget import threads

threads.THERE_ARE = False
threading.Thread.start = start
POINT = {"points": [{"x": 200, "y": 150, "label": 1}], "boxes": [], "strokes": [], "mask": None}

class View:
    def __init__(self, w):
        self.w, self.replies = w, []
        w.send = lambda message, buffers=None: self.replies.append((message, buffers))

    @property
    def seen(self):
        return {"image": self.w.state["image"]["hash"], "rendering": self.w.state["rendering"]}

    def ask(self, kind, *buffers, **fields):
        count = len(self.replies)
        self.w._receive(self.w, {"type": kind, "client": "view", "seq": count, **fields}, list(buffers))
        answers = [message for message, _ in self.replies[count:] if message["type"] == "answer"]
        assert len(answers) == 1, (kind, answers)
        return answers[0]["error"], self.replies[count][1]

    def does(self, kind, *buffers, **fields):
        error, _ = self.ask(kind, *buffers, **fields)
        assert error is None, (kind, error)

    def decodes(self, rows):
        logits = np.full((3, 96, 96), -9, "<f4")
        logits[1, rows, 30:60] = 9
        scores = np.array([0.2, 0.9, 0.5], "<f4").tobytes()
        self.does("decoded", scores, logits.tobytes(), prompt=POINT, best=1, **self.seen)
"""
)
SCRIPT = """
import base64, io
from PIL import Image

async def main():
    w = sw.SamWidget(sw.sample("cat"))
    assert w.state["status"] == "embedding", w.state
    view = View(w)
    ask, seen = view.ask, view.seen
    error, (pixels,) = ask("pixels", **seen)
    assert error is None and len(pixels) == 3 * 384 * 255, len(pixels)
    sizes = [96 * 96 * 16, 48 * 48 * 64, 24 * 24 * 128]
    assert "not features of tiny" in ask("encoded", b"1234", milliseconds=9.0, **seen)[0]
    features = [np.full(size, index, "<f4").tobytes() for index, size in enumerate(sizes)]
    view.does("encoded", *features, milliseconds=9.0, **seen)
    assert w.state["status"] == "ready" and w.state["decode_ms"] == 9.0
    scores = np.array([0.2, 0.9, 0.5], "<f4").tobytes()
    logits = np.full((3, 96, 96), -9, "<f4")
    decoded = dict(prompt=POINT, best=1, **seen)
    assert "0 buffers came with it" in ask("decoded", **decoded)[0]
    assert "not float32" in ask("decoded", scores, b"123", **decoded)[0]
    assert "3 scores" in ask("decoded", scores, logits[:2].tobytes(), **decoded)[0]
    assert "has changed" in ask("decoded", scores, logits.tobytes(), **{**decoded, "image": "another"})[0]
    assert not w.candidates
    view.decodes(slice(20, 40))
    assert w.chosen.score == np.float32(0.9) and w.chosen.mask[100, 200] and not w.chosen.mask[0, 0]
    view.does("accept", label="cat")
    view.does("export", format="coco")
    assert w.objects[0].mask.sum() == w.objects[0].area > 5000
    await asyncio.sleep(2)
    w.close()
    photo = io.BytesIO()
    Image.fromarray(sw.sample("cat")).save(photo, "PNG")
    w = sw.SamWidget("data:image/png;base64," + base64.b64encode(photo.getvalue()).decode())
    assert w.state["status"] == "embedding", w.state
    w.close()
    print([name for name in ("torch", "timm") if sys.modules[name] is not None])

asyncio.run(main())
"""
# Dies without closing anything, as when a page of JupyterLite is closed.
AUTOSAVE = """
import os

async def main(folder):
    path = folder / "cat.sam"
    w = sw.SamWidget(sw.sample("cat"), autosave=path)
    view = View(w)
    view.decodes(slice(20, 40))
    view.does("accept", label="cat")
    assert sorted(file.name for file in folder.iterdir()) == ["cat.sam", "cat.sam.lock"]
    w.close()
    assert [file.name for file in folder.iterdir()] == ["cat.sam"]
    w = sw.SamWidget(sw.sample("cat"), autosave=path)
    view = View(w)
    assert [one["label"] for one in w.state["objects"]] == ["cat"]
    view.decodes(slice(50, 60))
    view.does("accept", label="paw")
    view.does("undo")
    os._exit(7)

asyncio.run(main(Path(sys.argv[1])))
"""
GALLERY = """
from PIL import Image

async def main(folder):
    for name in ("astronaut", "cat", "coffee"):
        Image.fromarray(sw.sample(name)).save(folder / f"{name}.png")
    (folder / "damaged.png").write_bytes(b"not a photo")
    gallery = sw.Gallery(folder)
    view = View(gallery)
    for rows, label in ((slice(20, 40), "face"), (slice(50, 60), "cat")):
        view.decodes(rows)
        view.does("accept", label=label)
        view.does("mark", done=True)
        view.does("show", index=gallery.index + 1)
    gallery.go("astronaut.png")
    assert [one.label for one in gallery.objects] == ["face"]
    gallery.go("damaged.png")
    assert gallery.state["status"] == "error", gallery.state
    gallery.previous()
    assert gallery.name == "coffee.png" and gallery.state["status"] == "embedding", gallery.state
    print([(row.name, row.objects, row.done, row.failed) for row in gallery.overview])
    print(len(gallery.export(folder / "all.json").done))
    gallery.close()
    again = sw.Gallery(folder)
    print(again.name, sorted(file.name for file in folder.glob("*.sam")))
    again.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    given = [sys.executable, "-c", ASK + script, *map(str, arguments)]
    return subprocess.run(given, capture_output=True, text=True, check=False, timeout=120)


def test_a_widget_needs_neither_torch_nor_threads() -> None:
    out = run(SCRIPT)
    assert out.stdout.strip() == "[]", out.stderr


def test_every_edit_is_saved_at_once_without_threads(tmp_path: Path) -> None:
    """Without a thread to merge a write-ahead log, each edit is written to the file itself."""
    out = run(AUTOSAVE, tmp_path)
    assert out.returncode == 7, out.stderr
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".lock"] == ["cat.sam"]
    session = sw.Session.load(tmp_path / "cat.sam")
    assert [item.label for item in session.objects] == ["cat"]
    session.redo()
    assert [item.label for item in session.objects] == ["cat", "paw"]


def test_a_gallery_needs_no_threads(tmp_path: Path) -> None:
    out = run(GALLERY, tmp_path)
    rows, exported, again = [*out.stdout.splitlines(), "", "", ""][:3]
    overview = [
        ("astronaut.png", 1, True, False),
        ("cat.png", 1, True, False),
        ("coffee.png", 0, False, False),
        ("damaged.png", 0, False, True),
    ]
    assert rows == str(overview), out.stderr
    assert exported == "3"
    assert again == "coffee.png ['astronaut.png.sam', 'cat.png.sam', 'coffee.png.sam']"


def test_every_part_of_the_model_is_sent_whole() -> None:
    assert all(read() for read in _FILES.values())
    model = sw.load_model("tiny")
    encoder, decoder = load(tensors(of_encoder=True)), load(tensors(of_encoder=False))
    state = {key: value.numpy() for key, value in model.state_dict().items()}
    named = {initializer.name: initializer for initializer in _graph(_FILES["encoder"]()).initializer}
    assert named
    for initializer in named.values():
        (location,) = (entry.value for entry in initializer.external_data if entry.key == "location")
        assert list(encoder[location].shape) == list(initializer.dims)
    for key, value in (encoder | decoder).items():
        np.testing.assert_array_equal(value.astype(np.float32), state[key], err_msg=key)
    # Each parameter of the model is in one of them, but those of the position grid and the counts of batches.
    left = {key for key in state if key not in encoder and key not in decoder}
    assert all(key.startswith("grid.") or key.endswith("num_batches_tracked") for key in left)


def _graph(file: bytes) -> onnx.GraphProto:
    return onnx.load_from_string(gzip.decompress(file)).graph
