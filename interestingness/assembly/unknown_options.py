"""Refuse unknown options and choices, those that Hydra refuses and those that nothing reads; name
the nearest one."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from interestingness.assembly.checks import locate, supplied_by_assembly
from interestingness.assembly.model_keys import overrides_here, places_of
from interestingness.errors import ConfigError

UNKNOWN = re.compile(r"Could not (?:override|delete from config\.) '([^']+)'")
THERE_ALREADY = re.compile(r"An item is already at '([^']+)'")
HELP = "`--help` lists the options, `--cfg job` shows the composed config"
SHOWN = 20
"""Most names in a message."""


def explain(
    error: HydraException, words: Sequence[str], folder: str, config: str
) -> ConfigError | None:
    """Build our error from one of Hydra's about the command line; None for one about a class.

    Args:
        error: as Hydra raised it.
        words: the command line that Hydra has read.
        folder: of the config files.
        config: name of the composed one.
    """
    if isinstance(error, InstantiationException):
        return None
    if isinstance(error, OverrideParseException):
        return ConfigError(
            f"{error.override}: cannot be read ({error.message.splitlines()[0]})",
            expected="OPTION=VALUE",
            todo="quote a value with spaces, for the shell; one with commas twice: \"a='b,c'\"",
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        return _unknown_choice(error.missing_cfg_file, error.options)
    if found := THERE_ALREADY.search(str(error)):
        word = _typed(words, found[1]).lstrip("+")
        return ConfigError(f"+{word}: there is such an option already", todo=f"no plus: {word}")
    if found := UNKNOWN.search(str(error)):
        word = _typed(words, found[1])
        others = [w for w in words if w != word and "=" in w]
        return _unknown_option(word, _composed(others, folder, config), folder)
    return ConfigError(str(error).strip(), todo=HELP)


def refuse_unread(cfg: DictConfig) -> None:
    """Refuse options that only a plus on the command line defines and nothing reads.

    Arguments of classes are checked against their signatures, those below ``model`` by
    ``model_keys``. What is left must be in the config files, or be referred to.

    Raises:
        ConfigError: with the nearest option.
    """
    typed = overrides_here() or []
    plain: Any = OmegaConf.to_container(cfg, resolve=False)
    text = json.dumps([plain, typed], default=str)
    added = {
        word: [place for place in places_of(word) if _of_no_class(plain, place)]
        for word in typed
        if word.startswith("+")
    }
    added = {word: places for word, places in added.items() if places}
    if not added or not GlobalHydra.instance().is_initialized():
        return
    others = [word for word in typed if word not in added]
    loader, hydra = GlobalHydra.instance().config_loader(), HydraConfig.get()
    config = loader.load_configuration(hydra.job.config_name, others, RunMode.RUN)
    known: Any = OmegaConf.to_container(config, resolve=False)
    del known["hydra"]
    folder = next(s.path for s in hydra.runtime.config_sources if s.provider == "main")
    for word, places in added.items():
        for place in places:
            if not _holds(known, place) and f"${{{'.'.join(place)}}}" not in text:
                raise _unknown_option(word, known, folder)


def _of_no_class(config: Mapping[str, Any], place: Sequence[str]) -> bool:
    """Check whether a value is no argument of a class, no group, and outside of the model."""
    node: Any = config
    for name in place:
        if not isinstance(node, Mapping) or node.get("_target_") or name not in node:
            return False
        node = node[name]
    return place[0] != "model" and not isinstance(node, Mapping)


def _holds(config: Mapping[str, Any], place: Sequence[str]) -> bool:
    node: Any = config
    for name in place:
        if not isinstance(node, Mapping) or name not in node:
            return False
        node = node[name]
    return True


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """Return the names that may have been meant, the nearest first."""
    return get_close_matches(name, sorted(known), n=3, cutoff=0.7)


def _unknown_choice(file: str, options: Sequence[str]) -> ConfigError:
    group, _, name = file.rpartition("/")
    near = [f"{group}={option}" for option in nearest(name, options)]
    return ConfigError(
        f"{group}={name}: there is no such choice",
        expected=_listed(options),
        todo=" or ".join(near) or f"choose one of these; conf/{group} has their files",
    )


def _unknown_option(word: str, known: Mapping[str, Any], folder: str) -> ConfigError:
    key, equals, value = word.lstrip("~+").partition("=")
    tilde = "~" * word.startswith("~")
    path, node = key.split("."), known
    while len(path) > 1 and isinstance(node.get(path[0]), Mapping):
        node, path = node[path[0]], path[1:]
    place = key.split(".")[: -len(path)]
    own, of_class = list(node), _of_class(node, ".".join(place))
    near = [".".join([*place, name, *path[1:]]) for name in nearest(path[0], [*own, *of_class])]
    # One that is in another group: images=… for dataset.images=….
    near += [k for k in _leaves(known) if k.split(".")[-1] == path[-1] and k not in near]
    plus = [f"+{k}" if k.split(".")[-1] in of_class else k for k in near]
    plus = [k for k in plus if k != key]  # judge.raters, where judge is a name
    return ConfigError(
        f"{word}: there is no such option",
        expected=f"an option of {'.'.join(place) or 'this command'}: {_listed([*own, *of_class])}",
        todo=" or ".join(f"{tilde}{k}{equals}{value}" for k in plus[:3])
        or _other_choice(place, node, path[0], word.lstrip("+"), folder)
        or HELP,
    )


def _other_choice(
    place: Sequence[str], node: Mapping[str, Any], name: str, word: str, folder: str
) -> str:
    """Name the group's first choice that has the option, in place of the present one.

    A command's own options below the group's name are no choice.
    """
    files = sorted(Path(folder, *place).glob("*.yaml")) if place else []
    choices: dict[Path, Any] = {file: OmegaConf.load(file) for file in files}
    if not any(set(own) - {"defaults"} <= set(node) for own in choices.values()):
        return ""
    for file, own in choices.items():
        if name in own and name != "defaults":
            return f"{'/'.join(place)}={file.stem} {_with_a_number(word, own[name])}"
    return ""


def _with_a_number(word: str, default: Any) -> str:
    """Return the word, without its value if the default is a number and the value is not."""
    key, equals, value = word.partition("=")
    numeric = isinstance(default, (int, float)) and not isinstance(default, bool)
    return f"{key}=…" if equals and numeric and not _is_number(value) else word


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _of_class(node: Mapping[str, Any], place: str) -> list[str]:
    """List the arguments of the node's class that the config does not name."""
    try:
        parameters = inspect.signature(locate(str(node["_target_"]))).parameters
    except (KeyError, ImportError, AttributeError, ValueError):
        return []
    return [n for n in parameters if n not in node and n not in supplied_by_assembly(place)]


def _leaves(node: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in node.items():
        here = f"{path}.{name}" if path else str(name)
        if isinstance(value, Mapping):
            yield from _leaves(value, here)
        else:
            yield here


def _listed(names: Sequence[str]) -> str:
    shown = [name for name in names if not name.startswith("_")]
    more = f", … ({len(shown)} in all)" if len(shown) > SHOWN else ""
    return ", ".join(sorted(shown)[:SHOWN]) + more


def _typed(words: Sequence[str], key: str) -> str:
    """Return the word of the command line that names this option."""
    return next((w for w in words if w.lstrip("+~").partition("=")[0] == key), key)


def _composed(words: Sequence[str], folder: str, config: str) -> Mapping[str, Any]:
    """Compose the config without the word that failed, and without the others if they fail too."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(folder, version_base="1.3"):
        try:
            cfg = compose(config, list(words))
        except Exception:  # another option that does not exist, or a sweep
            cfg = compose(config)
    plain = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(plain, dict)
    return plain  # type: ignore[return-value]
