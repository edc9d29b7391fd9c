"""Build table, chart and map of the clusters in the study of discrepancies, and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from interestingness.number_text import percent
from interestingness.schema import Array
from interestingness.stats.clusters import typical
from interestingness.studies.discrepancy_clusters import ClusterFacts, Sides, decided
from interestingness.studies.result import Column, IntervalChart, Scatter, Table
from interestingness.studies.study import Material
from interestingness.studies.table_columns import Field, table_of
from interestingness.studies.texts import Texts

ON_MAP = 24
"""Pictures on the map."""
LABEL = 90
"""Characters of a text on the map."""
FEW = 8
"""Texts below which a map by neighbours makes no sense."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Everything that the study has found about clusters.

    Attributes:
        material: tables, pictures, references.
        names: of reference and source.
        texts: what was clustered.
        vectors: of the texts, shape (texts, dim).
        cluster: numbers from 0, shape (texts,).
        found: facts of each cluster.
        sides: preferences and ranks of both sources.
    """

    material: Material
    names: tuple[str, str]
    texts: Texts
    vectors: Array
    cluster: NDArray[np.int64]
    found: Sequence[ClusterFacts]
    sides: Sides


def cluster_table(seen: Seen, *, of: str, reasons_by: str) -> Table:
    """Build a row for each cluster: agreement, agreed winners, ranks by two models, verdict."""
    reference, source = seen.names
    giver, reader = (reference, source) if reasons_by == "reference" else (source, reference)
    agreement = "share of pairs with an image of the cluster, decided by both, with the same side"
    middle = "chance"
    if of == "reasons":
        middle = "the mean of images with reasons"
        agreement = (
            f"share of the votes of {giver} with such a reason whose image {reader} prefers too"
        )
    fields: list[Field[ClusterFacts]] = [
        Field(Column("cluster", "cluster", help="by size; words frequent in it and rare elsewhere"),
              lambda c: c.title),
        Field(Column("verdict", "verdict"), lambda c: c.verdict),
        Field(Column("agreement", "A", "percent", agreement), lambda c: c.agreement),
        Field(Column("images", "images", "count", "different images that it is about"),
              lambda c: len(c.images)),
        Field(Column("lead", f"lead of {source}", "percent",
                     f"rank by {reference} minus rank by {source}: positive where the model of "
                     f"{source} likes the cluster more"),
              lambda c: c.lead),
        Field(Column("people_rank", f"rank, {reference}", "percent",
                     f"mean rank of its images by a model trained on {reference}, among images "
                     "that the model was not trained on; 0 % is the most interesting, 50 % "
                     f"{middle}"),
              lambda c: c.reference_rank),
        Field(Column("judge_rank", f"rank, {source}", "percent", f"the same, model of {source}"),
              lambda c: c.source_rank),
        Field(Column("agreed_winner", "agreed winner", "percent",
                     "of the pairs on which both agree and that have one image of the cluster: "
                     "share in which that image wins"),
              lambda c: c.agreed_winner),
        Field(Column("texts", "texts", "count"), lambda c: None if of == "images" else c.texts),
        Field(Column("pairs", "votes" if of == "reasons" else "pairs", "count", "behind A"),
              lambda c: c.pairs),
    ]  # fmt: skip
    notes = [
        "verdict: both like (both ranks better than 50 %, intervals included), both dislike "
        "(both worse), the name of the source whose model likes it more (the lead's interval "
        "leaves out 0), else undecided",
        "intervals of 95 %: of A and the agreed winner over resampled images; of ranks and leads "
        "for other images of the cluster and other training pairs",
        f"each interval stands for itself: of {len(seen.found)} clusters without any difference, "
        "about one in twenty would get a verdict",
    ]
    return table_of("clusters", "Clusters", seen.found, fields, notes)


def lead_chart(seen: Seen) -> IntervalChart:
    """Draw the lead of the source, by cluster, from the largest down."""
    reference, source = seen.names
    known = [c for c in seen.found if not np.isnan(c.lead.low)]
    known.sort(key=lambda c: -c.lead.estimate)
    return IntervalChart(
        "leads",
        f"Clusters that {source} ranks higher than {reference}",
        f"Mean rank by the model of {reference} minus that of {source}, in percent of all images.",
        [(c.title, c.lead) for c in known],
        {"the same": 0.0},
    )


def text_map(seen: Seen) -> Scatter:
    """Draw the texts in the plane, coloured by verdict, with a picture of each large cluster."""
    place, method = _plane(seen.vectors, seen.material.seed)
    pictures = {}
    for c in seen.found[:ON_MAP]:
        row = int(typical(seen.vectors, seen.cluster, c.number)[0])
        pictures[row] = str(seen.material.tables.image_ids[seen.texts.image[row]])
    members = [seen.found[number] for number in seen.cluster.tolist()]
    return Scatter(
        "map",
        "Map",
        f"Near points have like vectors ({method}); distances between far clusters mean nothing.",
        place[:, 0],
        place[:, 1],
        [c.verdict for c in members],
        [
            ": ".join(part for part in (c.title, text[:LABEL]) if part)
            for c, text in zip(members, seen.texts.text, strict=True)
        ],
        pictures,
    )


def _plane(vectors: Array, seed: int) -> tuple[Array, str]:
    """Compute two coordinates a row: t-SNE, initialised by principal components."""
    if len(vectors) < FEW or vectors.shape[1] < 2:
        flat = PCA(min(2, *vectors.shape), random_state=seed).fit_transform(vectors)
        wide = np.zeros((len(vectors), 2))
        wide[:, : flat.shape[1]] = flat
        return wide, "principal components"
    # Equal vectors would leave the start without spread, which t-SNE divides by.
    jitter = np.random.default_rng(seed).normal(0, 1e-4, vectors.shape)
    start = PCA(2, random_state=seed).fit_transform(vectors + jitter)
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-12)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init=start, learning_rate="auto", random_state=seed)
    return np.asarray(tsne.fit_transform(vectors), dtype=np.float64), "t-SNE"


def answer(seen: Seen) -> str:
    """State how often they agree, and how many clusters have which verdict."""
    sides, (reference, source) = seen.sides, seen.names
    rows = decided(sides)
    same = ((sides.reference > 0.5) == (sides.source > 0.5))[rows]
    share = f"{percent(same.mean())}" if rows.any() else "none"
    told = [
        f"{text} {count}"
        for text in ("both like", "both dislike", f"{source} more", f"{reference} more")
        if (count := sum(c.verdict == text for c in seen.found))
    ]
    return (
        f"{reference} and {source} choose the same side of {share} of the {int(rows.sum()):,} "
        f"pairs that both decide (of {len(seen.material.pairs):,}). Of {len(seen.found)} "
        f"{'cluster' if len(seen.found) == 1 else 'clusters'}: "
        f"{', '.join(told) or 'none with a verdict'}."
    )


def reading_notes(seen: Seen, of: str) -> list[str]:
    """List the limits that a reader must know."""
    notes = []
    if seen.material.simulated and any(seen.texts.text):
        notes.append(
            "texts of simulated data are templates filled in from the planted attributes of each "
            "scene: clusters and words follow from that and say nothing about people"
        )
    if of == "reasons":
        notes.append(
            "a reason stands for the image that its vote chose; ties have no image. Such images "
            "have won, and rank high whatever the reason: ranks are shifted so that 50 % is their "
            "mean, and a verdict compares a reason with the other reasons"
        )
    notes.append(
        "attributes are measured on the whole picture, made to fit 256 pixels; faces and motion "
        "count only where a detector or a score of the data set tells (study.attributes, "
        "study.scores)"
    )
    return notes
