"""The stack of equal blocks inside a network, and the depth of each parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from interestingness.errors import WeightsError

_INPUT_WORDS = ("embed", "token")
"""Words in the names of input parameters, wherever a network registers them."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """The stack of a network.

    Attributes:
        path: name of the container, e.g. "transformer.resblocks".
        blocks: its members, from input to output.
    """

    path: str
    blocks: tuple[nn.Module, ...]

    def __len__(self) -> int:
        return len(self.blocks)


def find_blocks(network: nn.Module) -> Blocks:
    """Find the list of blocks of one class and size that holds most of a network's parameters.

    Raises:
        WeightsError: if no such list holds half of them, as in a ResNet, whose stages differ.
    """
    best, most = None, 0
    for name, module in network.named_modules():
        children = list(module.children())
        if not isinstance(module, nn.ModuleList | nn.Sequential) or len(children) < 2:
            continue
        size = _size(module)
        if len({(type(child), _size(child)) for child in children}) == 1 and size > most:
            best, most = Blocks(name, tuple(children)), size
    if best is None or 2 * most < _size(network):
        raise WeightsError(
            f"{type(network).__name__} has no stack of equal blocks",
            expected="a transformer, whose last blocks can be trained",
            todo="model/tuning=full with model.groups.layer_decay=1, or another model/backbone",
        )
    return best


def depths(network: nn.Module) -> dict[str, int]:
    """Depth of each parameter: 0 input, 1 … n blocks, n + 1 layers after the blocks.

    Raises:
        WeightsError: for a network without a stack of blocks.
    """
    stack = find_blocks(network)
    return {n: _depth(network, stack, n) for n, _ in network.named_parameters()}


def inside(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and parameters of the blocks only."""
    prefix = f"{find_blocks(network).path}."
    yield from ((n, p) for n, p in network.named_parameters() if n.startswith(prefix))


def is_input(name: str) -> bool:
    """Whether a parameter is an embedding of positions or classes, by its name."""
    return any(word in name.rpartition(".")[2] for word in _INPUT_WORDS)


def _depth(network: nn.Module, stack: Blocks, name: str) -> int:
    parts, path = name.split("."), stack.path.split(".") if stack.path else []
    last = len(stack) + 1
    if parts[: len(path)] == path:
        return int(parts[len(path)]) + 1
    parent = network
    for step, own in zip(path, parts, strict=False):
        if step != own:
            order = list(parent._modules)
            if own in order:
                return 0 if order.index(own) < order.index(step) else last
            break
        parent = parent.get_submodule(step)
    return 0 if is_input(name) else last


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
