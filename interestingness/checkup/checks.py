"""Judge what is known of a machine: pure functions, one for each thing that may not work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packaging.requirements import Requirement

from interestingness.checkup.facts import (
    FolderFacts,
    HostFacts,
    MachineFacts,
    TorchFacts,
)
from interestingness.checkup.findings import Finding, State

LEAST_PYTHON = (3, 11)
LEAST_FREE = 2_000_000_000
"""Bytes for the weights of a tower and what is made of some thousand photographs."""
DEFAULT_WEIGHTS = "timm/vit_base_patch32_clip_224.openai"
"""Repository of CLIP ViT-B/32, the default for photographs."""
FAR_S = 300.0
"""Seconds by which a clock may be wrong before servers refuse what it signs."""
HOSTS = {"hub": "weights of towers", "heads": "published heads"}
"""Checks of hosts, and what comes from them."""
KEYS = {
    "OPENAI_API_KEY": "annotator=gpt4o and other judges",
    "HF_TOKEN": "gated weights of the hub",
    "WANDB_API_KEY": "logger=wandb",
    "FLICKR_API_KEY": "collect-flickr",
}
"""Variables of the environment that hold keys, and what asks for them."""
EXTRAS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "heic": (("pillow_heif",), "phone photographs (HEIC)"),
    "collect": (("starlette", "uvicorn"), "the page for votes"),
    "serve": (
        ("starlette", "uvicorn", "python_multipart", "prometheus_client"),
        "a scorer over HTTP",
    ),
    "onnx": (("onnx", "onnxscript"), "export --format onnx"),
    "sweeps": (
        ("hydra_plugins.hydra_joblib_launcher", "hydra_plugins.hydra_submitit_launcher"),
        "hydra/launcher=joblib and submitit_slurm",
    ),
    "pyiqa": (("pyiqa",), "scorer=pyiqa"),
    "resmem": (("resmem",), "scorer=resmem"),
    "vitmem": (("vitmem",), "scorer=vitmem"),
    "vila": (("tensorflow", "tensorflow_hub"), "scorer=vila"),
}
"""By extra: the modules that it brings, and what they are for."""
NAMES = (
    *("python", "packages", "torch", "gpu", *HOSTS, "clock", "disk", "cache", "weights"),
    *EXTRAS,
    *KEYS,
)
"""Every check, in the order of the report."""


def check_all(machine: MachineFacts, required: Sequence[str]) -> list[Finding]:
    """Judge everything, in the order of ``NAMES``.

    Args:
        machine: what is known.
        required: packages that this one needs, such as ``numpy<3,>=1.26``.
    """
    hosts = [check_host(name, machine.hosts[name]) for name in HOSTS]
    return [
        check_python(machine.python),
        check_packages(machine.packages, required),
        check_torch(machine.torch),
        check_gpu(machine.torch, nvidia=machine.nvidia),
        *hosts,
        check_clock(machine.now, machine.installed, list(machine.hosts.values())),
        check_disk([machine.cache, machine.runs]),
        check_cache(machine.cache, machine.hub_cache, machine.torch_cache),
        check_weights(machine.models),
        *(check_extra(name, machine.extras[name]) for name in EXTRAS),
        *(check_key(name, machine.environment.get(name)) for name in KEYS),
    ]


def check_python(version: tuple[int, int, int]) -> Finding:
    """Judge the interpreter."""
    text, least = ".".join(map(str, version)), ".".join(map(str, LEAST_PYTHON))
    if version[:2] >= LEAST_PYTHON:
        return Finding("python", State.OK, text)
    todo = f"python{least} -m venv .venv && .venv/bin/pip install -e ."
    return Finding("python", State.WRONG, f"{text}, older than {least}", todo)


def check_packages(installed: Mapping[str, str | None], required: Sequence[str]) -> Finding:
    """Judge the versions of the packages that this one needs.

    Args:
        installed: version by name, None for none.
        required: such as ``numpy<3,>=1.26``; those of extras are left out.
    """
    if not required:
        todo = "pip install -e ."
        return Finding("packages", State.WRONG, "interestingness itself is not installed", todo)
    wanted = [r for r in map(Requirement, required) if r.marker is None or r.marker.evaluate()]
    bad = []
    for requirement in wanted:
        version = installed.get(requirement.name)
        if version is None:
            bad.append((requirement, "is not installed"))
        elif not requirement.specifier.contains(version, prereleases=True):
            bad.append((requirement, f"is {version}, not {requirement.specifier}"))
    if not bad:
        return Finding("packages", State.OK, f"{len(wanted)} of {len(wanted)} as required")
    text = "; ".join(f"{requirement.name} {why}" for requirement, why in bad)
    names = " ".join(f"'{requirement.name}{requirement.specifier}'" for requirement, _ in bad)
    return Finding("packages", State.WRONG, text, f"pip install {names}")


def check_torch(torch: TorchFacts) -> Finding:
    """Judge whether torch can be imported."""
    if torch.version:
        built = f"built for CUDA {torch.cuda}" if torch.cuda else "built for the CPU"
        return Finding("torch", State.OK, f"{torch.version}, {built}")
    text = f"cannot be imported: {torch.error or 'it is not installed'}"
    return Finding("torch", State.WRONG, text, "pip install --force-reinstall torch torchvision")


def check_gpu(torch: TorchFacts, *, nvidia: bool) -> Finding:
    """Judge whether torch can use a GPU.

    Args:
        torch: what it told.
        nvidia: whether the system has an NVIDIA device.
    """
    if torch.gpus:
        return Finding("gpu", State.OK, ", ".join(torch.gpus))
    if not nvidia:
        text = "no NVIDIA device; training and scoring use the CPU"
        todo = "a machine with one; under Docker --gpus all, under SLURM --gres=gpu:1"
        return Finding("gpu", State.ABSENT, text, todo)
    if not torch.version:
        return Finding("gpu", State.WRONG, "a device, but no torch", "mend torch first")
    if not torch.cuda:
        text = "a device, and a torch that is built for the CPU"
        todo = "pip install --force-reinstall torch torchvision, without an --index-url for cpu"
        return Finding("gpu", State.WRONG, text, todo)
    text = f"a device that torch, built for CUDA {torch.cuda}, cannot use"
    todo = "nvidia-smi; then a newer driver, or a torch for its CUDA; see CUDA_VISIBLE_DEVICES"
    return Finding("gpu", State.WRONG, text, todo)


def check_host(name: str, host: HostFacts) -> Finding:
    """Judge whether a host answers.

    Args:
        name: of the check, a key of ``HOSTS``.
        host: what is known of it.
    """
    if host.forbidden:
        text = f"{host.host}: {host.forbidden} is set, so that nothing is asked"
        return Finding(name, State.ABSENT, text, f"unset {host.forbidden}")
    if not host.problem:
        return Finding(name, State.OK, f"{host.host} answers ({HOSTS[name]})")
    todo = f"curl -I https://{host.host}; a proxy is HTTPS_PROXY=…, its certificate SSL_CERT_FILE=…"
    text = f"{host.host}: {host.problem}; what is cached works, {HOSTS[name]} do not come"
    return Finding(name, State.ABSENT, text, todo)


def check_clock(now: float, installed: float, hosts: Sequence[HostFacts]) -> Finding:
    """Judge the clock: by hosts that told the time, else it is not before this package was written.

    Args:
        now: seconds since 1970.
        installed: when the newest file of this package was written.
        hosts: with their clocks.
    """
    todo = "timedatectl set-ntp true; in a virtual machine, the clock of its host"
    ahead = [host.ahead_s for host in hosts if host.ahead_s is not None]
    if ahead:
        worst = max(ahead, key=abs)
        if abs(worst) <= FAR_S:
            return Finding("clock", State.OK, f"within {max(1, round(abs(worst)))} s of a host's")
        side = "behind" if worst > 0 else "ahead"
        return Finding("clock", State.WRONG, f"{abs(worst):,.0f} s {side}", todo)
    if now + FAR_S < installed:
        days = (installed - now) / 86_400
        text = f"{days:.1f} days before this package was written"
        return Finding("clock", State.WRONG, text, todo)
    return Finding("clock", State.OK, "no host told the time; it is not before this package")


def check_disk(folders: Sequence[FolderFacts]) -> Finding:
    """Judge the room for the cache and the runs."""
    shown = ", ".join(f"{_size(folder.free)} free for {folder.path}" for folder in folders)
    short = [folder for folder in folders if folder.free < LEAST_FREE]
    if not short:
        return Finding("disk", State.OK, shown)
    todo = "make room, or INTERESTINGNESS_CACHE=FOLDER on another disk; paths.runs=FOLDER for runs"
    return Finding("disk", State.WRONG, f"{shown}; {_size(LEAST_FREE)} are little enough", todo)


def check_cache(cache: FolderFacts, *others: FolderFacts) -> Finding:
    """Judge whether the cache can be written, and tell what caches take.

    Args:
        cache: our own.
        others: those of libraries.
    """
    sizes = [
        f"{folder.path} {'' if folder.whole else 'more than '}{_size(folder.used)}"
        for folder in (cache, *others)
        if folder.exists
    ]
    if not cache.writable:
        todo = "INTERESTINGNESS_CACHE=FOLDER with a folder that you may write to"
        return Finding("cache", State.WRONG, f"{cache.path} cannot be written to", todo)
    return Finding("cache", State.OK, ", ".join(sizes) or f"{cache.path}, not made yet")


def check_weights(models: Sequence[str]) -> Finding:
    """Judge whether photographs can be encoded without a download."""
    others = [name for name in models if name != DEFAULT_WEIGHTS]
    more = f"; besides: {', '.join(others[:5])}{', …' if len(others) > 5 else ''}" if others else ""
    if DEFAULT_WEIGHTS in models:
        return Finding("weights", State.OK, f"CLIP ViT-B/32, the default, is here{more}")
    todo = "the first run on photographs downloads 605 MB; offline, model.backbone.weights=FILE"
    return Finding("weights", State.ABSENT, f"CLIP ViT-B/32, the default, is not here{more}", todo)


def check_extra(name: str, broken: Mapping[str, str]) -> Finding:
    """Judge an extra.

    Args:
        name: a key of ``EXTRAS``.
        broken: modules that are missing or fail, with the reason.
    """
    purpose = EXTRAS[name][1]
    if not broken:
        return Finding(name, State.OK, purpose)
    text = "; ".join(f"{module}: {why}" for module, why in broken.items())
    return Finding(
        name, State.ABSENT, f"{purpose} ({text})", f"pip install 'interestingness[{name}]'"
    )


def check_key(name: str, value: str | None) -> Finding:
    """Judge a key by its form. No part of it is in the finding, not even its length.

    Args:
        name: of the variable.
        value: None where it is not set.
    """
    todo = f"export {name}=…, in the shell that starts the command"
    if value is None or not value.strip():
        text = "not set" if value is None else "empty"
        return Finding(name, State.ABSENT, f"{text} ({KEYS[name]})", todo)
    key = value.strip()
    if key[0] in "'\"“<" or not key.isascii() or len(key.split()) > 1 or key.startswith("..."):
        text = "set, but with quotes, brackets, blanks or letters that no key has"
        return Finding(name, State.WRONG, text, todo)
    return Finding(name, State.OK, f"set ({KEYS[name]}); not tried")


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit != "GB" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
