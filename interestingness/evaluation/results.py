"""Results of an evaluation as plain frozen values, for JSON."""

from __future__ import annotations

from dataclasses import dataclass

CHANCE = 0.5
"""Accuracy of guessing: slots are arbitrary, so any constant answer is right half of the time."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval over resampled images; None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class OnePerson:
    """How often one person agrees with the majority of the others on the compared pairs.

    It is the accuracy of a typical single rater; a model that predicts the majority can exceed it.
    """

    accuracy: float
    raters: int
    pairs: int


@dataclass(frozen=True)
class ConsensusLevel:
    """Accuracy on the pairs whose votes agree to the same degree, e.g. "80 %"."""

    label: str
    pairs: int
    accuracy: Estimate


@dataclass(frozen=True)
class ReliabilityBin:
    """Pairs with similar predictions: their mean prediction and the reference's preference."""

    predicted: float
    observed: float
    pairs: float


@dataclass(frozen=True)
class YesOrNo:
    """Test images called yes (score above 0), compared with a binary reference.

    Attributes:
        images: test images with a score that the reference calls yes or no.
        yes: share of them that the reference calls yes.
        accuracy: share of them with the reference's answer.
        precision: share of those called yes that the reference calls yes; None without any.
        recall: share of those the reference calls yes that were called yes.
    """

    images: int
    yes: float
    accuracy: Estimate
    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class PoweredAccuracy:
    """The accuracy as people's labels of a sample and a judge's labels of all pairs estimate it.

    Attributes:
        judge: name of the reference that labels all pairs.
        accuracy: with its interval.
        power: λ in [0, 1], how much the judge counts.
        labelled: pairs that people labelled.
        pairs: all pairs.
    """

    judge: str
    accuracy: Estimate
    power: float
    labelled: int
    pairs: int


@dataclass(frozen=True)
class SeriesAccuracy:
    """Accuracy on pairs of one series: frames of one burst, which hardly differ.

    Attributes:
        pairs: decided test pairs whose images are in one series.
        series: how many series these are of.
        accuracy: with its interval.
    """

    pairs: int
    series: int
    accuracy: Estimate


@dataclass(frozen=True)
class ReferenceResult:
    """One row of the final table.

    Attributes:
        reason: why the model cannot be compared with it, or "".
        pairs: decided test pairs with scores on both images; accuracy is over these.
        ties: test pairs that the reference calls equal (they count in calibration only).
        unscored: decided test pairs that lack a score.
        images: distinct images on ``pairs``.
        ranking: "scores" if the reference has a number per image, "win share" if its order of the
            images is by the share of their test pairs that they win.
        spearman, kendall: model scores against that order over the test images.
        ece, brier: of ``sigmoid(margin)`` against the preference.
        average_precision: where the reference's image scores are binary.
        ndcg: where it has image scores; gains are these scores scaled to [0, 1] on the test images.
        yes_or_no: where its image scores are binary and the model's scores have a zero.
        within_series: accuracy inside series, where series are known and have such pairs.
        powered: the accuracy estimated with a judge's labels too, where that was asked for.
        notes: why a number that one might expect is absent.
    """

    name: str
    learnt: bool
    reason: str = ""
    pairs: int = 0
    ties: int = 0
    unscored: int = 0
    images: int = 0
    accuracy: Estimate = Estimate(None)
    chance: float = CHANCE
    ranking: str | None = None
    spearman: float | None = None
    kendall: float | None = None
    ece: float | None = None
    brier: float | None = None
    average_precision: float | None = None
    ndcg: float | None = None
    yes_or_no: YesOrNo | None = None
    consensus: tuple[ConsensusLevel, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()
    one_person: OnePerson | None = None
    within_series: SeriesAccuracy | None = None
    powered: PoweredAccuracy | None = None
    notes: tuple[str, ...] = ()

    @property
    def compared(self) -> bool:
        """Return whether there is an accuracy."""
        return not self.reason


@dataclass(frozen=True)
class GroupResult:
    """Results on the test pairs inside one group of images."""

    group: str
    references: tuple[ReferenceResult, ...]


@dataclass(frozen=True)
class RankedImage:
    """A test image with its score in logits and the share of test images that score lower."""

    image_id: str
    score: float
    percentile: float


@dataclass(frozen=True)
class Mistake:
    """A test pair on which the model and the main reference choose different sides."""

    pair_id: str
    left: str
    right: str
    left_score: float
    right_score: float
    margin: float
    probability: float
    preference: float
    consensus: float | None


@dataclass(frozen=True)
class Histogram:
    """Counts of test-image scores between ascending edges (one more edge than counts)."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """All results of a run's model.

    Attributes:
        pairs: test pairs, whichever references they have.
        images: test images with a score.
        unscored_images: test images without one (unreadable, or no feature).
        main: the reference that mistakes are counted against; None if there is none.
        group_column: what ``groups`` are values of; None without groups.
        groups: results inside single groups of images.
        apart: whether scores of different groups cannot be compared.
    """

    pairs: int
    images: int
    unscored_images: int
    main: str | None
    references: tuple[ReferenceResult, ...]
    mistakes: tuple[Mistake, ...]
    highest: tuple[RankedImage, ...]
    middle: tuple[RankedImage, ...]
    lowest: tuple[RankedImage, ...]
    histogram: Histogram
    group_column: str | None = None
    groups: tuple[GroupResult, ...] = ()
    apart: bool = False

    @property
    def main_result(self) -> ReferenceResult | None:
        """Return the main reference's row."""
        return next((r for r in self.references if r.name == self.main), None)
