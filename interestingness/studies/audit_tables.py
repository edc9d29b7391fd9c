"""Tables and figures of votes: who answered how, how far the raters agree."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import numpy as np
from scipy.special import gammaln

from interestingness.stats.agreement import cohen_kappa
from interestingness.studies.ballots import PEOPLE, Ballots, agreement_of
from interestingness.studies.result import (
    Bars,
    Cell,
    Column,
    Figure,
    HeatMap,
    IntervalChart,
    Table,
)

FEW = 30
"""Raters with fewer votes are not shown one by one: nothing could be said of them."""
EDGES = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Bins of consensus above a tie: above one edge, up to the next; then unanimous."""
BINS = ("tied", "up to 60 %", "60–70 %", "70–80 %", "80–90 %", "over 90 %", "unanimous")

INTERVAL_NOTE = "Brackets: 95 % intervals from resampled images."

POSITION_COLUMNS = (
    Column(
        "second", "second chosen", "percent",
        "share of the decided votes of known order that go to the image shown second; 50 without a "
        "preference for a place",
    ),
    Column(
        "consistent", "same in both orders", "percent",
        "of the pairs decided in both orders, the share with the same winner",
    ),
    Column("both_orders", "pairs in both orders", "count"),
    Column(
        "bias_index", "bias index", "signed",
        "(second twice − first twice) / pairs in both orders; above 0 favours the second place",
    ),
    Column("bias_p", "p", "text", "exact two-sided McNemar test that the bias index is 0"),
    Column(
        "order_term", "order term b", "signed",
        "what the image shown first gains, in logits (interval from the likelihood); below 0 "
        "favours the second place",
    ),
)  # fmt: skip


def p_text(p: float) -> str:
    """A p-value for people."""
    return "" if isnan(p) else "< .001" if p < 0.001 else f"{p:.3f}"[1:] if p < 1 else "1"


def position_cells(judge: Ballots) -> dict[str, Cell]:
    """Cells of ``POSITION_COLUMNS``; empty where no order is known."""
    if not judge.knows_order:
        return {}
    bias = judge.position_bias()
    cells: dict[str, Cell] = {
        "second": judge.second_chosen(),
        "both_orders": bias.pairs,
        "order_term": judge.order_term(),
    }
    if bias.pairs:
        cells |= {
            "consistent": bias.position_consistency,
            "bias_index": bias.bias_index,
            "bias_p": p_text(bias.p_value),
        }
    return cells


def judge_table(judges: Sequence[Ballots]) -> Table:
    """One row for people together and one for each model."""
    return Table(
        "judges",
        "Who answered, and how",
        [
            Column("judge", "judge"),
            Column("votes", "votes", "count"),
            Column(
                "with_others", "agrees with the others", "percent",
                "share of votes that are the majority of the other raters' votes on their pair (a "
                "tie of the others counts half): the human ceiling, where the raters are people",
            ),
            Column(
                "consensus", "consensus", "percent",
                "mean share of a pair's votes on its majority side, over pairs with two or more",
            ),
            Column("alpha", "alpha", "number", "Krippendorff's alpha (names: left, right, tie)"),
            Column(
                "agreement", "two raters agree", "percent",
                "share of the pairs of raters with the same answer to one pair of images",
            ),
            Column(
                "repetition", "repeats itself", "percent",
                "mean share of the commonest answer when a rater sees a pair in one order again; a "
                "coin gives 75 for two answers, 69 for five",
            ),
            Column("repeated", "repeated", "count", "pairs × orders × raters asked again"),
            Column("raters", "raters", "count"),
            Column("pairs", "pairs", "count"),
            Column("ties", "ties", "percent", "share of the usable votes that say “tie”"),
            Column("refusals", "refusals", "count", "votes without a usable answer"),
            Column("note", "note"),
        ],
        [_judge_row(judge) for judge in judges],
        [INTERVAL_NOTE],
    )  # fmt: skip


def position_table(judges: Sequence[Ballots]) -> list[Table]:
    """Which place each judge favours; nothing where no vote says what was shown first."""
    rows = [{"judge": j.name, "votes": _ordered(j), **position_cells(j)} for j in judges]
    if not any(judge.knows_order for judge in judges):
        return []
    return [
        Table(
            "position",
            "First or second: which place is favoured",
            [
                Column("judge", "judge"),
                Column("votes", "votes of known order", "count"),
                *POSITION_COLUMNS,
            ],
            rows,
            [
                "People answer a pair once each, so their orders are compared over different "
                "people; the order term uses every vote of known order.",
                INTERVAL_NOTE,
            ],
        )
    ]


def _ordered(judge: Ballots) -> int:
    return int((judge.usable & (judge.votes.first != 0)).sum())


def _judge_row(judge: Ballots) -> dict[str, Cell]:
    several = judge.several
    stable, cells = judge.repetition()
    usable = int(judge.usable.sum())
    return {
        "judge": judge.name,
        "votes": usable,
        "raters": judge.raters,
        "pairs": int((judge.number > 0).sum()),
        "ties": judge.ties / usable if judge.ties else None,
        "refusals": judge.refusals or None,
        "consensus": float(judge.consensus[several].mean()) if several.any() else None,
        "with_others": judge.interval(judge.hits),
        "agreement": judge.raw_agreement(),
        "alpha": judge.alpha(),
        "repetition": stable if cells else None,
        "repeated": cells or None,
        "note": _note(judge, bool(several.any())),
    }


def _note(judge: Ballots, several: bool) -> str:
    if not judge.usable.any():
        return "no usable answer"
    if judge.ties == int(judge.usable.sum()):
        return "all ties"
    if several:
        return ""
    return "one rater a pair" if (judge.number > 1).any() else "one vote a pair"


def _binned(consensus: np.ndarray) -> np.ndarray:
    """Bin of each consensus; 1e-9 so that 3 of 5 is "up to 60 %" however it was rounded."""
    inner = np.searchsorted(np.array(EDGES), consensus - 1e-9)
    return np.where(consensus > 1 - 1e-9, len(BINS) - 1, inner)


def consensus_shares(judge: Ballots) -> tuple[np.ndarray, np.ndarray]:
    """Pairs by consensus, and what coins would give for as many votes a pair, shape (7,) each.

    Votes that say “tie” count on neither side: a coin does not say it.
    """
    several = judge.several & (judge.decided > 1)
    counted = np.bincount(_binned(judge.consensus_of_decided[several]), minlength=len(BINS))
    by_coins = np.zeros(len(BINS))
    sizes, pairs = np.unique(judge.decided[several], return_counts=True)
    for n, many in zip(sizes.tolist(), pairs.tolist(), strict=True):
        k = np.arange(n + 1)
        at = _binned(np.maximum(k, n - k) / n)
        ways = np.exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) - n * np.log(2))
        by_coins += many * np.bincount(at, weights=ways, minlength=len(BINS))
    return counted, by_coins


def consensus_table(judge: Ballots) -> Table:
    """How many pairs have which share of votes on their majority side."""
    counted, by_coins = consensus_shares(judge)
    total = max(int(counted.sum()), 1)
    several = judge.several & (judge.decided > 1)
    sizes = judge.decided[several]
    low, high = (int(sizes.min()), int(sizes.max())) if len(sizes) else (0, 0)
    spread = f"{low}" if low == high else f"{low} to {high}"
    few = int(((judge.number > 0) & ~several).sum())
    return Table(
        "consensus",
        f"Consensus of {judge.name}",
        [
            Column("consensus", "votes on the majority side"),
            Column("pairs", "pairs", "count"),
            Column("share", "share", "percent"),
            Column("coins", "if all had tossed coins", "percent"),
        ],
        [
            {
                "consensus": label,
                "pairs": int(counted[i]),
                "share": counted[i] / total,
                "coins": by_coins[i] / total,
            }
            for i, label in enumerate(BINS)
            if counted[i] or by_coins[i] > 0.005 * total
        ],
        [
            f"Pairs with two or more votes that are no tie ({spread} a pair)"
            + (f"; {few:,} pairs without are left out." if few else "."),
        ],
    )


def consensus_bars(judge: Ballots) -> Bars:
    """The same as a picture."""
    counted, _ = consensus_shares(judge)
    return Bars(
        "consensus",
        f"Consensus of {judge.name}",
        "Pairs by the share of their votes on the majority side.",
        list(BINS),
        counted.astype(float).tolist(),
    )


def rater_table(raters: Sequence[Ballots], everyone: Ballots, people: Ballots | None) -> Table:
    """Raters one by one, those who agree least with the others first.

    Args:
        raters: the votes of each.
        everyone: all votes.
        people: those of people, against whom everybody is held; None where there are none.
    """
    shown = _shown(raters)
    rows = [_rater_row(rater, _hits(rater, everyone, people)) for rater in shown]
    rows.sort(key=lambda row: _estimate(row["with_others"]))
    left_out = len(raters) - len(shown)
    others = "the other raters'" if people is None else "(other) people's"
    return Table(
        "raters",
        "Raters one by one",
        [
            Column("rater", "rater"),
            Column("votes", "votes", "count"),
            Column("pairs", "pairs", "count"),
            Column(
                "with_others", "agrees with the others", "percent",
                f"share of the votes that are the majority of {others} votes on the pair",
            ),
            Column("compared", "compared", "count", "votes on pairs that others voted on, too"),
            Column("ties", "ties", "percent"),
            Column("refusals", "refusals", "count"),
            Column("repetition", "repeats itself", "percent"),
            Column("second", "second chosen", "percent"),
            Column("note", "note"),
        ],
        rows,
        [
            "Brackets: 95 % intervals that allow for pairs with an image in common.",
            "Those who agree least come first: an answer given without looking agrees in half of "
            "the cases.",
            *([f"{left_out:,} with fewer than {FEW} votes are not listed."] * (left_out > 0)),
        ],
    )  # fmt: skip


def _shown(raters: Sequence[Ballots]) -> list[Ballots]:
    """Raters with votes enough; all where nobody has."""
    many = [r for r in raters if int(r.usable.sum()) >= FEW]
    return many or list(raters)


def _hits(rater: Ballots, everyone: Ballots, people: Ballots | None) -> np.ndarray:
    """Per vote of the rater, whether the others chose the same; see ``agrees_with_others``."""
    at = everyone.votes.raters.index(rater.name)
    if people is None:
        return everyone.hits[everyone.votes.rater == at]
    own = people.votes.rater == at
    if own.any():
        return people.hits[own]
    lead = np.sign(rater.votes.preference - 0.5)
    asked = np.sign(people.share[rater.row] - 0.5)
    return np.where((lead != 0) & ~np.isnan(lead), 0.5 + 0.5 * lead * asked, np.nan)


def _rater_row(rater: Ballots, hit: np.ndarray) -> dict[str, Cell]:
    stable, cells = rater.repetition()
    usable = int(rater.usable.sum())
    decided = rater.usable & (rater.votes.preference != 0.5)
    places = rater.votes.first[decided] * np.sign(rater.votes.preference[decided] - 0.5)
    note = ""
    if usable and not decided.any():
        note = "all ties"
    elif len(places) >= FEW and abs(places).min() > 0 and abs(places.mean()) > 0.9:
        note = "nearly always the " + ("first" if places.mean() > 0 else "second")
    return {
        "rater": rater.name,
        "votes": usable,
        "pairs": int((rater.number > 0).sum()),
        "with_others": rater.interval(hit, quick=True),
        "compared": int((~np.isnan(hit)).sum()),
        "ties": rater.ties / usable if rater.ties else None,
        "refusals": rater.refusals or None,
        "repetition": stable if cells else None,
        "second": float((places[places != 0] < 0).mean()) if (places != 0).any() else None,
        "note": note,
    }


def _estimate(cell: Cell) -> float:
    """For sorting; what is not known comes last."""
    value = getattr(cell, "estimate", float("nan"))
    return 2.0 if isnan(value) else float(value)


def rater_chart(table: Table, most: int = 20) -> list[Figure]:
    """Agreement of single raters with the others; of many, those who agree least."""
    known = [row for row in table.rows if _estimate(row["with_others"]) <= 1]
    if len(known) < 2:
        return []
    of = "all raters" if len(known) <= most else f"the {most} who agree least of {len(known)}"
    return [
        IntervalChart(
            "raters",
            "Agreement with the other raters",
            f"Share of a rater's votes that are the majority of the others'; {of}.",
            [(str(row["rater"]), row["with_others"]) for row in known[:most]],  # type: ignore[misc]
            {"chance": 0.5},
        )
    ]


def agreement_table(judges: Sequence[Ballots]) -> Table:
    """Every two judges: pairs that both decided, agreement, kappa."""
    rows: list[dict[str, Cell]] = []
    for i, one in enumerate(judges):
        for other in judges[i + 1 :]:
            found, common = agreement_of(one.side, other.side, one.pairs, seed=one.seed)
            rows.append(
                {
                    "one": one.name,
                    "other": other.name,
                    "pairs": common,
                    "agreement": found,
                    "kappa": cohen_kappa(one.side, other.side),
                    "note": "" if common else "no pair that both decided",
                }
            )
    people = any(judge.name == PEOPLE for judge in judges)
    return Table(
        "agreement",
        "Agreement between " + ("judges" if people else "raters"),
        [
            Column("one", "one"),
            Column("other", "other"),
            Column("pairs", "common pairs", "count", "pairs on which both have a majority side"),
            Column("agreement", "agreement", "percent", "chance is 50: sides are arbitrary"),
            Column("kappa", "kappa", "number", "Cohen's, agreement beyond chance"),
            Column("note", "note"),
        ],
        rows,
        ["Several votes of one judge on a pair count by their majority.", INTERVAL_NOTE],
    )


def agreement_map(judges: Sequence[Ballots]) -> list[Figure]:
    """The same as a picture, where there is more than one number to see."""
    if len(judges) < 3:
        return []
    values = np.full((len(judges), len(judges)), np.nan)
    for i, one in enumerate(judges):
        for j, other in enumerate(judges):
            if i != j:
                p, q = one.side, other.side
                both = ~np.isnan(p) & ~np.isnan(q) & (p != 0.5) & (q != 0.5)
                if both.any():
                    values[i, j] = float(((p > 0.5) == (q > 0.5))[both].mean())
    names = [judge.name for judge in judges]
    return [
        HeatMap(
            "agreement",
            "Agreement between judges",
            "Share of commonly decided pairs on which the two choose the same side; 50 is chance.",
            names,
            names,
            values,
        )
    ]
