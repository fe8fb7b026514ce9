"""Masked pre-training for a minute or two, on rendered scenes, watched on a photo that it never sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np

from sam_widget.image.reading import to_rgb
from sam_widget.learn.evaluate.inpainting import bilinear, hidden_pixels
from sam_widget.model.config import SAM_LESSON
from sam_widget.model.mae import MaeConfig, MaskedAutoencoder, middle_square
from sam_widget.teach.hidden_patches import patch_errors
from sam_widget.teach.panel import Line, column, row
from sam_widget.teach.picture import Picture
from sam_widget.teach.texts import Lang
from sam_widget.teach.training import SCENE_SIZE, SCENES, TrainingPanel, scene_folder

if TYPE_CHECKING:  # It imports OpenCV, which is an extra.
    from torch import Tensor

    from sam_widget.learn.pretrain import Pretrainer

WIDTH = 140
# A patch of 8 px in a picture of 64 px: 16 of 64 patches are visible.
MAE_LESSON = MaeConfig(
    image_size=SAM_LESSON.image_size,
    patch_size=SAM_LESSON.patch_size,
    embed_dim=SAM_LESSON.embed_dim,
    depth=SAM_LESSON.depth,
    num_heads=SAM_LESSON.num_heads,
    decoder_embed_dim=64,
    decoder_depth=1,
    decoder_num_heads=4,
)
# Long enough for any run here, so that the learning rate does not fall.
STEPS, BATCH = 100_000, 16


class MaeTraining(TrainingPanel):
    """Pre-trains a small masked autoencoder from random weights: loss, and reconstructions that get better.

    The loss is the mean squared error in hidden patches alone. The photo is never trained on. Pictures of earlier
    stages remain, each with the number of steps.

    >>> panel = MaeTraining(sw.sample("coffee"), seconds=60)
    >>> panel.run()  # or the button, which leaves the kernel free
    >>> panel.losses[-1], panel.error, panel.interpolation_error
    """

    def __init__(
        self,
        image: Any,
        *,
        seconds: float = 60,
        normalised: bool = False,
        mae: MaeConfig = MAE_LESSON,
        seed: int = 0,
        lang: Lang = "en",
    ) -> None:
        """Build the model with random weights.

        Args:
            image: A photo to watch; any image that `SamWidget` accepts.
            seconds: Duration of a run.
            normalised: Whether the targets are pixels standardised per patch; see the panel's switch.
            mae: Sizes of the model.
            seed: Determines initial weights, scenes and masks.
            lang: "en" or "zh-TW".

        Raises:
            ImageError: The image cannot be read.
            MissingExtraError: The extra `learn` is not installed.
        """
        super().__init__(seconds=seconds, lang=lang)
        self.photo = to_rgb(image)
        self.original = middle_square(self.photo, mae.image_size)
        self.mae, self.seed = mae, seed
        # Mean squared error of each step, in hidden patches, in the units of the target.
        self.losses: list[float] = []
        # Steps and reconstruction, (S, S, 3) uint8, at each look.
        self.stages: list[tuple[int, np.ndarray]] = []
        self._run_of: Pretrainer | None = None
        self._batches: Iterator[Tensor] = iter(())
        self.target = ipywidgets.ToggleButtons(
            options=[(self.say("train.pixels"), False), (self.say("train.normalised"), True)],
            value=normalised,
            style={"button_width": "auto"},
        )
        self.again_button = ipywidgets.Button(
            description=self.say("train.again"), layout=ipywidgets.Layout(width="auto")
        )
        names = ("train.sees", "mae.painted", "mae.between", "mae.truth")
        self.sees, self.painted, self.between, self.truth = (Picture(self.say(name), width=WIDTH) for name in names)
        self._says = [Line(self.say(name), width=f"{WIDTH}px") for name in names]
        self.strip = [Picture(self.say("train.stage", number=number + 1), width=WIDTH) for number in range(4)]
        self._strip_says = [Line(width=f"{WIDTH}px") for _ in self.strip]
        self.target.observe(lambda _change: self.reset(), "value")
        self.again_button.on_click(lambda _button: self.reset())
        shown = zip((self.sees, self.painted, self.between, self.truth), self._says, strict=True)
        stages = zip(self.strip, self._strip_says, strict=True)
        self.arrange(
            row([self.target]),
            row([self.seconds, self.start_button, self.stop_button, self.again_button]),
            self.note,
            row([self.chart, *(column(pair, width=f"{WIDTH}px") for pair in shown)]),
            row([column(pair, width=f"{WIDTH}px") for pair in stages]),
        )
        self.reset()

    @property
    def model(self) -> MaskedAutoencoder:
        """The model in its present state."""
        return self._trainer().model

    @property
    def error(self) -> float:
        """Mean squared error in the hidden patches of the photo, colours 0 to 1, times 1000."""
        return self._error_of(self._painted)

    @property
    def interpolation_error(self) -> float:
        """The same error of interpolation between the visible pixels."""
        return self._error_of(self._filled)

    def export_sam(self, path: str | Path) -> Path:
        """Write a small Segment Anything model whose image encoder is the one trained here; return the path.

        Everything else in it is random.
        """
        with self.model_lock:
            self._trainer().export_encoder(Path(path), SAM_LESSON)
        return Path(path)

    def reset(self) -> None:
        """End the run, and return to random weights."""
        self.stop()
        self.wait()
        self.steps, self.trained, self._run_of, self._batches = 0, 0.0, None, iter(())
        self.losses, self.stages = [], []
        self.note.text = self.say("train.ready")
        self._show()

    def _trainer(self) -> Pretrainer:
        from sam_widget.learn.pretrain import PretrainConfig, Pretrainer

        if self._run_of is None:
            config = PretrainConfig(
                mae=dataclasses.replace(self.mae, norm_pix_loss=self.target.value),
                steps=STEPS,
                batch_size=BATCH,
                photo_share=0.0,  # No photo, so that any may be watched.
                scenes=SCENES,
                scene_size=SCENE_SIZE,
                learning_rate=2e-3,
                warmup_steps=20,
                seed=self.seed,
            )
            self._run_of = Pretrainer(config)
        return self._run_of

    def _prepare(self) -> None:
        if not self.losses:
            self._batches = self._trainer().batches(scene_folder())

    def _step(self) -> None:
        self.losses.append(self._trainer().train_step(next(self._batches)))

    def _curves(self) -> list[tuple[str, str, list[float]]]:
        return [(self.say("train.loss"), "loss", self.losses)]

    def _look(self) -> None:
        say, model = self.say, self.model.eval()
        seen = model.reconstruct(self.photo, seed=0)
        hidden = hidden_pixels(seen)
        self._mask, self._painted = seen.mask, seen.pasted
        self._filled = bilinear(seen.original, hidden).round().clip(0, 255).astype(np.uint8)
        if not self.stages or self.stages[-1][0] != self.steps:
            self.stages.append((self.steps, seen.pasted))
        pictures = (seen.masked, seen.pasted, self._filled, seen.original)
        for picture, pixels in zip((self.sees, self.painted, self.between, self.truth), pictures, strict=True):
            picture.show(pixels)
        self._says[1].text = say("mae.painted_row", error=f"{self.error:.1f}")
        self._says[2].text = say("mae.between_row", error=f"{self.interpolation_error:.1f}")
        # The first stage, the last, and two in between.
        which = np.linspace(0, len(self.stages) - 1, len(self.strip)).round().astype(int)
        for place, (picture, line) in enumerate(zip(self.strip, self._strip_says, strict=True)):
            if len(self.stages) > place:
                steps, pixels = self.stages[int(which[place]) if len(self.stages) > len(self.strip) else place]
                picture.show(pixels)
                line.text = say("train.after", steps=steps, error=f"{self._error_of(pixels):.1f}")
            else:
                picture.show(np.full_like(self.original, 128))
                line.text = ""

    def _error_of(self, pixels: np.ndarray) -> float:
        return float(patch_errors(pixels, self.original, self.mae.grid_size)[self._mask].mean())
