"""``interestingness annotate``: plan, check, ask, write tables, and report."""

from __future__ import annotations

import asyncio
import logging
import platform
from contextlib import closing
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig

from interestingness.annotators.engine.run_state import CallCounts, Exit, Summary
from interestingness.annotators.ledger.attempts import TRIES
from interestingness.annotators.ledger.money import dollars, enough, uusd
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.preflight import Fitness, PreflightError
from interestingness.annotators.prices import CostEstimate, confirm
from interestingness.annotators.requests import unstored
from interestingness.annotators.sent_images import Images, prepare_images
from interestingness.annotators.session import Session, connect
from interestingness.annotators.summary import Consistency, progress_text
from interestingness.annotators.types import JSON, Need, Task
from interestingness.annotators.votes import TABLE_OF, VoteFile
from interestingness.assembly.opening import check_config
from interestingness.commands.annotation_job import AnnotationJob, plan_job
from interestingness.commands.annotation_report import announce, nothing_to_ask, report, say_fit
from interestingness.progress import ProgressLine


def annotate(cfg: DictConfig) -> dict[str, Any]:
    """Plan, check, ask, write tables, and report.

    Args:
        cfg: composed ``conf/annotate.yaml``.

    Raises:
        SystemExit: with the exit status of a run that ended early; bought answers are kept.
    """
    check_config(cfg)
    for library in ("httpx", "httpx2", "openai"):  # a line for every request otherwise
        logging.getLogger(library).setLevel(logging.WARNING)
    job = plan_job(cfg)
    place = VoteFile.of(
        job.tables,
        job.template.kind,
        annotator=job.backend.name,
        question=cfg.question,
        ledger=job.path,
        replace=cfg.replace,
    )
    spent, need, answers = _so_far(job)
    place.check(answers)
    estimate = CostEstimate.of(need.todo, job.asking_meter(job.meter))
    announce(job, need, estimate, spent)
    if cfg.dry_run:
        checked = prepare_images(
            job.images, job.backend.transcode, unstored, ProgressLine("checking images")
        )
        checked.check(cfg.max_bad_share)
        print("dry run: nothing was sent")
        return {"todo": len(need.todo), "most_uusd": estimate.most}
    confirm(estimate, budget=cfg.budget, yes=cfg.yes)
    cap = uusd(cfg.budget) if cfg.budget is not None else spent + _slack(job) + estimate.most
    facts = _facts(job)
    with Ledger.open(job.path, run=facts, cap_uusd=cap, policy=cfg.in_doubt) as ledger:
        job = _with_checked_images(job, ledger)
        summary = asyncio.run(_ask(job, ledger))
        table = _answers(job, ledger)
        kept = place.write(table)
        left = ledger.need(job.whole.tasks)
        to_go_on = _to_go_on(job, ledger, summary)
        report(job, table, place.path, kept, summary, left, ledger.spent_uusd)
    if summary is not None and summary.exit_code:
        tally = summary.tally
        whole = summary.exit_code == Exit.GIVEN_UP and tally.finished >= tally.total
        early = "" if whole else "ended early: "
        print(f"{early}{summary.reason}; {to_go_on}")
        raise SystemExit(int(summary.exit_code))
    return {"labelled": left.labelled, "todo": len(left.todo), "table": str(place.path)}


def _to_go_on(job: AnnotationJob, ledger: Ledger, summary: Summary | None) -> str:
    """Say how to resume after a run that ended early; the same budget would end it again."""
    if summary is not None and summary.exit_code == Exit.GIVEN_UP:
        reopen = f"`interestingness ledger reopen {job.path}`"
        return f"run again; {reopen} gives back what {TRIES} unusable answers ended"
    spent_up = summary is not None and summary.reason.startswith("the budget is reached")
    if job.cfg.budget is None or not spent_up:
        return "run the same command again to go on"
    rest = CostEstimate.of(ledger.need(job.chosen).todo, job.asking_meter(job.meter)).most
    checks = _slack(job)  # they are asked anew where the day or the options changed
    whole = enough(ledger.spent_uusd + ledger.reserved_uusd + checks + rest)
    return f"what was bought is kept; at least budget={whole} goes on to the end"


def _so_far(job: AnnotationJob) -> tuple[int, Need, int]:
    """Read what the ledger has spent, lacks and holds; it need not exist."""
    if not job.path.is_file():
        distinct = {task.key: task for task in job.chosen}
        return 0, Need(list(distinct.values())), 0
    with Ledger.open(
        job.path, run={}, cap_uusd=None, policy=job.cfg.in_doubt, read_only=True
    ) as ledger:  # fmt: skip
        return ledger.spent_uusd, ledger.need(job.chosen), _answers(job, ledger).num_rows


def _slack(job: AnnotationJob) -> int:
    """Compute the most that preflight and sentinel may cost."""
    if job.canary is None:
        return 0
    calls = len(job.backend.structured) + 2 + int(job.cfg.sentinel)
    task, _ = job.canary.vision("prompt")
    return calls * job.meter.reserve(task, "double_cap")


def _facts(job: AnnotationJob) -> dict[str, JSON]:
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


def _with_checked_images(job: AnnotationJob, ledger: Ledger) -> AnnotationJob:
    """Leave out tasks on images that cannot be sent, before money is spent."""
    names = {
        str(name)
        for task in job.chosen
        for name in (task.subject.get(k) for k in ("left", "right", "image_id"))
        if name is not None
    }
    used = Images({n: s for n, s in job.images.sources.items() if n in names}, {})
    found = prepare_images(
        used, job.backend.transcode, ledger.stimulus, ProgressLine("making images ready")
    )
    if not found.unreadable:
        return job
    found.check(job.cfg.max_bad_share)
    for name, why in found.unreadable.items():
        print(f"left out: {name}: {why}")
    bad = {job.images.sources[name].sha256 for name in found.unreadable}

    def good(task: Task) -> bool:
        return not bad.intersection(task.identity.get("images") or ())  # type: ignore[arg-type]

    job.chosen = list(filter(good, job.chosen))
    job.whole.tasks = list(filter(good, job.whole.tasks))
    return job


async def _ask(job: AnnotationJob, ledger: Ledger) -> Summary | None:
    """Preflight and run; None if there is nothing to ask."""
    need = ledger.need(job.chosen)
    under_way = job.in_batches and need.waiting
    if not need.todo and not need.unparsed and not under_way:
        print(nothing_to_ask(need))
        return None
    async with connect(job.backend) as server:
        session = Session(
            job.backend,
            ledger,
            server,
            {ask.prompt.id: ask.prompt for ask in job.rounds},
            {source.sha256: source for source in job.images.sources.values()},
            job.meter,
        )
        fit = await session.preflight(job.canary, today=job.day)
        await _watch(job, session, fit)
        meter = job.asking_meter(session.meter)
        say_fit(job, fit, CostEstimate.of(need.todo, meter, fit.completion_tokens))
        line = ProgressLine()

        def progress(tally: CallCounts, consistency: Consistency) -> None:
            line.write(progress_text(tally, consistency, dollars))

        with closing(line):
            return await session.ask(job.chosen, fit, progress=progress, in_batches=job.in_batches)


async def _watch(job: AnnotationJob, session: Session, fit: Fitness) -> None:
    """Stop if the model no longer gives the answers of an earlier day.

    Raises:
        PreflightError: if another model seems to answer.
    """
    if job.template.kind != "pair" or not job.cfg.sentinel:
        return
    watch = await session.ask_again(job.whole.tasks, fit, size=job.cfg.sentinel, today=job.day)
    if watch is None:
        return
    print(f"sentinel   {watch}")
    if watch.alarm:
        raise PreflightError(
            f"another model seems to answer as {job.backend.model}: {watch}",
            expected="the judge that labelled the others",
            todo="label everything anew in a ledger of its own (ledger=…), or sentinel=0 to go on",
        )


def _answers(job: AnnotationJob, ledger: Ledger) -> pa.Table:
    """Read answers to all tasks of this plan, those of the pilot and earlier runs too."""
    table = ledger.table(TABLE_OF[job.template.kind], job.whole.tasks)
    if "choice" not in table.column_names:
        return table
    return table.filter(pc.is_in(table["pair_id"], value_set=pa.array(job.tables.pairs.pair_ids)))
