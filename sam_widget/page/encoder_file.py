"""Write `weights/tiny_encoder.onnx.gz`, with which views run the image encoder where torch is not installed.

Run it after a change of the encoder's architecture; the weights are not in the file.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from sam_widget.model.zoo import WEIGHTS, load_model
from sam_widget.page.networks import encoder_without_weights

PATH = WEIGHTS / "tiny_encoder.onnx.gz"


def main(path: Path = PATH) -> None:
    """Write the file."""
    path.write_bytes(gzip.compress(encoder_without_weights(load_model("tiny")), 9, mtime=0))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
