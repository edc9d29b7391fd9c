"""Compare every label source on every split with every reference: the ablation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interestingness.errors import ConfigError
from interestingness.labels.source import Labels
from interestingness.learning.linear_solver.recipe import Recipe
from interestingness.studies.label_source_views import (
    accuracy_table,
    agreement_sets_table,
    answer,
    figures,
    long_table,
    paired_table,
    rank_table,
)
from interestingness.studies.result import StudyResult
from interestingness.studies.scope import Scope, scope_of
from interestingness.studies.source_heads import SourceHeads, Training, fit_heads
from interestingness.studies.study import Material, Study

FEW = 10
"""Labels of a source that may all be on one side by chance."""


@dataclass(frozen=True, eq=False)
class Ablation:
    """The trained heads and what they were trained on.

    Attributes:
        heads: all numbers.
        labels: of every source and reference over all pairs, by name.
        scope: sets of pairs.
        reference: that differences are taken on.
        train_on, test_on: names of sets of ``scope``.
        training: how heads were trained.
        absent: sources and references that have nothing to read, and why.
    """

    heads: SourceHeads
    labels: dict[str, Labels]
    scope: Scope
    reference: str
    train_on: str
    test_on: str
    training: Training
    absent: dict[str, str]


class LabelSourceTable(Study):
    """Train one linear head per label source and split; compare it with every reference."""

    def __init__(
        self,
        *,
        reference: str,
        splits: int,
        train_on: str,
        test_on: str,
        consistent: Sequence[str],
        threshold: float,
        l2: float | str,
        scaling: str,
        epochs: int,
        rate: float,
        batch_size: int,
    ) -> None:
        """Keep the settings.

        Args:
            reference: whose votes make the consensus and on which sources are compared.
            splits: repetitions; the split's seed counts up.
            train_on: pairs that train: all, order_consistent or consensus.
            test_on: pairs that test.
            consistent: patterns of raters who keep their winner on order-consistent pairs.
            threshold: least share of votes on one side for a consensus.
            l2: strength of the ridge, or "auto": chosen by inner validation.
            scaling: of the ridge's features: none, unit or standardize.
            epochs, rate, batch_size: the paper's recipe, on features as they are.

        Raises:
            ConfigError: for a number out of range.
        """
        numbers = {"splits": splits, "epochs": epochs, "rate": rate, "batch_size": batch_size}
        if l2 != "auto":
            numbers["l2"] = l2  # type: ignore[assignment]
        for name, value in numbers.items():
            if isinstance(value, str) or not value > 0:
                raise ConfigError(
                    f"study.{name}={value}",
                    expected="a number above 0",
                    todo=f"change study.{name}",
                )
        self.reference = reference
        self.splits = splits
        self.train_on, self.test_on = train_on, test_on
        self.consistent, self.threshold = tuple(consistent), threshold
        self.l2 = None if isinstance(l2, str) else float(l2)
        self.scaling = scaling
        self.epochs, self.rate, self.batch_size = epochs, rate, batch_size

    def run(self, material: Material) -> StudyResult:
        """Fit all heads and build the tables.

        Raises:
            ConfigError: if there is no such reference, or a set of pairs does not exist.
            LabelError: if the reference has nothing to read, there is no source, or votes do not
                tell a set of pairs.
        """
        return self.tell(material, self.fit(material))

    def fit(self, material: Material) -> Ablation:
        """Fit all heads."""
        reference = material.references.named(self.reference, "study.reference")
        references, sources = material.references.there, material.need_sources()
        labels = {n: material.labels(source) for n, source in {**sources, **references}.items()}
        scope = scope_of(
            material,
            self.reference,
            material.labels(reference),
            consistent=self.consistent,
            threshold=self.threshold,
        )
        recipe = Recipe(self.epochs, self.rate, self.batch_size, material.seed)
        training = Training(self.splits, self.l2, self.scaling, recipe, material.seed)
        heads = fit_heads(
            material,
            sources,
            references,
            train_on=scope.of(self.train_on, "study.train_on"),
            test_on=scope.of(self.test_on, "study.test_on"),
            training=training,
        )
        absent = {**material.references.absent, **material.sources.absent}
        return Ablation(
            heads, labels, scope, self.reference, self.train_on, self.test_on, training, absent
        )

    def tell(self, material: Material, found: Ablation) -> StudyResult:
        """Build the tables and figures of what was fitted."""
        heads, scope = found.heads, found.scope
        # Sets of pairs that the votes define, to compute agreement on.
        steady = scope.masks.get("order_consistent")
        use_steady = steady is not None and {self.train_on, self.test_on} != {"all"}
        within = "order_consistent" if use_steady else "all"
        how = f"L2 {self.l2:g}" if self.l2 is not None else "L2 chosen inside the training images"
        return StudyResult(
            name="label_source_table",
            title="What a linear head learns from each label source",
            answer=answer(heads, self.reference),
            used=[
                material.data_used,
                ("splits", f"{self.splits}, the first {heads.rule or 'impossible'}"),
                ("trained on", scope.describe(self.train_on)),
                ("tested on", scope.describe(self.test_on)),
                ("features", material.features.note),
                ("converged ridge", f"features {_spoken(self.scaling)}, {how}"),
                ("paper's recipe", f"features as they are, {found.training.recipe}"),
            ],
            tables=[
                accuracy_table(heads, self.reference),
                paired_table(heads, self.reference),
                rank_table(heads),
                agreement_sets_table(
                    found.labels,
                    heads,
                    material.pairs,
                    scope.masks[within],
                    scope.describe(within),
                    threshold=self.threshold,
                ),
                long_table(heads),
            ],
            figures=figures(heads, self.reference),
            notes=_notes(found),
            simulated=material.simulated,
        )


def _spoken(scaling: str) -> str:
    return {"none": "as they are", "unit": "of length 1"}.get(scaling, "standardised")


def _notes(found: Ablation) -> list[str]:
    heads = found.heads
    lost = [why for why in heads.no_split if why]
    notes = []
    if lost:
        same = ", e.g." if len(lost) > 1 else ":"
        notes.append(
            f"{len(lost)} of {len(heads.no_split)} splits could not be made{same} {lost[0]}."
        )
    if heads.rule.startswith("by pair"):
        notes.append(
            "Splits are by pair: images are on both sides, and accuracies are higher than on "
            "images that were never seen. split=half_by_image is the default."
        )
    if found.absent:
        notes.append(f"Nothing to read for {', '.join(sorted(found.absent))}.")
    for name, labels in found.labels.items():
        lead = np.sign(labels.preference[labels.known] - 0.5)
        lead = lead[lead != 0]
        if len(lead) >= FEW and abs(lead.mean()) == 1:
            side = "left" if lead[0] > 0 else "right"
            notes.append(
                f"Labels of {name} are of one class only, all {side}: "
                "it is learnt from like any other, but a rater who does not look answers so."
            )
    return notes
