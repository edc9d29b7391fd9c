"""Check a config before anything is built from it, and compute the run's identity.

Every class must be trusted and every argument must bind to its signature."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from interestingness.assembly import resolvers  # noqa: F401 (config files call them)
from interestingness.assembly.checked_before import Defaults
from interestingness.assembly.light import import_torchmetrics
from interestingness.assembly.model_keys import overrides_here, shows_config, unread_options
from interestingness.assembly.option_values import show_value, wrong_places, wrong_values
from interestingness.errors import ConfigError
from interestingness.runs.renamed import first_name

USE_LIGHTNING = ("lightning.", "interestingness.learning.")
OWN_PACKAGES = ("interestingness", "torch", "lightning")

# Arguments that the assembly passes itself, by the place of the node in the config.
SUPPLIED = {
    "label_source": {"tables"},
    "references.": {"tables"},
    "sources.": {"tables"},
    "dataset": {"progress"},
    "model.head": {"dim", "widths"},
    "model.words": {"texts"},
    "optimizer": {"params"},
    "scheduler": {"optimizer"},
    "split": {"pairs", "images"},
    "trainer": {"callbacks", "logger"},
}

# What a run does not depend on: where files lie, what is shown, and how sweeps go about it.
OUTSIDE_IDENTITY = (
    "paths",
    "logger",
    "trust",
    "resume",
    "skip_finished",
    "callbacks.progress",
    "data.copy",
    "data.max_pixels",
    # the same numbers, to rounding, on any device and with any number of processes
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "name",
    "run_name",
)


# Groups of options that a training run reads, each with a choice that goes with all others.
NEEDED = {
    "data": "features",
    "model": "linear",
    "label_source": "human",
    "loss": "bradley_terry",
    "optimizer": "optimum",
    "scheduler": "none",
    "split": "auto",
    "trainer": "default",
    "callbacks": "default",
    "logger": "none",
}


def targets(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Find every mapping with a ``_target_`` that is not null, and its place in the config."""
    if isinstance(node, dict):
        if node.get("_target_"):
            yield path, node
        for key, value in node.items():
            yield from targets(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from targets(value, f"{path}[{i}]")


def check(
    config: Mapping[str, Any], *, trusted: tuple[str, ...] = (), recorded: bool = False
) -> None:
    """Refuse untrusted classes, bind every node's arguments, check the model's options.

    Args:
        config: resolved plain containers.
        trusted: packages beside our own whose classes may be named (plugins and ``trust=[…]``).
        recorded: whether the config is a checkpoint's, which may hold options that nothing read.

    Raises:
        ConfigError: one error that lists everything that is wrong.
    """
    allowed = (*OWN_PACKAGES, *trusted)
    problems: list[str] = []
    unknown: list[str] = []
    for path, node in targets(dict(config)):
        name = str(node["_target_"])
        if name.split(".")[0] not in allowed:
            problems.append(
                f"{path}._target_ = {name}: package {name.split('.')[0]!r} is not trusted"
            )
            unknown.append(name.split(".")[0])
            continue
        try:
            function = locate(name)
        except (ImportError, AttributeError) as error:
            problems.append(f"{path}._target_ = {name}: {error}")
            continue
        if path == "model.words.tower":
            continue  # it is the same node as model.tower
        problems.extend(f"{path}: {problem}" for problem in _binding(path, node, function))
        # Without a question, an evaluation takes that of the checkpoint.
        unasked = {"question"} if config.get("question", "") is None else set()
        given = {k: v for k, v in node.items() if v is not None or k not in unasked}
        problems.extend(wrong_values(path, given, function))
    if not recorded:
        problems.extend(wrong_places(config))
        said = unread_options(config.get("model"), overrides_here(), checkpoint="ckpt" in config)
        problems.extend(said)
        problems.extend(absent_groups(config))
    if problems:
        raise ConfigError(
            "\n  ".join([f"{len(problems)} option(s) cannot be used:", *problems]),
            todo=f"`{shows_config()}` shows the composed config"
            + (
                f"; trust=[{','.join(dict.fromkeys(unknown))}] runs the code of these packages"
                if unknown
                else ""
            ),
        )


def absent_groups(config: Mapping[str, Any]) -> Iterator[str]:
    """List the groups of options that a training run needs and the config lacks."""
    if "resume" not in config:  # a study, and commands that do not learn
        return
    for name in NEEDED:
        if not isinstance(config.get(name), Mapping):
            given = show_value(config.get(name))
            yield f"{name}={given}: expected an option of conf/{name}, like {name}={NEEDED[name]}"


def locate(name: str) -> Callable[..., Any]:
    """Import the class or function that a dotted name stands for.

    Raises:
        ImportError, AttributeError: if there is none.
    """
    module, _, attribute = name.rpartition(".")
    if name.startswith(USE_LIGHTNING):
        import_torchmetrics()
    found = getattr(import_module(module), attribute)
    if not callable(found):
        raise AttributeError(f"{name} is not callable")
    return found


def _binding(path: str, node: Mapping[str, Any], function: Callable[..., Any]) -> list[str]:
    given = {k for k in node if k not in {"_target_", "_partial_", "_convert_", "_recursive_"}}
    supplied = supplied_by_assembly(path)
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        unknown: set[str] = set()
    else:
        unknown = given - set(parameters)
    required = {
        n
        for n, p in parameters.items()
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }
    names = ", ".join(sorted(set(parameters) - supplied))
    problems = [
        f"there is no option {name!r}; " + (f"there are {names}" if names else "there are none")
        for name in sorted(unknown)
    ]
    problems += [f"option {name!r} is missing" for name in sorted(required - given - supplied)]
    return problems


def supplied_by_assembly(path: str) -> set[str]:
    """List the arguments that the assembly passes to the node at this place."""
    for prefix, names in SUPPLIED.items():
        if path == prefix or (prefix.endswith(".") and path.startswith(prefix)):
            return names
    # Sources nested in a source (mix) read the same tables.
    return {"tables"} if path.startswith("label_source.") else set()


def effective(config: Mapping[str, Any], defaults: Defaults | None = None) -> dict[str, Any]:
    """Write the code defaults that the config relies on into it.

    Args:
        config: resolved plain containers.
        defaults: of its classes, where they are known.
    """
    result: dict[str, Any] = json.loads(json.dumps(dict(config), default=str))
    known = class_defaults(config) if defaults is None else defaults
    for _, node in list(targets(result)):
        assert isinstance(node, dict)
        for name, default in known[str(node["_target_"])].items():
            node.setdefault(name, default)
    return result


def class_defaults(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the plain defaults of every class that a config names, by class and argument."""
    found: dict[str, dict[str, Any]] = {}
    for name in {str(node["_target_"]) for _, node in targets(dict(config))}:
        parameters = inspect.signature(locate(name)).parameters.values()
        found[name] = {
            p.name: list(p.default) if isinstance(p.default, tuple) else p.default
            for p in parameters
            if isinstance(p.default, bool | int | float | str | None | tuple | list)
        }
    return found


def identity(effective_config: Mapping[str, Any], fingerprints: Mapping[str, str]) -> str:
    """Hash what a run's numbers depend on; 16 hexadecimal digits.

    Args:
        effective_config: from ``effective``.
        fingerprints: of data, labels and split.
    """
    kept = json.loads(json.dumps(effective_config))
    for name in OUTSIDE_IDENTITY:
        *parents, last = name.split(".")
        node = kept
        for parent in parents:
            node = node.get(parent) or {}
        node.pop(last, None)
    for _, node in targets(kept):
        if isinstance(node, dict):
            # Folders of this machine are not part of what was computed.
            for key in ("root", "dirpath", "save_dir"):
                node.pop(key, None)
            node["_target_"] = first_name(str(node["_target_"]))
    text = json.dumps([kept, dict(fingerprints)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plain(cfg: DictConfig | ListConfig) -> dict[str, Any]:
    """Resolve a config to plain containers.

    Raises:
        ConfigError: if a mandatory value (``???``) was not given.
    """
    if missing := missing_keys(cfg):
        raise ConfigError(
            f"no value for {', '.join(missing)}",
            expected="a value for every option marked ???",
            todo=f"give it on the command line: {missing[0]}=…",
        )
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def missing_keys(cfg: DictConfig | ListConfig) -> list[str]:
    """List the options without a value, sorted.

    OmegaConf's own function stops at the first value that is computed from one of them.
    """

    def gather(node: Any, path: str) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                yield from gather(value, f"{path}.{key}" if path else str(key))
        elif isinstance(node, list):
            for i, value in enumerate(node):
                yield from gather(value, f"{path}[{i}]")
        elif node == "???":
            yield path

    return sorted(gather(OmegaConf.to_container(cfg, resolve=False), ""))
