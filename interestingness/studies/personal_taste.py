"""Predict one person's ratings from few of them: personal against generic, over n ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from interestingness.errors import ConfigError, LabelError
from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval
from interestingness.stats.correlation import middle_ranks
from interestingness.stats.personal_ridge import ImageSpace, RidgePath, Rows, ridge_path
from interestingness.studies.result import Cell, Column, Curve, Curves, StudyResult, Table
from interestingness.studies.study import Material, Study

GENERIC, DIRECT, PERSONAL, OTHERS = (
    "generic score",
    "own ratings alone",
    "personal",
    "mean of others",
)
ARMS = (GENERIC, DIRECT, PERSONAL, OTHERS)
FOLDS = 5
"""Parts of the people: a generic score is learnt from those of the other parts."""
REPEATS = 1000
METRICS = ("spearman", "mae", "rmse")


@dataclass(frozen=True, eq=False)
class RatingTable:
    """Ratings as a matrix.

    Attributes:
        value: NaN where a person did not rate an image, shape (people, images).
        again: a person's second ratings, NaN where there is none, shape (people, images).
    """

    value: Array
    again: Array

    @classmethod
    def read(cls, material: Material) -> RatingTable:
        """Read the rating table of the data set.

        Raises:
            LabelError: if it has none.
        """
        tables = material.tables
        if not tables.has("ratings"):
            raise LabelError(
                "the data set has no ratings of single people",
                expected="a long table of image, rater and rating",
                todo="dataset.ratings=FILE",
            )
        table = tables.table("ratings")
        place = {name: row for row, name in enumerate(tables.image_ids.tolist())}
        image = np.array([place[name] for name in table["image_id"].to_pylist()])
        _, person = np.unique(np.array(table["rater_id"].to_pylist()), return_inverse=True)
        rating, sample = table["rating"].to_numpy(), table["sample"].to_numpy()
        shape = (int(person.max()) + 1, len(place))
        value, again = np.full(shape, np.nan), np.full(shape, np.nan)
        for matrix, which in ((value, 0), (again, 1)):
            rows = sample == which
            matrix[person[rows], image[rows]] = rating[rows]
        return cls(value, again)


@dataclass(frozen=True)
class Protocol:
    """How people are tested.

    Attributes:
        ratings: numbers of ratings that are known of a person.
        supports: repetitions: other images train, other ratings are known.
        tested: images on which a person is tested, at most.
        seed: of all draws.
    """

    ratings: Sequence[int]
    supports: int
    tested: int
    seed: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """Metrics of every person, averaged over supports.

    Attributes:
        value: NaN without a number, shape (metrics, ratings, arms, people).
        constant: predictions without variation, as a share of all, shape (ratings, arms).
    """

    value: Array
    constant: Array


class PersonalTaste(Study):
    """Ridge on what a generic score leaves of a person's ratings, and its rivals."""

    def __init__(
        self, *, ratings: Sequence[int], supports: int, tested: int, group: str | None
    ) -> None:
        """Keep the settings.

        Args:
            ratings: numbers of ratings that are known of a person, each 3 or more.
            supports: repetitions.
            tested: images on which a person is tested, at most.
            group: column of the image table; images of one group are on one side. None: each alone.

        Raises:
            ConfigError: for a number out of range.
        """
        if not ratings or min(ratings) < 3 or supports < 1 or tested < 5:
            raise ConfigError(
                f"study.ratings={list(ratings)} study.supports={supports} study.tested={tested}",
                expected="ratings of 3 or more, 1 support or more, 5 tested images or more",
                todo="study.ratings=[10,20,50,100] study.supports=20 study.tested=50",
            )
        self.ratings, self.group = sorted(ratings), group
        self.supports, self.tested = supports, tested

    def run(self, material: Material) -> StudyResult:
        """Fit everybody and compare.

        Raises:
            LabelError: without ratings, or without people who rated enough.
            ConfigError: for a group that there is not.
        """
        table = RatingTable.read(material)
        features = material.features
        usable = features.present & (~np.isnan(table.value)).any(axis=0)
        table.value[:, ~usable] = np.nan
        group = self._groups(material)
        protocol = Protocol(self.ratings, self.supports, self.tested, material.seed)
        outcome = evaluate_people(table.value, features.values, group, protocol, material)
        people = (~np.isnan(outcome.value[0])).any(axis=(0, 1))
        if not people.any():
            raise LabelError(
                "nobody rated enough images on both sides of a split",
                expected=f"people with {self.ratings[0]} ratings that train, and 5 that test",
                todo=f"study.ratings=[{max(3, self.ratings[0] // 2)}], or more ratings",
            )
        return self._result(material, table, outcome)

    def _groups(self, material: Material) -> NDArray[np.int64]:
        tables = material.tables
        if self.group is None:
            return np.arange(len(tables.image_ids))
        if self.group not in tables.images.schema.names:
            raise ConfigError(
                f"study.group={self.group}",
                expected=f"a column of the images: {', '.join(tables.images.schema.names)}",
                todo="study.group=null keeps each image alone",
            )
        names = np.array([str(v) for v in tables.images[self.group].to_pylist()])
        return np.unique(names, return_inverse=True)[1].astype(np.int64)

    def _result(self, material: Material, table: RatingTable, outcome: Outcome) -> StudyResult:
        rows: list[dict[str, Cell]] = []
        gains: list[dict[str, Cell]] = []
        for at, n in enumerate(self.ratings):
            for k, arm in enumerate(ARMS):
                own = outcome.value[:, at, k]
                cells: dict[str, Cell] = {
                    "ratings": n,
                    "arm": arm,
                    "people": int((~np.isnan(own[0])).sum()),
                    "constant": float(outcome.constant[at, k]),
                }
                means = {m: _over_people(own[i]) for i, m in enumerate(METRICS)}
                rows.append({**cells, **means, "with_zero": float(np.nan_to_num(own[0]).mean())})
            for rival, k in ((GENERIC, 0), (DIRECT, 1)):
                difference = outcome.value[0, at, ARMS.index(PERSONAL)] - outcome.value[0, at, k]
                gains.append({"ratings": n, "rival": rival, "gain": _over_people(difference)})
        tables = [
            Table(
                "personal_taste",
                "Predicting one person's ratings",
                [
                    Column("ratings", "ratings known", "count"),
                    Column("arm", "prediction"),
                    Column("spearman", "Spearman", "number", "per person over the tested images, "
                           "mean over people; brackets: 95 % interval, people resampled"),
                    Column("mae", "MAE", "number", "in points of the scale"),
                    Column("rmse", "RMSE", "number", "in points of the scale"),
                    Column("people", "people", "count"),
                    Column("constant", "constant", "percent", "predictions without an order, which "
                           "have no Spearman and are left out of it"),
                    Column("with_zero", "Spearman, those as 0", "number"),
                ],
                rows,
                [f"{OTHERS} is what the other people gave the tested image itself: an oracle, "
                 "which no method that has not seen the image's ratings can use.",
                 f"{self.supports} repetitions; half of the images train, people are tested on at "
                 f"most {self.tested} of the other half."],
            ),
            Table(
                "personal_gain",
                f"{PERSONAL} minus rival, the same people and images",
                [
                    Column("ratings", "ratings known", "count"),
                    Column("rival", "rival"),
                    Column("gain", "difference of Spearman", "signed", "mean over people, 95 % "
                           "interval, people resampled"),
                ],
                gains,
            ),
        ]  # fmt: skip
        reference = consistency(table)
        if reference is not None:
            tables.append(_consistency_table(reference))
        return StudyResult(
            name="personal_taste",
            title="How well is one person's taste predicted?",
            answer=_answer(gains),
            used=[material.data_used, ("features", material.features.note),
                  ("people", f"{len(table.value):,}, {np.isfinite(table.value).sum():,} ratings")],
            tables=tables,
            figures=[self._curves(outcome)],
            simulated=material.simulated,
        )  # fmt: skip

    def _curves(self, outcome: Outcome) -> Curves:
        x = np.asarray(self.ratings, dtype=float)
        curves = []
        for k, arm in enumerate(ARMS):
            found = [_over_people(outcome.value[0, at, k]) for at in range(len(x))]
            ends = np.array([[f.estimate, f.low, f.high] for f in found if f is not None]).T
            if ends.shape[-1:] == (len(x),):
                curves.append(Curve(arm, x, ends[0], ends[1], ends[2]))
        return Curves(
            "over_ratings",
            "Spearman over the number of ratings",
            "Mean over people, with 95 % intervals.",
            "ratings known of the person",
            "Spearman per person",
            curves,
            log_x=True,
            kind="number",
        )


def evaluate_people(
    value: Array,
    features: NDArray[np.floating],
    group: NDArray[np.int64],
    protocol: Protocol,
    material: Material,
) -> Outcome:
    """Fit and test every person on every support.

    No image of a tested rating has trained anything: half of the groups of images train. The
    generic score of a person is learnt from the mean ratings of people of other folds.

    Args:
        value: ratings, NaN where there is none, shape (people, images).
        features: shape (images, dim).
        group: of every image, shape (images,).
        protocol: the numbers.
        material: for its line of progress.
    """
    shape = (len(METRICS), len(protocol.ratings), len(ARMS), len(value))
    total, count = np.zeros(shape), np.zeros(shape)
    constant = np.zeros((2, len(protocol.ratings), len(ARMS)))
    line = material.progress("fitting people")
    with threadpool_limits(1, "blas"):  # of small matrices threads cost more than they help
        for support in range(protocol.supports):
            rng = np.random.default_rng([protocol.seed, support])
            world = _World.of(value, features, group, rng)
            for at, n in enumerate(protocol.ratings):
                for person, tried in _try_people(world, n, protocol.tested, rng).items():
                    for k, predicted in enumerate(tried.predictions):
                        measured = measure(predicted, tried.truth)
                        fine = ~np.isnan(measured)
                        total[fine, at, k, person] += measured[fine]
                        count[fine, at, k, person] += 1
                        constant[:, at, k] += (np.ptp(predicted) == 0, 1)
            line(support + 1, protocol.supports)
    line.close()
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return Outcome(mean, constant[0] / np.maximum(constant[1], 1))


@dataclass(frozen=True, eq=False)
class _World:
    """One division of images and people.

    Attributes:
        value: ratings, shape (people, images).
        training: images that may train, shape (images,).
        space: features of all images.
        fold: of every person, shape (people,).
        generic: score of every image, learnt from people of other folds, shape (folds, images).
    """

    value: Array
    training: NDArray[np.bool_]
    space: ImageSpace
    fold: NDArray[np.int64]
    generic: Array

    @classmethod
    def of(
        cls,
        value: Array,
        features: NDArray[np.floating],
        group: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> _World:
        """Draw the division, and learn the generic scores."""
        groups = rng.permutation(int(group.max()) + 1)
        training = np.isin(group, groups[: len(groups) // 2])
        training &= (~np.isnan(value)).any(axis=0)
        space = ImageSpace.of(features, np.flatnonzero(training))
        fold = rng.permutation(len(value)) % FOLDS
        generic = [_generic(space, value[fold != k], training) for k in range(FOLDS)]
        return cls(value, training, space, fold, np.stack(generic))


@dataclass(frozen=True, eq=False)
class _Tried:
    """One person on one support: truth and the prediction of every arm, shape (tested,) each."""

    truth: Array
    predictions: Sequence[Array]


@dataclass(frozen=True, eq=False)
class _Paths:
    """One person's fits at every strength, before one is chosen."""

    tested: Rows
    generic: Array
    moved: float
    direct: RidgePath
    residual: RidgePath


def _try_people(
    world: _World, ratings: int, tested: int, rng: np.random.Generator
) -> dict[int, _Tried]:
    """Predict every person who rated enough.

    The strength of ridge is shared: it has least error, leaving one rating out, over the people of
    the other folds. Ten ratings of one person cannot choose it.
    """
    paths: dict[int, _Paths] = {}
    rated = ~np.isnan(world.value)
    for person in range(len(world.value)):
        known = rng.permutation(np.flatnonzero(rated[person] & world.training))[:ratings]
        asked = rng.permutation(np.flatnonzero(rated[person] & ~world.training))[:tested]
        if len(known) < ratings or len(asked) < 5:
            continue
        generic = world.generic[world.fold[person]]
        own = world.value[person, known]
        left = own - generic[known]
        direct = ridge_path(world.space, known, own, asked)
        residual = ridge_path(world.space, known, left, asked)
        paths[person] = _Paths(asked, generic[asked], float(left.mean()), direct, residual)
    every, number = np.nan_to_num(world.value).sum(axis=0), rated.sum(axis=0)
    found = {}
    for k in range(FOLDS):
        teachers = [one for person, one in paths.items() if world.fold[person] != k]
        pupils = {person: one for person, one in paths.items() if world.fold[person] == k}
        if not teachers or not pupils:
            continue
        alone = int(np.mean([one.direct.error for one in teachers], axis=0).argmin())
        beside = int(np.mean([one.residual.error for one in teachers], axis=0).argmin())
        for person, one in pupils.items():
            truth = world.value[person, one.tested]
            found[person] = _Tried(truth, [
                one.generic + one.moved,
                one.direct.prediction[alone],
                one.generic + one.residual.prediction[beside],
                (every[one.tested] - truth) / np.maximum(number[one.tested] - 1, 1),
            ])  # fmt: skip
    return found


def _generic(space: ImageSpace, value: Array, training: NDArray[np.bool_]) -> Array:
    """Ridge on mean ratings of the training images; a prediction of every image."""
    number = (~np.isnan(value)).sum(axis=0)
    rows = np.flatnonzero(training & (number > 0))
    mean = np.nan_to_num(value).sum(axis=0)[rows] / number[rows]
    return ridge_path(space, rows, mean, np.arange(len(number))).at_best()


def measure(predicted: Array, truth: Array) -> Array:
    """Spearman (NaN where either has no order), MAE and RMSE, shape (3,)."""
    away = predicted - truth
    errors = float(np.abs(away).mean()), float(np.sqrt((away**2).mean()))
    if np.ptp(predicted) == 0 or np.ptp(truth) == 0:
        return np.array([np.nan, *errors])
    one = np.ones(len(truth))
    return np.array([
        np.corrcoef(middle_ranks(predicted, one), middle_ranks(truth, one))[0, 1], *errors
    ])  # fmt: skip


def consistency(table: RatingTable) -> Mapping[str, Array] | None:
    """Compare second ratings with the first, and with the mean of others; None without any."""
    twice = ~np.isnan(table.again) & ~np.isnan(table.value)
    people = np.flatnonzero(twice.sum(axis=1) >= 5)
    if not len(people):
        return None
    every, number = np.nan_to_num(table.value).sum(0), (~np.isnan(table.value)).sum(0)
    found: dict[str, list[float]] = {"own second rating": [], OTHERS: []}
    for person in people:
        rows = np.flatnonzero(twice[person])
        first = table.value[person, rows]
        others = (every[rows] - first) / np.maximum(number[rows] - 1, 1)
        found["own second rating"].append(float(measure(table.again[person, rows], first)[0]))
        found[OTHERS].append(float(measure(others, first)[0]))
    return {name: np.array(values) for name, values in found.items()}


def _consistency_table(found: Mapping[str, Array]) -> Table:
    return Table(
        "consistency",
        "How well people repeat themselves",
        [
            Column("by", "first rating predicted by"),
            Column("spearman", "Spearman", "number", "per person, on the images rated twice"),
            Column("people", "people", "count"),
        ],
        [
            {"by": name, "spearman": _over_people(values), "people": int((~np.isnan(values)).sum())}
            for name, values in found.items()
        ],
    )


def _over_people(values: Array) -> Interval | None:
    """Mean over people with the percentile interval of resampled people."""
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return None
    rng = np.random.default_rng(0)
    means = known[rng.integers(len(known), size=(REPEATS, len(known)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    return Interval(float(known.mean()), low, high, 0.95, REPEATS)


def _answer(gains: Sequence[Mapping[str, Cell]]) -> str:
    said = []
    for rival in (GENERIC, DIRECT):
        rows = [row for row in gains if row["rival"] == rival and isinstance(row["gain"], Interval)]
        above = [row["ratings"] for row in rows if row["gain"].low > 0]  # type: ignore[union-attr]
        below = [row["ratings"] for row in rows if row["gain"].high < 0]  # type: ignore[union-attr]
        first = f"from {above[0]} ratings on" if above else "at no number of ratings"
        said.append(f"Personal prediction is measurably above {rival} {first}.")
        if below:
            said.append(f"It is below it at {', '.join(map(str, below))}.")
    return " ".join(said)
