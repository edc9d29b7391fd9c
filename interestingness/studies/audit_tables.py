"""Build tables and figures of votes: answers, consensus, single raters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

import numpy as np
from scipy.special import gammaln

from interestingness.schema import Array
from interestingness.studies.panel import Ballots, Mask, Rows, Weighed
from interestingness.studies.result import Bars, Cell, Column, Figure, IntervalChart, Table
from interestingness.studies.table_columns import (
    DISCRIMINATION,
    INTERVAL_NOTE,
    NOTE,
    PAIRS,
    POSITION,
    REFUSALS,
    REPEATED,
    REPETITION,
    VOTES,
    position_cells,
    vote_cells,
)

FEW = 30
"""Raters with fewer votes are not shown one by one: nothing could be said of them."""
EDGES = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Bins of consensus above a tie: above one edge, up to the next; then unanimous."""
BINS = ("tied", "up to 60 %", "60–70 %", "70–80 %", "80–90 %", "over 90 %", "unanimous")
NO_TIES = Column("ties", "ties", "percent", "share of the usable votes that say “tie”")
BAD = Column(
    "both_bad", "both bad", "percent",
    "share of the answers that neither image is good; they count on no side and as no tie",
)  # fmt: skip


def voter_table(voters: Sequence[Ballots]) -> Table:
    """Build a table with a row for people together and one for each model."""
    return Table(
        "judges",
        "Who answered, and how",
        [
            Column("judge", "votes of"),
            VOTES,
            Column("with_others", "agrees with the others", "percent",
                   "share of votes that are the majority of the other raters' votes on their pair "
                   "(a tie of the others counts half): one person, where the raters are "
                   "people"),
            Column("consensus", "consensus", "percent",
                   "mean share of a pair's votes on its majority side, of pairs with two or more"),
            Column("alpha", "alpha", "number",
                   "Krippendorff's, of left, right and tie; answers that name a side agree by "
                   "chance in half of the cases"),
            Column("agreement", "two raters agree", "percent",
                   "share of the pairs of raters with the same answer to one pair of images"),
            REPETITION,
            REPEATED,
            Column("raters", "raters", "count"),
            PAIRS,
            NO_TIES,
            BAD,
            REFUSALS,
            NOTE,
        ],
        [_voter_row(voter) for voter in voters],
        [INTERVAL_NOTE],
    )  # fmt: skip


def _voter_row(voter: Ballots) -> dict[str, Cell]:
    several = voter.several
    return {
        "judge": voter.name,
        "raters": voter.raters,
        "pairs": int((voter.number > 0).sum()),
        "ties": voter.tie_share,
        "both_bad": voter.bad_share,
        "consensus": float(voter.consensus[several].mean()) if several.any() else None,
        "with_others": voter.interval(voter.hits),
        "agreement": voter.raw_agreement(),
        "alpha": voter.alpha(),
        "note": _note(voter),
        **vote_cells(voter),
    }


def _note(voter: Ballots) -> str:
    if not voter.usable.any():
        return "no usable answer"
    if voter.only_ties:
        return "all ties"
    if voter.several.any():
        return ""
    return "one rater a pair" if (voter.number > 1).any() else "one vote a pair"


def position_table(voters: Sequence[Ballots]) -> list[Table]:
    """Tabulate which place is favoured; empty if no vote records the order of display."""
    if not any(voter.knows_order for voter in voters):
        return []
    rows: list[dict[str, Cell]] = [
        {
            "judge": voter.name,
            "votes": int((voter.usable & (voter.votes.first != 0)).sum()),
            **position_cells(voter),
        }
        for voter in voters
    ]
    notes = [
        "People answer a pair once each, so their orders are compared over different people; the "
        "order term uses every vote of known order.",
        INTERVAL_NOTE,
    ]
    columns = [
        Column("judge", "votes of"),
        Column("votes", "votes of known order", "count"),
        *POSITION.values(),
    ]
    title = "First or second: which place is favoured"
    return [Table("position", title, columns, rows, notes)]


def discrimination_table(weighed: Mapping[str, Weighed]) -> list[Table]:
    """Tabulate discrimination beside the order term; empty where no a is known."""
    if all(one.unknown for one in weighed.values()):
        return []
    rows: list[dict[str, Cell]] = [
        {
            "judge": name,
            "discrimination": None if one.unknown else one.a,
            "order_term": None if isnan(one.b.low) else one.b,
            "note": f"a is not known: {one.unknown}" if one.unknown else "",
        }
        for name, one in weighed.items()
    ]
    columns = [Column("judge", "votes of"), DISCRIMINATION, POSITION["order_term"], NOTE]
    notes = [
        "Both are estimated together from all votes: logit P(left) = a · margin ± b, margins of "
        "mean 0 and SD 1. Where most raters share a fault, who lacks it has a small a.",
        "Brackets: 95 % intervals that allow for pairs with an image in common.",
    ]
    title = "How closely votes follow the others"
    return [Table("discrimination", title, columns, rows, notes)]


def consensus_views(voter: Ballots) -> tuple[Table, Bars]:
    """Count pairs by the share of votes on their majority side, as table and figure.

    Votes that say “tie” count on neither side: a coin has no third side.
    """
    several, sizes, consensus = _decided_pairs(voter)
    counted = np.bincount(_binned(consensus), minlength=len(BINS))
    by_coins = _shares_of_coins(sizes)
    total = max(int(counted.sum()), 1)
    low, high = (int(sizes.min()), int(sizes.max())) if len(sizes) else (0, 0)
    spread = f"{low}" if low == high else f"{low} to {high}"
    few = int(((voter.number > 0) & ~several).sum())
    left_out = f"; {few:,} pairs without are left out." if few else "."
    title = f"Consensus of {voter.name}"
    table = Table(
        "consensus",
        title,
        [
            Column("consensus", "votes on the majority side"),
            PAIRS,
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
        [f"Pairs with two or more votes that are no tie ({spread} a pair){left_out}"],
    )
    caption = "Pairs by the share of their votes on the majority side."
    return table, Bars("consensus", title, caption, list(BINS), counted.astype(float).tolist())


def _decided_pairs(voter: Ballots) -> tuple[Mask, Rows, Array]:
    """Select pairs with two votes for a side; return the number of such votes and consensus."""
    votes = voter.votes
    chose = voter.usable & (votes.preference != 0.5)
    pairs = len(voter.pairs)
    number = np.bincount(voter.row[chose], minlength=pairs)
    left = np.bincount(voter.row[chose & (votes.preference > 0.5)], minlength=pairs)
    several = voter.several & (number > 1)
    most = np.maximum(left, number - left)
    return several, number[several], most[several] / number[several]


def _binned(consensus: Array) -> np.ndarray:
    """Bin each consensus; 1e-9 so that 3 of 5 is "up to 60 %" however it was rounded."""
    inner = np.searchsorted(np.array(EDGES), consensus - 1e-9)
    return np.where(consensus > 1 - 1e-9, len(BINS) - 1, inner)


def _shares_of_coins(sizes: Rows) -> Array:
    """Expect pairs by bin from coin tosses, as many a pair as votes, shape (bins,)."""
    found = np.zeros(len(BINS))
    for n, many in zip(*np.unique(sizes, return_counts=True), strict=True):
        k = np.arange(n + 1)
        ways = np.exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) - n * np.log(2))
        bins = _binned(np.maximum(k, n - k) / n)
        found += many * np.bincount(bins, weights=ways, minlength=len(BINS))
    return found


def rater_table(
    raters: Sequence[Ballots],
    everyone: Ballots,
    people: Ballots | None,
    weighed: Mapping[str, Weighed],
) -> Table:
    """Tabulate raters one by one, those who agree least with the others first.

    Args:
        raters: the votes of each.
        everyone: all votes.
        people: those of people, with whom every rater is compared; None without any.
        weighed: discrimination of raters by name; those that are not there have none.
    """
    # all of them where nobody has votes enough
    shown = [r for r in raters if int(r.usable.sum()) >= FEW] or list(raters)
    rows = [
        _rater_row(rater, _hits(rater, everyone, people), weighed.get(rater.name))
        for rater in shown
    ]
    rows.sort(key=lambda row: _estimate(row["with_others"]))
    left_out = len(raters) - len(shown)
    others = "the other raters'" if people is None else "(other) people's"
    return Table(
        "raters",
        "Raters one by one",
        [
            Column("rater", "rater"),
            VOTES,
            PAIRS,
            Column("with_others", "agrees with the others", "percent",
                   f"share of the votes that are the majority of {others} votes on the pair"),
            Column("compared", "compared", "count", "votes on pairs that others voted on, too"),
            DISCRIMINATION,
            NO_TIES,
            REFUSALS,
            REPETITION,
            POSITION["second"],
            NOTE,
        ],
        rows,
        [
            "Brackets: 95 % intervals that allow for pairs with an image in common.",
            "Those who agree least come first: an answer given without looking agrees in half of "
            "the cases.",
            *([f"{left_out:,} with fewer than {FEW} votes are not listed."] * (left_out > 0)),
        ],
    )  # fmt: skip


def _hits(rater: Ballots, everyone: Ballots, people: Ballots | None) -> Array:
    """Check for each vote whether the others chose the same; see ``agrees_with_others``."""
    at = everyone.votes.raters.index(rater.name)
    if people is None:
        return everyone.hits[everyone.votes.rater == at]
    own = people.votes.rater == at
    if own.any():
        return people.hits[own]
    lead = np.sign(rater.votes.preference - 0.5)
    asked = np.sign(people.share[rater.row] - 0.5)
    return np.where((lead != 0) & ~np.isnan(lead), 0.5 + 0.5 * lead * asked, np.nan)


def _rater_row(rater: Ballots, hit: Array, weighed: Weighed | None) -> dict[str, Cell]:
    decided = rater.usable & (rater.votes.preference != 0.5)
    places = rater.votes.first[decided] * np.sign(rater.votes.preference[decided] - 0.5)
    note = ""
    if rater.usable.any() and not decided.any():
        note = "all ties"
    elif len(places) >= FEW and abs(places).min() > 0 and abs(places.mean()) > 0.9:
        note = "nearly always the " + ("first" if places.mean() > 0 else "second")
    return {
        "rater": rater.name,
        "pairs": int((rater.number > 0).sum()),
        "with_others": rater.interval(hit),
        "compared": int((~np.isnan(hit)).sum()),
        "discrimination": None if weighed is None or weighed.unknown else weighed.a,
        "ties": rater.tie_share,
        "second": float((places[places != 0] < 0).mean()) if (places != 0).any() else None,
        "note": note,
        **vote_cells(rater),
    }


def _estimate(cell: Cell) -> float:
    """Return the estimate as a sort key; unknown ones come last."""
    value = getattr(cell, "estimate", float("nan"))
    return 2.0 if isnan(value) else float(value)


def rater_chart(table: Table, most: int = 20) -> list[Figure]:
    """Draw the agreement of single raters with the others; of many, those who agree least."""
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
