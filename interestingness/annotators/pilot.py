"""A few pairs first: does the judge agree with people's votes, and what will it all cost?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from interestingness.annotators.types import Task
from interestingness.errors import ConfigError
from interestingness.labels.aggregation import aggregate
from interestingness.schema import Pairs
from interestingness.stats.bootstrap import Interval, accuracy_interval
from interestingness.tables.tables import Tables


def pilot_tasks(tasks: Sequence[Task], size: int, voted: Iterable[str]) -> list[Task]:
    """The tasks on ``size`` pairs (or images), those that people voted on first.

    Which ones is decided by a hash of their names, so that a larger pilot contains a smaller one.

    Args:
        tasks: of the whole.
        size: number of pairs or images.
        voted: ids of the pairs that can be compared.

    Raises:
        ConfigError: for a size below 1.
    """
    if size < 1:
        raise ConfigError(f"pilot={size}", expected="1 or more pairs", todo="pilot=30")
    first = set(voted)

    def rank(name: str) -> tuple[bool, str]:
        return name not in first, hashlib.sha256(f"pilot {name}".encode()).hexdigest()

    names = dict.fromkeys(_about(task) for task in tasks)
    chosen = set(sorted(names, key=rank)[:size])
    return [task for task in tasks if _about(task) in chosen]


def _about(task: Task) -> str:
    subject = task.subject
    return str(subject.get("pair_id") or subject.get("image_id") or subject.get("sample"))


def human_preference(tables: Tables, question: str) -> NDArray[np.float64]:
    """Majority of people's votes, NaN where there is none, shape (pairs,)."""
    pairs = tables.pairs
    if not tables.has("votes"):
        return np.full(len(pairs), np.nan)
    votes = tables.votes(question=question, kind="human")
    if not len(votes):
        return np.full(len(pairs), np.nan)
    return aggregate("majority", votes, pairs).preference


def agreement_with_people(
    tables: Tables, pairs: Pairs, judge: NDArray[np.float64], question: str, *, seed: int = 0
) -> tuple[Interval, int]:
    """Agreement of a judge with the majority of people's votes, on pairs that both decided.

    A pair on which the judge contradicts itself between the orders counts one half.

    Args:
        tables: the data set.
        pairs: its pairs.
        judge: the judge's preference, NaN where it was not asked, shape (pairs,).
        question: what was asked of both.
        seed: of the resamples.

    Returns:
        The interval over images, and the number of pairs.
    """
    people = human_preference(tables, question)
    both = ~np.isnan(judge) & ~np.isnan(people) & (people != 0.5)
    some = pairs[both]
    found = accuracy_interval(judge[both] - 0.5, people[both], some.left, some.right, seed=seed)
    return found, int(both.sum())
