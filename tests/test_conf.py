"""Every option of every group composes, names classes that exist, and gives them what they take."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from interestingness import plugins
from interestingness.assembly.checks import check, effective, locate, missing_keys, plain, targets
from interestingness.cli import WITH_OWN_KEYS, conf_folder

CONF = conf_folder()
COMMANDS = sorted(path.stem for path in CONF.glob("*.yaml"))
NEEDED = {"study": ["study=audit"], "score": ["scorer=cupl"]}
"""What a command must be told before it composes."""

COMMAND_OF = {
    "annotator": "annotate",
    "captioner": "caption",
    "scorer": "score",
    "study": "study",
    "text_embedder": "study",
}
"""Groups that belong to another command than training."""
OF_STUDIES = {"lafin_table1": "lafin_table1", "personal_oasis": "personal_taste"}
"""Experiments that choose a study, and which; the others are for training."""
INSIDE = {
    "text_embedder": ("text_embedder@study.embedder", "study=discrepancies"),
    "model/tuning": ("model/tuning", "model=finetuned_clip"),
    "model/words": ("model/words", "model=tag_fusion"),
}
"""Groups that stand inside another option: how they are chosen, and which option has them."""


def _options() -> list[tuple[str, str]]:
    files = sorted(path.relative_to(CONF) for path in CONF.rglob("*.yaml"))
    return [(str(p.parent), p.stem) for p in files if str(p.parent) != "."]


@pytest.fixture(autouse=True)
def _hydra() -> Iterator[None]:
    GlobalHydra.instance().clear()
    plugins.register()
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="train"):
        yield
    GlobalHydra.instance().clear()


def composed(*overrides: str, command: str = "train") -> DictConfig:
    """The job's config as a run sees it, values that a user must give filled in."""
    cfg = compose(command, list(overrides), return_hydra_config=True)
    with open_dict(cfg):
        cfg.hydra.runtime.output_dir = "/runs/now"
        cfg.hydra.job.num = 0
        cfg.hydra.job.id = "0"
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    for key in missing_keys(cfg):
        OmegaConf.update(cfg, key, ["given"] if key.endswith("raters") else "given")
    return cfg


def test_options_are_found() -> None:
    """A test that finds things by itself must know about how many there are."""
    assert len(_options()) >= 100
    assert len({group for group, _ in _options()}) >= 20
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_composes(command: str) -> None:
    config = plain(composed(*NEEDED.get(command, []), command=command))
    check(config)
    assert len(list(targets(config))) >= (20 if command == "train" else 2)


def _rounds() -> list[list[tuple[str, str]]]:
    """Every option once, one of each group at a time: composing takes Hydra a while.

    Experiments and sweeps choose options of other groups themselves, and have rounds of their own.
    """
    by_group: dict[str, list[str]] = {}
    alone = []
    for group, option in _options():
        if group in {"experiment", "sweep", *COMMAND_OF, *INSIDE}:
            alone.append([(group, option)])
        else:
            by_group.setdefault(group, []).append(option)
    rounds = zip_longest(*([(g, o) for o in options] for g, options in by_group.items()))
    return [[chosen for chosen in each if chosen] for each in rounds] + alone


def test_the_rounds_have_every_option_once() -> None:
    assert sorted(chosen for each in _rounds() for chosen in each) == sorted(_options())


@pytest.mark.parametrize("chosen", _rounds(), ids=lambda r: "+".join(option for _, option in r))
def test_options_compose_and_bind(chosen: list[tuple[str, str]]) -> None:
    names = {group: INSIDE.get(group, (group,))[0] for group, _ in chosen}
    overrides = [f"{names[group]}={option}" for group, option in chosen]
    overrides += [more for group, _ in chosen for more in INSIDE.get(group, ())[1:]]
    overrides += [f"label_source@references.human={o}" for g, o in chosen if g == "label_source"]
    of_study = any(g == "experiment" and o in OF_STUDIES for g, o in chosen)
    command = "study" if of_study else COMMAND_OF.get(chosen[0][0], "train")
    cfg = composed(*overrides, command=command)
    choices = HydraConfig.get().runtime.choices
    assert all(choices[names[group]] == option for group, option in chosen)
    config = plain(cfg)
    check(config, trusted=plugins.plugin_packages())
    effective(config)
    problems = _numbers_with_two_homes(cfg)
    assert not problems, "\n".join(problems)


def _numbers_with_two_homes(cfg: DictConfig) -> list[str]:
    """Values in conf that repeat a default of our own code.

    Defaults of other people's code may be repeated: a knob that one sweeps must stand in conf. So
    may null, which is no value but the place for one.
    """
    found = []
    for place, node in targets(OmegaConf.to_container(cfg, resolve=False)):
        name = str(node["_target_"])
        if not name.startswith("interestingness."):
            continue
        parameters = inspect.signature(locate(name)).parameters
        for key, value in node.items():
            default = parameters[key].default if key in parameters else inspect.Parameter.empty
            same = type(default) is type(value) and default == value
            if same and value is not None:
                found.append(f"{place}.{key} = {value!r} is the default of {name} too")
    return found


def test_a_number_with_two_homes_is_noticed() -> None:
    name = "interestingness.evaluation.evaluate.evaluate"
    cfg = OmegaConf.create({"x": {"_target_": name, "shown": 12, "resamples": 9, "main": None}})
    assert _numbers_with_two_homes(cfg) == [f"x.shown = 12 is the default of {name} too"]


def test_an_experiment_chooses_its_study_and_the_command_line_may_choose_another(
    tmp_path: Path,
) -> None:
    for experiment, study in OF_STUDIES.items():
        cfg = composed(f"experiment={experiment}", command="study")
        assert HydraConfig.get().runtime.choices.study == study and cfg.study._target_
        other = composed(f"experiment={experiment}", "study=audit", command="study")
        assert HydraConfig.get().runtime.choices.study == "audit"
        assert other.study != cfg.study and other.model == cfg.model
    own = tmp_path / "experiment" / "mine.yaml"
    own.parent.mkdir()
    own.write_text(
        "# @package _global_\ndefaults: [{override /study: lafin_table1}]\nstudy: {splits: 7}\n"
    )
    where = f"hydra.searchpath=[file://{tmp_path}]"
    assert composed("experiment=mine", where, command="study").study.splits == 7
    typed = composed("experiment=mine", where, "study.splits=2", command="study")
    assert typed.study.splits == 2


@pytest.mark.parametrize("option", [o for g, o in _options() if g == "sweep"])
def test_a_sweep_sweeps_over_options_that_exist(option: str) -> None:
    cfg = compose("train", [f"sweep={option}"], return_hydra_config=True)
    assert cfg.hydra.mode.name == "MULTIRUN"
    assert str(cfg.hydra.sweep.dir).endswith(option)
    params = OmegaConf.to_container(cfg.hydra.sweeper.params)
    assert isinstance(params, dict) and params
    for key, value in params.items():
        group = CONF / str(key)
        if group.is_dir():
            names = str(value).split(",")
            assert len(names) > 1
            assert all((group / f"{name}.yaml").is_file() for name in names)
        else:
            assert OmegaConf.select(cfg, str(key)) is not None


def test_keys_of_the_user_can_be_given_to_every_empty_mapping() -> None:
    """What a file of the command line's groups leaves empty takes keys without a plus."""
    empty = set()
    for path in CONF.rglob("*.yaml"):
        node = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        assert isinstance(node, dict)
        for name, value in node.items():
            if value == {}:
                empty.add(f"{path.parent.name}.{name}")
    assert empty == set(WITH_OWN_KEYS)
