"""The losses of promptable training (paper, appendix A): focal and dice 20:1 on masks, squared error on the IoU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of `promptable_loss`.

    Attributes:
        focal: Of the focal loss of a mask.
        dice: Of its dice loss.
        score: Of the squared error of the predicted IoUs.
        winner: Of the best of the three masks; the mean of all three gets the rest. At 0, all learn the same.
    """

    focal: float = 20.0
    dice: float = 1.0
    score: float = 1.0
    winner: float = 0.9


PAPER = LossWeights()
"""The paper's weights, but for a tenth of the mean: there, `winner` is 1."""


def focal_loss(logits: Tensor, targets: Tensor, valid: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Return the focal loss (Lin et al., arXiv 1708.02002) of (..., m, m) logits, averaged over valid cells: (...)."""
    probability = logits.sigmoid()
    cross_entropy = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    agreement = probability * targets + (1 - probability) * (1 - targets)
    balance = alpha * targets + (1 - alpha) * (1 - targets)
    loss = balance * cross_entropy * (1 - agreement) ** gamma
    return (loss * valid).sum((-2, -1)) / valid.sum((-2, -1)).clamp(min=1)


def dice_loss(logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """Return the dice loss (Milletari et al., arXiv 1606.04797) of (..., m, m) logits over valid cells: (...)."""
    probability = logits.sigmoid() * valid
    overlap = 2 * (probability * targets).sum((-2, -1)) + 1
    return 1 - overlap / (probability.sum((-2, -1)) + targets.sum((-2, -1)) + 1)


def balanced_loss(logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """Return the cross-entropy of (..., m, m) logits, weighing object and background equally: (...).

    With small objects, the empty mask is an attractive answer under focal and dice loss until the decoder has learned
    to look at the prompt. Under this loss it is no better than any other answer that ignores the prompt.
    """
    cross_entropy = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    inside, outside = targets * valid, (1 - targets) * valid
    object_loss = (cross_entropy * inside).sum((-2, -1)) / inside.sum((-2, -1)).clamp(min=1)
    return object_loss + (cross_entropy * outside).sum((-2, -1)) / outside.sum((-2, -1)).clamp(min=1)


def mask_iou(logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """Return the IoU of thresholded (..., m, m) logits with thresholded targets, over valid cells: (...)."""
    given, wanted = (logits > 0) & (valid > 0), targets > 0.5
    union = (given | wanted).sum((-2, -1))
    return (given & wanted).sum((-2, -1)) / union.clamp(min=1)


def promptable_loss(
    logits: Tensor,
    scores: Tensor,
    targets: Tensor,
    valid: Tensor,
    *,
    levels: Tensor | None = None,
    known: Tensor | None = None,
    kept: Tensor | None = None,
    balanced: float = 0.0,
    weights: LossWeights = PAPER,
) -> tuple[Tensor, Tensor]:
    """Return the loss of one round of B prompts, and the IoU (B, 4) each mask reached.

    The three ambiguous masks are taught in one of two ways. Where the subpart, part and whole at a prompt are known,
    each mask learns its own level, which establishes their order. Elsewhere only the best of them
    learns, as in the paper; a tenth of the mean keeps the others alive ("relaxed winner takes all", Rupprecht et al.,
    arXiv 1612.00197). The unambiguous mask (index 0) and the IoU head always learn.

    Args:
        logits: (B, 4, m, m).
        scores: (B, 4) predicted IoUs.
        targets: (B, m, m) in [0, 1].
        valid: (B, m, m), 1 inside the image.
        levels: (B, 3, m, m) in [0, 1], the subpart, part and whole that a single click may mean.
        known: (B, 3) bool, which of them are known (default: all). Three masks taught the same would become one, so
            the others are not taught. Where none is known, the best of the three learns.
        kept: (B, 4, m, m), the logits as the model post-processes them at inference; the scores refer to these.
        balanced: Share of `balanced_loss` in the mask loss, between 0 and 1; the rest is focal and dice loss.
        weights: Weights of the terms.
    """
    targets, valid = targets[:, None].expand_as(logits), valid[:, None].expand_as(logits)
    taught = targets if levels is None else torch.cat([targets[:, :1], levels], dim=1)
    focal, dice = focal_loss(logits, taught, valid), dice_loss(logits, taught, valid)
    mask_loss = weights.focal * focal + weights.dice * dice  # (B, 4)
    if balanced:
        mask_loss = torch.lerp(mask_loss, balanced_loss(logits, taught, valid), balanced)
    ambiguous = mask_loss[:, 1:].mean(1)
    if levels is None:
        best = mask_loss[:, 1:].min(1).values
        ambiguous = weights.winner * best + (1 - weights.winner) * ambiguous
    elif known is not None:
        ambiguous = (mask_loss[:, 1:] * known).sum(1) / known.sum(1).clamp(min=1)
    with torch.no_grad():
        reached = mask_iou(logits if kept is None else kept, targets, valid)
    iou_loss = (scores - reached).square().mean(1)
    return (ambiguous + mask_loss[:, 0] + weights.score * iou_loss).mean(), reached


class Affinity(nn.Module):
    """A loss that draws image tokens together if they lie in the same region, and apart otherwise.

    It gives a dense signal that warms up the image encoder: without it, promptable training from scratch gets none
    until the decoder has learned to look at the point. Used in training only.
    """

    def __init__(self, dim: int, channels: int = 32) -> None:
        super().__init__()
        self.channels = channels
        self.project = nn.Conv2d(dim, 3 * channels, kernel_size=1)  # one space for each of the three levels
        self.bias = nn.Parameter(torch.ones(3))
        self.scale = nn.Parameter(torch.zeros(3))

    def forward(self, embedding: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of image embeddings (B, dim, g, g) with regions `labels` (B, 3, S, S), where 0 is padding."""
        cell = labels.shape[-1] // embedding.shape[-1]
        dy, dx = torch.randint(0, cell, (2,), generator=generator).tolist()  # which pixel represents its patch
        ids = labels[:, :, dy::cell, dx::cell].flatten(2)  # (B, 3, g*g)
        tokens = self.project(embedding).float().unflatten(1, (3, self.channels)).flatten(3)  # (B, 3, C, g*g)
        squares = tokens.square().sum(2)
        apartness = squares[..., None] + squares[..., None, :] - 2 * tokens.transpose(2, 3) @ tokens
        logits = self.bias.view(3, 1, 1) - self.scale.exp().view(3, 1, 1) * apartness
        same = (ids[..., None] == ids[..., None, :]).float()
        inside = ((ids > 0)[..., None] & (ids > 0)[..., None, :]).float()
        loss = binary_cross_entropy_with_logits(logits, same, reduction="none")
        # Pairs in the same region are rare in cluttered scenes and common in empty ones, so both kinds weigh the same.
        together, apart = same * inside, (1 - same) * inside
        return (loss * together).sum() / together.sum().clamp(min=1) + (loss * apart).sum() / apart.sum().clamp(min=1)
