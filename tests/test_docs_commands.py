"""README and docs: every command composes, every option exists, and all code runs.

Commands stand in ``sh`` blocks and in code spans that begin with a program; options stand in code
spans such as `data=shards`. Blocks with a title (```yaml options/split/x.yaml) are files: they are
written into a folder in which the page's commands and Python run.
"""

from __future__ import annotations

import inspect
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf, open_dict
from pages import (
    DOORS,
    PAGES,
    ROOT,
    Command,
    blocks,
    commands,
    default,
    door_of,
    fragments,
    prose,
    text_of,
)
from PIL import Image

from interestingness import plugins
from interestingness.assembly.checks import check, missing_keys, plain
from interestingness.assembly.run import train
from interestingness.cli import conf_folder, of_study, quoted
from interestingness.commands.collect_flickr import days_of
from interestingness.commands.options import DECLARED, parse
from interestingness.testing import BackboneContract, LabelSourceContract

LANGUAGES = {"sh", "python", "yaml", "toml", "csv", "text"}
GROUPS = {path.name for path in conf_folder().iterdir() if path.is_dir()}
FLAGS = {"-m": 0, "--help": 0, "--cfg": 1, "--info": 1, "--config-dir": 1}
"""Hydra's options that pages may show, and how many values each takes."""

LEAST = {"commands": 262, "options": 221, "python": 18, "contracts": 3}
"""On all pages together: a test that finds things by itself must notice when it finds fewer."""


@pytest.fixture
def workplace(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder with the page's files, a few photographs and a tiny raw data set."""
    plugins.register()
    for name in ("a.jpg", "b.jpg", "c.jpg", "trip/d.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6)).save(path)
    raw = tmp_path / "raw" / "my_set"
    raw.mkdir(parents=True)
    (raw / "answers.txt").write_text("x.jpg y.jpg y.jpg\nz.jpg y.jpg z.jpg\n")
    for block in blocks(request.node.callspec.params["page"]):
        if block.title:
            file = tmp_path / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for room in (tmp_path / "interestingness").glob("*/"):
        package = import_module(f"interestingness.{room.name}")  # what a page adds to a room
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(room)])
    monkeypatch.setenv("INTERESTINGNESS_CACHE", str(tmp_path / "cache"))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def composed(door: str, overrides: Sequence[str], *, folders: Sequence[Path]) -> Any:
    """What the command line would compose, with more folders of options."""
    search = ",".join(f"file://{folder}" for folder in folders)
    more = [f"hydra.searchpath=[{search}]"] if folders else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3", job_name=door):
        cfg = compose(door, [*map(quoted, overrides), *more], return_hydra_config=True)
        with open_dict(cfg):
            cfg.hydra.runtime.output_dir = "runs/now"
            cfg.hydra.job.num, cfg.hydra.job.id = 0, "0"
        HydraConfig.instance().set_config(cfg)
        with open_dict(cfg):
            del cfg["hydra"]
    return cfg


@dataclass(frozen=True)
class Job:
    """Overrides that a page shows for one of the doors.

    Attributes:
        folders: of options, beside ours.
        whole: whether nothing may be missing; in the text, values may be.
    """

    door: str
    overrides: tuple[str, ...]
    folders: tuple[Path, ...] = ()
    whole: bool = True

    def keys(self) -> dict[str, str]:
        """Override by key; "" for the option of a group that is left as it is but spoken of."""
        keys = {word.partition("=")[0]: word for word in self.overrides}
        spoken = {re.split(r"[.@]", key.lstrip("+~"))[0] for key in keys}
        return {**dict.fromkeys(spoken & GROUPS, ""), **keys}


def composes(job: Job, workplace: Path) -> bool:
    """Whether the job composes, and binds as a run does before anything is built."""
    folders = [*job.folders, *workplace.glob("**/conf")]
    own = [path.parent.name for path in workplace.glob("*/conf")]
    try:
        cfg = composed(job.door, job.overrides, folders=folders)
        if not job.whole:
            for key in missing_keys(cfg):
                OmegaConf.update(cfg, key, "given")
        check(plain(cfg), trusted=(*plugins.plugin_packages(), *own, *cfg.trust))
    except Exception as error:  # Hydra and OmegaConf have a dozen kinds
        print(f"{' '.join(job.overrides)}: {error}")
        return False
    return True


def wrong(jobs: Sequence[Job], workplace: Path) -> list[Job]:
    """Jobs that do not compose.

    As many as do not contradict each other are composed at a time, since composing takes half a
    second; only where that fails they are taken one by one.
    """
    found = [job for job in jobs if job.whole and lacking(job)]
    bundles: list[list[Job]] = []
    for job in dict.fromkeys(job for job in jobs if not plainly_there(job)):
        for bundle in bundles:
            taken = {key: word for other in bundle for key, word in other.keys().items()}
            same = all(taken.get(key, word) == word for key, word in job.keys().items())
            if same and (job.door, job.folders) == (bundle[0].door, bundle[0].folders):
                bundle.append(job)
                break
        else:
            bundles.append([job])
    for bundle in bundles:
        words = tuple(dict.fromkeys(word for job in bundle for word in job.overrides))
        if not composes(replace(bundle[0], overrides=words, whole=False), workplace):
            found += [job for job in bundle if not with_some_option(job, workplace)]
    return found


def with_some_option(job: Job, workplace: Path) -> bool:
    """Whether it composes; words in the text may speak of any option of their group."""
    group = re.split(r"[.@=]", job.overrides[0].lstrip("+~"))[0]
    names = [] if job.whole else [path.stem for path in (conf_folder() / group).glob("*.yaml")]
    tries = [(), *((f"{group}={name}",) for name in names)]
    return any(composes(replace(job, overrides=(*t, *job.overrides)), workplace) for t in tries)


def lacking(job: Job) -> list[str]:
    """Values that the door, or an option that is chosen, wants to be given and that are not."""
    wanted = [key for key, value in default(job.door).items() if value == "???"]
    for word in job.overrides:
        key, _, option = word.lstrip("+").partition("=")
        group, _, package = key.partition("@")
        file = conf_folder() / group / f"{option}.yaml"
        node = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
        place = package or group.replace("/", ".")
        wanted += [f"{place}.{name}" for name, value in (node or {}).items() if value == "???"]
    return sorted(set(wanted) - {word.lstrip("+").partition("=")[0] for word in job.overrides})


def plainly_there(job: Job) -> bool:
    """Whether there is nothing to compose: at most one option, which tests/test_conf.py composes,
    and values that the door has whatever is chosen."""
    options = [
        w for w in job.overrides if (conf_folder() / f"{w.replace('=', '/')}.yaml").is_file()
    ]
    values = [word.partition("=")[0] for word in job.overrides if word not in options]
    fixed = {"paths", "trainer"}
    return len(options) <= 1 and all(
        has(default(job.door), key) and key.split(".")[0] not in GROUPS - fixed for key in values
    )


def has(node: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True


def job_of(door: str, words: Sequence[str], workplace: Path, *, whole: bool) -> Job:
    """The job of a command line; of a sweep, the first."""
    left, overrides, flags = list(words), [], {}
    while left:
        word = left.pop(0)
        if word.startswith("-"):
            assert word in FLAGS, f"flag {word} is not known"
            flags[word] = [left.pop(0) for _ in range(FLAGS[word])]
        else:
            overrides.append(first_of(word, workplace, swept="-m" in flags))
    folders = tuple(workplace / folder for folder in flags.get("--config-dir", []))
    looks = {"--help", "--cfg", "--info"} & set(flags)
    return Job(door, tuple(overrides), folders, whole=whole and not looks)


def first_of(word: str, workplace: Path, *, swept: bool) -> str:
    """The override itself, or the first of a sweep; options that are swept over must exist."""
    override = OverridesParser.create().parse_override(quoted(word))
    if not override.is_sweep_override():
        return word
    assert swept, f"{word} is a sweep; -m is missing"
    group = override.key_or_group
    files = [*conf_folder().glob(f"{group}/*.yaml"), *workplace.glob(f"**/conf/{group}/*.yaml")]
    names = {file.stem for file in files}
    if pattern := re.fullmatch(r"glob\((.*)\)", word.partition("=")[2]):
        values = [name for name in names if fnmatch(name, pattern[1])]
    else:
        values = [str(value).strip("'") for value in override.sweep_string_iterator()]
    assert len(values) > 1, word
    assert not names or set(values) <= names, (word, names)
    return f"{group}={values[0]}"


def check_command(command: Command, workplace: Path) -> Job | None:
    """Fails unless the command is one of ours; what Hydra would compose for it."""
    if (started := inner(command)) is not command:
        return started and check_command(started, workplace)
    program, *arguments = command.words
    if [program, *arguments[:1]] == ["python", "-m"]:
        program, *arguments = arguments[1:]
    job, named = None, command.named_only
    studied = of_study(arguments)
    declared = next((d for d in DECLARED if arguments[: len(d.split())] == d.split()), None)
    if program == "interestingness" and declared is not None:
        words = arguments[len(declared.split()) :]
        try:
            options = named or parse(declared, words)
        except SystemExit:
            raise AssertionError(command) from None
        if declared == "collect-flickr" and not named:
            days_of(options)
    elif program == "interestingness":
        job = next((d for d in DOORS if arguments[: len(d.split())] == d.split()), None)
        assert job is not None or (named and arguments == []), command
    elif program == "python" and arguments[0] in {"train.py", "evaluate.py"}:
        job = arguments[0].removesuffix(".py")
    elif program == "python":
        source = (ROOT / arguments[0]).read_text(encoding="utf-8")
        options = [word.partition("=")[0] for word in arguments if word.startswith("-")]
        unknown = [option for option in options if f'"{option}"' not in source]
        assert not unknown, (command, unknown)
    elif program == "pip":
        extras = re.fullmatch(r"(?:\.|interestingness)(?:\[([\w,]+)\])?", arguments[-1])
        assert arguments[:-1] in (["install"], ["install", "-e"]) and extras, command
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        known = set(project["optional-dependencies"])
        assert set(filter(None, (extras[1] or "").split(","))) <= known, command
    elif program == "pytest":
        files = [a for a in arguments if a.endswith(".py")]
        assert all((ROOT / f).is_file() or (workplace / f).is_file() for f in files), command
        assert set(arguments) - set(files) <= {"-m", "slow", "-n", "2"}, command
    else:
        assert command.words in (("wandb", "login"), ("wandb", "sync")), f"not ours: {command}"
    if job is None:
        return None
    if job == "evaluate" and studied:
        return job_of("study", arguments[1:], workplace, whole=not named)
    rest = arguments[1:] if program == "python" else arguments[len(job.split()) :]
    return job_of(DOORS[job], rest, workplace, whole=not named)


STARTERS = {
    "torchrun": {"--nnodes", "--nproc-per-node", "--rdzv-backend", "--rdzv-endpoint"},
    "srun": {"--nodes", "--ntasks-per-node", "--gpus-per-node", "--gpus", "--kill-on-bad-exit"},
    "sbatch": {"--array", "--gpus", "--wrap"},
}
"""Programs that start ours, and which of their options pages may show."""
FOREIGN = {"aws"}
"""Programs whose commands we do not know."""


def inner(command: Command) -> Command | None:
    """The command that another program starts; None for one that is foreign."""
    program, *rest = command.words
    if program in FOREIGN:
        return None
    if program not in STARTERS:
        return command
    wrapped: list[str] = []
    while rest and rest[0].startswith("-"):
        option, _, value = rest.pop(0).partition("=")
        assert option in STARTERS[program], f"{program} {option}"
        wrapped = shlex.split(value) if option == "--wrap" else wrapped
    words = wrapped or (["python", *rest] if program == "torchrun" else rest)
    return command._replace(words=tuple(words))


def completed(words: Sequence[str]) -> list[str]:
    """With the option that a value belongs to, where it is not the default's."""
    found = list(words)
    for word in words:
        group, _, key = word.lstrip("+~").partition("=")[0].partition(".")
        files = sorted((conf_folder() / group).glob("*.yaml"))
        chosen = any(re.match(rf"{group}=", w) for w in found)
        if key and files and not chosen and not has(default("train"), f"{group}.{key}"):
            having = [f.stem for f in files if has(yaml.safe_load(f.read_text()), key)]
            found = [f"{group}={having[0]}", *found] if having else found
    return found


def leave_a_run(folder: Path) -> None:
    """A small finished run in ``runs/my_run``, for Python that reads one."""
    small = ["dataset.images=60", "trainer.max_epochs=2", "trainer.accelerator=cpu"]
    train(composed("train", [*small, f"paths.run={folder / 'runs' / 'my_run'}"], folders=[]))


def run_contract(kind: type, folder: Path) -> None:
    """What pytest would do with the class."""
    methods = [name for name in dir(kind) if name.startswith("test_")]
    assert len(methods) >= 10
    for name in methods:
        with pytest.MonkeyPatch.context() as patch:
            given = {"tmp_path": folder / kind.__name__ / name, "monkeypatch": patch}
            given["tmp_path"].mkdir(parents=True)
            method = getattr(kind(), name)
            method(**{key: given[key] for key in inspect.signature(method).parameters})


@pytest.mark.parametrize("page", [p for p in PAGES if commands(p) or fragments(p)])
def test_every_command_and_option_could_run(
    page: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = []
    for command in dict.fromkeys(commands(page)):
        for key, value in command.environment:
            monkeypatch.setenv(key, value)
        if (job := check_command(command, workplace)) is not None:
            jobs.append(job)
    for words in map(completed, fragments(page)):
        jobs.append(Job(str(door_of(words)), tuple(words), whole=False))
    assert not wrong(jobs, workplace)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.language == "python" for b in blocks(p))]
)
def test_every_python_block_runs(page: str, workplace: Path) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    if any(b.language == "python" and "runs/my_run" in b.text for b in blocks(page)):
        leave_a_run(workplace)
    for block in blocks(page):
        if block.language == "python" and not block.title:
            exec(compile(block.text, page, "exec"), names)
        elif block.language == "python" and Path(block.title).name.startswith("test_"):
            names.update(runpy.run_path(block.title))
    kinds = (LabelSourceContract, BackboneContract)
    for value in names.values():
        if inspect.isclass(value) and issubclass(value, kinds) and value not in kinds:
            run_contract(value, workplace)


def test_as_much_is_found_as_there_is() -> None:
    python = [b.text for p in PAGES for b in blocks(p) if b.language == "python"]
    counts = {
        "commands": sum(len(commands(p)) for p in PAGES),
        "options": sum(len(fragments(p)) for p in PAGES),
        "python": len(python),
        "contracts": sum(t.count("Contract):\n") for t in python),
    }
    lost = {name: least for name, least in LEAST.items() if counts[name] < least}
    assert not lost, f"{counts} found where there were {lost}: if pages lost them, adjust LEAST"


def test_checks_can_fail(tmp_path: Path) -> None:
    for command in (
        "rm -rf runs",
        "python train.py label_source=gpt5",
        "python train.py label_source=human,gpt4o",
        "python train.py -m label_source=human,gpt5",
        "python train.py split=by_group",
        "python train.py +label_source.thresold=1",
        "python train.py --verbose",
        "python scripts/calibrate_raters.py --seed 3",
        "interestingness shards check out",
        "interestingness audit votes.csv --output out",
        "interestingness ledger mend a.ledger",
        "interestingness rank photos --best 3",
        "interestingness export run --format pickle",
        "interestingness score scorer=best",
        "interestingness ledger export a.ledger to=votes.parquet",
        "python evaluate.py study=adit",
        "pip install -e .[all]",
    ):
        try:
            job = check_command(Command((), tuple(shlex.split(command))), tmp_path)
        except Exception:  # whatever it is, it was noticed
            continue
        assert job is not None and wrong([job], tmp_path), command
    jobs = [Job("train", words, whole=False) for words in (("model.l2=1",), ("split.sed=1",))]
    assert wrong(jobs, tmp_path) == jobs[1:]


@pytest.mark.parametrize("page", PAGES)
def test_blocks_say_what_they_are(page: str) -> None:
    assert {b.language for b in blocks(page)} <= LANGUAGES
    assert text_of(page).count("\n```") % 2 == 0
    indented = re.findall(r"\n\n {4,}(?![-*\d ])[^\n]*", prose(page))
    assert not indented, "indented blocks are not checked: fence them"
