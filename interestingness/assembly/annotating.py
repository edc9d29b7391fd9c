"""``interestingness annotate``: from the config to paid answers, and from these to tables."""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hydra.utils import instantiate
from omegaconf import DictConfig

from interestingness.annotators import plan
from interestingness.annotators.asking import unstored
from interestingness.annotators.backends import Backend
from interestingness.annotators.engine.tally import Summary, Tally
from interestingness.annotators.ledger.money import dollars, uusd
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.pilot import agreement_with_people, human_preference, pilot_tasks
from interestingness.annotators.plan import Estimate, Images
from interestingness.annotators.preflight import Canary, Fitness, PreflightError
from interestingness.annotators.prices import Meter
from interestingness.annotators.prompting import PAPER_PERSONAS, Template
from interestingness.annotators.session import Consistency, Session, connected, progress_text
from interestingness.annotators.simulated import SENTENCE
from interestingness.annotators.summary import summarise
from interestingness.annotators.tasks import Planned, Round, image_tasks, pair_tasks, text_tasks
from interestingness.annotators.types import JSON, Need, Task
from interestingness.annotators.votes import TABLE_OF, write_answers
from interestingness.assembly.checks import check, plain
from interestingness.assembly.prepare import writable_cache
from interestingness.errors import ConfigError
from interestingness.labels.aggregation import aggregate
from interestingness.labels.tables import Tables, Votes
from interestingness.plugins import plugin_packages
from interestingness.progress import ProgressLine

PROMPTS = {
    "pairs": "pair-1",
    "images": "image-1",
    "descriptions": "description-1",
    "cupl": "cupl-1",
}
"""The newest prompt for each thing that can be asked."""

MODES = ("sync", "batch")
POLICIES = ("hold", "rebuy")


@dataclass
class Job:
    """What one command is about.

    Attributes:
        cfg: composed ``conf/annotate.yaml``.
        tables: the prepared data set.
        backend: who is asked.
        rounds: prompts, one for each persona.
        template: of the prompts.
        images: files that the tasks need.
        whole: all tasks.
        chosen: tasks of this command: all, or those of the pilot.
        path: of the ledger.
    """

    cfg: DictConfig
    tables: Tables
    backend: Backend
    rounds: list[Round]
    template: Template
    images: Images
    whole: Planned
    chosen: list[Task]
    path: Path

    @property
    def meter(self) -> Meter:
        """Reserves before anything was measured."""
        prompts = [ask.prompt for ask in self.rounds]
        return self.backend.meter([*prompts, *([c.prompt] if (c := self.canary) else [])])

    @property
    def in_batches(self) -> bool:
        """Whether the provider's batch interface is used."""
        return bool(self.cfg.mode == "batch")

    def asking_meter(self, meter: Meter) -> Meter:
        """The same measures at the prices of the interface that is used after the preflight."""
        return meter.in_batches() if self.in_batches else meter

    @property
    def canary(self) -> Canary | None:
        """The preflight's questions; None where no image is sent."""
        if not self.images.sources:
            return None
        pair = self.template if self.template.kind == "pair" else Template.load(PROMPTS["pairs"])
        return Canary.of(self.backend, pair, today=_today())


def annotate(cfg: DictConfig) -> dict[str, Any]:
    """Plan, check, ask, write tables, and say what came of it.

    Args:
        cfg: composed ``conf/annotate.yaml``.

    Raises:
        SystemExit: with the exit status of a run that ended early; what was bought is kept.
    """
    check(plain(cfg), trusted=(*plugin_packages(), *cfg.trust))
    for library in ("httpx", "httpx2", "openai"):  # a line for every request otherwise
        logging.getLogger(library).setLevel(logging.WARNING)
    job = planned(cfg)
    spent, need = _so_far(job)
    estimate = Estimate.of(need.todo, job.asking_meter(job.meter))
    _announce(job, need, estimate, spent)
    if cfg.dry_run:
        checked = plan.checked(
            job.images, job.backend.transcode, unstored, ProgressLine("checking images")
        )
        checked.check(cfg.max_bad_share)
        print("dry run: nothing was sent")
        return {"todo": len(need.todo), "most_uusd": estimate.most}
    plan.confirm(estimate, budget=cfg.budget, yes=cfg.yes, pilot=cfg.pilot is not None)
    cap = uusd(cfg.budget) if cfg.budget is not None else spent + _slack(job) + estimate.most
    with Ledger.open(
        job.path, run=_facts(job), cap_uusd=cap, policy=cfg.in_doubt
    ) as ledger:  # fmt: skip
        job = _with_checked_images(job, ledger)
        summary = asyncio.run(_ask(job, ledger))
        table = _answers(job, ledger)
        path = write_answers(
            job.tables, job.template.kind, table, annotator=job.backend.name, question=cfg.question
        )
        left = ledger.need(job.whole.tasks)
        _report(job, table, path, summary, left, ledger.spent_uusd)
    if summary is not None and summary.exit_code:
        print(f"ended early: {summary.reason}; run the same command again to go on")
        raise SystemExit(int(summary.exit_code))
    return {"labelled": left.labelled, "todo": len(left.todo), "table": str(path)}


def planned(cfg: DictConfig) -> Job:
    """Everything that can be known without opening a ledger or a connection.

    Raises:
        ConfigError: for options that cannot go together.
        DataError: for an unusable data set, or too many unreadable images.
    """
    for option, known in (("what", tuple(PROMPTS)), ("mode", MODES), ("in_doubt", POLICIES)):
        if cfg[option] not in known:
            raise ConfigError(
                f"{option}={cfg[option]}",
                expected=f"one of {', '.join(known)}",
                todo="correct the option",
            )
    backend: Backend = instantiate(cfg.annotator, _convert_="all")
    meter = backend.meter()  # an unknown price ends it here
    if cfg.mode == "batch":
        meter.in_batches()
        if backend.batch is None:
            raise ConfigError(
                f"mode=batch, and annotator={backend.name} has no batch interface",
                expected="annotator.batch={requests: 50000, bytes: 200000000} where there is one",
                todo="leave mode=sync",
            )
    rounds, template = _rounds(cfg, backend)
    cfg.paths.cache = str(writable_cache(cfg.paths.cache))
    tables: Tables = instantiate(cfg.dataset, progress=ProgressLine("preparing the data set"))
    pairs = [tables.pairs.pair(row) for row in range(len(tables.pairs))]
    wanted: list[str] = []
    if cfg.what == "pairs":
        wanted = [name for pair in pairs for name in (pair.left, pair.right)]
    elif cfg.what in ("images", "descriptions"):
        wanted = tables.image_ids.tolist()
    images = plan.read_images(tables, wanted, ProgressLine("reading images"))
    if wanted:
        images.check(cfg.max_bad_share)
    if cfg.what == "pairs":
        whole = pair_tasks(
            backend, rounds, pairs, images.sources, orders=cfg.orders, samples=cfg.samples
        )
    elif cfg.what == "cupl":
        whole = text_tasks(backend, rounds[0], samples=cfg.samples)
    else:
        whole = image_tasks(backend, rounds, wanted, images.sources, samples=cfg.samples)
    chosen = whole.tasks
    if cfg.pilot is not None:
        chosen = pilot_tasks(whole.tasks, cfg.pilot, _voted(tables, cfg.question))
    path = Path(cfg.ledger or f"annotations/{tables.manifest.name}/{backend.name}.sqlite")
    return Job(
        cfg, tables, backend, rounds, template, images, whole, chosen, path.expanduser()
    )  # fmt: skip


def _rounds(cfg: DictConfig, backend: Backend) -> tuple[list[Round], Template]:
    template = Template.load(cfg.prompt or PROMPTS[cfg.what])
    if template.kind != Template.load(PROMPTS[cfg.what]).kind:
        raise ConfigError(
            f"prompt={cfg.prompt} is of kind {template.kind}, and what={cfg.what}",
            expected=f"a prompt like {PROMPTS[cfg.what]}",
            todo="choose another prompt",
        )
    personas: list[str | None] = [None]
    if cfg.personas == "paper":
        personas = list(PAPER_PERSONAS)
    elif cfg.personas:
        personas = [str(persona) for persona in cfg.personas]
    on_canvas = template.kind == "pair" and backend.images_per_message == 1
    return [
        Round(
            template.render(
                question=cfg.question, comparison=cfg.comparison, persona=persona, canvas=on_canvas
            ),
            cfg.question,
            persona,
        )
        for persona in personas
    ], template


def _voted(tables: Tables, question: str) -> Iterator[str]:
    people = human_preference(tables, question)
    for name, preference in zip(tables.pairs.pair_ids, people.tolist(), strict=True):
        if preference in (0.0, 1.0):
            yield name


def _so_far(job: Job) -> tuple[int, Need]:
    """What the ledger has spent, and what it lacks; it need not be there."""
    if not job.path.is_file():
        distinct = {task.key: task for task in job.chosen}
        return 0, Need(list(distinct.values()))
    with Ledger.open(
        job.path, run={}, cap_uusd=None, policy=job.cfg.in_doubt, read_only=True
    ) as ledger:  # fmt: skip
        return ledger.spent_uusd, ledger.need(job.chosen)


def _slack(job: Job) -> int:
    """The most that preflight and sentinel may cost."""
    if job.canary is None:
        return 0
    calls = len(job.backend.structured) + 2 + int(job.cfg.sentinel)
    task, _ = job.canary.vision("prompt")
    return calls * job.meter.reserve(task, "double_cap")


def _facts(job: Job) -> dict[str, JSON]:
    prices = [job.backend.price_list]
    if job.in_batches:
        prices.append(prices[0].in_batches())
    return {
        "prices": {price.id: price.table() for price in prices},
        "annotator": job.backend.name,
        "model": job.backend.model,
        "host": job.backend.host,
        "prompts": {ask.prompt.id: ask.prompt.name for ask in job.rounds},
        "question": job.cfg.question,
        "data set": job.tables.manifest.name,
        "python": platform.python_version(),
        "openai": version("openai"),
        "pillow": version("pillow"),
        "interestingness": version("interestingness"),
    }


def _with_checked_images(job: Job, ledger: Ledger) -> Job:
    """Leave out tasks on images that cannot be sent, before money is spent."""
    names = {
        str(name)
        for task in job.chosen
        for name in (task.subject.get(k) for k in ("left", "right", "image_id"))
        if name is not None
    }
    used = Images({n: s for n, s in job.images.sources.items() if n in names}, {})
    found = plan.checked(
        used, job.backend.transcode, ledger.stimulus, ProgressLine("making images ready")
    )
    if not found.unreadable:
        return job
    found.check(job.cfg.max_bad_share)
    for name, why in found.unreadable.items():
        print(f"left out: {name}: {why}")
    bad = {job.images.sources[name].sha256 for name in found.unreadable}
    job.chosen = [
        task
        for task in job.chosen
        if not bad.intersection(task.identity.get("images") or ())  # type: ignore[arg-type]
    ]
    return job


async def _ask(job: Job, ledger: Ledger) -> Summary | None:
    """Preflight and run; None if there is nothing to ask."""
    need = ledger.need(job.chosen)
    under_way = job.in_batches and need.waiting
    if not need.todo and not need.unjudged and not under_way:
        print("nothing to ask: every answer is there")
        return None
    async with connected(job.backend) as server:
        session = Session(
            job.backend,
            ledger,
            server,
            {ask.prompt.id: ask.prompt for ask in job.rounds},
            {source.sha256: source for source in job.images.sources.values()},
            job.meter,
        )
        fit = await session.preflight(job.canary, today=_today())
        await _watch(job, session, fit)
        meter = job.asking_meter(session.meter)
        _say_fit(job, fit, Estimate.of(need.todo, meter, fit.completion_tokens))
        line = ProgressLine()

        def progress(tally: Tally, consistency: Consistency) -> None:
            line.write(progress_text(tally, consistency, dollars))

        with _closing(line):
            return await session.ask(job.chosen, fit, progress=progress, in_batches=job.in_batches)


async def _watch(job: Job, session: Session, fit: Fitness) -> None:
    """Stop if answers of an earlier day are not given again.

    Raises:
        PreflightError: if another model seems to answer.
    """
    if job.template.kind != "pair" or not job.cfg.sentinel:
        return
    watch = await session.sentinel(job.whole.tasks, fit, size=job.cfg.sentinel, today=_today())
    if watch is None:
        return
    print(f"sentinel   {watch}")
    if watch.alarm:
        raise PreflightError(
            f"another model seems to answer as {job.backend.model}: {watch}",
            expected="the judge that labelled the others",
            todo="label everything anew in a ledger of its own (ledger=…), or sentinel=0 to go on",
        )


@contextmanager
def _closing(line: ProgressLine) -> Iterator[None]:
    try:
        yield
    finally:
        line.close()


def _answers(job: Job, ledger: Ledger) -> pa.Table:
    """Answers to everything that was ever planned so, the pilot's and earlier runs' too."""
    table = ledger.table(TABLE_OF[job.template.kind], job.whole.tasks)
    if "choice" not in table.column_names:
        return table
    return table.filter(pc.is_in(table["pair_id"], value_set=pa.array(job.tables.pairs.pair_ids)))


def _announce(job: Job, need: Need, estimate: Estimate, spent: int) -> None:
    backend, whole = job.backend, job.whole
    print(f"annotator  {backend.name}: {backend.model} at {backend.host}")
    if "simulated" in backend.model:
        print(f"           {SENTENCE}")
    asked = f"{job.cfg.what}, {job.cfg.question}, prompt {job.template.name}"
    print(f"asks       {asked}: {len(whole.tasks):,} answers in all" + _pilot_words(job))
    print(f"ledger     {job.path}: {plan.there_already(need)}; spent {dollars(spent)}")
    print(f"to ask     {estimate}")
    print(f"photos     {plan.leaving(backend, need.todo)}")
    if whole.same_image:
        pair = whole.same_image[0]
        print(
            f"left out   {len(whole.same_image):,} pairs of two files with the same content, "
            f"the first {pair.left} and {pair.right}"
        )
    if job.images.unreadable:
        name, why = next(iter(job.images.unreadable.items()))
        bad = len(job.images.unreadable)
        print(f"left out   {whole.left_out:,} with one of {bad} unreadable images: {name}: {why}")


def _pilot_words(job: Job) -> str:
    return f", {len(job.chosen):,} of them in this pilot" if job.cfg.pilot is not None else ""


def _say_fit(job: Job, fit: Fitness, estimate: Estimate) -> None:
    if job.canary is not None:
        tokens = f"{fit.prompt_tokens:,} tokens" if fit.prompt_tokens is not None else "no count"
        sure = "with" if fit.probabilities else "without"
        print(
            f"preflight  sees both images in order; {fit.structured}, {tokens} a prompt, "
            f"{sure} probabilities"
        )
    for note in fit.notes:
        print(f"           {note}")
    print(f"now        {estimate}")


def _report(
    job: Job, table: pa.Table, path: Path, summary: Summary | None, left: Need, spent: int
) -> None:
    if summary is not None:
        tally = summary.tally
        print(
            f"done       {tally.labelled:,} answers in {tally.seconds:.0f} s for "
            f"{dollars(tally.spent_uusd)}"
            + (f", {tally.skipped:,} could not be asked" if tally.skipped else "")
            + (f", {tally.in_doubt:,} in doubt" if tally.in_doubt else "")
            + (f", {tally.unreachable:,} not reached" if tally.unreachable else "")
        )
    if job.template.kind == "pair" and table.num_rows:
        for judge in summarise(table):
            print("\n".join(judge.lines()))
        _compare(job, table)
    if left.todo:
        print(f"remaining  {_remaining(left, table, spent)}")
    print(f"table      {path} ({table.num_rows:,} rows); ledger {job.path}, spent {dollars(spent)}")
    if job.template.kind == "pair" and not left.todo:
        print(f"learn from it: python train.py {_learn(job)}")


def _compare(job: Job, table: pa.Table) -> None:
    """Agreement with people's votes, where there are any."""
    own = table.filter(pc.is_null(table["persona"]))
    votes = Votes.from_table(own)
    if not len(votes):
        return
    judge = aggregate("share", votes, job.tables.pairs).preference
    found, pairs = agreement_with_people(job.tables, job.tables.pairs, judge, job.cfg.question)
    if pairs:
        print(
            f"  people        agree on {found.estimate:.1%} [{found.low:.1%}, {found.high:.1%}] of "
            f"{pairs:,} pairs (95 % interval over images; chance is 50 %)"
        )
    else:
        print("  people        no votes of people on these pairs to compare with")


def _remaining(left: Need, table: pa.Table, spent: int) -> str:
    """What the rest costs if its answers cost what these did."""
    number = len(left.todo)
    costs = [cost for cost in table["cost_uusd"].to_pylist() if cost is not None]
    if not costs or not spent:
        return f"{number:,} answers"
    return f"{number:,} answers, about {dollars(round(sum(costs) / len(costs) * number))}"


def _learn(job: Job) -> str:
    """The command line that trains on these votes."""
    own = [word for word in _overrides() if word.startswith(("dataset", "question", "paths"))]
    if job.backend.label_source is not None:
        return " ".join([*own, f"label_source={job.backend.label_source}"])
    pattern = f'label_source.raters=["{job.backend.model}*"]'
    return " ".join([*own, "label_source=judge", f"'{pattern}'"])


def _overrides() -> Sequence[str]:
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def _today() -> Any:
    return datetime.now(UTC).date()
