"""What is remembered of an image is forgotten as soon as it could be wrong."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from sam_widget.model.layers.per_image_cache import PerImageCache, weights_of


class Doubling:
    """Counts how often it had to compute."""

    def __init__(self) -> None:
        self.layer = nn.Linear(1, 1, bias=False)
        self.memory = PerImageCache[torch.Tensor]()
        self.calls = 0

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        def make() -> torch.Tensor:
            self.calls += 1
            return self.layer(image)

        return self.memory.get([image], [self.layer.weight], make)


@pytest.fixture
def doubling() -> Doubling:
    return Doubling()


def test_the_same_image_is_looked_at_once(doubling: Doubling) -> None:
    image = torch.ones(3, 1)
    with torch.inference_mode():
        first, second = doubling(image), doubling(image)
    assert first is second
    assert doubling.calls == 1


def test_another_image_is_another_even_if_it_holds_the_same(doubling: Doubling) -> None:
    image = torch.ones(3, 1)
    with torch.no_grad():
        doubling(image)
        doubling(image.clone())
        doubling(image)
    assert doubling.calls == 3


def test_trained_or_loaded_weights_are_used(doubling: Doubling) -> None:
    image = torch.ones(3, 1)
    with torch.no_grad():
        before = doubling(image)
        doubling.layer.weight += 1
        assert torch.equal(doubling(image), before + 1)
        doubling.layer.load_state_dict({"weight": torch.full((1, 1), 5.0)})
        assert torch.equal(doubling(image), torch.full((3, 1), 5.0))
        doubling.layer.weight.data = torch.full((1, 1), 7.0)
        assert torch.equal(doubling(image), torch.full((3, 1), 7.0))


def test_nothing_is_remembered_where_gradients_are_wanted(doubling: Doubling) -> None:
    image = torch.ones(3, 1)
    with torch.no_grad():
        doubling(image)
    assert doubling(image).requires_grad
    assert doubling.calls == 2


def test_a_copy_forgets(doubling: Doubling) -> None:
    with torch.no_grad():
        doubling(torch.ones(3, 1))
    for memory in (copy.deepcopy(doubling.memory), pickle.loads(pickle.dumps(doubling.memory))):  # noqa: S301 - ours
        assert memory.get([], [], lambda: None) is None


def test_more_images_than_before_are_others() -> None:
    memory, image, prompt = PerImageCache[int](), torch.ones(1), torch.ones(1)
    with torch.no_grad():
        assert [memory.get(given, [], lambda n=n: n) for n, given in enumerate(([image, prompt], [image]))] == [0, 1]
        assert memory.get([image, prompt], [], lambda: 2) == 2


def test_all_weights_of_a_network_are_found() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ModuleList([nn.LayerNorm(3), nn.Linear(3, 1, bias=False)]))
    expected = list(network.parameters())
    found = weights_of(network[0], network[1])
    assert len(found) == len(expected)
    assert all(a is b for a, b in zip(found, expected, strict=True))
