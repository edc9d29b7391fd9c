"""``scorer=commonly_interesting``: the CI score of the ECCV paper, from people's favourites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.models.backbone import Backbone
from interestingness.models.scaling import FeatureScaler
from interestingness.scoring.table_scorer import ScorerMaterial, TableScorer
from interestingness.stats.common_interest import common_interest, semantic_partitions
from interestingness.tables.image_names import COLUMNS
from interestingness.tables.tables import Tables
from interestingness.tables.user_tables import read_user_table

JUDGMENTS = "judgments"


class CommonlyInteresting(TableScorer):
    """Number of people who have a favourite of the image's kind.

    Features are clustered, clusters are merged into semantic partitions, and the score of an image
    is the number of distinct users with a favourite in its partition. The paper does not state its
    settings: each is an option here.

    Source:
        Abdullahu and Grabner 2024 (ECCV).
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        favourites: str,
        question: str,
        clusters: int,
        partitions: int,
        linkage: str,
        scaling: str,
        normalise: str,
        seed: int,
        column: str,
    ) -> None:
        """Keep the settings.

        Args:
            backbone: whose features are clustered.
            favourites: "judgments" (answers "yes" in the data set's table of judgments, as
                ``dataset=flickr_user`` writes them), or a CSV or Parquet file with the columns
                ``image_id`` and ``user_id``.
            question: of the judgments that are used.
            clusters: cells of k-means.
            partitions: groups of cells.
            linkage: how cells are merged: "ward", "average", "complete" or "single".
            scaling: of features before they are clustered: "none" or "unit".
            normalise: by the largest partition's users ("max"), by all users ("users"), or not
                ("count").
            seed: of k-means.
            column: name of the score.
        """
        self._backbone, self.column, self.licence = backbone, column, backbone.licence
        self.favourites, self.question = favourites, question
        self._clustering = {
            "clusters": clusters,
            "partitions": partitions,
            "linkage": linkage,
            "seed": seed,
        }
        self.scaling, self.normalise = scaling, normalise

    def describe(self) -> str:
        """Settings and backbone."""
        settings = ", ".join(f"{k} {v}" for k, v in self._clustering.items())
        rule = f"{settings}, scaling {self.scaling}, normalised by {self.normalise}"
        return f"people with a favourite of the kind ({rule}) on {self._backbone.describe()}"

    def identity(self) -> str:
        """Settings and contract of the features; favourites and images belong to the data set."""
        rule = [self._clustering, self.scaling, self.normalise, self.question]
        return f"commonly_interesting {rule} {self._backbone.fingerprint()}"

    def scores(self, material: ScorerMaterial) -> NDArray[np.float64]:
        """Scores of all images whose files can be read, also of those without a favourite."""
        image, user = read_favourites(self.favourites, self.question, material.tables)
        features, present = material.features(self._backbone)
        rows = np.flatnonzero(present)
        scores = np.full(len(present), np.nan)
        if not len(rows):
            return scores
        scaled = FeatureScaler(self.scaling, self._backbone.dim).scaled(features[rows])
        partition = semantic_partitions(scaled, **self._clustering)  # type: ignore[arg-type]
        place = np.full(len(present), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        there = place[image] >= 0
        scores[rows] = common_interest(
            partition, place[image[there]], user[there], normalise=self.normalise
        )
        return scores


def read_favourites(
    favourites: str, question: str, tables: Tables
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row of the image and number of the user of each favourite, both of shape (favourites,).

    Raises:
        DataError: if there is no such table, or no favourite of the data set's images in it.
    """
    if favourites == JUDGMENTS:
        table = tables.table("judgments") if tables.has("judgments") else None
        if table is not None:
            likes = pc.and_(pc.equal(table["question"], question), pc.equal(table["answer"], True))
            table = table.filter(likes).select(["image_id", "rater_id"])
        where = f"judgments on {question!r}"
    else:
        table, where = _of_file(Path(favourites).expanduser()), favourites
    rows = np.empty(0)
    if table is not None:
        found = pc.index_in(table.column(0), value_set=pa.array(tables.image_ids))
        rows = found.to_numpy(zero_copy_only=False).astype(np.float64)
    known = ~np.isnan(rows)
    if table is None or not known.any():
        raise DataError(
            f"{where}: no favourite of an image of {tables.manifest.name}",
            expected="who likes which image",
            todo="scorer.favourites=FILE with the columns image_id and user_id, or "
            "dataset=flickr_user",
        )
    users = table.column(1).combine_chunks().dictionary_encode().indices
    return rows[known].astype(np.int64), users.to_numpy().astype(np.int64)[known]


def _of_file(file: Path) -> pa.Table:
    table = read_user_table(file)
    names = {
        "image_id": table.need("image_id", ("image_id", *COLUMNS), {}),
        "user_id": table.need("user_id", ("user_id",), {}),
    }
    favourites = pa.table({ours: table.columns[theirs] for ours, theirs in names.items()})
    return favourites.drop_null()
