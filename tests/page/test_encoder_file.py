"""The file of the image encoder, which the package brings: as the model is, without its weights."""

from __future__ import annotations

import gzip
from pathlib import Path

import onnx

from sam_widget.page.encoder_file import PATH, main


def test_the_encoder_in_the_package_is_that_of_the_model(tmp_path: Path) -> None:
    main(tmp_path / "encoder.onnx.gz")
    ours, made = (_graph(path.read_bytes()) for path in (PATH, tmp_path / "encoder.onnx.gz"))
    assert [node.op_type for node in ours.node] == [node.op_type for node in made.node]
    assert [(one.name, list(one.dims)) for one in ours.initializer] == [
        (one.name, list(one.dims)) for one in made.initializer
    ]


def _graph(file: bytes) -> onnx.GraphProto:
    return onnx.load_from_string(gzip.decompress(file)).graph
