"""Compare views, comments, tags, … of a flag's two classes: how much leaks the flag."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from interestingness.errors import LabelError
from interestingness.number_text import percent
from interestingness.schema import Array
from interestingness.studies.result import Bars, Cell, Column, StudyResult, Table
from interestingness.studies.study import Material, Study
from interestingness.tables.tables import Tables

LEAK = 0.9
"""From this AUC on we call metadata a leak."""


class MetadataByClass(Study):
    """Make LaFin's table of metadata by class; its best-known row is views (97.2 %)."""

    def __init__(self, *, label: str) -> None:
        """Name the flag.

        Args:
            label: a score that is 1 for one class and 0 for the other.
        """
        self.label = label

    def run(self, material: Material) -> StudyResult:
        """Sum, centre and rank every number that is known of images, class by class.

        Raises:
            LabelError: if there is no such score, or it is not a flag of two classes.
        """
        tables = material.tables
        flag = _flag(tables, self.label)
        names = [name for name in tables.score_names() if name != self.label]
        scores = {name: tables.scores(name) for name in names}
        rows = [_row(name, values, flag) for name, values in {**scores, **_sizes(tables)}.items()]
        rows = sorted((row for row in rows if row), key=_distance, reverse=True)
        if not rows:
            raise LabelError(
                f"{tables.manifest.name}: no metadata beside the flag {self.label!r}",
                expected="scores such as views, or columns such as tags",
                todo="prepare the data set with them",
            )
        worst = rows[0]
        leaks = [str(row["metadata"]) for row in rows if _distance(row) >= LEAK - 0.5]
        return StudyResult(
            name="metadata_by_class",
            title="Metadata by class",
            answer=f"{worst['metadata']} tells the classes of {self.label} apart with an AUC of "
            f"{worst['auc']:.3f}; "
            + (
                f"{', '.join(leaks)} must not be features."
                if leaks
                else f"nothing reaches {LEAK}, from which on we speak of a leak."
            ),
            used=[
                ("data", tables.manifest.name),
                (
                    "flag",
                    f"score {self.label!r}: {int(flag[1].sum())} yes, {int(flag[0].sum())} no",
                ),
            ],
            tables=[_table(rows, self.label)],
            figures=[
                Bars(
                    "auc_by_metadata",
                    "How well each number alone tells the classes apart",
                    "Area under the ROC curve; 0.5 is chance, 0 or 1 gives the flag away.",
                    [str(row["metadata"]) for row in rows],
                    [row["auc"] for row in rows],  # type: ignore[misc]
                    "number",
                )
            ],
            notes=_notes(tables),
            simulated=material.simulated,
        )


def _flag(tables: Tables, label: str) -> NDArray[np.bool_]:
    """Select the members of class 0 and of class 1, shape (2, images)."""
    if label not in tables.score_names():
        raise LabelError(
            f"{tables.manifest.name}: no score {label!r}",
            expected="a flag, 1 or 0 for each image",
            todo="choose dataset=lafin, or name a flag: study.label=…",
        )
    values = tables.scores(label)
    classes = np.stack([values == 0, values == 1])
    if not classes.any(axis=1).all() or (~np.isnan(values) & ~classes.any(axis=0)).any():
        raise LabelError(
            f"{tables.manifest.name}: the score {label!r} is no flag",
            expected="1 for some images and 0 for others",
            todo="name another score: study.label=…",
        )
    return classes


def _sizes(tables: Tables) -> dict[str, Array]:
    """Count the tags of each image and the length of its texts."""
    found = {}
    for name, unit in (("tags", "number of tags"), ("title", "title"), ("description", "text")):
        if name in tables.images.column_names:
            cells = tables.images[name].to_pylist()
            title = unit if name == "tags" else f"characters of the {name}"
            found[title] = np.array([np.nan if cell is None else len(cell) for cell in cells])
    return found


def _row(name: str, values: Array, flag: NDArray[np.bool_]) -> Mapping[str, Cell]:
    known = ~np.isnan(values)
    no, yes = values[flag[0] & known], values[flag[1] & known]
    if not len(no) or not len(yes):
        return {}
    both = np.concatenate([no, yes])
    total = float(both.sum())
    countable = bool((both >= 0).all() and total > 0)
    return {
        "metadata": name,
        "share": float(yes.sum()) / total if countable else None,
        "mean_yes": float(yes.mean()),
        "mean_no": float(no.mean()),
        "median_yes": float(np.median(yes)),
        "median_no": float(np.median(no)),
        "auc": float(roc_auc_score(np.repeat([0, 1], [len(no), len(yes)]), both)),
        "images": len(both),
    }


def _distance(row: Mapping[str, Cell]) -> float:
    return abs(row["auc"] - 0.5)  # type: ignore[operator]


def _table(rows: list[Mapping[str, Cell]], label: str) -> Table:
    columns = (
        Column("metadata", "metadata"),
        Column(
            "share", f"share of {label} = 1", "percent",
            "Sum over images of that class, divided by the sum over both; what LaFin reports.",
        ),
        Column("mean_yes", "mean, 1", "number"),
        Column("mean_no", "mean, 0", "number"),
        Column("median_yes", "median, 1", "number"),
        Column("median_no", "median, 0", "number"),
        Column(
            "auc", "AUC", "number",
            "Probability that a random image of class 1 has more than one of class 0, ties half.",
        ),
        Column("images", "images", "count", "Those of which the number is known."),
    )  # fmt: skip
    return Table(
        "metadata_by_class",
        "Metadata by class",
        columns,
        rows,
        ["LaFin: the interesting images have 97.2 % of all views."],
    )


def _notes(tables: Tables) -> list[str]:
    facts = tables.manifest.facts
    if "tags_that_leak" not in facts:
        return []
    return [
        f"Tags that contain “explor” are {facts['leaking_tags']}: {facts['tags_that_leak']:,} of "
        f"{facts['distinct_tags_that_leak']:,} kinds, on "
        f"{percent(facts['share_of_interesting_images_with_one'])} of the interesting images and "
        f"{percent(facts['share_of_other_images_with_one'])} of the others. "
        f"{facts['titles_that_leak']:,} titles contain it too, and stay."
    ]
