"""Find, hash and read weight files without running code, and load them into a network."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from interestingness.errors import WeightsError
from interestingness.models.hub import LOCAL_ALTERNATIVES, Published, obtain

PREFERRED = (
    "open_clip_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
)
BACKBONE = "model.backbone.weights"
POOLING = re.compile(r"(trunk\.)?(norm|fc_norm|attn_pool)\.")
"""Entries in which towers differ that pool their tokens in different ways, as timm names them."""
_NESTS = ("state_dict", "model_state_dict", "model")
_HASHES: dict[tuple[str, int, int, int], str] = {}


@dataclass(frozen=True)
class Weights:
    """Where a network's weights come from.

    Attributes:
        path: the file; None for random weights.
        seed: of random weights.
        origin: for people.
        published: whether they are the published weights, whose licence is known.
    """

    path: Path | None
    seed: int
    origin: str
    published: bool = False


def resolve_weights(
    weights: str,
    published: Published | None,
    *,
    name: str,
    option: str = BACKBONE,
) -> Weights:
    """Turn the option ``weights`` into a file or a seed.

    Args:
        weights: "hub", "random", "random:<seed>", or the path of a file or of a folder with one.
        published: file that "hub" means; None if these weights are not published.
        name: of the network, for messages.
        option: where the value comes from, for messages.

    Raises:
        WeightsError: if there is no such file, or the hub cannot be reached.
    """
    kind, _, seed = str(weights).partition(":")
    if kind == "random" and (seed.isdigit() or not seed):
        number = int(seed or 0)
        return Weights(None, number, f"random (seed {number})")
    if weights == "hub":
        if published is None:
            raise WeightsError(
                f"no hub offers weights for {name}",
                expected="weights that are published",
                todo="give a local file: model.backbone.weights=/path/to/weights.safetensors",
            )
        path = obtain(published)
        return Weights(path, 0, published.name, published=True)
    path = Path(weights).expanduser()
    if path.is_dir() and weights:
        path = _file_in(path)
    if not path.is_file():
        raise WeightsError(
            f"{option}={weights}: there is no such file",
            expected="a file of weights, `hub`, `random` or `random:<seed>` (0 or more)",
            todo=LOCAL_ALTERNATIVES.format(file="weights.safetensors")
            if option == BACKBONE
            else "name a file of the whole model",
        )
    return Weights(path, 0, str(path))


def find_weights(weights: str | None, beside: Path) -> str | None:
    """Find a file of weights again: where it was, or beside the run or export that names it.

    Args:
        weights: as an option has it; what names no file stays as it is.
        beside: a run, an export, or a file in one.

    Returns:
        The absolute path of the file; ``weights`` if there is none.
    """
    if not names_a_file(weights):
        return weights
    path = Path(str(weights)).expanduser()
    folders = [beside, *beside.absolute().parents[:3]]
    places = [path, *(folder / name for folder in folders for name in (path, path.name))]
    found = next((place for place in places if place.exists()), None)
    return weights if found is None else str(found.absolute())


def names_a_file(weights: str | None) -> bool:
    """Check whether the option names a file, not a hub, a seed or weights in this package."""
    kind = str(weights or "").partition(":")[0]
    return kind not in ("", "hub", "random", "embedded")


def _file_in(folder: Path) -> Path:
    for name in PREFERRED:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(
        f"{folder}: a folder without a file of weights that we know",
        expected=f"one of {', '.join(PREFERRED)}",
        todo="name the file itself",
    )


def file_sha256(path: Path) -> str:
    """Hash of a file's content; computed again only if the file has changed."""
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    if key not in _HASHES:
        with open(path, "rb") as file:
            _HASHES[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _HASHES[key]


def state_sha256(module: nn.Module) -> str:
    """Hash of a module's parameters and buffers, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a safetensors file or a PyTorch checkpoint; no code is run.

    Weights below the key ``state_dict``, or with the prefix ``module.`` of a parallel wrapper, are
    found too.

    Raises:
        WeightsError: for a pickle that would run code, TorchScript, a Git LFS pointer instead of
            the file, a truncated file, or anything else than named tensors.
    """
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith((b"version https://git-lfs", b"<!DOCTYPE", b"<html")):
        raise WeightsError(
            f"{path}: not weights but {'a Git LFS pointer' if start[:1] == b'v' else 'a web page'}",
            expected="the file itself",
            todo="download it again (git lfs pull)",
        )
    state: Any = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    for nest in _NESTS:
        if isinstance(state, Mapping) and isinstance(state.get(nest), Mapping):
            state = state[nest]
            break
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(
            f"{path}: holds {type(state).__name__}",
            expected="named tensors (a state dict)",
            todo="save the network's state_dict(), if possible as safetensors",
        )
    strange = [k for k, v in state.items() if not isinstance(v, Tensor)]
    if strange:
        raise WeightsError(
            f"{path}: entry {strange[0]!r} is not a tensor",
            expected="named tensors only (a state dict)",
            todo="save the network's state_dict(), if possible as safetensors",
        )
    prefix = "module."
    if all(str(k).startswith(prefix) for k in state):
        return {str(k)[len(prefix) :]: v for k, v in state.items()}
    return {str(k): v for k, v in state.items()}


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(
            f"{path}: not a complete safetensors file ({error})",
            expected="a safetensors file",
            todo="obtain the file again",
        ) from None


def _checkpoint(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that are refused anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for bytes that it cannot take
        text = str(error)
        code = re.search(r"GLOBAL:? ?`?([\w.]+)", text)
        if "TorchScript" in text:
            found = "a TorchScript archive, which is a program"
        elif code is not None:
            found = f"a pickle that asks for code to be run ({code.group(1)})"
        elif isinstance(error, pickle.UnpicklingError):
            found = "not plain tensors (a pickle of other objects, or no checkpoint at all)"
        else:
            found = f"cannot be read as weights ({' '.join(text.split())[:120] or 'cut short'})"
        raise WeightsError(
            f"{path}: {found}",
            expected="plain tensors: safetensors, or a state dict saved by torch.save",
            todo="obtain the file again; or, on a machine where you trust it, load it and save its "
            "tensors only: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')",
        ) from None


def load_exactly(network: nn.Module, state: Mapping[str, Tensor], *, where: str, name: str) -> None:
    """Load a state dict whose names and shapes must all match the network's.

    Raises:
        WeightsError: naming the first entries that are missing, unknown or of another shape.
    """
    own = network.state_dict()
    missing = [k for k in own if k not in state]
    unknown = [k for k in state if k not in own]
    shapes = [
        f"{k} {tuple(state[k].shape)} instead of {tuple(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    if missing or unknown or shapes:
        parts = [
            f"{len(items)} {what} ({', '.join(items[:3])}{', …' if len(items) > 3 else ''})"
            for what, items in (
                ("entries missing", missing),
                ("entries unknown", unknown),
                ("of another shape", shapes),
            )
            if items
        ]
        differing = [*missing, *unknown]
        pooled = differing and not shapes and all(POOLING.match(k) for k in differing)
        if pooled:
            parts.append("only how tokens are pooled differs")
        raise WeightsError(
            f"{where}: these weights do not fit {name}: {'; '.join(parts)}",
            expected=f"the {len(own)} tensors of {name}",
            todo="choose the pooling that they were made for (model.backbone.global_pool=token, "
            "avg or map for timm; null for its own), or another file (model.backbone.weights=…)"
            if pooled
            else "choose the backbone that the file was made for (model/backbone=…), "
            "or the file that belongs to this one (model.backbone.weights=…)",
        )
    network.load_state_dict(dict(state))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed random initialisation without changing the run's random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
