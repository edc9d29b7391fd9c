"""Reproduce table 3 of Visual Interestingness Decoded (ICCV 2025), and the differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.labels.aggregation import ROUNDING
from interestingness.labels.source import Labels
from interestingness.schema import Array, Pairs
from interestingness.stats.agreement import agreement
from interestingness.studies.label_source_table import Ablation, LabelSourceTable
from interestingness.studies.result import Cell, Column, Spread, StudyResult, Table
from interestingness.studies.source_heads import FITS, SourceHeads
from interestingness.studies.study import Material, Study
from interestingness.studies.table_columns import NOTE

DATA = "visual_interestingness"
HUMAN, GPT = "human", "gpt4o"
SPLITS = 50
Published = Mapping[str, tuple[float, float]]

AGREEMENT: Mapping[str, tuple[float | None, float | None]] = {
    HUMAN: (None, 73.8),
    GPT: (73.8, None),
    "cupl": (60.3, 60.9),
    "commonly_interesting": (69.6, 67.6),
    "memorability": (35.5, 39.1),
    "aesthetic": (68.3, 75.1),
    "views": (61.7, 63.9),
    "favorites": (66.4, 74.0),
    "comments": (68.0, 74.8),
}
"""A^(H,x) and A^(G,x) on C_H, percent."""
ACCURACY: Mapping[str, Published] = {
    HUMAN: {
        HUMAN: (77.5, 2.5), GPT: (73.4, 3.4), "cupl": (61.5, 3.5),
        "commonly_interesting": (69.6, 3.6), "memorability": (34.7, 4.0), "aesthetic": (69.0, 3.7),
        "views": (63.4, 3.4), "favorites": (66.3, 3.2), "comments": (66.6, 3.1),
    },
    GPT: {
        HUMAN: (72.0, 3.4), GPT: (84.8, 2.5), "cupl": (63.2, 3.1),
        "commonly_interesting": (69.1, 3.3), "memorability": (38.3, 3.6), "aesthetic": (73.6, 3.7),
        "views": (66.3, 3.4), "favorites": (69.4, 3.1), "comments": (70.2, 3.2),
    },
}  # fmt: skip
"""Reference → source → mean and SD of accuracy, percent."""
RANKS: Mapping[str, Published] = {
    HUMAN: {
        GPT: (0.59, 0.06), "cupl": (0.34, 0.07), "commonly_interesting": (0.54, 0.06),
        "memorability": (-0.42, 0.08), "aesthetic": (0.50, 0.07), "views": (0.39, 0.08),
        "favorites": (0.47, 0.07), "comments": (0.46, 0.07),
    },
    GPT: {
        HUMAN: (0.59, 0.06), "cupl": (0.42, 0.08), "commonly_interesting": (0.52, 0.06),
        "memorability": (-0.34, 0.07), "aesthetic": (0.67, 0.06), "views": (0.48, 0.08),
        "favorites": (0.57, 0.07), "comments": (0.58, 0.07),
    },
}  # fmt: skip
"""Model → the other model's source → mean and SD of r_S."""
SETS = {
    "c_human": ("|C_H| of S", 56.3),
    "c_gpt": ("|C_G| of S", 95.5),
    "on_s": ("A^(H,G) on S", 66.2),
    "on_c": ("A^(H,G) on C_H", 73.8),
    "on_d": ("A^(H,G) on D_H", 56.5),
}
"""Pairs: what is counted, and the published percentage."""


class IccvTable3(Study):
    """Run the ablation of label sources on the published files; compare with the paper."""

    def __init__(self, **settings: Any) -> None:
        """Take the settings of ``LabelSourceTable``; its reference is people.

        Args:
            settings: all but ``reference``.
        """
        self.ablation = LabelSourceTable(reference=HUMAN, **settings)

    def run(self, material: Material) -> StudyResult:
        """Run ``label_source_table``, and put the comparison with the paper first.

        Raises:
            DataError: for another data set, for files that are not the published ones, and for
                simulated raters: their numbers must not be shown as a paper's.
        """
        manifest = material.tables.manifest
        simulated = [*_simulated(material)]
        if manifest.name != DATA or manifest.simulated or simulated:
            why = manifest.simulated or "; ".join(simulated) or "another data set"
            raise DataError(
                f"data set {manifest.name!r}: {why}",
                expected="the published files; only their numbers may stand beside the paper's",
                todo="dataset=visual_interestingness dataset.folder=… with the download, or "
                "study=label_source_table, which takes any data",
            )
        found = self.ablation.fit(material)
        full = self.ablation.tell(material, found)
        tables = compare(found, material.pairs, threshold=self.ablation.threshold)
        return replace(
            full,
            name="iccv25_table3",
            title="Table 3 of Visual Interestingness Decoded (ICCV 2025)",
            tables=[*tables, *full.tables],
            notes=[*_differences_of_method(found), *full.notes],
        )


def compare(found: Ablation, pairs: Pairs, *, threshold: float) -> list[Table]:
    """Tabulate published, ours and difference. Whose votes these are is not checked.

    Args:
        found: the ablation with people's and GPT-4o's votes among its references.
        pairs: of the data.
        threshold: of consensus.
    """
    within = found.scope.masks.get("order_consistent", found.scope.masks["all"])
    return [
        _accuracies(found.heads),
        _ranks(found.heads),
        _agreements(found.labels, within, threshold),
        _sets(found.labels, within, threshold),
    ]


def _accuracies(heads: SourceHeads) -> Table:
    columns = [Column("source", "x"), Column("judge", "against"), *_columns("percent", ", points")]
    return Table(
        "iccv25_table3",
        "Accuracy on held-out pairs: published and ours",
        columns,
        _compare(heads, ACCURACY, heads.accuracy, heads.references, other="judge", scale=100),
        [
            "Mean ± SD over splits. The paper gives neither optimiser nor which pairs are split; "
            "that images are split and consensus pairs used is our reading."
        ],
    )


def _ranks(heads: SourceHeads) -> Table:
    return Table(
        "iccv25_table3_ranks",
        "r_S between two trained models: published and ours",
        [Column("source", "x"), Column("model", "and"), *_columns("number", "")],
        _compare(heads, RANKS, heads.rank_correlation, heads.sources, other="model", scale=1),
        ["Spearman's correlation over the images of a split's test pairs."],
    )


def _compare(
    heads: SourceHeads,
    published: Mapping[str, Published],
    values: Array,
    names: tuple[str, ...],
    *,
    other: str,
    scale: int,
) -> list[dict[str, Cell]]:
    """Make a row for each published number.

    Args:
        heads: ours.
        published: what each source is compared with → source → mean and SD.
        values: ours, shape (F, K, names, S).
        names: of the third axis of the values.
        other: key of the second column.
        scale: factor from our numbers to the published ones (percent: 100).
    """
    rows: list[dict[str, Cell]] = []
    for second, by_source in published.items():
        for source, (mean, sd) in by_source.items():
            row: dict[str, Cell] = {
                "source": source,
                other: second,
                "published": Spread(mean / scale, sd / scale, SPLITS),
            }
            for f, fit in enumerate(FITS):
                if source in heads.sources and second in names:
                    at = heads.sources.index(source), names.index(second)
                    own = Spread.of(values[f, *at])
                    if own.repeats:
                        row |= {f"ours_{f}": own, f"difference_{f}": scale * own.mean - mean}
                        continue
                row["note"] = _lacking(heads, f, source, second, fit)
            rows.append(row)
    return rows


def _agreements(labels: Mapping[str, Labels], within: NDArray[np.bool_], threshold: float) -> Table:
    rows: list[dict[str, Cell]] = []
    clear = (
        within & (labels[HUMAN].consensus >= threshold - ROUNDING) if HUMAN in labels else within
    )
    for source, published in AGREEMENT.items():
        for reference, percent in zip((HUMAN, GPT), published, strict=True):
            if percent is None:
                continue
            row: dict[str, Cell] = {
                "source": source,
                "judge": reference,
                "published": percent / 100,
            }
            if source in labels and reference in labels:
                one, other = labels[reference], labels[source]
                ours = agreement(np.where(clear, one.preference, np.nan), other.preference)
                row |= {
                    "ours": ours,
                    "difference": 100 * ours - percent,
                    "pairs": int(
                        (clear & labels[reference].decided & labels[source].decided).sum()
                    ),
                }
            else:
                row["note"] = f"no {source if source not in labels else reference} in these files"
            rows.append(row)
    return Table(
        "iccv25_table3_agreement",
        "Agreement on C_H: published and ours",
        [
            Column("source", "x"),
            Column("judge", "with"),
            Column("published", "published", "percent"),
            Column("ours", "ours", "percent"),
            Column("difference", "difference, points", "signed"),
            Column("pairs", "pairs", "count", "of C_H that both decide"),
            NOTE,
        ],
        rows,
    )


def _sets(labels: Mapping[str, Labels], within: NDArray[np.bool_], threshold: float) -> Table:
    ours: dict[str, float] = {}
    if HUMAN in labels and GPT in labels:
        people, judge = labels[HUMAN], labels[GPT]
        clear = {n: within & (x.consensus >= threshold - ROUNDING) for n, x in labels.items()}
        voted = {n: within & ~np.isnan(x.consensus) for n, x in labels.items()}
        dissent = voted[HUMAN] & ~clear[HUMAN]
        ours = {
            "c_human": _share(clear[HUMAN], voted[HUMAN]),
            "c_gpt": _share(clear[GPT], voted[GPT]),
        }
        for key, where in (("on_s", within), ("on_c", clear[HUMAN]), ("on_d", dissent)):
            p = np.where(where, people.preference, np.nan)
            ours[key] = agreement(p, judge.preference)
    rows: list[dict[str, Cell]] = [
        {
            "what": text,
            "published": percent / 100,
            "ours": ours.get(key),
            "difference": 100 * ours[key] - percent if key in ours else None,
            "note": "" if key in ours else "these files lack people's or GPT-4o's votes",
        }
        for key, (text, percent) in SETS.items()
    ]
    return Table(
        "iccv25_pairs",
        "The pairs: published and ours",
        [
            Column("what", "what"),
            Column("published", "published", "percent"),
            Column("ours", "ours", "percent"),
            Column("difference", "difference, points", "signed"),
            NOTE,
        ],
        rows,
    )


def _columns(kind: Any, unit: str) -> list[Column]:
    columns = [Column("published", "published", kind)]
    for f, fit in enumerate(FITS):
        columns += [
            Column(f"ours_{f}", f"ours: {fit}", kind),
            Column(f"difference_{f}", f"difference{unit}", "signed"),
        ]
    return [*columns, NOTE]


def _lacking(heads: SourceHeads, f: int, source: str, other: str, fit: str) -> str:
    for name, known in ((source, heads.sources), (other, heads.references)):
        if name not in known:
            return f"no {name} in these files"
    why = heads.why(f, heads.sources.index(source)) or f"{other} decides no test pair"
    return f"{fit}: {why}"


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else float("nan")


def _simulated(material: Material) -> set[str]:
    every = (*material.sources.there.values(), *material.references.there.values())
    return {said for source in every if (said := source.simulated())}


def _differences_of_method(found: Ablation) -> list[str]:
    if "order_consistent" in found.scope.masks:
        return []
    return [
        "The paper drops pairs on which GPT-4o changes its winner when the images are exchanged. "
        f"That cannot be told here ({found.scope.texts['order_consistent']}): all pairs stay in, "
        "and agreement is lower for it."
    ]
