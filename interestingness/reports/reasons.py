"""Read raters' reasons from a vote table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Reason:
    """One rater's reason; the text is untrusted.

    Attributes:
        rater: rater id.
        choice: "left", "right" or "tie".
        text: as the rater gave it.
        kind: "human" or "model".
    """

    rater: str
    choice: str
    text: str
    kind: str = "human"


def reasons_of(
    votes: pa.Table, pair_ids: Collection[str], *, question: str | None = None
) -> dict[str, list[Reason]]:
    """Collect reasons for some pairs, in table order, the same reason of a rater once.

    Args:
        votes: a checked vote table.
        pair_ids: pairs to look for.
        question: only votes on this question; None takes all.

    Returns:
        By pair id; pairs without a reason are absent.
    """
    mask = pc.and_(
        pc.is_in(votes["pair_id"], value_set=pa.array(list(pair_ids), pa.string())),
        pc.and_(pc.is_valid(votes["reason"]), pc.is_valid(votes["choice"])),
    )
    if question is not None:
        mask = pc.and_(mask, pc.equal(votes["question"], question))
    found: dict[str, list[Reason]] = {}
    columns = ["pair_id", "rater_id", "choice", "reason", "rater_kind"]
    for row in votes.filter(mask).select(columns).to_pylist():
        reason = Reason(row["rater_id"], row["choice"], row["reason"].strip(), row["rater_kind"])
        known = found.setdefault(row["pair_id"], [])
        if reason.text and reason not in known:
            known.append(reason)
    return {pair: reasons for pair, reasons in found.items() if reasons}
