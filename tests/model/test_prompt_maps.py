"""Maps of a prompt: they say where it is, and what looks like it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sam_widget.model.prompt_maps import NEAR_MAPS, RESEMBLANCE_MAPS, PromptMaps, Resemblance, sample


def maps_of(points: list[list[float]], labels: list[int], boxes: list[float] | None = None) -> torch.Tensor:
    torch.manual_seed(0)
    level = torch.randn(1, 8, 20, 30)
    given = (
        (torch.tensor([points]).view(1, -1, 2), torch.tensor([labels], dtype=torch.long)) if points else (None, None)
    )
    box = None if boxes is None else torch.tensor([boxes])
    with torch.no_grad():
        return PromptMaps(8)(level, *given, box, batch=1)[0]


def test_a_click_is_nearest_and_most_alike_where_it_is() -> None:
    maps = maps_of([[15.5 / 30, 4.5 / 20]], [1])  # the centre of a cell
    inside, alike, near, far, *background = maps
    for plane in (alike, near, far):
        assert divmod(int(plane.argmax()), 30) == (4, 15)
        assert plane.max().item() == pytest.approx(1, abs=1e-5)
    assert near.sum() < far.sum()
    assert not inside.any()
    assert not torch.stack(background).any()


def test_a_background_click_is_on_the_background_planes() -> None:
    foreground, background = maps_of([[0.5, 0.3]], [1]), maps_of([[0.5, 0.3]], [0])
    torch.testing.assert_close(background[4:7], foreground[1:4])
    assert not background[:4].any()


def test_padding_says_nothing() -> None:
    torch.testing.assert_close(maps_of([[0.5, 0.3], [0.9, 0.9]], [1, -1]), maps_of([[0.5, 0.3]], [1]))


def test_a_box_covers_what_is_in_it_and_is_no_click() -> None:
    maps = maps_of([], [], [0.1, 0.25, 0.55, 0.7])
    assert maps.shape == (NEAR_MAPS, 20, 30)
    assert maps[0].mean().item() == pytest.approx(0.45 * 0.45, abs=1e-5)
    assert maps[1].max() > 0.5  # like its middle
    assert not maps[2:].any()


def test_samples_are_read_at_their_places() -> None:
    level = torch.arange(12.0).view(1, 1, 3, 4)
    places = torch.tensor([[[0.5 / 4, 0.5 / 3], [3.5 / 4, 2.5 / 3], [1.0 / 4, 0.5 / 3]]])
    torch.testing.assert_close(sample(level, places)[0, :, 0], torch.tensor([0.0, 11.0, 0.5]))


# A picture of three materials: meadow, a red ball, and a red house further to the right.
BALL = (slice(4, 12), slice(4, 12))
HOUSE = (slice(4, 12), slice(18, 28))


def resembling(
    *,
    points: list[list[float]] | None = None,
    labels: list[int] | None = None,
    box: list[float] | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    level = torch.zeros(1, 2, 16, 32)
    level[:, 0] = 1
    for there in (BALL, HOUSE):
        level[:, 0, *there], level[:, 1, *there] = 0, 1
    resemblance = Resemblance(2, width=2)
    with torch.no_grad():
        resemblance.project.weight.copy_(5 * torch.eye(2)[:, :, None, None])
        resemblance.project.bias.zero_()
        belongs, maps = resemblance.belonging(
            level,
            None if points is None else torch.tensor([points]),
            None if labels is None else torch.tensor([labels]),
            None if box is None else torch.tensor([box]),
            batch=1,
        )
        return resemblance.with_mask(belongs, maps, None if mask is None else mask[None, None])[0]


def test_a_box_means_what_is_inside_and_not_outside() -> None:
    planes = resembling(box=[3 / 32, 3 / 16, 13 / 32, 13 / 16])
    in_box, ball = planes[0, 3:13, 3:13], planes[0][BALL]
    meadow = torch.cat([in_box[0], in_box[-1], in_box[:, 0], in_box[:, -1]])
    assert ball.mean() > 2 * meadow.mean(), "meadow is inside, too, and outside"
    assert not planes[1:].any()


def test_points_mean_what_looks_like_them() -> None:
    planes = resembling(points=[[8 / 32, 8 / 16], [15 / 32, 2 / 16]], labels=[1, 0])
    assert planes[1][BALL].mean() > 5 * planes[1, :3].mean()
    assert planes[1][BALL].mean() > planes[1][HOUSE].mean(), "as red, but far away"
    assert planes[2, :3].mean() > 5 * planes[2][BALL].mean()
    assert not planes[[0, 3]].any()


def test_a_mask_means_what_looks_like_what_it_covers() -> None:
    half = torch.full((32, 64), -20.0)
    half[8:16, 8:24] = 20  # the upper half of the ball, at twice the size
    planes = resembling(mask=half)
    assert planes[3, 9:12, 4:12].mean() > 5 * planes[3, 13:].mean(), "the lower half looks like the upper"
    assert not planes[:3].any()


def test_padding_resembles_nothing_and_no_prompt_says_nothing() -> None:
    torch.testing.assert_close(
        resembling(points=[[8 / 32, 8 / 16], [0.0, 0.0]], labels=[1, -1]),
        resembling(points=[[8 / 32, 8 / 16]], labels=[1]),
    )
    nothing = resembling()
    assert nothing.shape == (RESEMBLANCE_MAPS, 16, 32)
    assert not nothing.any()
