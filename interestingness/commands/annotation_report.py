"""Print what ``interestingness annotate`` reports before, during and after asking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from interestingness.annotators.backends import Backend
from interestingness.annotators.engine.run_state import Summary
from interestingness.annotators.ledger.money import dollars
from interestingness.annotators.preflight import Fitness
from interestingness.annotators.prices import CostEstimate
from interestingness.annotators.simulated import SENTENCE
from interestingness.annotators.summary import agreement_with_people, summarise
from interestingness.annotators.types import Need, Task
from interestingness.commands.annotation_job import AnnotationJob
from interestingness.labels.aggregation import aggregate
from interestingness.number_text import percent_interval
from interestingness.tables.tables import Votes


def announce(job: AnnotationJob, need: Need, estimate: CostEstimate, spent: int) -> None:
    """Print who is asked what, what is answered, the cost of the rest, and what is sent."""
    backend, whole = job.backend, job.whole
    print(f"annotator  {backend.name}: {backend.model} at {backend.host}")
    if "simulated" in backend.model:
        print(f"           {SENTENCE}")
    asked = f"{job.cfg.what}, {job.cfg.question}, prompt {job.template.name}"
    print(f"asks       {asked}: {len(whole.tasks):,} answers in all" + _pilot_words(job))
    print(f"ledger     {job.path}: {there_already(need)}; spent {dollars(spent)}")
    print(f"to ask     {estimate}")
    print(f"photos     {leaving(backend, need.todo)}")
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


def _pilot_words(job: AnnotationJob) -> str:
    return f", {len(job.chosen):,} of them in this pilot" if job.cfg.pilot is not None else ""


def say_fit(job: AnnotationJob, fit: Fitness, estimate: CostEstimate) -> None:
    """Print what the preflight found, and the cost by its measures."""
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


def report(
    job: AnnotationJob,
    table: pa.Table,
    path: Path,
    kept: int | None,
    summary: Summary | None,
    left: Need,
    spent: int,
) -> None:
    """Print what was done, how the judge voted, what remains, and where the table is.

    Args:
        job: what was asked.
        table: all answers to it, of this and earlier runs.
        path: where the table lies.
        kept: rows of an earlier table that is kept because it has more; None if replaced.
        summary: of this run; None if nothing was to be asked.
        left: what remains of the whole.
        spent: by the ledger so far, in millionths of a dollar.
    """
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
    elif table.num_rows:
        print(f"answers    {_answers(table)}")
    for lacking in without_answer(left):
        print(f"no answer  {lacking}")
    if left.todo:
        print(f"remaining  {_remaining(left, table, spent)}")
    rows = f"{table.num_rows if kept is None else kept:,} rows"
    if kept is not None:
        rows += f" of an earlier run, kept: now there are {table.num_rows:,}; replace=true replaces"
    print(f"table      {path} ({rows}); ledger {job.path}, spent {dollars(spent)}")
    if job.template.kind == "pair" and not left.todo:
        print(f"learn from it: python train.py {_learn(job)}")


def _answers(table: pa.Table) -> str:
    """Summarise judgments or texts in one line."""
    if "answer" in table.column_names:
        answers = table["answer"].to_pylist()
        counts = {word: answers.count(value) for word, value in (("yes", True), ("no", False))}
        return ", ".join(f"{number:,} {word}" for word, number in counts.items())
    texts = [text for text in table["text"].to_pylist() if text is not None]
    return f"{len(texts):,} texts, {len(set(texts)):,} of them distinct"


def _compare(job: AnnotationJob, table: pa.Table) -> None:
    """Compare with people's votes, where there are any."""
    own = table.filter(pc.is_null(table["persona"]))
    votes = Votes.from_table(own)
    if not len(votes):
        return
    judge = aggregate("share", votes, job.tables.pairs).preference
    found, pairs = agreement_with_people(job.tables, job.tables.pairs, judge, job.cfg.question)
    if pairs:
        print(
            f"  people        agree on "
            f"{percent_interval(found.estimate, found.low, found.high)} of {pairs:,} pairs "
            "(95 % interval over images; chance is 50 %)"
        )
    else:
        print("  people        no votes of people on these pairs to compare with")


def _remaining(left: Need, table: pa.Table, spent: int) -> str:
    """Estimate the cost of the rest from the cost of these answers."""
    number = len(left.todo)
    costs = [cost for cost in table["cost_uusd"].to_pylist() if cost is not None]
    if not costs or not spent:
        return f"{number:,} answers"
    return f"{number:,} answers, about {dollars(round(sum(costs) / len(costs) * number))}"


def _learn(job: AnnotationJob) -> str:
    """Write the command line that trains on these votes."""
    own = [word for word in _overrides() if word.startswith(("dataset", "question", "paths"))]
    if job.backend.label_source is not None:
        return " ".join([*own, f"label_source={job.backend.label_source}"])
    pattern = f'label_source.raters=["{job.backend.model}*"]'
    return " ".join([*own, "label_source=judge", f"'{pattern}'"])


def _overrides() -> Sequence[str]:
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def leaving(backend: Backend, tasks: Sequence[Task]) -> str:
    """State how many photographs leave this machine for which host."""
    hashes = {str(sha) for task in tasks for sha in task.identity.get("images") or ()}  # type: ignore[union-attr]
    number = f"{len(hashes):,} photograph{'' if len(hashes) == 1 else 's'}"
    if not hashes:
        return "no photograph leaves this machine; " + (
            f"texts go to {backend.host}" if not backend.local else "nothing else does either"
        )
    if backend.local:
        where = "" if backend.base_url is None else f" ({backend.host} is this machine)"
        return f"no photograph leaves this machine{where}"
    return (
        f"{number} leave this machine for {backend.host}: at most {backend.max_side} pixels wide "
        "or high, without metadata"
    )


def there_already(need: Need) -> str:
    """State what is answered, and what is not asked again."""
    return "; ".join([f"{need.labelled:,} answers are there", *without_answer(need)])


def nothing_to_ask(need: Need) -> str:
    """Explain why nothing is asked; if tasks are under way, how to resume."""
    rest = without_answer(need)
    if not rest:
        return "nothing to ask: every answer is there"
    said = f"nothing to ask now: {there_already(need)}"
    return said + ("; mode=batch takes in what is in a batch" if need.waiting else "")


def without_answer(need: Need) -> list[str]:
    """Count tasks without an answer that are not asked again automatically."""
    counts = (
        (need.refused, "refused for good"),
        (
            need.rejected,
            "given up after unusable answers (`interestingness ledger reopen` helps)",
        ),
        (
            need.held,
            "in doubt: the next run asks them if they are free, else in_doubt=rebuy does",
        ),
        (need.waiting, "under way: in a batch, or of a process that was killed"),
        (need.unparsed, "stored and not yet read"),
    )
    return [f"{number:,} {what}" for number, what in counts if number]
