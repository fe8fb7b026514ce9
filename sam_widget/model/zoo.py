"""The table of models; load a model by name or from a checkpoint file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from sam_widget.errors import ModelError, door
from sam_widget.model import efficient_sam, hq_sam, hub, mobile_sam, sam, sam2
from sam_widget.model.checkpoint import builder_for, fill, read_tensors, recognise, sha256
from sam_widget.model.config import (
    EFFICIENT_S,
    EFFICIENT_TI,
    MOBILE,
    SAM2_BASE_PLUS,
    SAM2_LARGE,
    SAM2_SMALL,
    SAM2_TINY,
    TINY,
    TINY_VIT,
    VIT_B,
    VIT_H,
    VIT_L,
    SamConfig,
    TinyConfig,
)
from sam_widget.model.layers.token_maps import computes_in_bfloat16
from sam_widget.model.layers.unfilled import unfilled
from sam_widget.model.model_table import ModelInfo, ModelTable
from sam_widget.model.names import check_name, is_served
from sam_widget.model.sam import Sam
from sam_widget.model.tiny import tiny
from sam_widget.model.tuned import load_tuned, read_tuned

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
EMBEDDED = WEIGHTS / "tiny.safetensors"


@dataclass(frozen=True)
class Published:
    """Weights published by others on the Hugging Face Hub.

    Attributes:
        build: Builder of the model.
        config: Sizes of the model.
        parameters: Number of parameters, including the fixed random features of positions.
        repository: Repository on the Hub, "owner/name".
        filename: Path of the file in the repository.
        licence: Licence of the weights.
    """

    build: Callable[[], Sam]
    config: SamConfig
    parameters: int
    repository: str
    filename: str = "model.safetensors"
    licence: str = "Apache-2.0"


PUBLISHED: dict[str, Published] = {
    "vit_b": Published(sam.vit_b, VIT_B, 93_735_728, "facebook/sam-vit-base"),
    "vit_l": Published(sam.vit_l, VIT_L, 312_343_088, "facebook/sam-vit-large"),
    "vit_h": Published(sam.vit_h, VIT_H, 641_090_864, "facebook/sam-vit-huge"),
    "sam2.1_hiera_tiny": Published(sam2.sam2_hiera_tiny, SAM2_TINY, 31_440_977, "facebook/sam2.1-hiera-tiny"),
    "sam2.1_hiera_small": Published(sam2.sam2_hiera_small, SAM2_SMALL, 38_538_833, "facebook/sam2.1-hiera-small"),
    "sam2.1_hiera_base_plus": Published(
        sam2.sam2_hiera_base_plus, SAM2_BASE_PLUS, 73_328_657, "facebook/sam2.1-hiera-base-plus"
    ),
    "sam2.1_hiera_large": Published(sam2.sam2_hiera_large, SAM2_LARGE, 216_925_121, "facebook/sam2.1-hiera-large"),
    "mobile_sam": Published(mobile_sam.mobile_sam, MOBILE, 9_808_708, "dhkim2810/MobileSAM", "mobile_sam.pt"),
    "efficient_sam_ti": Published(
        efficient_sam.efficient_sam_ti, EFFICIENT_TI, 10_223_268, "merve/EfficientSAM", "efficient_sam_vitt.pt"
    ),
    "efficient_sam_s": Published(
        efficient_sam.efficient_sam_s, EFFICIENT_S, 26_412_900, "merve/EfficientSAM", "efficient_sam_vits.pt"
    ),
    "hq_vit_b": Published(hq_sam.hq_vit_b, VIT_B, 94_806_832, "syscv-community/sam-hq-vit-base"),
    "hq_vit_l": Published(hq_sam.hq_vit_l, VIT_L, 313_676_336, "syscv-community/sam-hq-vit-large"),
    "hq_vit_h": Published(hq_sam.hq_vit_h, VIT_H, 642_686_256, "syscv-community/sam-hq-vit-huge"),
}


def models() -> ModelTable:
    """Return the models that `load_model` knows by name, as a tuple that a notebook shows as a table.

    Never accesses the network.
    """
    path = EMBEDDED
    with safe_open(path, framework="pt") as file:
        # Excludes BatchNorm running statistics.
        keys = [key for key in file.keys() if "running_" not in key and "num_batches" not in key]  # noqa: SIM118
        parameters = sum(math.prod(file.get_slice(key).get_shape()) for key in keys)
    embedded = ModelInfo(
        name="tiny",
        parameters=parameters,
        image_size=TINY.image_size,
        licence="Apache-2.0",
        source="in the package; trained by sam_widget.learn on rendered scenes and on photos with human masks, from a "
        "trunk published for ImageNet",
        sha256=sha256(path),
        local=True,
    )
    return ModelTable((embedded, *(_row(name, published) for name, published in PUBLISHED.items())))


def _row(name: str, published: Published) -> ModelInfo:
    path = hub.cached(published.repository, published.filename)
    return ModelInfo(
        name=name,
        parameters=published.parameters,
        image_size=published.config.image_size,
        licence=published.licence,
        source=f"{published.repository}/{published.filename} on the Hugging Face Hub",
        sha256=None if path is None else hub.published_sha256(path),
        local=path is not None,
    )


@door
def load_model(
    name: str | Path,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    progress: hub.Progress | None = None,
) -> Sam:
    """Load a model in evaluation mode.

    Args:
        name: A name from `models()`, or the path of a checkpoint (.safetensors, .pth, .pt): of one of these models in
            any published layout, of a `tiny` trained with `sam_widget.learn`, or of a model tuned with `tune`.
        device: None picks cuda, mps or cpu, in this order.
        dtype: Type of the image encoder, which takes most of the time; None picks a fast one (`fast_dtype`). The rest
            stays in float32: coordinates need more precision than bfloat16 has, and masks would lose most of their
            accuracy in the decoder, which is small.
        progress: Called with the bytes done and the total while downloading; None draws a bar with tqdm.

    Raises:
        ModelError: The name is unknown, the weights cannot be fetched, the file is missing, damaged or matches no
            known model, or the device has too little memory.
    """
    device = torch.device(device) if device is not None else best_device()
    path, known = _find(name, progress)
    if known is None and (tuned := read_tuned(path)) is not None:
        return load_tuned(tuned, path, lambda base: load_model(base, device=device, dtype=dtype, progress=progress))
    state = recognise(read_tensors(path), path)
    build = known or builder_for(state, path, BUILDERS)
    with unfilled():
        model = build()
    fill(model, state, path)
    dtype = dtype or fast_dtype(device, model.config)
    if known is None:
        model.name = path.stem
    model.weights_id = f"{model.name}-{sha256(path)[:16]}-{str(dtype).removeprefix('torch.')}"
    model.to(dtype=torch.float32)
    model.image_encoder.to(dtype=dtype)
    with telling_of_memory(model, device):
        model.to(device=device)
    return model.eval().requires_grad_(requires_grad=False)


# Models that a checkpoint file may contain.
BUILDERS: tuple[tuple[SamConfig, Callable[[], Sam]], ...] = (
    (TINY, tiny.tiny),
    (TINY_VIT, tiny.tiny_vit),
    *((published.config, published.build) for published in PUBLISHED.values()),
)


@contextmanager
def telling_of_memory(model: Sam, device: torch.device) -> Iterator[None]:
    """Turn out-of-memory errors into a `ModelError` that suggests smaller models."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        parameters = sum(parameter.numel() for parameter in model.parameters())
        smaller = [name for name, published in PUBLISHED.items() if published.parameters < parameters]
        if not isinstance(model.config, TinyConfig):
            smaller = ["tiny", *smaller]
        ways = [f"load a smaller model ({', '.join(smaller)})"] if smaller else ["free some: no model is smaller"]
        if device.type != "cpu":
            ways.append("load this one with device='cpu'")
        raise ModelError(f"{device} has too little memory for {model.name}; {', or '.join(ways)}") from error


_NO_MEMORY = ("MPS backend out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device has too little memory."""
    # CUDA raises a specific error type; on MPS and CPU only the message tells.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(said in str(error) for said in _NO_MEMORY)


def best_device() -> torch.device:
    """Return cuda if available, else mps, else cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def fast_dtype(device: torch.device, config: SamConfig) -> torch.dtype:
    """Return bfloat16 if it speeds up the image encoder without affecting masks, else float32.

    That holds for all models but the embedded one on cuda, and for the large plain ViTs on CPUs with bfloat16
    instructions (AVX512-BF16). The embedded model is fast anyway, and its convolutions lose too much precision.
    """
    if isinstance(config, TinyConfig):
        return torch.float32
    if device.type == "cuda":
        return torch.bfloat16
    large = type(config) is SamConfig and config.embed_dim >= VIT_B.embed_dim
    return torch.bfloat16 if device.type == "cpu" and large and computes_in_bfloat16() else torch.float32


def _find(name: str | Path, progress: hub.Progress | None) -> tuple[Path, Callable[[], Sam] | None]:
    """Return the weights file and, if it was given by name, the model's builder."""
    if name == "tiny":
        return EMBEDDED, tiny.tiny
    if isinstance(name, str) and name in PUBLISHED:
        published = PUBLISHED[name]
        return hub.fetch(published.repository, published.filename, progress=progress), published.build
    if is_served(name):
        raise ModelError(
            f"{str(name).partition('?')[0]} is a server, not a model; call sam_widget.connect(address), or give the "
            "address to SamWidget, Session or Gallery"
        )
    check_name(name)
    return Path(name), None
