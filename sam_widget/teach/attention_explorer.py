"""Two-way attention of the mask decoder: which patches a token reads, and which patches it writes to."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np

from sam_widget.predictor.interface import ModelLike
from sam_widget.teach.drawing import heat, star
from sam_widget.teach.panel import Line, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.prompt_tokens import names_of
from sam_widget.teach.texts import Lang
from sam_widget.teach.traced import TracePanel

WIDTH = 330


class AttentionExplorer(TracePanel):
    """Attention in one layer and one head, in both directions, for one token; and of the tokens among themselves.

    On the left, how much the token reads from each patch: all patches together make 1. On the right, how much each
    patch reads from the token: all tokens together make 1 at every patch.

    >>> panel = AttentionExplorer(sw.sample("cat"))
    >>> panel.layer.value = 1
    >>> panel.reads.sum()
    """

    def __init__(self, image: Any, *, model: ModelLike = "tiny", lang: Lang = "en") -> None:
        """Follow the prompts of an image; see `TracePanel`."""
        super().__init__(image, model=model, lang=lang)
        trace = self.traced.last_trace
        heads = trace.layers[0].token_to_image.shape[1]
        layers = [(self.say("attend.layer", number=number + 1), number) for number in range(len(trace.layers))]
        self.layer = ipywidgets.ToggleButtons(
            options=[*layers, (self.say("attend.final"), len(layers))], style={"button_width": "auto"}
        )
        self.head = ipywidgets.ToggleButtons(
            options=[
                (self.say("attend.mean"), -1),
                *((self.say("attend.head", number=number + 1), number) for number in range(heads)),
            ],
            style={"button_width": "auto"},
        )
        self.token = ipywidgets.Dropdown(options=self._tokens(), description=self.say("attend.token"))
        # (rows, columns): what the token reads from each patch, and each patch from it; None in the final layer.
        self.reads = np.zeros((1, 1))
        self.writes: np.ndarray | None = None
        self.left = Picture(self.say("attend.reads"), width=WIDTH, on_press=self.traced.click)
        self.right = Picture(self.say("attend.writes"), width=WIDTH, on_press=self.traced.click)
        self.among = Picture(self.say("attend.among"), width=200)
        self._says = [Line(), Line(), Line(self.say("attend.among"), width="200px")]
        for control in (self.layer, self.head, self.token):
            control.observe(lambda _change: self.draw(), "value")
        shown = zip((self.left, self.right, self.among), self._says, (WIDTH, WIDTH, 200), strict=True)
        self.arrange(
            row([self.layer, self.head, self.token]),
            row([column([picture, line], width=f"{width}px") for picture, line, width in shown]),
        )
        self.traced.follow(self._follow)

    def _tokens(self) -> list[tuple[str, int]]:
        return [(name, number) for number, name in enumerate(names_of(self.traced, self.say))]

    def _follow(self) -> None:
        """Draw the new trace; another prompt may have other tokens."""
        options = self._tokens()
        if list(self.token.options) != options:
            chosen = self.token.value if self.token.value is not None and self.token.value < len(options) else 0
            self.token.options = options
            self.token.value = chosen
        self.draw()

    def draw(self) -> None:
        """Draw the attention that is selected."""
        trace, token = self.traced.last_trace, self.token.value
        if token is None:
            return
        last = self.layer.value == len(trace.layers)
        layer = trace.layers[min(self.layer.value, len(trace.layers) - 1)]
        to_image = self._head(trace.final_token_to_image if last else layer.token_to_image)  # (N, g * g)
        self.reads = self.traced.cells(to_image[token])
        self._show(self.left, self.reads)
        self._says[0].text = self.say(
            "attend.reads_row", highest=f"{self.reads.max():.1%}", flat=f"{1 / to_image.shape[1]:.2%}"
        )
        self.writes = None if last else self.traced.cells(self._head(layer.image_to_token)[:, token])
        if self.writes is None:
            self.right.show(np.full_like(self.traced.subject.photo, 128))
            self._says[1].text = self.say("attend.no_writes")
        else:
            self._show(self.right, self.writes, low=0, high=1)
            self._says[1].text = self.say("attend.writes_row", mean=f"{self.writes.mean():.0%}")
        self.among.show(heat(self._head(layer.self_attention), low=0), smooth=False)

    def _head(self, attention: Any) -> np.ndarray:
        """Return one head of attention (1, heads, queries, keys), or the mean of all: (queries, keys)."""
        one = attention[0].float()
        return np.asarray((one.mean(dim=0) if self.head.value < 0 else one[self.head.value]).numpy())

    def _show(self, picture: Picture, values: np.ndarray, *, low: float = 0, high: float | None = None) -> None:
        def draw(pen: Any, scale: float) -> None:
            for point in self.traced.prompt.points:
                star(pen, point.x * scale, point.y * scale, label=point.label, radius=6)

        picture.show(self.traced.subject.over(heat(values, low=low, high=high)), draw=draw)
