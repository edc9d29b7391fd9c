"""Reproduce LaFin's table of modalities: how well each, and several, predict interest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from interestingness.data.splits import PairSplit
from interestingness.errors import ConfigError, LabelError
from interestingness.learning.fusion_fit import Examples, FusionRecipe, fit_fusion
from interestingness.models.fusion import widths_of
from interestingness.number_text import percent, points
from interestingness.schema import Array
from interestingness.stats.agreement import correct
from interestingness.stats.decisions import decision_interval, decisions
from interestingness.stats.paired_splits import PairedDifference, corrected_paired_t
from interestingness.studies.leaking_tags import ANY, leaking_images, predictive_tag_tables
from interestingness.studies.result import Cell, Column, IntervalChart, Spread, StudyResult, Table
from interestingness.studies.study import Material, Study
from interestingness.tables.tables import Tables

LEAKY = "_with_leaks"
MEASURES = ("train", "validation", "test", "precision", "recall", "pairs")


@dataclass(frozen=True)
class Combination:
    """One row: modalities, and whether they are reduced before they are concatenated."""

    names: tuple[str, ...]
    reduce: bool = True

    @property
    def leaks(self) -> bool:
        """Check whether it sees tags that leak the label."""
        return any(name.endswith(LEAKY) or name == ANY for name in self.names)


class LafinTable1(Study):
    """Train every combination of modalities, for "interesting or not" and for pairs."""

    def __init__(
        self,
        *,
        label: str,
        source: str,
        weight: str | None,
        splits: int,
        epochs: int,
        pair_epochs: int,
        lr: float,
        batch_size: int,
        hidden: int,
        dropout: float,
    ) -> None:
        """Keep the settings; modalities come from ``model.modalities``.

        Args:
            label: a score: a flag of 1 and 0, or a number that is cut at its median.
            source: label source of the pairs, by name.
            weight: score that counts impressions: an image's weight is its count, a pair's the
                harmonic mean of both; None weights all equally.
            splits: repetitions; with one, intervals are over resampled test images.
            epochs: of single images.
            pair_epochs: of pairs, of which there are more.
            lr, batch_size, hidden, dropout: see ``FusionRecipe``.

        Raises:
            ConfigError: for numbers out of range, all of them in one error.
        """
        counts = {
            "splits": splits,
            "epochs": epochs,
            "pair_epochs": pair_epochs,
            "batch_size": batch_size,
            "hidden": hidden,
        }
        _check_numbers(counts, lr, dropout)
        self.label, self.source, self.weight, self.splits = label, source, weight, splits
        self.recipes = {
            pairs: FusionRecipe(lr, batch_size, count, hidden, dropout)
            for pairs, count in ((False, epochs), (True, pair_epochs))
        }

    def run(self, material: Material) -> StudyResult:
        """Train every combination on every split.

        Raises:
            LabelError: for a score or source that is not there.
            ConfigError: if the model has no modalities, or options of its head were given.
            DataError: from a split without a validation part.
        """
        _check_overrides(material.overrides)
        tables, features = material.tables, material.features
        if " + " not in features.embedding.architecture or features.embedding.family != "cached":
            raise ConfigError(
                f"one modality only: {features.embedding.architecture}",
                expected="at least two modalities side by side",
                todo="model=modalities model.modalities=[image,tags]",
            )
        widths = widths_of(features.embedding.architecture)
        flag, how = _flag(tables, self.label)
        impressions = np.ones(len(flag)) if self.weight is None else _score(tables, self.weight)
        told = material.progress("training combinations")
        rows = combinations_of(list(widths))
        leak = leaking_images(tables)
        if leak.any():
            rows.append(Combination((ANY,)))  # no training: word vectors cover few such tags
        found = np.full((len(rows), len(MEASURES), self.splits), np.nan)
        single: list[Mapping[str, Cell]] = [{} for _ in rows]
        ratios, rule = [], ""
        for number in range(self.splits):
            split = material.split(number, tables)
            rule = rule or split.rule
            images, pairs = self._examples(material, split, flag, impressions)
            ratios.append((len(images["test"].left), len(images["train"].left)))
            for at, row in enumerate(rows):
                scores = ranked = leak
                if row.names != (ANY,):
                    values, its_widths = _columns(features.values, widths, row.names)
                    seed = material.seed + number
                    scores = self._scores(values, its_widths, images, row.reduce, seed)
                    ranked = self._scores(values, its_widths, pairs, row.reduce, seed)
                found[at, :, number] = [*_binary(scores, images), _paired(ranked, pairs["test"])]
                if self.splits == 1:
                    test = images["test"]
                    interval = decision_interval(scores[test.left], test.target, seed=material.seed)
                    single[at] = {"test": interval}
                told(number * len(rows) + at + 1, self.splits * len(rows))
        told.close()
        test_per_train = float(np.mean([test / train for test, train in ratios]))
        verdicts = [_verdict(rows, found, MEASURES.index(m), test_per_train) for m in TASKS]
        return StudyResult(
            name="lafin_table1",
            title="What each modality tells of interest",
            answer=" ".join(verdicts),
            used=[
                ("data", tables.manifest.name),
                ("interesting", how),
                ("pairs", f"label source {self.source}"),
                ("modalities", features.embedding.architecture),
                ("features", features.note),
                ("split", f"{rule}; {self.splits} of them"),
            ],
            tables=[_table(rows, found, single), *predictive_tag_tables(tables, flag)],
            figures=[_chart(rows, found)] if self.splits > 1 else [],
            notes=[
                "The epoch with the least validation loss is kept, for each row by itself.",
                "An image that lacks a modality is in every row: a learnt vector stands for it.",
                *(["Weights are impressions."] if self.weight else []),
            ],
            simulated=material.simulated,
        )

    def _examples(
        self, material: Material, split: PairSplit, flag: Array, impressions: Array
    ) -> tuple[dict[str, Examples], dict[str, Examples]]:
        """Collect images and pairs of each part."""
        pairs, present = material.pairs, material.features.present
        source = material.sources.named(self.source, "study.source")
        labels = source.fit(pairs[split.train]).labels(pairs)
        sides = split.image_parts(pairs)
        good = present & ~np.isnan(flag) & (impressions > 0)
        left, right = pairs.left, pairs.right
        told = labels.known & good[left] & good[right]
        both = impressions[left] * impressions[right] / (impressions[left] + impressions[right])
        images, ranked = {}, {}
        for name, mask in split.parts().items():
            rows = np.flatnonzero(sides[name] & good).astype(np.int64)
            images[name] = Examples(rows, None, flag[rows], impressions[rows])
            rows = np.flatnonzero(mask & told)
            ranked[name] = Examples(
                left[rows].astype(np.int64),
                right[rows].astype(np.int64),
                labels.preference[rows],
                labels.weight[rows] * both[rows],
            )
        return images, ranked

    def _scores(
        self,
        values: NDArray[np.float32],
        widths: Mapping[str, int],
        examples: Mapping[str, Examples],
        reduce: bool,
        seed: int,
    ) -> Array:
        train, validation = examples["train"], examples["validation"]
        recipe = self.recipes[train.right is not None]
        return fit_fusion(values, widths, train, validation, recipe, reduce=reduce, seed=seed)


TASKS = ("test", "pairs")


def _check_numbers(counts: Mapping[str, int], lr: float, dropout: float) -> None:
    given = {**counts, "lr": lr, "dropout": dropout}
    expected = dict.fromkeys(counts, "a whole number, 1 or more")
    expected |= {"lr": "a finite number above 0", "dropout": "a share in [0, 1)"}
    fine = {name: value >= 1 for name, value in counts.items()}
    fine |= {"lr": 0 < lr < np.inf, "dropout": 0 <= dropout < 1}
    if wrong := [name for name in given if not fine[name]]:
        raise ConfigError(
            " ".join(f"study.{name}={given[name]}" for name in wrong),
            expected="; ".join(f"{name}: {expected[name]}" for name in wrong),
            todo=f"correct {', '.join(f'study.{name}' for name in wrong)}",
        )


def _check_overrides(typed: Sequence[str]) -> None:
    """Refuse options of the model's head, which this study's own heads would ignore."""
    ignored = [o for o in typed if o.lstrip("+~").startswith(("model.head.", "model.head="))]
    if ignored:
        raise ConfigError(
            f"{' '.join(ignored)}: study=lafin_table1 trains heads of its own",
            expected="options of the study",
            todo="study.hidden=…, study.dropout=…; the table joins in both ways",
        )


def combinations_of(names: Sequence[str]) -> list[Combination]:
    """List every set of modalities, the largest also concatenated directly, then each modality
    that keeps leaking tags."""
    clean = [name for name in names if not name.endswith(LEAKY)]
    sets = [c for size in range(1, len(clean) + 1) for c in combinations(clean, size)]
    joined = [Combination(sets[-1], reduce=False)] if len(clean) > 1 else []
    leaky = [Combination((name,)) for name in names if name.endswith(LEAKY)]
    return [*(Combination(one) for one in sets), *joined, *leaky]


def _columns(
    values: NDArray[np.float32], widths: Mapping[str, int], names: Sequence[str]
) -> tuple[NDArray[np.float32], dict[str, int]]:
    """Concatenate the modalities of one row."""
    start, parts = 0, {}
    for name, width in widths.items():
        parts[name] = values[:, start : start + width]
        start += width
    return np.concatenate([parts[n] for n in names], axis=1), {n: widths[n] for n in names}


def _score(tables: Tables, name: str) -> Array:
    """Read a score of images in their order, NaN where there is none."""
    if name not in tables.score_names():
        raise LabelError(
            f"{tables.manifest.name}: no score {name!r}",
            expected=f"one of {', '.join(tables.score_names()) or 'none is there'}",
            todo="name another one: study.label=…, study.weight=…",
        )
    return tables.scores(name)


def _flag(tables: Tables, label: str) -> tuple[Array, str]:
    """Make a flag of 1 and 0, NaN where unknown, and describe how it was made."""
    values = _score(tables, label)
    known = values[~np.isnan(values)]
    if len(np.unique(known)) < 2:
        raise LabelError(
            f"{tables.manifest.name}: the score {label!r} is the same for all {len(known)} images",
            expected="a flag or numbers that differ",
            todo="study.label=…",
        )
    if set(np.unique(known).tolist()) == {0.0, 1.0}:
        return values, f"score {label!r}: {int(known.sum()):,} yes, {int((known == 0).sum()):,} no"
    middle = float(np.median(known))
    flag = np.where(np.isnan(values), np.nan, (values > middle).astype(float))
    return flag, f"score {label!r} above its median {middle:.4g}, of {len(known):,} images"


def _binary(scores: Array, images: Mapping[str, Examples]) -> list[float]:
    """Compute accuracy of the three parts, precision and recall on the test part; else NaN."""
    names = ("train", "validation", "test")
    sides = [decisions(scores[images[name].left], images[name].target) for name in names]
    return [*(side.accuracy for side in sides), sides[-1].precision, sides[-1].recall]


def _paired(scores: Array, pairs: Examples) -> float:
    """Compute accuracy on the decided test pairs; NaN without any."""
    assert pairs.right is not None
    decided = pairs.target != 0.5
    if not decided.any():
        return float("nan")
    margin = scores[pairs.left] - scores[pairs.right]
    return float(correct(margin[decided], pairs.target[decided]).mean())


def _verdict(rows: Sequence[Combination], found: Array, measure: int, ratio: float) -> str:
    """State whether all modalities together beat the best single one."""
    task = {"test": "Interesting or not", "pairs": "Pairs"}[MEASURES[measure]]
    usual = [at for at, row in enumerate(rows) if row.reduce and not row.leaks]
    means = {at: Spread.of(found[at, measure]).mean for at in usual}
    alone = [at for at in usual if len(rows[at].names) == 1 and not np.isnan(means[at])]
    whole = max(usual, key=lambda at: len(rows[at].names))
    if not alone or np.isnan(means[whole]):
        return f"{task}: no decided test example."
    best = max(alone, key=lambda at: means[at])
    lead = corrected_paired_t(
        found[whole, measure], found[best, measure], test_per_train=ratio, most=1.0
    )
    return (
        f"{task}: all modalities together {percent(means[whole])}, the highest single one "
        f"({rows[best].names[0]}) {percent(means[best])}; {_sure(lead)}"
    )


def _sure(lead: PairedDifference) -> str:
    said = f"{points(100 * lead.mean)} points"
    if np.isnan(lead.low):
        return f"{said}; one split says nothing about how sure that is."
    ends = f"{said} [{points(100 * lead.low)}, {points(100 * lead.high)}] over {lead.splits} splits"
    if lead.low > 0:
        return f"fusion beats every single modality, {ends}."
    return f"fusion does not beat it beyond chance, {ends}."


def _table(
    rows: Sequence[Combination], found: Array, single: Sequence[Mapping[str, Cell]]
) -> Table:
    columns = (
        Column("modalities", "modalities"),
        Column("joined", "joined"),
        Column("train", "train", "percent", "Accuracy of interesting or not on training images."),
        Column("validation", "validation", "percent"),
        Column("test", "test", "percent"),
        Column("precision", "precision", "percent", "On test images, of those called interesting."),
        Column("recall", "recall", "percent", "On test images, of those that are interesting."),
        Column("pairs", "pairs", "percent", "Accuracy on test pairs of a head trained on pairs."),
    )
    cells = [
        {
            "modalities": " + ".join(row.names).replace(LEAKY, ", leaking ones left in"),
            "joined": _joined(row),
            **{m: _spread(found[at, k]) for k, m in enumerate(MEASURES)},
            **single[at],
        }
        for at, row in enumerate(rows)
    ]
    return Table(
        "lafin_table1",
        "Accuracy by modality",
        columns,
        cells,
        ["Mean and standard deviation over splits; with one split, intervals over test images."],
    )


def _joined(row: Combination) -> str:
    if len(row.names) == 1:
        return ""
    return "reduced" if row.reduce else "directly"


def _spread(values: Array) -> Cell:
    if len(values) == 1:
        return float(values[0])
    return Spread.of(values)


def _chart(rows: Sequence[Combination], found: Array) -> IntervalChart:
    return IntervalChart(
        "accuracy_by_modality",
        "Interesting or not, by modality",
        "Accuracy on test images, mean and standard deviation over splits.",
        [
            (" + ".join(row.names) + (" (directly)" if not row.reduce else ""),
             Spread.of(found[at, MEASURES.index("test")]))
            for at, row in enumerate(rows)
        ],
        {"chance of a balanced flag": 0.5},
    )  # fmt: skip
