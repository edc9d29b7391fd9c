"""``interestingness …``: the doors. Nothing heavy is imported before a job is known to run."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from interestingness.disk import disk_error
from interestingness.errors import InterestingnessError

USAGE = """usage: interestingness COMMAND …

  train [OPTION=VALUE …]       train a scorer; -m for a sweep; --help lists the options
  evaluate ckpt=RUN …          judge a checkpoint by every reference
  evaluate study=NAME …        many fits or votes, one page: label_source_table, …
  evaluate experiment=NAME …   the same, with the study and the options of an experiment
  audit VOTES.csv …            what votes are worth: consistency, position bias, a ranking
  annotate annotator=NAME …    ask a model for votes, judgments or texts; paid answers are kept
  score scorer=NAME …          a number for every image of a data set, to learn from
  caption captioner=NAME …     a sentence about every image, which model=tag_fusion reads
  features dataset=… part=3/8  images into the feature cache, in parts for arrays of jobs
  shards write|verify …        pair shards: write them, check them
  pairs choose VOTES.csv …     which pairs to ask about next
  rank PHOTOS …                photographs → scores and a contact sheet
  download TABLE URL_COLUMN …  images by URL, politely and resumably; losses reported
  collect-flickr --from DAY …  interesting photos and others of the same days, from Flickr's API
  export RUN …                 a scorer for others: safetensors, ONNX, the ICCV notebook
  ledger status|export|… FILE  answers of models that were paid for: look, take out, check, mend

`interestingness COMMAND --help` says more."""


def main() -> None:
    """Entry point of the console script."""
    command, arguments = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    commands: dict[str, Callable[[Sequence[str]], None]] = {
        "train": train,
        "evaluate": evaluate,
        "audit": audit,
        "annotate": annotate,
        "score": score,
        "caption": caption,
        "features": features,
        "shards": shards,
        "pairs": pairs,
        "rank": rank,
        "export": export,
        "ledger": ledger,
        "download": download,
        "collect-flickr": collect_flickr,
    }
    if command in commands:
        commands[command](arguments)
    elif command in {"-h", "--help", "help"}:
        print(USAGE)
    else:
        print(USAGE, file=sys.stderr)
        raise SystemExit(2)


def train(arguments: Sequence[str] | None = None) -> None:
    """Compose ``conf/train.yaml`` with overrides and train."""

    def job(cfg: Any) -> Any:
        from interestingness.assembly.which_command import refuse_study

        refuse_study(cfg)
        from interestingness.assembly.run import train as run

        return run(cfg)

    _hydra(job, "train", arguments)


def evaluate(arguments: Sequence[str] | None = None) -> None:
    """Judge a checkpoint (``conf/evaluate.yaml``), or do a study (``conf/study.yaml``)."""

    def job(cfg: Any) -> Any:
        from interestingness.assembly.run import evaluate as run

        return run(cfg)

    def studied(cfg: Any) -> Any:
        from interestingness.assembly.which_command import need_study

        need_study(cfg)
        from interestingness.assembly.studies import run_study

        return run_study(cfg)

    given = sys.argv[1:] if arguments is None else arguments
    if of_study(given):
        _hydra(studied, "study", arguments)
    else:
        _hydra(job, "evaluate", arguments)


def of_study(arguments: Sequence[str]) -> bool:
    """Whether what follows ``evaluate`` is for a study: by name, or by an experiment's choice.

    A checkpoint has its experiment behind it.
    """
    keys = {argument.partition("=")[0] for argument in arguments}
    return "study" in keys or ("experiment" in keys and "ckpt" not in keys)


def audit(arguments: Sequence[str]) -> None:
    """``audit VOTES.csv … [--out FOLDER] [--question …]``: no images, no config."""

    def job() -> Any:
        from interestingness.commands.audit import audit as run

        return run(arguments)

    _told(job)


def annotate(arguments: Sequence[str]) -> None:
    """Compose ``conf/annotate.yaml`` with overrides and ask a model."""

    def job(cfg: Any) -> Any:
        from interestingness.commands.annotate import annotate as run

        return run(cfg)

    _hydra(job, "annotate", arguments)


def score(arguments: Sequence[str]) -> None:
    """Compose ``conf/score.yaml`` with overrides and score a data set's images."""

    def job(cfg: Any) -> Any:
        from interestingness.commands.score import score as run

        return run(cfg)

    _hydra(job, "score", arguments)


def caption(arguments: Sequence[str]) -> None:
    """Compose ``conf/caption.yaml`` with overrides and have a data set's images described."""

    def job(cfg: Any) -> Any:
        from interestingness.commands.caption import caption as run

        return run(cfg)

    _hydra(job, "caption", arguments)


def features(arguments: Sequence[str]) -> None:
    """Compose ``conf/features.yaml`` with overrides and encode a data set's images."""

    def job(cfg: Any) -> Any:
        from interestingness.commands.features import extract

        return extract(cfg)

    _hydra(job, "features", arguments)


def shards(arguments: Sequence[str]) -> None:
    """``shards write out=… dataset=…`` and ``shards verify FOLDER``."""
    action, rest = (arguments[0] if arguments else ""), arguments[1:]
    if action == "write":

        def job(cfg: Any) -> Any:
            from interestingness.commands.shards import write

            return write(cfg)

        _hydra(job, "shards", rest)
    elif action == "verify" and len(rest) == 1 and not rest[0].startswith("-"):
        from interestingness.commands.shards import verify

        raise SystemExit(_told(lambda: verify(rest[0])))
    else:
        print("usage: interestingness shards write out=FOLDER dataset=… [OPTION=VALUE …]")
        print("       interestingness shards verify FOLDER")
        raise SystemExit(0 if action in {"-h", "--help"} else 2)


def pairs(arguments: Sequence[str]) -> None:
    """``pairs choose [VOTES.csv …] [--images FOLDER] -n 200``: no config."""
    if not arguments or arguments[0] != "choose":
        print("usage: interestingness pairs choose [VOTES.csv …] [--images FOLDER] [-n 200] …")
        raise SystemExit(0 if arguments and arguments[0] in {"-h", "--help"} else 2)

    def job() -> None:
        from interestingness.commands.pairs import choose

        choose(arguments[1:])

    _told(job)


def ledger(arguments: Sequence[str]) -> None:
    """``ledger status|export|verify|recover LEDGER …``."""
    from interestingness.commands.ledger import run

    raise SystemExit(_told(lambda: run(arguments)))


def rank(arguments: Sequence[str]) -> None:
    """``rank PHOTOS… --scorer NAME|RUN``."""
    from interestingness.commands.rank_options import rank_options

    options = rank_options(arguments)

    def job() -> int:
        from interestingness.commands.rank import rank as run

        return run(options)

    raise SystemExit(_told(job))


def export(arguments: Sequence[str]) -> None:
    """``export RUN --format folder|onnx|iccv --out PATH``."""
    from interestingness.commands.rank_options import export_options

    options = export_options(arguments)

    def job() -> int:
        from interestingness.commands.export import export as run

        return run(options)

    raise SystemExit(_told(job))


def download(arguments: Sequence[str]) -> None:
    """``download TABLE URL_COLUMN --out FOLDER``: no config."""
    from interestingness.commands.download import main as run

    raise SystemExit(_told(lambda: run(arguments)))


def collect_flickr(arguments: Sequence[str]) -> None:
    """``collect-flickr --from DAY --to DAY --out FOLDER``: no config."""
    from interestingness.commands.collect_flickr import main as run

    raise SystemExit(_told(lambda: run(arguments)))


def conf_folder() -> Path:
    """Our ``conf``: inside an installed wheel, beside the package in a clone."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "conf"


def _hydra(job: Callable[[Any], Any], config: str, arguments: Sequence[str] | None) -> None:
    import hydra

    from interestingness import plugins
    from interestingness.assembly.retired import refuse_retired
    from interestingness.runs.worker import as_worker

    plugins.register()
    logging.raiseExceptions = False  # a log on a full disk: the job itself says so, once
    original = list(sys.argv)

    @hydra.main(version_base="1.3", config_path=str(conf_folder().resolve()), config_name=config)
    def run(cfg: Any) -> Any:
        # Lightning starts further ranks by running the command line again, so it must be whole.
        sys.argv = original
        paths = cfg.get("paths") or {}
        return _told(
            lambda: as_worker(lambda: job(cfg)), [paths[n] for n in ("run", "cache") if n in paths]
        )

    given = original[1:] if arguments is None else list(arguments)
    _told(lambda: _check_groups(given))
    _told(lambda: refuse_retired(given))
    sys.argv = [original[0], *map(quoted, given)]
    try:
        with _one_run_folder() as more:
            sys.argv += more
            run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`… --help | head`) has seen enough; nothing is to be flushed into its pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _check_groups(words: Sequence[str]) -> None:
    """Refuse a group of options set to null, which ends in a traceback of Hydra's.

    Raises:
        ConfigError: naming the group and its options.
    """
    from interestingness.errors import ConfigError

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
    """Overrides with which only the first of several processes leaves a run folder.

    Raises:
        SystemExit: for a sweep, which every process would run.
    """
    from interestingness.runs.job import end_with_parent
    from interestingness.runs.team import world_of
    from interestingness.runs.worker import hold_back_sigterm

    world = world_of()
    if world is not None:
        hold_back_sigterm()  # before any thread begins
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
    """Run it; an error of ours becomes a few lines and its exit status, without a traceback.

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
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def quoted(argument: str) -> str:
    """An override as Hydra's grammar takes it: ``images=~/photos`` needs quotes there.

    What Hydra can read is left alone, so that sweeps and nested values stay what they are.
    """
    key, equals, value = argument.partition("=")
    if not equals or argument.startswith("-"):
        return argument
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        escaped = value.replace("'", "\\'")
        return f"{key}='{escaped}'"
    return argument


def own_error(error: BaseException | None) -> InterestingnessError | None:
    """The error of ours behind another one: Hydra wraps what a constructor raises."""
    while error is not None:
        if isinstance(error, InterestingnessError):
            return error
        error = error.__cause__ or error.__context__
    return None
