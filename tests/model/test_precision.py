"""Number types: no float64 from image to masks, which Apple's GPUs have not, and what half precision costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import sam_widget as sw
from sam_widget.model.efficient_sam import EfficientSam
from sam_widget.model.hq_sam import HqSam
from sam_widget.model.mobile_sam import MobileSam
from sam_widget.model.sam import Sam
from sam_widget.model.sam2 import Sam2
from sam_widget.predictor.predictor import EmbeddingCache
from tests.model.references import SMALL, SMALL_EFFICIENT, SMALL_MOBILE, SMALL_SAM2, mask_iou, prompts, seeded
from tests.model.references import photo as noise

MODELS: dict[str, Callable[[], Sam]] = {
    "sam": lambda: Sam(SMALL),
    "hq_sam": lambda: HqSam(SMALL),
    "sam2": lambda: Sam2(SMALL_SAM2),
    "efficient_sam": lambda: EfficientSam(SMALL_EFFICIENT),
    "mobile_sam": lambda: MobileSam(SMALL_MOBILE),
}


def refuse_float64(result: Any) -> Any:
    for leaf in tree_leaves(result):
        if isinstance(leaf, Tensor) and leaf.dtype == torch.float64:
            raise TypeError("a float64 tensor")
    return result


class NoFloat64Calls(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return refuse_float64(func(*args, **(kwargs or {})))


class NoFloat64Kernels(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return refuse_float64(func(*args, **(kwargs or {})))


def test_the_guard_guards() -> None:
    with NoFloat64Calls(), NoFloat64Kernels():
        with pytest.raises(TypeError, match="float64"):
            torch.from_numpy(np.zeros(3))
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(3).double()


@pytest.mark.parametrize("model", list(MODELS))
def test_no_float64_from_image_to_masks(model: str) -> None:
    predictor = sw.Predictor(seeded(MODELS[model]()), cache=EmbeddingCache())
    with NoFloat64Calls(), NoFloat64Kernels():
        embedding = predictor.embed(noise((60, 91)))
        for given in prompts(60, 91).values():
            if "mask" in given and not predictor.config.takes_masks:
                continue
            answer = predictor.predict(embedding, **given)
            assert (answer.logits.dtype, answer.scores.dtype) == (np.float32, np.float32)


# bfloat16 is too coarse for tiny's convolutions, which is why `fast_dtype` never picks it for them.
@pytest.mark.parametrize(("dtype", "expected"), [(torch.bfloat16, 0.9), (torch.float16, 0.99)])
def test_half_precision_draws_the_same_masks(photo: np.ndarray, dtype: torch.dtype, expected: float) -> None:
    exact = sw.Predictor(sw.load_model("tiny", device="cpu", dtype=torch.float32))
    half = sw.Predictor(sw.load_model("tiny", device="cpu", dtype=dtype))
    assert next(half.model.image_encoder.parameters()).dtype == dtype
    rng = np.random.default_rng(0)
    ious = []
    for point in rng.uniform((0, 0), photo.shape[1::-1], (12, 2)):
        a = exact.predict(exact.embed(photo), points=[point], multimask=False)
        b = half.predict(half.embed(photo), points=[point], multimask=False)
        ious.append(mask_iou(a.masks, b.masks))
    assert np.median(ious) >= expected


# The image encoder alone is in half precision, as `load_model` has it.
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("model", list(MODELS))
def test_half_precision_costs_a_hundredth_of_the_references_masks(model: str, dtype: torch.dtype) -> None:
    exact, half = seeded(MODELS[model]()), seeded(MODELS[model]())
    half.image_encoder.to(dtype)
    ious = []
    for size in ((60, 91), (150, 70)):
        a, b = (sw.Predictor(each, cache=EmbeddingCache()) for each in (exact, half))
        before, after = a.embed(noise(size)), b.embed(noise(size))
        for point in np.random.default_rng(0).uniform((0, 0), size[::-1], (12, 2)):
            masks = [p.predict(e, points=[point]).masks for p, e in ((a, before), (b, after))]
            ious += [mask_iou(*pair) for pair in zip(*masks, strict=True)]
    assert np.median(ious) >= 0.99
