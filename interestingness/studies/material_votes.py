"""The votes of a study's material, by judge."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from interestingness.errors import DataError
from interestingness.studies.ballots import Ballots, by_judge, kinds_of
from interestingness.studies.study import Material
from interestingness.tables.tables import Votes


def question_rows(material: Material) -> pa.Table:
    """Rows of the vote table on the material's question.

    Raises:
        DataError: if there is no vote on it.
    """
    tables = material.tables
    table = tables.vote_table if tables.has("votes") else None
    if table is not None:
        table = table.filter(pc.equal(table["question"], material.question))
    if table is None or table.num_rows == 0:
        raise DataError(
            f"{tables.manifest.name}: no votes on the question {material.question!r}",
            expected="a data set with votes on it",
            todo="give dataset.votes=votes.csv, ratings to make votes of, or another question=…",
        )
    return table


def annotate_command(material: Material, *options: str) -> str:
    """The command that obtains votes for the data that the user named."""
    typed = [o for o in material.overrides if o.lstrip("+~").startswith(("dataset", "question"))]
    named = any(o.startswith("dataset=") for o in typed)
    default = material.tables.manifest.name == "synthetic"
    words = [*([] if named or default else ["dataset=…"]), *typed, *options]
    return f"`interestingness annotate {' '.join(words)}`"


def judges_of(material: Material, *, personas: bool = False) -> list[Ballots]:
    """People together, then each model; a model that is told to be somebody is left out.

    Args:
        material: with votes.
        personas: take the votes with a persona instead, each rater by itself.

    Raises:
        DataError: if there is no such vote.
    """
    rows = question_rows(material)
    told = pc.fill_null(pc.not_equal(rows["persona"], ""), False)
    table = rows.filter(told if personas else pc.invert(told))
    if table.num_rows == 0:
        what = "votes of personas" if personas else "votes without a persona"
        raise DataError(
            f"{material.tables.manifest.name}: no {what} on {material.question!r}",
            expected="votes with a persona" if personas else "votes of people or models",
            todo=annotate_command(
                material,
                f"annotator={'simulated' if material.tables.manifest.simulated else 'gpt4o'}",
                *(["personas=paper"] if personas else []),
            )
            + " obtains them",
        )
    votes = Votes.from_table(table)
    kinds = kinds_of(table["rater_id"].to_pylist(), table["rater_kind"].to_pylist(), votes)
    return by_judge(votes, kinds, material.pairs, seed=material.seed)
