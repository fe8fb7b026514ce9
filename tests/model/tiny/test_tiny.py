"""The embedded model: its maps of the prompt say where and what, and its answers are those of one prompt at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import label
from torch import nn

from sam_widget import load_model, sample
from sam_widget.model.config import TINY
from sam_widget.model.sam import Sam
from sam_widget.model.tiny.decoder import expected_iou
from sam_widget.model.tiny.prompt_maps import MAPS
from sam_widget.model.tiny.tiny import Tiny, settled


@pytest.fixture(scope="module")
def model() -> Tiny:
    torch.manual_seed(0)
    return Tiny(TINY).eval().requires_grad_(requires_grad=False)


def test_the_expected_iou_of_a_sure_mask_is_one_and_of_an_unsure_one_less() -> None:
    sure = torch.full((1, 1, 8, 8), -30.0)
    sure[..., :4] = 30
    assert expected_iou(sure).item() == pytest.approx(1)
    assert expected_iou(sure / 60).item() < 0.7
    assert expected_iou(torch.full((1, 1, 8, 8), -30.0)).item() == pytest.approx(0, abs=1e-3)


def test_masks_are_read_from_upscaled_features_and_maps(model: Tiny) -> None:
    """What is laid out once, and multiplied together, gives what SAM's formula gives pixel by pixel."""
    generator = torch.Generator().manual_seed(2)
    decoder, grid = model.mask_decoder, model.grid
    (finest_dim, fine_dim), dim, side = TINY.fine_dims, TINY.prompt_dim, TINY.grid_size
    tokens, embedded = torch.randn(2, 4, dim, generator=generator), torch.randn(2, dim, side, side, generator=generator)
    finest = torch.randn(1, finest_dim, 4 * side, 4 * side, generator=generator)
    fine = torch.randn(1, fine_dim, 2 * side, 2 * side, generator=generator)
    maps = torch.rand(2, MAPS, sum(grid.sizes), generator=generator)
    finest_maps, fine_maps, _ = grid.levels(maps)
    laid_out = decoder.with_biases(*(grid.lay_out(x, level).transpose(1, 2) for level, x in enumerate((finest, fine))))
    masks = decoder.masks_of(tokens, embedded, (*laid_out, finest_maps, fine_maps))

    def split(pixels: torch.Tensor, layer: nn.Linear) -> torch.Tensor:
        cells = layer(pixels).unflatten(3, (2, 2, -1))  # (B, h, w, 2, 2, C)
        return cells.transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def last(picture: torch.Tensor) -> torch.Tensor:
        return picture.permute(0, 2, 3, 1)

    first, second = decoder.output_upscaling
    raw = last(grid.picture(finest_maps, 0))
    pixels = (
        decoder.norm(split(last(embedded), first)) + last(fine) + decoder.fine_maps(last(grid.picture(fine_maps, 1)))
    )
    pixels = (split(pixels.relu(), second) + last(finest) + decoder.finest_maps(raw)).relu()
    of_tokens = [network(tokens[:, i]) for i, network in enumerate(decoder.output_hypernetworks_mlps)]
    expected = torch.einsum("bhwc,bnc->bnhw", torch.cat([pixels, raw], dim=3), torch.stack(of_tokens, dim=1))
    torch.testing.assert_close(masks, expected, atol=1e-4, rtol=1e-4)


def test_prompts_of_several_images_are_answered_one_by_one(model: Tiny) -> None:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 255, (2, 3, 384, 256), generator=generator).float()
    points = torch.rand(4, 2, 2, generator=generator) * 200
    labels = torch.tensor([[1, 0], [1, 1], [1, -1], [1, 0]])
    boxes = torch.tensor([[10.0, 20, 150, 200]]).repeat(4, 1) + torch.arange(4)[:, None]
    mask = torch.randn(4, 1, TINY.mask_size, TINY.mask_size, generator=generator)
    features = model.encode(pixels)
    masks, scores = model.decode(
        features.embedding,
        high_resolution=features.high_resolution,
        points=points,
        labels=labels,
        boxes=boxes,
        masks=mask,
    )
    assert masks.shape == (4, 4, TINY.mask_size, TINY.mask_size)
    assert ((scores >= 0) & (scores <= 1)).all()
    for k in range(4):
        alone = model.encode(pixels[k // 2][None])
        one, score = model.decode(
            alone.embedding,
            high_resolution=alone.high_resolution,
            points=points[k : k + 1],
            labels=labels[k : k + 1],
            boxes=boxes[k : k + 1],
            masks=mask[k : k + 1],
        )
        torch.testing.assert_close(one[0], masks[k], atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(score[0], scores[k], atol=1e-4, rtol=1e-3)


def test_masks_keep_to_what_is_connected_to_the_click() -> None:
    model = load_model("tiny")
    pixels = torch.from_numpy(sample("coffee")).permute(2, 0, 1)[None, :, :, :384].float()
    with torch.inference_mode():
        features = model.encode(pixels[:, :, :384])
        given = {"points": torch.tensor([[[200.0, 150.0]]]), "labels": torch.tensor([[1]])}
        cut = model.decode(features.embedding, high_resolution=features.high_resolution, **given)[0][0]
        whole = Sam.decode(model, features.embedding, high_resolution=features.high_resolution, **given)[0][0]
    clicked = (150 // 4, 200 // 4)
    parts = [label(mask > 0, structure=np.ones((3, 3)))[1] for mask in cut.numpy() if mask[clicked] > 0]
    assert parts
    assert set(parts) == {1}
    assert (whole > 0).sum() > (cut > 0).sum(), "or this photo shows nothing"


@pytest.mark.parametrize(
    "prompt",
    [
        {"boxes": torch.tensor([[80.0, 60, 300, 280]])},
        {"points": torch.tensor([[[200.0, 150], [90, 300]]]), "labels": torch.tensor([[1, 0]])},
    ],
    ids=["a box", "two clicks"],
)
def test_the_first_answer_is_given_as_the_mask_for_the_second(prompt: dict[str, torch.Tensor]) -> None:
    model = load_model("tiny")
    pixels = torch.from_numpy(sample("coffee")).permute(2, 0, 1)[None, :, :384, :384].float()
    with torch.inference_mode():
        features = model.encode(pixels)
        given = {"high_resolution": features.high_resolution, **prompt}
        twice, scores = model.decode(features.embedding, **given)
        model.train()  # In training everything is answered once, and nothing is cut off.
        once, first_scores = model.decode(features.embedding, **given)
        model.eval()
        kept = model.kept(once, *(prompt.get(name) for name in ("points", "labels", "boxes", "masks")))
        best = kept[:, first_scores[0].argmax()]
        raw, said = Sam.decode(model, features.embedding, **given, masks=best[:, None])
        again = model.kept(raw, *(prompt.get(name) for name in ("points", "labels", "boxes", "masks")))
        again_scores = model.mask_decoder.scores(said, again)
        if "labels" in prompt:
            again, again_scores = settled(again, again_scores, torch.tensor([True]))
    torch.testing.assert_close(twice, again)
    torch.testing.assert_close(scores, again_scores)
    assert not torch.equal(twice, once)


def test_the_best_of_the_second_answer_to_a_single_click_takes_the_place_of_the_best_of_the_first() -> None:
    model = load_model("tiny")
    pixels = torch.from_numpy(sample("coffee")).permute(2, 0, 1)[None, :, :384, :384].float()
    with torch.inference_mode():
        features = model.encode(pixels)
        given = {"points": torch.tensor([[[200.0, 150]]]), "labels": torch.tensor([[1]])}
        image = {"image": features.embedding, "high_resolution": features.high_resolution}
        answered, scores = model.decode(**image, **given)
        once, first_scores = model.decode(**image, **given, again=False)
        best = 1 + int(first_scores[0, 1:].argmax())
        raw, said = Sam.decode(model, **image, **given, masks=once[:, best][:, None])
        second = model.kept(raw, *given.values(), None, None)
        second_scores = model.mask_decoder.scores(said, second)
    others = [k for k in (1, 2, 3) if k != best]
    chosen = 1 + int(second_scores[0, 1:].argmax())
    torch.testing.assert_close(answered[:, [0, best]], second[:, [0, chosen]])
    torch.testing.assert_close(scores[:, [0, best]], second_scores[:, [0, chosen]])
    torch.testing.assert_close(answered[:, others], once[:, others])
    torch.testing.assert_close(scores[:, others], first_scores[:, others])
    assert not torch.equal(answered[:, best], once[:, best])


def test_many_clicks_at_once_are_answered_once() -> None:
    model = load_model("tiny")
    with torch.inference_mode():
        features = model.encode(torch.rand(1, 3, 384, 384) * 255)
        given = {"points": torch.tensor([[[200.0, 150]]]), "labels": torch.tensor([[1]])}
        image = {"image": features.embedding, "high_resolution": features.high_resolution}
        answered, _ = model.decode(**image, **given, again=False)
        once, _ = Sam.decode(model, **image, **given)
        torch.testing.assert_close(answered, model.kept(once, *given.values(), None, None))


def test_several_clicks_are_answered_with_the_mask_for_unambiguous_prompts() -> None:
    masks, scores = torch.arange(8.0).view(2, 4, 1, 1), torch.tensor([[0.5, 0.2, 0.9, 0.3], [0.6, 0.4, 0.1, 0.3]])
    answered, valued = settled(masks, scores, torch.tensor([True, True]))
    assert answered.flatten(1).tolist() == [[0, 1, 0, 3], [4, 4, 6, 7]]
    torch.testing.assert_close(valued, torch.tensor([[0.5, 0.2, 0.9, 0.3], [0.6, 0.6, 0.1, 0.3]]))
    once, as_before = settled(masks, scores, torch.tensor([False, False]))
    assert torch.equal(once, masks)
    assert torch.equal(as_before, scores)


def test_points_that_only_fill_up_a_batch_are_no_clicks() -> None:
    model = load_model("tiny")
    with torch.inference_mode():
        features = model.encode(torch.rand(1, 3, 384, 384) * 255)
        points = torch.tensor([[[200.0, 150], [90, 300]]])
        answers = [
            model.decode(features.embedding, high_resolution=features.high_resolution, points=points, labels=labels)[0]
            for labels in (torch.tensor([[1, 1]]), torch.tensor([[1, -1]]))
        ]
    same = [any(torch.equal(masks[0, 0], masks[0, k]) for k in (1, 2, 3)) for masks in answers]
    assert same == [True, False]
