"""A widget without torch: what views ask for and tell, and Python without threads. The browser tests have the view."""

from __future__ import annotations

import gzip
import subprocess
import sys

import numpy as np
import onnx
from safetensors.numpy import load

import sam_widget as sw
from sam_widget.predictor.in_view import tensors
from sam_widget.widget.view_decoding import _FILES
from tests.without import HIDE

# As in Pyodide, with what a view would send.
SCRIPT = (
    HIDE
    + """
import asyncio, threading

def start(self):
    raise RuntimeError("can't start new thread")

import numpy as np
import sam_widget as sw
from sam_widget.widget import threads

async def main():
    threads.THERE_ARE = False
    threading.Thread.start = start
    w = sw.SamWidget(sw.sample("cat"))
    assert w.state["status"] == "embedding", w.state
    replies = []
    w.send = lambda message, buffers=None: replies.append((message, buffers))

    def ask(kind, *buffers, **fields):
        count = len(replies)
        w._receive(w, {"type": kind, "client": "view", "seq": count, **fields}, list(buffers))
        answers = [message for message, _ in replies[count:] if message["type"] == "answer"]
        assert len(answers) == 1, (kind, answers)
        return answers[0]["error"], replies[count][1]

    seen = {"image": w.state["image"]["hash"], "rendering": w.state["rendering"]}
    error, (pixels,) = ask("pixels", **seen)
    assert error is None and len(pixels) == 3 * 384 * 255, len(pixels)
    sizes = [96 * 96 * 16, 48 * 48 * 64, 24 * 24 * 128]
    assert "not features of tiny" in ask("encoded", b"1234", milliseconds=9.0, **seen)[0]
    features = [np.full(size, index, "<f4").tobytes() for index, size in enumerate(sizes)]
    assert ask("encoded", *features, milliseconds=9.0, **seen)[0] is None
    assert w.state["status"] == "ready" and w.state["decode_ms"] == 9.0
    point = {"points": [{"x": 200, "y": 150, "label": 1}], "boxes": [], "strokes": [], "mask": None}
    scores = np.array([0.2, 0.9, 0.5], "<f4").tobytes()
    logits = np.full((3, 96, 96), -9, "<f4")
    logits[1, 20:40, 30:60] = 9
    decoded = dict(prompt=point, best=1, **seen)
    assert "0 buffers came with it" in ask("decoded", **decoded)[0]
    assert "not float32" in ask("decoded", scores, b"123", **decoded)[0]
    assert "3 scores" in ask("decoded", scores, logits[:2].tobytes(), **decoded)[0]
    assert "has changed" in ask("decoded", scores, logits.tobytes(), **{**decoded, "image": "another"})[0]
    assert not w.candidates
    assert ask("decoded", scores, logits.tobytes(), **decoded)[0] is None
    assert w.chosen.score == np.float32(0.9) and w.chosen.mask[100, 200] and not w.chosen.mask[0, 0]
    assert ask("accept", label="cat")[0] is None
    assert ask("export", format="coco")[0] is None
    assert w.objects[0].mask.sum() == w.objects[0].area > 5000
    await asyncio.sleep(2)
    w.close()
    print([name for name in ("torch", "timm") if sys.modules[name] is not None])

asyncio.run(main())
"""
)


def test_a_widget_needs_neither_torch_nor_threads() -> None:
    out = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=120)
    assert out.stdout.strip() == "[]", out.stderr


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
