"""Maps of a prompt: they say where it is, and what looks like it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from sam_widget.model.tiny.pixel_order import Grid
from sam_widget.model.tiny.prompt_maps import (
    NEAR_MAPS,
    RESEMBLANCE_MAPS,
    Likeness,
    Resemblance,
    inside,
    lattice,
    near_maps,
    resembling,
    sample,
    spread,
)

ROWS, COLUMNS = 20, 32
GRID = Grid(5, 8)


def maps_of(points: list[list[float]], labels: list[int], boxes: list[float] | None = None) -> torch.Tensor:
    """Return the maps of the finest level, (NEAR_MAPS, ROWS, COLUMNS)."""
    torch.manual_seed(0)
    features = [torch.randn(1, 8, *shape) for shape in GRID.shapes]
    given = torch.tensor([points]).view(1, -1, 2)
    kinds = torch.tensor([labels], dtype=torch.long)
    box = None if boxes is None else torch.tensor([boxes])
    middle = given[:, :0] if box is None else ((box[:, :2] + box[:, 2:]) / 2)[:, None]
    place = torch.cat([given, middle], dim=1)
    with torch.no_grad():
        compared = []
        for level, seen in enumerate(features):
            told = Likeness(8)
            compared.append(told(told.keys(GRID.lay_out(seen, level).transpose(1, 2)), sample(seen, place)))
        maps = near_maps(GRID, torch.cat(compared, dim=2), *((given, kinds) if points else (None, None)), box)
    return GRID.picture(GRID.levels(maps)[0], 0)[0]


def test_a_click_is_nearest_and_most_alike_where_it_is() -> None:
    maps = maps_of([[15.5 / COLUMNS, 4.5 / ROWS]], [1])  # the centre of a cell
    inside, alike, near, far, *background = maps
    for plane in (alike, near, far):
        assert divmod(int(plane.argmax()), COLUMNS) == (4, 15)
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
    assert maps.shape == (NEAR_MAPS, ROWS, COLUMNS)
    assert maps[0].mean().item() == pytest.approx(0.45 * 0.45, abs=1e-5)
    assert maps[1].max() > 0.5  # like its middle
    assert not maps[2:].any()


def test_maps_are_what_distances_say() -> None:
    torch.manual_seed(0)
    grid, told = Grid(3, 4), Likeness(5)
    seen, points = torch.randn(1, 5, 12, 16), torch.rand(2, 4, 2)
    labels = torch.tensor([[1, 0, 1, -1], [1, 1, 1, 0]])
    with torch.no_grad():
        found = sample(seen, points)
        pixels = grid.lay_out(seen, 0).transpose(1, 2)
        compared = told(told.keys(pixels), found)
        likeness = torch.cat([compared, torch.zeros(2, 4, sum(grid.sizes[1:]))], dim=2)
        maps = grid.picture(grid.levels(near_maps(grid, likeness, points, labels, None))[0], 0)
        keys, y, x = told.project(seen)[0], (torch.arange(12) + 0.5) / 12, (torch.arange(16) + 0.5) / 16
        for prompt in range(2):
            expected = torch.zeros(NEAR_MAPS, 12, 16)
            for point, label, at in zip(points[prompt], labels[prompt], found[prompt], strict=True):
                if label == -1:
                    continue
                there = told.project(at[:, None, None])
                unlike = told.scale.exp() * (keys - there).square().sum(0)
                apart = (y[:, None] - point[1]).square() + (x - point[0]).square()
                said = torch.stack([-unlike, -apart / (2 * 0.02**2), -apart / (2 * 0.1**2)]).exp()
                planes = slice(1, 4) if label == 1 else slice(4, 7)
                expected[planes] = torch.maximum(expected[planes], said)
            torch.testing.assert_close(maps[prompt], expected, atol=1e-5, rtol=1e-4)


def test_samples_are_read_at_their_places() -> None:
    level = torch.arange(12.0).view(1, 1, 3, 4)
    places = torch.tensor([[[0.5 / 4, 0.5 / 3], [3.5 / 4, 2.5 / 3], [1.0 / 4, 0.5 / 3]]])
    torch.testing.assert_close(sample(level, places)[0, :, 0], torch.tensor([0.0, 11.0, 0.5]))


# A picture of three materials: meadow, a red ball, and a red house further to the right.
BALL = (slice(4, 12), slice(4, 12))
HOUSE = (slice(4, 12), slice(18, 28))


def told_of_three_materials(
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
    grid, resemblance = Grid(8, 16), Resemblance(2, width=2)
    places = []
    if points is not None:
        places.append(torch.tensor([points]))
    if box is not None:
        x0, y0, x1, y1 = box
        places.append(lattice(7, level) * torch.tensor([x1 - x0, y1 - y0]) + torch.tensor([x0, y0]))
    place = torch.cat(places, dim=1) if places else torch.zeros(1, 0, 2)
    kinds = None if labels is None else torch.tensor([labels])
    at = grid.levels(grid.at)[1]
    with torch.no_grad():
        resemblance.project.weight.copy_(5 * torch.eye(2)[:, :, None, None])
        resemblance.project.bias.zero_()
        overview = resemblance.overview(level, grid.lay_out(level, 1).transpose(1, 2), at)
        shares = resemblance.belonging(overview, sample(level, place), place, kinds, size=(16, 32))
        torch.testing.assert_close(shares.sum(1), torch.ones(1, 16 * 32))
        in_box = None if box is None else grid.levels(inside(torch.tensor([box]), grid))[1]
        maps = resembling(overview, shares, kinds, in_box)
        covered = torch.zeros(1, 1, 16, 32) if mask is None else avg_pool2d(mask[None, None].sigmoid(), 2)
        of_mask = spread(grid.lay_out(covered, 1)[:, 0], overview, shares)
        return grid.picture(torch.cat([maps, of_mask[:, None]], dim=1), 1)[0]


def test_an_overview_and_further_places_share_pixels_as_all_places_together_would() -> None:
    torch.manual_seed(0)
    level, place = torch.randn(1, 4, 8, 8), torch.rand(2, 5, 2)
    grid, resemblance = Grid(4, 4), Resemblance(4, width=3)
    at = grid.levels(grid.at)[1]
    with torch.no_grad():
        pixels = grid.lay_out(level, 1).transpose(1, 2)
        overview = resemblance.overview(level, pixels, at)
        shares = resemblance.belonging(overview, sample(level, place), place, None, size=(8, 8))
        both = torch.cat([place, lattice(12, level).expand(2, -1, -1)], dim=1)
        keys = torch.cat([resemblance.project(level), grid.picture(at[None], 1) * resemblance.apart], dim=1)
        found = sample(keys, both)  # (2, 5 + 144, 5)
        apart = torch.cdist(found, grid.lay_out(keys, 1).transpose(1, 2).expand(2, -1, -1))
        expected = (-apart.square()).softmax(1)
        said = torch.rand(2, 64)
        of_places = (expected @ said[:, :, None])[..., 0] / expected.sum(2)
        torch.testing.assert_close(shares[:, :5], expected[:, :5], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(shares[:, 5:] * overview.belongs, expected[:, 5:], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(spread(said, overview, shares), (of_places[:, None] @ expected)[:, 0])


def test_a_box_means_what_is_inside_and_not_outside() -> None:
    planes = told_of_three_materials(box=[3 / 32, 3 / 16, 13 / 32, 13 / 16])
    in_box, ball = planes[0, 3:13, 3:13], planes[0][BALL]
    meadow = torch.cat([in_box[0], in_box[-1], in_box[:, 0], in_box[:, -1]])
    assert ball.mean() > 2 * meadow.mean(), "meadow is inside, too, and outside"
    assert not planes[1:].any()


def test_points_mean_what_looks_like_them() -> None:
    planes = told_of_three_materials(points=[[8 / 32, 8 / 16], [15 / 32, 2 / 16]], labels=[1, 0])
    assert planes[1][BALL].mean() > 5 * planes[1, :3].mean()
    assert planes[1][BALL].mean() > planes[1][HOUSE].mean(), "as red, but far away"
    assert planes[2, :3].mean() > 5 * planes[2][BALL].mean()
    assert not planes[[0, 3]].any()


def test_a_mask_means_what_looks_like_what_it_covers() -> None:
    half = torch.full((32, 64), -20.0)
    half[8:16, 8:24] = 20  # the upper half of the ball, at twice the size
    planes = told_of_three_materials(mask=half)
    assert planes[3, 9:12, 4:12].mean() > 5 * planes[3, 13:].mean(), "the lower half looks like the upper"
    assert not planes[:3].any()


def test_padding_resembles_nothing_and_no_prompt_says_nothing() -> None:
    torch.testing.assert_close(
        told_of_three_materials(points=[[8 / 32, 8 / 16], [0.0, 0.0]], labels=[1, -1]),
        told_of_three_materials(points=[[8 / 32, 8 / 16]], labels=[1]),
    )
    nothing = told_of_three_materials()
    assert nothing.shape == (RESEMBLANCE_MAPS, 16, 32)
    assert not nothing.any()
