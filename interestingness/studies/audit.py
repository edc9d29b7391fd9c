"""Audit a vote table: consensus, consistency, bias, agreement, ranking. No images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.errors import DataError
from interestingness.labels.votes import simulation_of
from interestingness.number_text import percent
from interestingness.schema import Pairs
from interestingness.studies.agreement import agreement_map, agreement_table
from interestingness.studies.audit_tables import (
    consensus_views,
    discrimination_table,
    position_table,
    rater_chart,
    rater_table,
    voter_table,
)
from interestingness.studies.panel import PEOPLE, Ballots, Weighed, split_by_voter, weigh
from interestingness.studies.result import Figure, StudyResult, Table
from interestingness.studies.study import Material, Study
from interestingness.studies.table_columns import INTERVAL_NOTE, percent_text
from interestingness.studies.vote_ranking import ranking_chart, ranking_gallery, ranking_table

MOST_BIASED = 3
"""People and models that the answer names for the place that they favour."""
AGREEMENT = (
    "Several votes of one rater or model on a pair count by their majority.",
    INTERVAL_NOTE,
)
WEIGHED = 100_000
"""Up to so many votes raters are weighed one by one, which takes seconds."""
SINGLY = 12
"""Up to so many raters are compared one by one; more are compared as people and models."""


class Audit(Study):
    """Audit the votes of a data set, as ``interestingness audit`` audits files."""

    def run(self, material: Material) -> StudyResult:
        """Audit the votes on the material's question.

        Raises:
            DataError: if the data set has no vote on it.
        """
        tables = material.tables
        if not tables.has("votes"):
            raise DataError(
                f"{tables.manifest.name}: no votes",
                expected="a data set with a vote table",
                todo="give dataset.votes=votes.csv, or ratings that votes can be made of",
            )
        found = audit_votes(
            tables.vote_table,
            material.pairs,
            question=material.question,
            where=f"data set {tables.manifest.name}",
            simulated=material.simulated,
        )
        ranking = next(table for table in found.tables if table.name == "ranking")
        return replace(found, galleries=ranking_gallery(ranking))


def audit_votes(
    table: pa.Table,
    pairs: Pairs,
    *,
    question: str,
    where: str,
    images_known: bool = True,
    notes: Sequence[str] = (),
    simulated: str = "",
) -> StudyResult:
    """Compute all that follows from votes alone.

    Args:
        table: a checked vote table; votes on other questions are left out.
        pairs: all pairs voted on; votes on others are left out.
        question: what was asked.
        where: the files or the data set, for people.
        images_known: whether the images of the pairs are known, so that they can be ranked.
        notes: shown with the result.
        simulated: the sentence of a simulated data set, else "".

    Raises:
        DataError: if no vote has a usable answer.
    """
    table = table.filter(pc.equal(table["question"], question))
    everyone = Ballots.read(table, pairs)
    if not everyone.usable.any():
        raise DataError(
            f"{where}: none of the {table.num_rows:,} votes on {question!r} has a usable answer",
            expected="choices left, right or tie",
            todo="choose another question (--question, question=…) or another file",
        )
    voters, kinds = split_by_voter(table, everyone)
    single = everyone.by_rater()
    compared = single if 1 < len(single) <= SINGLY else voters
    main = voters[0]
    consensus, bars = consensus_views(main)
    names = everyone.votes.raters
    owners = [PEOPLE if kind == "human" else name for name, kind in zip(names, kinds, strict=True)]
    weighed = weigh(everyone, names if compared is single else owners)
    found: list[Table] = [
        voter_table(voters), *position_table(voters), *discrimination_table(weighed), consensus
    ]  # fmt: skip
    figures: list[Figure] = [bars]
    if len(compared) > 1:
        sides = {one.name: one.side for one in compared}
        found.append(agreement_table(sides, pairs, title="Agreement", notes=AGREEMENT))
        if len(compared) > 2:
            figures.append(agreement_map(sides, title="Agreement"))
    if len(single) > 1:
        people = main if main.name == PEOPLE else None
        each = weighed
        if compared is not single:
            each = weigh(everyone, names) if len(everyone) <= WEIGHED else {}
        found.append(rater_table(single, everyone, people, each))
        figures += rater_chart(found[-1])
    if images_known:
        found.append(ranking_table(main))
        figures += ranking_chart(found[-1])
    usable = int(everyone.usable.sum())
    return StudyResult(
        name="audit",
        title=f"Audit of votes: {question}",
        answer=_answer(main, voters, weighed),
        used=[
            ("votes", f"{usable:,} usable of {len(everyone):,} in {where}, question {question!r}"),
            (
                "raters",
                f"{kinds.count('human'):,} people, {kinds.count('model'):,} models",
            ),
            ("pairs", f"{int((everyone.number > 0).sum()):,} of {_images(everyone):,} images"),
        ],
        tables=found,
        figures=figures,
        notes=[*notes, *_warnings(main)],
        simulated=simulated or simulation_of(everyone.votes.raters),
    )


def _images(ballots: Ballots) -> int:
    return len(ballots.pairs[ballots.number > 0].images_used())


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _answer(main: Ballots, voters: Sequence[Ballots], weighed: Mapping[str, Weighed]) -> str:
    """Write two or three sentences with this table's numbers."""
    parts = []
    several = main.several
    if main.only_ties:
        parts.append(f"Every vote of {main.name} is a tie: nobody chose a side.")
    elif several.any():
        mean = float(main.consensus[several].mean())
        parts.append(
            f"On {_counted(int(several.sum()), 'pair')} with two or more votes of {main.name}, "
            f"{percent(mean, digits=0)} of a pair's votes are on its majority side."
        )
    elif (main.number > 1).any():
        parts.append("Every pair has votes of one rater: nothing can be said of agreement.")
    else:
        parts.append("Every pair has one vote: nothing can be said of agreement.")
    one = main.interval(main.hits)
    if not np.isnan(one.estimate):
        who = "One person" if main.name == PEOPLE else f"One rater of {main.name}"
        parts.append(
            f"{who} chooses the majority of the others in {percent_text(one)} of the votes."
        )
    found = [(voter, voter.second_chosen()) for voter in voters]
    biased = [(v, s) for v, s in found if not np.isnan(s.low) and not s.low <= 0.5 <= s.high]
    biased.sort(key=lambda one: -abs(one[1].estimate - 0.5))
    for voter, second in biased[:MOST_BIASED]:
        place = "second" if second.estimate > 0.5 else "first"
        share = max(second.estimate, 1 - second.estimate)
        who = voter.name.capitalize() if voter.name == PEOPLE else voter.name
        parts.append(
            f"{who}: {percent(share, digits=0)} of choices are for the image shown {place}."
        )
    against = [name for name, one in weighed.items() if one.contradicts]
    if against:
        parts.append(f"Contradicting the others (discrimination below 0): {', '.join(against)}.")
    return " ".join(parts)


def _warnings(main: Ballots) -> list[str]:
    """List in words what cannot be known from these votes."""
    found = []
    name = main.name
    if main.raters == 1:
        found.append(f"There is one rater among {name}: no agreement between raters.")
    elif np.isnan(main.hits).all():
        found.append(f"No pair has votes of two raters among {name}: no agreement.")
    if not main.knows_order:
        found.append(
            f"The votes of {name} do not say which image was shown first: no position bias."
        )
    if main.repetition()[1] == 0:
        found.append(f"Nobody among {name} answered the same pair in the same order twice.")
    return found
