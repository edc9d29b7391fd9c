"""``study=pair_choice``: random pairs against those that the answers so far leave open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interestingness.errors import ConfigError
from interestingness.labels.aggregation import aggregate
from interestingness.labels.source import Labels
from interestingness.schema import Array
from interestingness.stats.bradley_terry import bradley_terry
from interestingness.stats.correlation import spearman
from interestingness.stats.pair_choice import next_pairs
from interestingness.studies.repetitions import (
    calls_interval,
    calls_text,
    interval_note,
    mean_interval,
)
from interestingness.studies.result import Cell, Column, Curve, Curves, StudyResult, Table
from interestingness.studies.simulated_images import judged, pairs_of, ranker, truth_in_features
from interestingness.studies.simulated_judges import Calls, PlantedJudge, worlds
from interestingness.studies.study import Material, Study

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
QUICK = "A quick run: too few repetitions to conclude anything. "
SIMULATED = (
    "Simulated: judges, images and truth are formulas; nothing here was asked of a real model."
)


class PairChoice(Study):
    """Spearman with the truth against the number of calls, for ways to choose pairs."""

    def __init__(
        self,
        *,
        repeats: int,
        images: int,
        held_out: int,
        start_degree: int,
        rounds: int,
        compare_at: int,
        quick: bool,
    ) -> None:
        """Say how much is simulated.

        Args:
            repeats: simulations of every judge, 2 or more.
            images: that are asked about; a round has as many pairs.
            held_out: images that judge the ranker, in no pair.
            start_degree: pairs per image of the first, random round.
            rounds: rounds after it.
            compare_at: round at which ways are held against each other, 1 to ``rounds``.
            quick: few repetitions and images, to see that all works; proves nothing.

        Raises:
            ConfigError: for numbers that cannot be.
        """
        if quick:
            repeats, images, held_out, rounds, compare_at = 2, 40, 30, 3, 2
        self.repeats, self.images, self.held_out = repeats, images, held_out
        self.start_degree, self.rounds, self.compare_at = start_degree, rounds, compare_at
        self.quick = quick
        self.pairs = [images * start_degree // 2 + r * images for r in range(rounds + 1)]
        most = images * (images - 1) // 2
        if (
            repeats < 2
            or start_degree < 1
            or not 1 <= compare_at <= rounds
            or held_out < 10
            or images < 10
            or self.pairs[-1] > most
        ):
            raise ConfigError(
                f"repeats={repeats} images={images} held_out={held_out} "
                f"start_degree={start_degree} rounds={rounds} compare_at={compare_at}",
                expected=f"two repeats or more, ten images or more on either side, compare_at "
                f"among the rounds, and no more pairs than the images have ({most:,})",
                todo="correct the option of study.…",
            )

    @property
    def calls(self) -> list[int]:
        """Calls spent after the first round and each further one."""
        return [CALLS_PER_PAIR * n for n in self.pairs]

    def run(self, material: Material) -> StudyResult:
        """Simulate; the data set is never asked for."""
        judges = [*(judge for judge in worlds() if judge.name in JUDGES), SHARP]
        shape = (len(judges), len(WAYS), len(TARGETS), self.repeats, self.rounds + 1)
        found = np.empty(shape)
        line = material.progress("simulating rounds of pairs")
        for repeat in range(self.repeats):
            for i, judge in enumerate(judges):
                for way, (_, share) in enumerate(WAYS):
                    # one world for all ways: only the pairs differ
                    rng = np.random.default_rng((material.seed, repeat, i))
                    found[i, way, :, repeat] = self._repetition(judge, share, rng)
                line(repeat * len(judges) + i + 1, self.repeats * len(judges))
        return self._result(judges, found, material.seed)

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
            f"{self.repeats} repetitions; intervals: {interval_note(self.repeats, 'repetitions')}. "
            f"{self.images} images to ask about, {self.held_out} held out. Each pair is asked "
            "in both orders; the label is the majority, a tie where the orders differ.",
            f"All start with {self.start_degree} random pairs an image; a round has "
            f"{self.images} pairs. active: spanning trees of the most informative pairs "
            "(`stats/pair_choice.py`) and 30 % random pairs; active only: no random pairs.",
        ]
        if self.quick:
            notes.insert(0, QUICK.strip())
        rows = self._rows(judges, found, seed)
        return StudyResult(
            name="pair_choice",
            title="Choosing pairs: random against informative",
            answer=QUICK * self.quick + _answer(rows, self.calls[self.compare_at]),
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
            f"Bands: {interval_note(self.repeats, 'simulations')}.",
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
