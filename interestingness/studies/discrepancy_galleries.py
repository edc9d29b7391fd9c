"""Build galleries for the study of discrepancies: clusters, leads, pairs with reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.labels.votes import VoteSource
from interestingness.number_text import percent
from interestingness.stats.clusters import typical
from interestingness.studies.discrepancy_clusters import decided
from interestingness.studies.discrepancy_views import Seen
from interestingness.studies.result import Gallery, Shown, ShownPair
from interestingness.studies.texts import clean, source_raters

PICTURES, PAIRS, REASONS = 8, 8, 2
"""Pictures of a gallery, pairs that are shown, reasons of either source for one of them."""


def cluster_galleries(seen: Seen, *, most: int) -> list[Gallery]:
    """Show pictures of the clusters with a verdict, then of the largest others."""
    chosen = sorted(seen.found, key=lambda c: (c.verdict == "undecided", c.number))[:most]
    galleries = []
    for c in chosen:
        images = seen.texts.image[typical(seen.vectors, seen.cluster, c.number)]
        distinct = np.array(list(dict.fromkeys(images.tolist())))
        # Spread over the cluster: the few next to its centre are often of one kind only.
        spread = np.linspace(0, len(distinct) - 1, min(PICTURES, len(distinct))).round()
        shown = distinct[spread.astype(np.int64)].tolist()
        galleries.append(
            Gallery(
                f"Cluster {c.title}",
                f"{c.verdict}; {len(shown)} of {len(c.images):,} images, from the most to the "
                "least typical, and their ranks (0 % is the most interesting)",
                [_shown(row, seen) for row in shown],
            )
        )
    return galleries


def lead_galleries(seen: Seen) -> list[Gallery]:
    """Show the pictures with the largest lead of either model."""
    lead, (reference, source) = seen.sides.lead, seen.names
    known = np.flatnonzero(~np.isnan(lead))
    falling = known[np.argsort(-lead[known], kind="stable")]
    return [
        Gallery(
            f"Ranked higher by the model of {name}",
            "the largest leads, among images that the models were not trained on",
            [_shown(int(row), seen) for row in rows[:PICTURES]],
        )
        for name, rows in ((source, falling), (reference, falling[::-1]))
        if len(rows)
    ]


def _shown(row: int, seen: Seen) -> Shown:
    ranks = (seen.sides.reference_rank[row], seen.sides.source_rank[row])
    told = [
        f"{name} {percent(rank, digits=0)}"
        for name, rank in zip(seen.names, ranks, strict=True)
        if not np.isnan(rank)
    ]
    return Shown(str(seen.material.tables.image_ids[row]), ", ".join(told))


def disagreed_pairs(seen: Seen) -> list[Gallery]:
    """Show pairs on which the two sources differ most clearly, with their reasons."""
    sides, pairs = seen.sides, seen.material.pairs
    ids, pair_ids = seen.material.tables.image_ids, pairs.pair_ids
    clear = np.where(decided(sides), (sides.reference - 0.5) * (sides.source - 0.5), 0.0)
    # Sorted by how clear both preferences are; among equals, by the distance of the leads.
    apart = np.abs(np.nan_to_num(sides.lead[pairs.left] - sides.lead[pairs.right]))
    rows = np.lexsort((-apart, clear))[:PAIRS]
    rows = rows[clear[rows] < 0]
    if not len(rows):
        return []
    given = _reasons(seen, [pair_ids[row] for row in rows.tolist()])
    shown = []
    for row in rows.tolist():
        said = [
            f"{name} {'left' if p > 0.5 else 'right'} ({percent(max(p, 1 - p), digits=0)})"
            for name, p in zip(seen.names, (sides.reference[row], sides.source[row]), strict=True)
        ]
        left, right = (Shown(str(ids[side[row]])) for side in (pairs.left, pairs.right))
        shown.append(ShownPair(left, right, ", ".join(said), tuple(given.get(pair_ids[row], ()))))
    return [Gallery("Pairs on which they disagree most clearly", pairs=shown)]


def _reasons(seen: Seen, pair_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Collect some reasons of either source for some pairs, by pair id: rater and text."""
    tables = seen.material.tables
    found: dict[str, list[tuple[str, str]]] = {}
    for name in seen.names:
        source = seen.material.references.there[name]
        if not isinstance(source, VoteSource):
            continue
        table = tables.vote_table
        masks = [
            pc.is_in(table["pair_id"], value_set=pa.array(pair_ids, pa.string())),
            pc.is_in(table["rater_id"], value_set=pa.array(source_raters(source), pa.string())),
            pc.equal(table["question"], source.question),
            pc.and_(pc.is_valid(table["reason"]), pc.is_valid(table["choice"])),
        ]
        for mask in masks[1:]:
            masks[0] = pc.and_(masks[0], mask)
        count: Counter[str] = Counter()
        for row in table.filter(masks[0]).select(["pair_id", "choice", "reason"]).to_pylist():
            text, pair = clean(row["reason"]), row["pair_id"]
            if text and count[pair] < REASONS:
                count[pair] += 1
                found.setdefault(pair, []).append((f"{name}, {row['choice']}", text))
    return found
