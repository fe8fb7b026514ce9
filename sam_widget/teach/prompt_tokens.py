"""What a prompt becomes: one token for a point, two for a box, a map for a mask; and what a position looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sam_widget.predictor.interface import ModelLike
from sam_widget.predictor.model_input import input_points
from sam_widget.teach.drawing import heat, star, strip
from sam_widget.teach.panel import Line, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.texts import Lang, Say
from sam_widget.teach.traced import TracedImage, TracePanel

WIDTH = 330


class PromptTokens(TracePanel):
    """The tokens of the prompt as strips of numbers, the positional encoding of its first point, and the dense prompt.

    The map of positions shows how similar the encoding of each patch is to that of the point: the only way in which a
    point in a list can find its place in the image. Click on it to move the point.

    >>> panel = PromptTokens(sw.sample("cat"))
    >>> panel.traced.click(100, 60)
    >>> panel.names
    """

    def __init__(self, image: Any, *, model: ModelLike = "tiny", lang: Lang = "en") -> None:
        """Follow the prompts of an image; see `TracePanel`."""
        super().__init__(image, model=model, lang=lang)
        # What each token stands for.
        self.names: list[str] = []
        # (rows, columns): similarity of each patch's position to that of the first point or corner.
        self.positions = np.zeros((1, 1))
        self.strips = Picture(self.say("tokens.strips"), width=WIDTH)
        self.map = Picture(self.say("tokens.positions"), width=WIDTH, on_press=self.traced.click)
        self.dense = Picture(self.say("tokens.dense"), width=WIDTH)
        self._list, self._says = Line(), Line()
        parts = (
            (self.strips, self._list),
            (self.map, Line(self.say("tokens.positions"))),
            (self.dense, self._says),
        )
        self.arrange(row([column(pair, width=f"{WIDTH}px") for pair in parts]))
        self.traced.follow(self.draw)

    def draw(self) -> None:
        """Draw the current trace."""
        traced = self.traced
        trace, prompt = traced.last_trace, traced.prompt
        tokens = trace.prompt_tokens[0].float().numpy()
        self.names = names_of(traced, self.say)[-len(tokens) :] if len(tokens) else []
        if len(tokens):
            blocks = [strip(token) for token in tokens]
            gap = np.full((12, blocks[0].shape[1], 3), 128, np.uint8)
            self.strips.show(np.concatenate([part for block in blocks for part in (block, gap)][:-1]), smooth=False)
        self._list.text = self.say("tokens.list", count=len(tokens), size=tokens.shape[1], names=", ".join(self.names))
        corners = [(box.x0, box.y0) for box in prompt.boxes]
        where = [(point.x, point.y) for point in prompt.points] + corners
        if where:
            self.positions = self._similarity_of(where[0])
            self.map.show(
                traced.subject.over(heat(self.positions, low=-0.3, high=1)),
                draw=lambda pen, scale: star(pen, where[0][0] * scale, where[0][1] * scale),
            )
        dense = trace.dense_prompt[0].float()
        # Without a mask, every patch gets the same vector.
        varies = traced.cells((dense - dense.mean((1, 2), keepdim=True)).norm(dim=0).numpy())
        self.dense.show(traced.subject.over(heat(varies, low=0, high=max(float(varies.max()), 1e-3))))
        even = varies.max() < 1e-4
        self._says.text = self.say(
            "tokens.with_mask" if prompt.mask is not None else "tokens.without_mask" if even else "tokens.tiny"
        )

    def _similarity_of(self, xy: tuple[float, float]) -> np.ndarray:
        """Return the cosine similarity of a point's encoding to those of all patches that cover the image."""
        predictor, traced = self.traced.subject.predictor, self.traced
        encoder: Any = predictor.model.prompt_encoder
        with torch.no_grad():
            coords = input_points(predictor.config, np.array([xy]), traced.embedding.image_size)
            at = (torch.from_numpy(coords.astype(np.float32)) + 0.5) / predictor.config.image_size
            point = encoder.pe_layer(at.to(predictor.device))[0].float().cpu()
            grid = encoder.image_positions()[0].float().cpu()
        similar = torch.einsum("c,chw->hw", point, grid) / (point.norm() * grid.norm(dim=0))
        return traced.cells(similar.numpy())


def names_of(traced: TracedImage, say: Say) -> list[str]:
    """Return the names of all tokens of the decoder: its own, then those of the prompt."""
    trace, prompt = traced.last_trace, traced.prompt
    tokens, count = trace.layers[0].tokens.shape[1], trace.prompt_tokens.shape[1]
    own = tokens - count
    names = [say("token.iou"), *(say("token.mask", number=number) for number in range(own - 1))]
    if own != 5:  # SAM 2 and HQ-SAM have one more, in different places.
        names = [say("token.own", number=number) for number in range(own)]
    mine = [
        say("token.foreground" if point.label else "token.background", number=number + 1)
        for number, point in enumerate(prompt.points)
    ]
    mine += [say(f"token.{corner}") for _ in prompt.boxes for corner in ("corner0", "corner1")]
    mine += [say("token.padding")] * (count - len(mine))
    return names + mine[:count]
