"""Teach an image encoder, for those with a GPU: low-rank differences in its attention (LoRA) learn from photos.

The decoder does not change, and answers from other features. Since it answers every prompt, clicks, boxes and
corrections are all learned. Nothing is cached: each step embeds a photo or a part of it. Blocks are computed again in
the backward pass (arXiv 1604.06174), because what they keep is what takes the memory: LoRA itself saves little of it.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from sam_widget.engine.learner import Course, Learner, run
from sam_widget.engine.taught import TaughtPhoto
from sam_widget.engine.views import Shown, Window, shown
from sam_widget.errors import ModelError, SamWidgetError
from sam_widget.learn.losses import promptable_loss
from sam_widget.learn.simulate_clicks import corrections, first_prompts
from sam_widget.model.lora import adapt, layers_of
from sam_widget.model.sam import ImageFeatures, Sam
from sam_widget.model.tiny.tiny import Tiny
from sam_widget.model.tuned import twin_of
from sam_widget.model.zoo import telling_of_memory
from sam_widget.predictor.model_input import input_pixels

RATE = 1e-3
PROMPTS = 6
# Shares of steps with boxes, on generic photos, on a crop, and on a mirrored view; and the sides of crops.
BOXES, GENERIC, CROPPED, MIRRORED = 0.3, 0.2, 0.5, 0.5
SIDES = (0.5, 0.9)
# Views that are drawn until one shows a mask.
TRIES = 50
# Photos that are kept in memory.
PHOTOS = 16
GIGABYTE = 1e9
# What decoding adds to the memory of embedding: 5% with `vit_b`, 12% with the smallest SAM 2.1 (measured on a CPU).
DECODING = 1.15


def teach_encoder(
    base: Sam,
    photos: Sequence[TaughtPhoto],
    *,
    generic: Sequence[TaughtPhoto] = (),
    budget_s: float,
    most_steps: int = 10_000,
    seed: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[float], object] = lambda _share: None,
) -> tuple[dict[str, Tensor], Course]:
    """Tune a copy of a model, and return the low-rank differences of its encoder; arguments as in `trainer.teach`.

    Raises:
        ModelError: The device has too little memory.
    """
    lesson = _EncoderLesson(base, seed)
    with telling_of_memory(base, lesson.device):
        return run(
            Learner(lesson.learning, RATE),
            lambda: lesson.loss(generic if generic and lesson.chance(GENERIC) else photos),
            budget_s=budget_s,
            most_steps=most_steps,
            cancelled=cancelled,
            progress=progress,
        )


class _EncoderLesson:
    """A model whose encoder is being taught."""

    def __init__(self, base: Sam, seed: int) -> None:
        self.model = twin_of(base).requires_grad_(requires_grad=False).train()
        self.model.image_encoder.eval()  # running statistics of batch norms are the base's
        self.learning = adapt(self.model.image_encoder, seed=seed)
        for block in _blocks(self.model.image_encoder):
            block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)
        self.device = next(self.model.mask_decoder.parameters()).device
        self.generator = torch.Generator().manual_seed(seed)
        self.read = functools.lru_cache(PHOTOS)(lambda photo: photo.read())

    def loss(self, photos: Sequence[TaughtPhoto]) -> Tensor:
        """Embed a view, answer clicks or boxes and corrections, and return the loss of the answers."""
        view = self._view(photos)
        chosen = torch.randint(0, len(view.targets), (PROMPTS,), generator=self.generator)
        targets = view.targets[chosen]
        side, box = self.model.config.image_size, self.chance(BOXES)
        features = self.model.encode(input_pixels(self.model.config, view.pixels, self.device))
        prompts = first_prompts(targets, image_size=side, box=box, generator=self.generator)
        valid = view.valid.expand_as(targets)
        loss, best = self._answered(features, prompts.to(self.device), targets, valid)
        prompts.add(*corrections(best.cpu(), targets, valid, image_size=side, generator=self.generator))
        return (loss + self._answered(features, prompts.to(self.device), targets, valid)[0]) / 2

    def _answered(
        self, features: ImageFeatures, given: dict[str, Any], targets: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of prompts, and the best mask of each as it would be given."""
        there, model = self.device, self.model

        def decoded(mask: Tensor | None) -> tuple[Tensor, Tensor]:
            logits, scores = model.decode(
                features.embedding, high_resolution=features.high_resolution, **given, masks=mask
            )
            logits, scores = logits.float(), scores.float()
            kept = model.kept(logits.detach(), **given, masks=mask) if isinstance(model, Tiny) else logits.detach()
            loss, _ = promptable_loss(logits, scores, targets.to(there), valid.to(there), kept=kept)
            return loss, kept[torch.arange(len(kept), device=there), 1 + scores.detach()[:, 1:].argmax(1)]

        loss, best = decoded(None)
        if not isinstance(model, Tiny):
            return loss, best
        again, best = decoded(best[:, None])  # it decodes a second time, with the first answer as the mask
        return (loss + again) / 2, best

    def _view(self, photos: Sequence[TaughtPhoto]) -> Shown:
        """Draw a photo, and a view of it that shows some of its masks."""
        for _ in range(TRIES):
            photo = photos[int(torch.randint(0, len(photos), (1,), generator=self.generator))]
            try:
                rgb = self.read(photo)
            except SamWidgetError:  # reported when photos are embedded to be judged
                continue
            window = self._window(*rgb.shape[:2])
            if (view := shown(photo, rgb, window, self.model.config)) is not None:
                return view
        raise ModelError("none of the photos can be read and shows a mask that is large enough to learn from")

    def _window(self, height: int, width: int) -> Window:
        y0, y1 = self._span(height)
        x0, x1 = self._span(width)
        if not self.chance(CROPPED):
            x0, y0, x1, y1 = 0, 0, width, height
        return Window(x0, y0, x1, y1, mirrored=self.chance(MIRRORED))

    def _span(self, side: int) -> tuple[int, int]:
        share, place = torch.rand(2, generator=self.generator).tolist()
        length = max(1, round(side * (SIDES[0] + (SIDES[1] - SIDES[0]) * share)))
        start = int(place * (side - length + 1))
        return start, min(start + length, side)

    def chance(self, share: float) -> bool:
        """Draw whether something happens that has this share."""
        return float(torch.rand(1, generator=self.generator)) < share


def _blocks(encoder: nn.Module) -> list[nn.Module]:
    """Return the transformer blocks that hold the layers that are adapted."""
    return [encoder.get_submodule(name.rsplit(".", 2)[0]) for name in layers_of(encoder)]


def check_room(model: Sam, *, on_cpu: bool) -> None:
    """Check that the encoder of a model can be taught on its device, before anything is computed.

    Raises:
        ModelError: It has no attention; or it is on a CPU, and that was not asked for; or memory is too little.
    """
    device = next(model.mask_decoder.parameters()).device
    instead = "tune its decoder (kind='decoder'), which takes seconds on any machine"
    if not layers_of(model.image_encoder):
        raise ModelError(f"the image encoder of {model.name} has no attention that could be adapted; {instead}")
    if device.type == "cpu" and not on_cpu:
        raise ModelError(
            f"kind='lora' tunes the image encoder, which needs a GPU, but {model.name} is on the CPU, where a step of "
            f"a large model takes a minute; {instead}, or pass on_cpu=True and a budget of hours"
        )
    free, needed = free_bytes(device), needed_bytes(model)
    if free is not None and needed > free:
        raise ModelError(
            f"tuning the encoder of {model.name} needs about {needed / GIGABYTE:.1f} GB of memory, but {device} has "
            f"{free / GIGABYTE:.1f} GB free; free some, take a smaller model, or {instead}"
        )


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of a device; None if it is not known."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    memory = Path("/proc/meminfo")
    if device.type != "cpu" or not memory.is_file():
        return None
    lines = memory.read_text("utf-8").splitlines()
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(found[0]) if found else None


def needed_bytes(model: Sam) -> int:
    """Estimate the memory that a step takes besides the weights, from the tensors that one block keeps.

    The encoder runs on shapes alone. Its largest block is kept once, and computed again with as much for gradients.
    """
    memo: dict[int, Any] = {id(p): nn.Parameter(p.detach().to("meta")) for p in model.image_encoder.parameters()}
    memo |= {id(buffer): buffer.to("meta") for buffer in model.image_encoder.buffers()}
    encoder = copy.deepcopy(model.image_encoder, memo)
    for parameter in adapt(encoder).values():
        parameter.data = parameter.data.to("meta")
    sizes = [0]  # of what is outside of blocks, then of each block
    blocks, within = set(_blocks(encoder)), [0]

    def keep(tensor: Tensor) -> Tensor:
        sizes[within[0]] += tensor.numel() * tensor.element_size()
        return tensor

    def enters(_block: nn.Module, given: tuple[Tensor, ...]) -> None:
        sizes[0] += given[0].numel() * given[0].element_size()
        sizes.append(0)
        within[0] = len(sizes) - 1

    def leaves(*_: Any) -> None:
        within[0] = 0

    for block in blocks:
        block.register_forward_pre_hook(enters)
        block.register_forward_hook(leaves)
    side = model.config.image_size
    dtype = next(encoder.parameters()).dtype
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        encoder.forward_features(torch.zeros(1, 3, side, side, device="meta", dtype=dtype))
    return int(DECODING * (sizes[0] + 2 * max(sizes[1:])))
