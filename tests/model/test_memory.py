"""How much memory does a GPU need? Counted without one: tensors that only have a shape, and what is alive at a time."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sam_widget.model import sam
from sam_widget.model.fast.parts import FastParts


class Alive(TorchDispatchMode):
    """Counts the bytes of tensors made within it: those alive now, and the most at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, operation: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def test_it_counts_what_is_alive() -> None:
    with FakeTensorMode(), Alive() as alive:
        a = torch.empty(1000, device="cuda")
        b = a + 1
        view = b[:10]
        assert alive.now == alive.peak == 8000
        del a
        assert alive.now == 4000
        del b
        assert alive.now == 4000, "a view keeps all of it"
        del view
    assert (alive.now, alive.peak) == (0, 8000)


class Encode(nn.Module):
    """Embeds an image."""

    def __init__(self, model: sam.Sam) -> None:
        super().__init__()
        self.model = model
        self.parts = FastParts(model)

    def forward(self, pixels: Tensor) -> object:
        return self.model.encode(pixels, image_encoder=self.parts.image_encoder)


def test_vit_h_needs_less_than_6_gb_in_half_precision() -> None:
    with torch.device("meta"):
        model = Encode(sam.vit_h()).eval()
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with FakeTensorMode(), torch.inference_mode(), Alive() as alive:
        weights = {
            name: torch.empty(
                tensor.shape,
                dtype=torch.bfloat16 if name.startswith("model.image_encoder") else tensor.dtype,
                device="cuda",
            )
            for name, tensor in tensors.items()
        }
        held = alive.now
        torch.func.functional_call(model, weights, (torch.empty(1, 3, 1024, 1024, device="cuda"),))
    assert held > 2 * 637_000_000, "the image encoder's weights alone"
    assert held < alive.peak < 6e9
    print(f"weights {held / 1e9:.2f} GB, at most {alive.peak / 1e9:.2f} GB")
