"""Compare frozen backbones on one's own labels: accuracy of a linear head, speed, size, licence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interestingness.errors import ConfigError, InterestingnessError
from interestingness.labels.source import LabelSource
from interestingness.schema import Array
from interestingness.stats.paired_splits import PairedDifference, corrected_paired_t
from interestingness.studies.leaders import Verdict, leaders
from interestingness.studies.result import Cell, Column, Spread, StudyResult, Table
from interestingness.studies.source_heads import SourceHeads, Training, fit_heads
from interestingness.studies.study import EncodedTower, Material, Study, StudyInterrupted
from interestingness.studies.table_columns import (
    NOTE,
    interval_charts,
    paired_interval,
    paired_test_note,
    paired_verdict,
    percent_text,
    write_p,
)

COLUMNS = [
    Column("tower", "tower"),
    Column("accuracy", "accuracy", "percent", "on held-out pairs, mean ± SD over splits"),
    Column("minus_first", "minus the first", "percent",
           "difference of accuracies on the same splits, with the test's 95 % interval"),
    Column("p", "p", "text", "of that difference, not corrected for several towers"),
    Column("rate", "images/s", "count",
           "decoded and encoded by this machine in this run, without the cache"),
    Column("parameters", "parameters, millions", "number"),
    Column("pixels", "input, pixels", "count"),
    Column("dim", "features", "count"),
    Column("test_pairs", "test pairs", "count", "decided by the reference, mean over splits"),
    Column("licence", "licence of the weights"),
    NOTE,
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Row:
    """One tower with its heads; where it could not be used, neither, and ``note`` says why."""

    name: str
    tower: EncodedTower | None
    heads: SourceHeads | None
    note: str

    @property
    def accuracy(self) -> Array:
        """Of the heads on each split, NaN without one, shape (splits,)."""
        return np.empty(0) if self.heads is None else self.heads.accuracy[0, 0, 0]

    @property
    def tested(self) -> bool:
        """Check whether a head was tested on any split."""
        return bool((~np.isnan(self.accuracy)).any())


class TowerTable(Study):
    """Train the default linear head on the features of every tower, on the same splits."""

    def __init__(
        self,
        *,
        reference: str,
        learn: str | None,
        towers: Sequence[str] | None,
        weights: Mapping[str, str],
        features: Mapping[str, str],
        splits: int,
        timed: int,
        scaling: str,
    ) -> None:
        """Keep the settings.

        Args:
            reference: whose side is right on held-out pairs.
            learn: label source that heads learn from; None takes the reference.
            towers: options of ``model/backbone``; the others are held against the first. None
                takes all whose weights are on this machine.
            weights: local files by tower.
            features: files of features by a name of one's own.
            splits: repetitions; the split's seed counts up.
            timed: images that are encoded to measure images/s; 0 measures nothing.
            scaling: of the features: none, unit or standardize.

        Raises:
            ConfigError: for a number out of range.
        """
        for name, value, least in (("splits", splits, 1), ("timed", timed, 0)):
            if value < least:
                raise ConfigError(
                    f"study.{name}={value}",
                    expected=f"{least} or more",
                    todo=f"change study.{name}",
                )
        self.reference, self.learn = reference, learn or reference
        self.towers, self.weights, self.features = towers, dict(weights), dict(features)
        self.splits, self.timed, self.scaling = splits, timed, scaling

    def run(self, material: Material) -> StudyResult:
        """Encode, fit and compare.

        Raises:
            ConfigError: for a tower that no option is called.
            LabelError: if the reference has nothing to read.
            StudyInterrupted: with the towers that were done.
        """
        known = material.need_towers().names()
        for option, names in (("towers", self.towers or ()), ("weights", self.weights)):
            for name in names:
                if name not in known:
                    raise ConfigError(
                        f"study.{option}: no tower is called {name}",
                        expected=f"options of model/backbone: {', '.join(known)}",
                        todo=f"study.{option}=… with one of these names",
                    )
        names = self._names(known)
        material.references.named(self.reference, "study.reference")
        rows: list[Row] = []
        try:
            for name in names:
                rows.append(self._row(material, name))
        except KeyboardInterrupt:
            result = self._result(material, rows)
            raise StudyInterrupted(result, f"{len(rows)} of {len(names)} towers") from None
        return self._result(material, rows)

    def _names(self, known: Sequence[str]) -> list[str]:
        """Return what is compared, in order: files first, since they need no network."""
        given = known if self.towers is None else self.towers
        return list(dict.fromkeys([*self.features, *given, *self.weights]))

    def _row(self, material: Material, name: str) -> Row:
        try:
            tower = self._tower(material, name)
        except InterestingnessError as error:
            return Row(name, None, None, error.found)
        source = _source(material, self.learn)
        reference = material.references.named(self.reference, "study.reference")
        every = np.ones(len(material.pairs), dtype=bool)
        heads = fit_heads(
            material,
            {self.learn: source},
            {self.reference: reference},
            train_on=every,
            test_on=every,
            training=Training(self.splits, None, self.scaling, None, material.seed),
            features=tower.features,
        )
        skipped = f"{len(tower.features.skipped)} images unusable" if tower.features.skipped else ""
        notes = filter(None, [heads.why(0, 0), tower.features.note, skipped])
        return Row(name, tower, heads, "; ".join(notes))

    def _tower(self, material: Material, name: str) -> EncodedTower:
        towers = material.need_towers()
        if name in self.features:
            return towers.read(material.tables, self.features[name])
        return towers.encode(
            material.tables,
            name,
            weights=self.weights.get(name),
            # Named towers may be fetched; a list of all would be many gigabytes.
            download=self.towers is not None and name in self.towers,
            timed=self.timed,
        )

    def _result(self, material: Material, rows: Sequence[Row]) -> StudyResult:
        tested = sorted((row for row in rows if row.tested), key=lambda r: -np.nanmean(r.accuracy))
        # Differences are taken on the first that was asked for, if it gave a number.
        first = next((row for row in rows if row.tested), None)
        if self.towers is None and tested:
            first = tested[0]
        others = [row for row in rows if not row.tested]
        title = f"accuracy against {self.reference}"
        notes = [
            f"A linear head at its optimum on each tower's features, learnt from {self.learn}; L2 "
            "is chosen inside the training images, the splits are the same for all."
        ]
        if first is not None and first.heads is not None and self.splits > 1:
            notes.append(paired_test_note(first.heads.test_per_train))
        cells = [_cells(row, first) for row in tested]
        table = Table("towers", f"Frozen towers: {title}", COLUMNS, cells, notes)
        absent = Table(
            "not_compared",
            "Towers that could not be used",
            [Column("tower", "tower"), Column("why", "why")],
            [{"tower": row.name, "why": row.note} for row in others],
            [
                "study.towers=[NAME,…] downloads the weights of the towers that it names; "
                "study.weights={NAME: FILE} takes a local file."
            ],
        )
        chart = interval_charts(
            "accuracy",
            "What a linear head learns from each tower",
            f"{title[0].upper()}{title[1:]}.",
            [(row.name, Spread.of(row.accuracy)) for row in tested],
            {"chance": 0.5},
        )
        return StudyResult(
            name="towers",
            title="Which tower suits these labels?",
            answer=self._answer(tested, len(rows)),
            used=[material.data_used, ("learnt from", self.learn), ("reference", self.reference)],
            tables=[table] * bool(tested) + [absent] * bool(others),
            figures=chart,
            simulated=material.simulated,
        )

    def _answer(self, tested: Sequence[Row], asked: int) -> str:
        if not tested:
            return f"None of {asked} towers could be used and tested; the notes say why."
        spreads = [Spread.of(row.accuracy) for row in tested]

        def verdict(one: int, other: int) -> Verdict:
            return paired_verdict(_difference(tested[one], tested[other]))

        found = leaders([spread.mean for spread in spreads], verdict)
        names, values = [row.name for row in tested], [percent_text(s) for s in spreads]
        said = found.told("accuracy of a head", names, values, "over splits")
        absent = asked - len(tested)
        return said if not absent else f"{said} {absent} of {asked} could not be used."


def _source(material: Material, name: str) -> LabelSource:
    """Return the label source of this name, among those to learn from or the references."""
    there = material.sources.there
    return there[name] if name in there else material.references.named(name, "study.learn")


def _difference(one: Row, other: Row) -> PairedDifference:
    ratio = float("nan") if one.heads is None else one.heads.test_per_train
    return corrected_paired_t(one.accuracy, other.accuracy, test_per_train=ratio, most=1.0)


def _cells(row: Row, first: Row | None) -> dict[str, Cell]:
    tower, heads = row.tower, row.heads
    assert tower is not None and heads is not None  # it was tested
    millions = None if tower.parameters is None else tower.parameters / 1e6
    cells: dict[str, Cell] = {
        "tower": row.name,
        "note": row.note,
        "rate": tower.rate,
        "parameters": millions,
        "pixels": tower.pixels,
        "dim": tower.features.values.shape[1],
        "licence": tower.licence,
    }
    known = ~np.isnan(row.accuracy)
    cells["accuracy"] = Spread.of(row.accuracy)
    cells["test_pairs"] = round(float(heads.decided[0, known].mean()))
    if first is not None and row is not first:
        found = _difference(row, first)
        cells |= {"minus_first": paired_interval(found), "p": write_p(found.p)}
    return cells
