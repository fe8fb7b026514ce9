"""Grounding DINO (Liu et al., arXiv 2303.05499) and MM-Grounding DINO (Zhao et al., arXiv 2401.02361).

They mix image and words from their encoder on: the vision backbone runs once for an image, all else for each new
phrase.
"""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import Tensor, nn

from sam_widget.automatic.finding.published.checkpoints import Checkpoint
from sam_widget.automatic.finding.published.detectors import Boxes, Detector
from sam_widget.automatic.finding.published.outcome import FLOOR, picture, refuse_long
from sam_widget.image.reading import RGB


class Backbone(nn.Module):
    """The vision backbone of Grounding DINO, which returns what it is given instead of computing it again."""

    def __init__(self, backbone: nn.Module) -> None:
        """Wrap a backbone."""
        super().__init__()
        self.backbone = backbone
        self.position_embedding = backbone.position_embedding
        self.given: tuple[Any, Any] | None = None

    def forward(self, pixel_values: Tensor, pixel_mask: Tensor) -> tuple[list[Any], list[Any]]:
        """Return the features with their masks, and their positions, one of each level."""
        features, positions = self.given or self.backbone(pixel_values, pixel_mask)
        return list(features), list(positions)  # The model appends coarser levels to them.


class GroundingFinder(Detector):
    """Grounding DINO and MM-Grounding DINO. Each phrase is a query of its own, so that none depends on the others."""

    def __init__(self, name: str, checkpoint: Checkpoint, threshold: float) -> None:
        """Wrap a loaded `GroundingDinoForObjectDetection` or `MMGroundingDinoForObjectDetection`."""
        super().__init__(name, checkpoint, threshold)
        self._lock = threading.Lock()
        inner = checkpoint.model.model
        if not isinstance(inner.backbone, Backbone):
            inner.backbone = Backbone(inner.backbone)
        self._backbone: Backbone = inner.backbone

    def look(self, image: RGB) -> dict[str, Any]:
        """Return the mask of the model's input, and the output of its vision backbone."""
        inputs = self.checkpoint.processor.image_processor(picture(image), return_tensors="pt")
        pixels, mask = (inputs[name].to(self.checkpoint.device) for name in ("pixel_values", "pixel_mask"))
        return {"mask": mask, "features": self._backbone.backbone(pixels, mask)}

    def boxes(self, seen: dict[str, Any], word: str, size: tuple[int, int]) -> Boxes:
        """See `Detector.boxes`."""
        tokens = self._tokens(word)
        # Only the shape is read of pixels.
        pixels = torch.zeros(1, device=self.checkpoint.device).expand(1, 3, *seen["mask"].shape[1:])
        with self._lock:
            self._backbone.given = seen["features"]
            try:
                outputs = self.checkpoint.model(pixel_values=pixels, pixel_mask=seen["mask"], **tokens)
            finally:
                self._backbone.given = None
        result = self.checkpoint.processor.post_process_grounded_object_detection(
            outputs, tokens["input_ids"], threshold=FLOOR, text_threshold=1.0, target_sizes=[size]
        )[0]
        return Boxes(result["boxes"].float().cpu().numpy(), result["scores"].float().cpu().numpy())

    def check_word(self, word: str) -> None:
        """See `Detector.check_word`."""
        self._tokens(word)

    def _tokens(self, word: str) -> dict[str, Tensor]:
        # A full stop ends a phrase.
        phrase = " ".join(word.replace(".", " ").split()) or word
        tokens = self.checkpoint.processor.tokenizer(
            f"{phrase.lower()}.", return_tensors="pt", return_token_type_ids=True
        )
        refuse_long(word, self.name, tokens, self.checkpoint.model.config.max_text_len)
        return {name: tensor.to(self.checkpoint.device) for name, tensor in tokens.items()}
