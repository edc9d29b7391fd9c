"""What is known of a machine, as plain values: checks judge these, and tests make them up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class TorchFacts:
    """What a child process found that imported torch.

    Attributes:
        version: "" where it cannot be imported.
        cuda: version of CUDA that this torch is built for; "" for none.
        gpus: names of the GPUs that it can use.
        error: why it cannot be imported, or "".
    """

    version: str = ""
    cuda: str = ""
    gpus: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class HostFacts:
    """Whether a host on the internet answers.

    Attributes:
        host: its name.
        problem: why it does not, or "".
        ahead_s: its clock less ours, in seconds; None where it has not told the time.
        forbidden: the variable of the environment that forbids to ask it, or "".
    """

    host: str
    problem: str = ""
    ahead_s: float | None = None
    forbidden: str = ""


@dataclass(frozen=True)
class FolderFacts:
    """A folder on disk.

    Attributes:
        path: absolute.
        exists: whether it is there.
        writable: whether it, or the nearest folder above it that exists, can be written to.
        free: bytes free on its disk.
        used: bytes of the files below it.
        whole: whether all of them were counted.
    """

    path: Path
    exists: bool = True
    writable: bool = True
    free: int = 0
    used: int = 0
    whole: bool = True


@dataclass(frozen=True)
class MachineFacts:
    """Everything that is checked.

    Attributes:
        python: of the interpreter, such as (3, 11, 7).
        packages: installed version by name of a package; None where it is not installed.
        torch: what torch can do.
        nvidia: whether the system has an NVIDIA device.
        hosts: by the name of their check.
        environment: variables, whose values may be secret.
        extras: modules that are missing or fail to import, with the reason, by extra.
        cache: our cache folder.
        runs: the current folder.
        hub_cache: of the Hugging Face hub.
        torch_cache: of torch.
        models: names of the models in both, each with a file of weights.
        now: the clock, seconds since 1970.
        installed: when the newest file of this package was written, seconds since 1970.
    """

    python: tuple[int, int, int]
    packages: Mapping[str, str | None]
    torch: TorchFacts
    nvidia: bool
    hosts: Mapping[str, HostFacts]
    environment: Mapping[str, str] = field(repr=False)
    extras: Mapping[str, Mapping[str, str]]
    cache: FolderFacts
    runs: FolderFacts
    hub_cache: FolderFacts
    torch_cache: FolderFacts
    models: tuple[str, ...]
    now: float
    installed: float
