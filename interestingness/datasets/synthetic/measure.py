"""Compare agreements of the simulation with the paper's, for fitting and checking."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.tables.tables import Votes, keys_of

TARGETS: dict[str, float] = {
    "second in both orders": 36.0,
    "human consensus": 56.3,
    "gpt-4o consensus": 95.5,
    "human ~ gpt-4o, all": 66.2,
    "human ~ gpt-4o, human consensus": 73.8,
    "human ~ gpt-4o, human dissent": 56.5,
    "human ~ commonly_interesting": 69.6,
    "human ~ cupl": 60.3,
    "human ~ aesthetic": 68.3,
    "human ~ memorability": 35.5,
    "human ~ comments": 68.0,
    "human ~ favorites": 66.4,
    "human ~ views": 61.7,
    "gpt-4o ~ commonly_interesting": 67.6,
    "gpt-4o ~ cupl": 60.9,
    "gpt-4o ~ aesthetic": 75.1,
    "gpt-4o ~ memorability": 39.1,
    "gpt-4o ~ comments": 74.8,
    "gpt-4o ~ favorites": 74.0,
    "gpt-4o ~ views": 63.9,
    "views held by flagged images": 97.2,
    "single human consensus": 91.9,
    "single human yes": 99.9,
    "single gpt-4o-simulated consensus": 93.9,
    "single gpt-4o-simulated yes": 95.3,
    "single llama-3.2-simulated consensus": 93.1,
    "single llama-3.2-simulated yes": 99.8,
    "single deepseek-vl2-simulated consensus": 76.2,
    "single deepseek-vl2-simulated yes": 81.4,
}
"""Percentages of the paper (position bias, tables 2 and 3) and of LaFin (views)."""

SCORES = (
    "commonly_interesting", "cupl", "aesthetic", "memorability", "comments", "favorites", "views",
)  # fmt: skip
CONSENSUS = 0.8
"""Four of five."""


def pair_agreements(
    human: NDArray[np.float64],
    judge: NDArray[np.float64],
    differences: Mapping[str, NDArray[np.float64]],
) -> dict[str, float]:
    """Compute percentages over pairs, as the paper defines them.

    Args:
        human: share of votes for left, shape (pairs,).
        judge: share of GPT-4o's votes for left when left is shown first, and when right is shown
            first, shape (pairs, 2).
        differences: score of left minus score of right by name; 0 is a tie and not counted.

    Returns:
        Values for the keys of ``TARGETS`` on pairs.
    """
    second = (judge[:, 0] < 0.5) & (judge[:, 1] > 0.5)
    consistent = (judge[:, 0] < 0.5) == (judge[:, 1] < 0.5)
    people, model = human > 0.5, judge[:, 0] > 0.5
    agreed = np.maximum(human, 1 - human) > CONSENSUS - 1e-9
    sure = np.maximum(judge[:, 0], 1 - judge[:, 0]) > CONSENSUS - 1e-9
    both, same = consistent & agreed, people == model
    found = {
        "second in both orders": second.mean(),
        "human consensus": agreed[consistent].mean(),
        "gpt-4o consensus": sure[consistent].mean(),
        "human ~ gpt-4o, all": same[consistent].mean(),
        "human ~ gpt-4o, human consensus": same[both].mean(),
        "human ~ gpt-4o, human dissent": same[consistent & ~agreed].mean(),
    }
    for name, difference in differences.items():
        untied = both & (difference != 0)
        chosen = difference > 0
        found[f"human ~ {name}"] = (people == chosen)[untied].mean()
        found[f"gpt-4o ~ {name}"] = (model == chosen)[untied].mean()
    return {key: 100 * float(value) for key, value in found.items()}


def single_shares(answers: NDArray[np.float64]) -> tuple[float, float]:
    """Compute the consensus, and the share of yes in it, in percent.

    Args:
        answers: share of yes answers by image, shape (images,).
    """
    agreed = np.maximum(answers, 1 - answers) > CONSENSUS - 1e-9
    return 100 * float(agreed.mean()), 100 * float((answers[agreed] > 0.5).mean())


def measured(tables: Mapping[str, pa.Table]) -> dict[str, float]:
    """Measure each target in the tables of a synthetic data set.

    Args:
        tables: "pairs", "votes", "judgments" and "scores", as written.
    """
    pairs = tables["pairs"]
    keys = keys_of(pairs["pair_id"])
    scores = {
        name: dict(zip(rows["image_id"].to_pylist(), rows["score"].to_pylist(), strict=True))
        for name in (*SCORES, "lafin")
        if (rows := tables["scores"].filter(pc.equal(tables["scores"]["name"], name))).num_rows
    }
    left, right = pairs["left"].to_pylist(), pairs["right"].to_pylist()
    sides = list(zip(left, right, strict=True))
    differences = {
        name: np.array([scores[name][a] - scores[name][b] for a, b in sides]) for name in SCORES
    }
    human = _share(tables["votes"], "human", keys)
    judge = np.stack(
        [_share(tables["votes"], "gpt-4o-simulated", keys, first=side) for side in (1, -1)], axis=1
    )
    found = pair_agreements(human, judge, differences)
    views = np.array(list(scores["views"].values()))
    flag = np.array(list(scores["lafin"].values())) > 0
    found["views held by flagged images"] = 100 * float(views[flag].sum() / views.sum())
    for rater in ("human", "gpt-4o-simulated", "llama-3.2-simulated", "deepseek-vl2-simulated"):
        rows = tables["judgments"].filter(_by(tables["judgments"], rater))
        consensus, share = single_shares(_answers(rows))
        found[f"single {rater} consensus"], found[f"single {rater} yes"] = consensus, share
    return found


def _by(table: pa.Table, rater: str) -> pa.ChunkedArray:
    if rater == "human":
        return pc.equal(table["rater_kind"], "human")
    return pc.equal(table["rater_id"], rater)


def _answers(rows: pa.Table) -> NDArray[np.float64]:
    numbers = pa.table({"image_id": rows["image_id"], "yes": pc.cast(rows["answer"], pa.int8())})
    grouped = numbers.group_by("image_id").aggregate([("yes", "mean")])
    return np.asarray(grouped["yes_mean"].to_numpy(), dtype=np.float64)


def _share(
    table: pa.Table, rater: str, keys: NDArray[np.uint64], first: int | None = None
) -> NDArray[np.float64]:
    """Return the share of a rater's votes for left by pair, shape (pairs,)."""
    votes = Votes.from_table(table.filter(_by(table, rater)))
    if first is not None:
        votes = votes[votes.first == first]
    order = np.argsort(keys)
    at = order[np.searchsorted(keys, votes.key, sorter=order)]
    total = np.bincount(at, weights=votes.preference, minlength=len(keys))
    return total / np.bincount(at, minlength=len(keys))
