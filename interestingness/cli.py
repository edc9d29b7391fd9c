"""``interestingness COMMAND …``: the table of commands, and how they are run.

Heavy modules are imported only once it is known that a job runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from interestingness.disk import disk_error
from interestingness.errors import InterestingnessError

PACKAGE = "interestingness."


FLAGS = (
    *("--help", "-m", "--cfg", "--resolve", "--config-dir"),
    *("-h", "--multirun", "-c", "-cd", "--config-name", "-cn", "--config-path", "-cp"),
    *("--hydra-help", "--version", "--package", "-p", "--run", "-r", "--info", "-i"),
    *("--shell-completion", "-sc", "--experimental-rerun"),
)
"""Hydra's flags, the usual ones first."""
WITH_OWN_KEYS = (
    "annotator.extra_body",
    "dataset.choices",
    "study.features",
    "study.prices",
    "study.weights",
)
"""Options that are mappings with keys of the user's: empty in the option's file."""


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        arguments: what the user types after it, for the list of commands.
        help: one line about it; "" leaves it out of the list.
        run: ``module:function``, below this package; it gets the composed config or the options.
        config: composed with ``OPTION=VALUE``; "" where ``commands.options`` has the options.
    """

    arguments: str
    help: str
    run: str
    config: str = ""


COMMANDS = {
    "train": Command(
        "[OPTION=VALUE …]",
        "train a scorer; -m for a sweep; --help lists the options",
        "assembly.run:train",
        "train",
    ),
    "evaluate": Command(
        "ckpt=RUN …",
        "test a checkpoint against every reference",
        "assembly.run:evaluate",
        "evaluate",
    ),
    "evaluate study=NAME": Command(
        "…",
        "run a study, many fits or votes on one page; also experiment=NAME",
        "assembly.studies:run_study",
        "study",
    ),
    "audit": Command(
        "VOTES.csv …",
        "measure what votes are worth: consistency, position bias, a ranking",
        "commands.audit:audit",
    ),
    "annotate": Command(
        "annotator=NAME …",
        "ask a model for votes, judgments or texts; paid answers are kept",
        "commands.annotate:annotate",
        "annotate",
    ),
    "score": Command(
        "scorer=NAME …",
        "score every image of a data set, to learn from the scores",
        "commands.score:score",
        "score",
    ),
    "caption": Command(
        "captioner=NAME …",
        "write a sentence about every image, for model=tag_fusion",
        "commands.caption:caption",
        "caption",
    ),
    "features": Command(
        "dataset=NAME part=3/8",
        "encode images into the feature cache, in parts for arrays of jobs",
        "commands.features:extract",
        "features",
    ),
    "shards write": Command(
        "out=FOLDER …", "write pair shards of a data set", "commands.shards:write", "shards"
    ),
    "shards verify": Command("FOLDER", "check pair shards", "commands.shards:verify"),
    "collect": Command(
        "PHOTOS --store FILE …",
        "collect votes on pairs of photographs on a local page",
        "commands.collect:collect",
    ),
    "pairs choose": Command(
        "VOTES.csv …", "choose the pairs to ask about next", "commands.pairs:choose"
    ),
    "ledger status": Command(
        "LEDGER", "count the answers of a model and their cost", "commands.ledger:status"
    ),
    "ledger export": Command(
        "LEDGER --out FILE", "write the answers as a table", "commands.ledger:export"
    ),
    "ledger verify": Command("LEDGER", "check a ledger", "commands.ledger:verify"),
    "ledger reopen": Command(
        "LEDGER", "ask again what was given up after unusable answers", "commands.ledger:reopen"
    ),
    "ledger recover": Command("", "", "commands.ledger:recover"),
    "rank": Command("PHOTOS …", "score photographs; a contact sheet", "commands.rank:rank"),
    "doctor": Command(
        "[--need gpu …]", "check what works here, and what mends the rest", "commands.doctor:doctor"
    ),
    "download": Command(
        "TABLE URL_COLUMN …",
        "download images by URL, politely and resumably",
        "commands.download:download",
    ),
    "collect-flickr": Command(
        "--from DAY …",
        "collect interesting photos and others of the same days from Flickr's API",
        "commands.collect_flickr:collect_flickr",
    ),
    "explain": Command(
        "RUN [PHOTO …]",
        "show which patches, images and concepts make a score",
        "commands.explain:explain",
    ),
    "serve": Command(
        "--scorer RUN …",
        "score images over HTTP",
        "commands.serve:serve",
    ),
    "export": Command(
        "RUN …",
        "write a scorer for others: safetensors, ONNX, the ICCV notebook",
        "commands.export:export",
    ),
}
"""Every command by what one types."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script.

    Args:
        arguments: what follows ``interestingness``; None takes the command line.

    Raises:
        SystemExit: with the exit status of the command, unless that is 0.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if len(words) > 1 and " ".join(words[:2]) in COMMANDS and "=" not in words[1]:
        run_command(" ".join(words[:2]), words[2:])
    elif words[:1] == ["evaluate"] and of_study(words[1:]):
        run_command("evaluate study=NAME", words[1:])
    elif words and words[0] in COMMANDS:
        run_command(words[0], words[1:])
    else:
        wanted = {"-h", "--help", "help"} & set(words[:2])
        if words and not wanted and words[0] not in {name.split()[0] for name in COMMANDS}:
            print(f"error: interestingness has no command {words[0]!r}\n", file=sys.stderr)
        print(usage(words[0] if words else ""), file=sys.stdout if wanted else sys.stderr)
        if not wanted:
            raise SystemExit(2)


def usage(beginning: str = "") -> str:
    """Write the list of commands.

    Args:
        beginning: first word of those to list, such as ``pairs``; all if none begins with it.
    """
    chosen = {name: c for name, c in COMMANDS.items() if name.split()[0] == beginning} or COMMANDS
    lines = [(f"{name} {c.arguments}", c.help) for name, c in chosen.items() if c.help]
    width = max(len(typed) for typed, _ in lines)
    return "\n".join(
        [
            "usage: interestingness COMMAND …",
            "",
            *(f"  {typed:<{width}}  {does}" for typed, does in lines),
            "",
            "`interestingness COMMAND --help` shows the options of a command.",
        ]
    )


def run_command(name: str, words: Sequence[str]) -> None:
    """Read the options of a command and run it.

    Args:
        name: one of ``COMMANDS``.
        words: its options, as typed.

    Raises:
        SystemExit: for an error, and with the exit status of a command that returns one.
    """
    command = COMMANDS[name]

    def job(options: Any) -> Any:
        module, _, function = command.run.partition(":")
        return getattr(import_module(PACKAGE + module), function)(options)

    if command.config:
        if {"-h", "--help"} & set(words):
            _print(_help(name))
        else:
            _hydra(job, command.config, words)
        return
    from interestingness.commands.options import parse

    options = _told(lambda: parse(name, words))
    status = _told(lambda: job(options))
    if status:
        raise SystemExit(status)


def train() -> None:
    """Run ``interestingness train`` for ``python train.py …``."""
    main(["train", *sys.argv[1:]])


def evaluate() -> None:
    """Run ``interestingness evaluate`` for ``python evaluate.py …``."""
    main(["evaluate", *sys.argv[1:]])


def of_study(arguments: Sequence[str]) -> bool:
    """Check whether what follows ``evaluate`` is for a study, by name or by an experiment.

    With a checkpoint, ``experiment`` names an option of the training run.
    """
    keys = {argument.partition("=")[0] for argument in arguments}
    return "study" in keys or ("experiment" in keys and "ckpt" not in keys)


def _help(name: str) -> str:
    """Write the help of a command with a config."""
    from interestingness.commands.option_help import help_text
    from interestingness.plugins import conf_folders

    folders = [conf_folder(), *(folder for _, folder in conf_folders())]
    return help_text(f"{name} {COMMANDS[name].arguments}", COMMANDS[name].config, folders)


def conf_folder() -> Path:
    """Find our ``conf``: inside an installed wheel, beside the package in a clone."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "conf"


def _hydra(job: Callable[[Any], Any], config: str, given: Sequence[str]) -> None:
    import hydra

    from interestingness import plugins
    from interestingness.assembly import resolvers  # noqa: F401 (config files call them)
    from interestingness.runs.worker import as_worker

    plugins.register()
    logging.raiseExceptions = False  # a log on a full disk: the job itself reports it, once
    original = list(sys.argv)

    @hydra.main(version_base="1.3", config_path=str(conf_folder().resolve()), config_name=config)
    def run(cfg: Any) -> Any:
        # Hydra has read its own words; what reads sys.argv later (W&B) finds what was typed.
        sys.argv = original
        paths = cfg.get("paths") or {}
        return _told(
            lambda: as_worker(lambda: job(cfg)), [paths[n] for n in ("run", "cache") if n in paths]
        )

    _told(lambda: _check_words(given))
    given = _told(lambda: with_commas(given))
    # Hydra takes no option=value after a flag if there are some before it.
    given = sorted(given, key=lambda word: word not in {"-m", "--multirun"})
    sys.argv = [original[0], *map(quoted, given)]
    try:
        with _one_run_folder() as more:
            sys.argv += more
            _told(lambda: _explained(run, sys.argv[1:], config))
        _print()
    except BrokenPipeError:
        _print()


def _print(text: str = "") -> None:
    """Print a text, and flush: the reader (`… --help | head`) may have closed its pipe."""
    try:
        if text:
            print(text)
        sys.stdout.flush()
    except BrokenPipeError:  # Python would try again when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explained(run: Callable[[], Any], words: Sequence[str], config: str) -> None:
    """Run Hydra; turn its errors about the command line into ours.

    Raises:
        ConfigError: for an option or a choice that does not exist, with the nearest one.
    """
    from hydra.errors import HydraException

    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else it prints them and exits
    try:
        run()
    except HydraException as error:
        from interestingness.assembly.unknown_options import explain

        ours = explain(error, words, str(conf_folder().resolve()), config)
        raise error if ours is None else ours from None
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


def _check_words(words: Sequence[str]) -> None:
    """Refuse old names of options, unknown flags, and groups set to null: Hydra fails at them.

    Raises:
        ConfigError: naming the option, or the group and its options.
    """
    from interestingness.errors import ConfigError
    from interestingness.runs.renamed import refuse_renamed

    refuse_renamed(words)

    for word in words:
        if word.startswith("-") and word.partition("=")[0] not in FLAGS:
            name, _, value = word.lstrip("-").partition("=")
            raise ConfigError(
                f"{word}: there is no such flag",
                expected=f"OPTION=VALUE, or {', '.join(FLAGS[:5])}",
                todo=f"options have no dashes: {name}={value or '…'}",
            )
    for group, _, value in (word.partition("=") for word in words):
        folder = conf_folder() / group
        if value == "null" and folder.is_dir():
            raise ConfigError(
                f"{group}=null: a group of options is chosen by name",
                expected=f"one of {', '.join(sorted(file.stem for file in folder.glob('*.yaml')))}",
                todo=f"name one; ~{group} leaves the group out, where it may be left out",
            )


@contextlib.contextmanager
def _one_run_folder() -> Iterator[list[str]]:
    """Return overrides with which only the first of several processes makes a run folder.

    Raises:
        SystemExit: for a sweep, which every process would run.
    """
    from interestingness.runs.job import end_with_parent
    from interestingness.runs.team import world_of
    from interestingness.runs.worker import hold_back_sigterm

    world = world_of()
    if world is not None:
        hold_back_sigterm()  # before any thread starts
    end_with_parent()
    if world is None:
        yield []
        return
    if {"-m", "--multirun"} & set(sys.argv):
        if world.local == 0:
            print(
                f"error: a sweep inside {world.starter}, which has started {world.ranks} processes"
                "\n  expected: one process that starts the jobs, and each job its processes\n"
                f"  what to do: leave {world.starter} out and take trainer=ddp; for SLURM, "
                "hydra/launcher=submitit_slurm",
                file=sys.stderr,
            )
        raise SystemExit(2)
    if world.rank == 0:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="interestingness-process-") as folder:
        yield [f"hydra.run.dir={folder}", "hydra.output_subdir=null"]


def _told(job: Callable[[], Any], folders: Sequence[str] = ()) -> Any:
    """Run a job; print an error of ours in a few lines, without a traceback, and exit.

    Args:
        job: what to run.
        folders: where it writes, for errors of a full disk that name no file.
    """
    try:
        return job()
    except Exception as error:
        own = own_error(error) or disk_error(error, folders)
        if own is None:
            raise
        print(f"error: {own}", file=sys.stderr, flush=True)
        raise SystemExit(own.exit_code) from None
    except KeyboardInterrupt as error:
        from interestingness.runs.worker import interrupted_status

        print("; ".join(["interrupted", *map(str, error.args)]), file=sys.stderr, flush=True)
        raise SystemExit(interrupted_status()) from None


def with_commas(words: Sequence[str]) -> list[str]:
    """Quote paths with commas, for which Hydra would read several values, where no sweep is asked.

    Raises:
        ConfigError: for another value with a comma.
    """
    if any(word in ("-m", "--multirun") or word.startswith(("sweep=", "hydra.")) for word in words):
        return list(words)
    found = []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and "," in value and _is_sweep(word):
            if not Path(value).expanduser().exists():
                from interestingness.errors import ConfigError

                raise ConfigError(
                    f"{word}: the comma separates values of a sweep",
                    expected="one value",
                    todo=f"put the value into quotes twice, {key}='\"{value}\"'; a list has "
                    f"brackets, {key}=[{value}]; or run a sweep with -m",
                )
            escaped = value.replace("'", "\\'")
            word = f"{key}='{escaped}'"
        found.append(word)
    return found


def _is_sweep(word: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word).is_sweep_override()
    except HydraException:
        return False


def quoted(argument: str) -> str:
    """Quote an override for Hydra's grammar: ``images=~/photos`` needs quotes there.

    What Hydra can parse stays as it is, such as sweeps and nested values. Any word may be a key of
    an option of ``WITH_OWN_KEYS``, which Hydra writes with ``++``.
    """
    key, equals, value = argument.partition("=")
    if not equals or argument.startswith("-"):
        return argument
    option = next((o for o in WITH_OWN_KEYS if key == o or key.startswith(f"{o}.")), None)
    if option is not None:
        argument = f"++{argument}"
        key = f"++{key}"
        if not _is_parsed(f"{key}=left"):  # a key cannot be -1 or A+, but that of a dictionary can
            return f"++{option}={{{key.removeprefix(f'++{option}.')}: {value}}}"
    if _is_parsed(argument):
        return argument
    escaped = value.replace("'", "\\'")
    return f"{key}='{escaped}'"


def _is_parsed(argument: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True


def own_error(error: BaseException | None) -> InterestingnessError | None:
    """Find the error of ours behind another one: Hydra wraps what a constructor raises."""
    while error is not None:
        if isinstance(error, InterestingnessError):
            return error
        error = error.__cause__ or error.__context__
    return None
