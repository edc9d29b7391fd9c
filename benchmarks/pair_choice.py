"""Random pairs against those that the answers so far leave open, at an equal number of calls.

    python benchmarks/pair_choice.py --quick     # seconds: shows that it works, proves nothing
    python benchmarks/pair_choice.py             # minutes on one core

Simulated judges answer round by round; Spearman's correlation with the truth is measured for the
images that were asked about and, through a ranker, for new ones. ``docs/how_many_labels.md`` has
the numbers.

tiny: --quick
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from simulations.command import QUICK, SIMULATED, parser_of, tell
from simulations.images import judged, pairs_of, ranker, truth_in_features
from simulations.judges import Calls, PlantedJudge, worlds
from simulations.repetitions import calls_interval, calls_text, interval_note

from interestingness.labels.aggregation import aggregate
from interestingness.labels.source import Labels
from interestingness.progress import ProgressLine
from interestingness.schema import Array
from interestingness.stats.bradley_terry import bradley_terry
from interestingness.stats.correlation import spearman
from interestingness.stats.pair_choice import next_pairs
from interestingness.stats.repetitions import mean_interval
from interestingness.studies.result import Cell, Column, Curve, Curves, StudyResult, Table

WAYS = (("random", 1.0), ("active", 0.3), ("active only", 0.0))
"""How the pairs of a round are chosen, and the share of them that is random."""
TARGETS = (
    ("asked", "images that were asked about, ranked by Bradley-Terry"),
    ("new", "held-out images, ranked by a linear ranker"),
)
JUDGES = ("logistic", "threshold")
SHARP = PlantedJudge(
    "sharp", "answers by chance, along a steep logistic curve without an order term", 6.0
)
"""Most random pairs are obvious to it: the world in which choosing should pay."""
CALLS_PER_PAIR = 2
"""Each pair is asked in both orders, so that the order term is not in the way."""
RIDGE = 0.3


@dataclass(frozen=True)
class PairChoice:
    """Spearman with the truth against the number of calls, for ways to choose pairs.

    Attributes:
        repetitions: simulations of every judge, 2 or more.
        images: that are asked about; a round has as many pairs.
        held_out: images that test the ranker, in no pair.
        start_degree: pairs per image of the first, random round.
        rounds: rounds after it.
        compare_at: round at which ways are held against each other, 1 to ``rounds``.
        quick: whether the result says that it proves nothing.

    Raises:
        ValueError: for numbers that cannot be.
    """

    repetitions: int = 20
    images: int = 200
    held_out: int = 400
    start_degree: int = 3
    rounds: int = 8
    compare_at: int = 4
    quick: bool = False

    def __post_init__(self) -> None:
        most = self.images * (self.images - 1) // 2
        if self.repetitions < 2 or min(self.held_out, self.images) < 10 or self.start_degree < 1:
            raise ValueError("two repetitions, ten images of either kind and one pair or more")
        if not 1 <= self.compare_at <= self.rounds or self.pairs[-1] > most:
            raise ValueError(f"compare_at among the rounds, and no more than {most:,} pairs")

    @property
    def pairs(self) -> list[int]:
        """Pairs that are asked about after the first round and each further one."""
        start = self.images * self.start_degree // 2
        return [start + round_ * self.images for round_ in range(self.rounds + 1)]

    @property
    def calls(self) -> list[int]:
        """Calls spent after the first round and each further one."""
        return [CALLS_PER_PAIR * n for n in self.pairs]

    def run(self, seed: int) -> StudyResult:
        """Simulate all judges and ways; only the pairs differ between the ways."""
        judges = [*(judge for judge in worlds() if judge.name in JUDGES), SHARP]
        shape = (len(judges), len(WAYS), len(TARGETS), self.repetitions, self.rounds + 1)
        found = np.empty(shape)
        line = ProgressLine("simulating rounds of pairs")
        for repetition in range(self.repetitions):
            for i, judge in enumerate(judges):
                for way, (_, share) in enumerate(WAYS):
                    rng = np.random.default_rng((seed, repetition, i))
                    found[i, way, :, repetition] = self._repetition(judge, share, rng)
                line(repetition * len(judges) + i + 1, self.repetitions * len(judges))
        return self._result(judges, found, seed)

    def _repetition(self, judge: PlantedJudge, share: float, rng: np.random.Generator) -> Array:
        """Spearman of asked and new images after each round, shape (2, rounds + 1)."""
        n = self.images
        features, truth = truth_in_features(n + self.held_out, rng)
        draws = rng.integers(2**31, size=self.rounds + 1).tolist()
        left, right, answer = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        found = np.empty((2, self.rounds + 1))
        for round_ in range(self.rounds + 1):
            first = round_ == 0
            chosen = next_pairs(
                left,
                right,
                answer,
                images=n,
                pairs=self.pairs[0] if first else n,
                seed=draws[round_],
                weight=np.full(len(left), float(CALLS_PER_PAIR)),
                random_share=1.0 if first else share,
                ridge=RIDGE,
            )
            asked = pairs_of(chosen.left, chosen.right, n)
            calls = Calls.of(judge, truth[chosen.left] - truth[chosen.right], rng)
            votes = calls.votes(asked, both=True, probabilities=False)
            labels = aggregate("majority", votes, asked)
            left, right = np.r_[left, chosen.left], np.r_[right, chosen.right]
            answer = np.r_[answer, labels.preference]
            weight = np.full(len(left), float(CALLS_PER_PAIR))
            fit = bradley_terry(
                left, right, answer, images=n, weight=weight, ridge=RIDGE, standard_errors=False
            )
            found[0, round_] = spearman(fit.utility, truth[:n])
            pairs = pairs_of(left, right, n)
            everything = Labels.of(answer)
            weights = ranker(features[:n], pairs, everything, seed=round_)
            found[1, round_] = judged(weights, features[n:], truth[n:])[1]
        return found

    def _result(self, judges: Sequence[PlantedJudge], found: Array, seed: int) -> StudyResult:
        notes = [
            f"{self.repetitions} repetitions; intervals: "
            f"{interval_note(self.repetitions, 'repetitions')}. "
            f"{self.images} images to ask about, {self.held_out} held out. Each pair is asked "
            "in both orders; the label is the majority, a tie where the orders differ.",
            f"All start with {self.start_degree} random pairs an image; a round has "
            f"{self.images} pairs. active: spanning trees of the most informative pairs "
            "(`stats/pair_choice.py`) and 30 % random pairs; active only: no random pairs.",
        ]
        if self.quick:
            notes.insert(0, QUICK)
        rows = self._rows(judges, found, seed)
        return StudyResult(
            name="pair_choice",
            title="Choosing pairs: random against informative",
            answer=f"{QUICK} " * self.quick + _answer(rows, self.calls[self.compare_at]),
            used=[("data", "simulated judges and images"), ("seed", str(seed))],
            tables=[self._table(rows), self._everything(judges, found)],
            figures=[
                self._figure(judge, found[i, :, t], *target)
                for i, judge in enumerate(judges)
                for t, target in enumerate(TARGETS)
            ],
            notes=notes,
            simulated=SIMULATED,
        )

    def _rows(
        self, judges: Sequence[PlantedJudge], found: Array, seed: int
    ) -> list[dict[str, Cell]]:
        rows: list[dict[str, Cell]] = []
        at = self.compare_at
        for i, judge in enumerate(judges):
            for t, (target, about) in enumerate(TARGETS):
                base = found[i, 0, t]
                for way, (name, _) in enumerate(WAYS):
                    values = found[i, way, t]
                    needed = calls_interval(values, base, self.calls, at=at, seed=seed)
                    row: dict[str, Cell] = {
                        "world": judge.name,
                        "target": target,
                        "about": about,
                        "way": name,
                        "spearman": mean_interval(values[:, at]),
                    }
                    if way > 0:
                        row["gain"] = mean_interval(100 * (values[:, at] - base[:, at]))
                        row["calls"] = calls_text(needed, self.calls)
                    rows.append(row)
        return rows

    def _table(self, rows: Sequence[dict[str, Cell]]) -> Table:
        n = f"{self.calls[self.compare_at]:,}"
        return Table(
            "pair_choice",
            f"Spearman with the truth after {n} calls",
            [
                Column("world", "judge"),
                Column("target", "images"),
                Column("way", "pairs"),
                Column("spearman", "Spearman", "number"),
                Column("gain", "100 × Spearman over random", "signed", "same calls"),
                Column("calls", f"calls for what random pairs reach with {n}"),
                Column(
                    "saved", "calls saved", "percent", "of those; below 0 where more are needed"
                ),
                Column("about", "which images"),
            ],
            rows,
        )

    def _everything(self, judges: Sequence[PlantedJudge], found: Array) -> Table:
        rows: list[dict[str, Cell]] = [
            {
                "world": judge.name,
                "target": target,
                "way": name,
                "calls": calls,
                "spearman": mean_interval(found[i, way, t, :, j]),
            }
            for i, judge in enumerate(judges)
            for t, (target, _) in enumerate(TARGETS)
            for way, (name, _) in enumerate(WAYS)
            for j, calls in enumerate(self.calls)
        ]
        return Table(
            "pair_choice_all",
            "All rounds",
            [
                Column("world", "judge"),
                Column("target", "images"),
                Column("way", "pairs"),
                Column("calls", "calls", "count"),
                Column("spearman", "Spearman", "number"),
            ],
            rows,
        )

    def _figure(self, judge: PlantedJudge, found: Array, target: str, about: str) -> Curves:
        curves = []
        for way, (name, _) in enumerate(WAYS):
            points = [mean_interval(found[way, :, j]) for j in range(self.rounds + 1)]
            curves.append(
                Curve(
                    name,
                    np.array(self.calls, dtype=np.float64),
                    np.array([p.estimate for p in points]),
                    np.array([p.low for p in points]),
                    np.array([p.high for p in points]),
                )
            )
        return Curves(
            f"{target}_{judge.name}",
            f"Judge: {judge.name}; {target} images",
            f"{about[0].upper()}{about[1:]}. It {judge.about}. "
            f"Bands: {interval_note(self.repetitions, 'simulations')}.",
            "calls",
            "Spearman with the truth",
            curves,
            kind="number",
        )


def _answer(rows: Sequence[dict[str, Cell]], calls: int) -> str:
    told = {
        target: ", ".join(
            f"{row['calls']} ({row['world']} judge)"
            for row in rows
            if row["way"] == "active" and row["target"] == target
        )
        for target, _ in TARGETS
    }
    return (
        f"For the Spearman that random pairs reach with {calls:,} calls, the active rule with 30 % "
        f"random pairs takes, for images that are asked about: {told['asked']}; for new images, "
        f"through a ranker: {told['new']}."
    )


def main() -> None:
    """Read the options and simulate."""
    parser = parser_of(__doc__, repetitions=20)
    parser.add_argument("--images", type=int, default=200, help="to ask about (%(default)s)")
    parser.add_argument("--held-out", type=int, default=400, help="images (%(default)s)")
    parser.add_argument("--start-degree", type=int, default=3, help="pairs per image (%(default)s)")
    parser.add_argument("--rounds", type=int, default=8, help="after the first (%(default)s)")
    parser.add_argument("--compare-at", type=int, default=4, help="round (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="two small repetitions")
    given = parser.parse_args()
    try:
        simulation = (
            PairChoice(2, 40, 30, rounds=3, compare_at=2, quick=True)
            if given.quick
            else PairChoice(
                given.repetitions,
                given.images,
                given.held_out,
                given.start_degree,
                given.rounds,
                given.compare_at,
            )
        )
    except ValueError as error:
        parser.error(str(error))
    tell("pair_choice", lambda: simulation.run(given.seed), given.out)


if __name__ == "__main__":
    main()
