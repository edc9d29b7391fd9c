"""What to make of a judge's votes when every call costs the same: rules held against each other.

    python benchmarks/debiasing.py --quick     # seconds: shows that it works, proves nothing
    python benchmarks/debiasing.py             # three minutes on one core

Simulated judges vote in both orders; a ranker learns from the votes by each rule; its accuracy is
measured on images that no vote is about. ``docs/debiasing.md`` has the numbers.

tiny: --quick
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from simulations.command import QUICK, SIMULATED, numbers, parser_of, tell
from simulations.images import DIM, SIGNAL, UNSEEN, SimulatedImages, judged, rankers
from simulations.judges import Calls, PlantedJudge, worlds
from simulations.repetitions import calls_interval, calls_text, interval_note

from interestingness.labels.aggregation import aggregate
from interestingness.labels.order_term import CERTAINTY
from interestingness.labels.source import Labels
from interestingness.progress import ProgressLine
from interestingness.schema import Array, Pairs
from interestingness.stats.bootstrap import Interval
from interestingness.stats.repetitions import FEWEST, mean_interval
from interestingness.studies.result import Cell, Column, Curve, Curves, StudyResult, Table
from interestingness.tables.tables import Votes


@dataclass(frozen=True)
class Rule:
    """A way to spend calls and to read the answers.

    Attributes:
        name: short, in tables.
        title: what is done, in words.
        both: each pair in both orders (two calls), else in one random order (one call).
        probabilities: whether the judge's own probabilities are read.
        label: votes and pairs → labels.
    """

    name: str
    title: str
    both: bool
    probabilities: bool
    label: Callable[[Votes, Pairs], Labels]


def shipped(aggregation: str) -> Callable[[Votes, Pairs], Labels]:
    """A rule of ``label_source.aggregation``."""
    return lambda votes, pairs: aggregate(aggregation, votes, pairs)


def mean_logit(votes: Votes, pairs: Pairs) -> Labels:
    """σ of the mean of a pair's logits over its votes, one in each order."""
    row = pairs.find(votes.key)
    p = np.clip(votes.probability, CERTAINTY, 1 - CERTAINTY)
    number = np.bincount(row, minlength=len(pairs))
    total = np.bincount(row, weights=logit(p), minlength=len(pairs))
    return Labels.of(expit(total / np.maximum(number, 1)))


RULES = (
    Rule("discard", "both orders, inconsistent pairs discarded (the paper)", True, False,
         shipped("order_consistent")),
    Rule("ties", "both orders, inconsistent pairs kept as ties", True, False, shipped("majority")),
    Rule("order term", "both orders, order_corrected", True, False, shipped("order_corrected")),
    Rule("one order", "one random order, as it comes", False, False, shipped("majority")),
    Rule("one order + term", "one random order, order_corrected", False, False,
         shipped("order_corrected")),
    Rule("mean logit", "both orders, mean of the logits (not shipped)", True, True, mean_logit),
    Rule("soft order term", "both orders, probabilities, order_corrected (their mean)", True, True,
         shipped("order_corrected")),
    Rule("soft one order + term", "one random order, probabilities, order_corrected", False, True,
         shipped("order_corrected")),
)  # fmt: skip
"""What is compared; the first is what the others are held against."""
CONTRASTS = (
    ("order term", "ties", "what the order term adds where both orders are asked"),
    ("one order + term", "one order", "what it adds where one order is asked"),
    ("one order + term", "order term", "one order of twice the pairs against both orders"),
    ("soft order term", "order term", "what probabilities add to answers, both orders"),
    ("soft order term", "mean logit", "mean of probabilities against mean of logits"),
    ("soft one order + term", "soft order term", "one order against both, with probabilities"),
)
"""Rule, the rule that it is held against, and what the difference tells."""


@dataclass(frozen=True)
class Debiasing:
    """Accuracy of a ranker on held-out images against the number of calls, rule by rule.

    Attributes:
        repetitions: simulations of every judge, 2 or more.
        calls: numbers of calls, ascending, all even.
        compare_at: one of ``calls``, at which rules are held against each other.
        images: that pairs are drawn from.
        held_out: images that test the ranker, in no pair.
        quick: whether the result says that it proves nothing.

    Raises:
        ValueError: for numbers that cannot be.
    """

    repetitions: int = 30
    calls: Sequence[int] = (250, 500, 1000, 2000, 4000, 8000, 16000)
    compare_at: int = 1000
    images: int = 600
    held_out: int = 400
    quick: bool = False

    def __post_init__(self) -> None:
        calls, most = list(self.calls), self.images * (self.images - 1) // 2
        ascending = calls == sorted(set(calls)) and all(c > 0 and c % 2 == 0 for c in calls)
        if self.repetitions < 2 or self.held_out < 10:
            raise ValueError("two repetitions or more, and ten held-out images or more")
        if not ascending or self.compare_at not in calls or calls[-1] > most:
            raise ValueError(f"even, ascending calls up to {most:,}, and compare_at one of them")

    def run(self, seed: int) -> StudyResult:
        """Simulate all judges; every rule sees the same images, pairs and answers."""
        judges = worlds()
        found = np.empty((len(judges), len(RULES), self.repetitions, len(self.calls), 2))
        line = ProgressLine("simulating judges")
        for repetition in range(self.repetitions):
            rng = np.random.default_rng((seed, repetition))
            scene = SimulatedImages.of(self.images, self.held_out, self.calls[-1], rng)
            for world, judge in enumerate(judges):
                found[world, :, repetition] = self._repetition(scene, judge, rng)
                line(repetition * len(judges) + world + 1, self.repetitions * len(judges))
        return self._result(judges, found, seed)

    def _repetition(
        self, scene: SimulatedImages, judge: PlantedJudge, rng: np.random.Generator
    ) -> Array:
        """Accuracy and Spearman, shape (rules, calls, 2)."""
        margin = scene.truth[scene.pairs.left] - scene.truth[scene.pairs.right]
        asked = Calls.of(judge, margin, rng)
        features = scene.features[: self.images]
        held = scene.held_out(self.images)
        found = np.empty((len(RULES), len(self.calls), 2))
        for both in (True, False):
            rules = [i for i, rule in enumerate(RULES) if rule.both == both]
            for j, calls in enumerate(self.calls):
                pairs = scene.pairs[: calls // 2 if both else calls]
                labels = []
                for i in rules:
                    soft = RULES[i].probabilities
                    votes = asked.votes(pairs, both=both, probabilities=soft)
                    labels.append(RULES[i].label(votes, pairs))
                weights = rankers(features, pairs, labels, seed=j)
                for i, w in zip(rules, weights, strict=True):
                    found[i, j] = judged(w, *held)
        return found

    def _result(self, judges: Sequence[PlantedJudge], found: Array, seed: int) -> StudyResult:
        at = self.calls.index(self.compare_at)
        notes = [
            f"{self.repetitions} repetitions; intervals: "
            f"{interval_note(self.repetitions, 'repetitions')}. "
            "All rules see the same images, pairs and answers.",
            f"{self.images} images to ask about, {self.held_out} held out; {DIM} features, of "
            f"which {SIGNAL} carry the truth; {UNSEEN:.0%} of its variance is in none.",
            "The ranker is linear with L2 chosen by image-disjoint validation on the labels alone.",
        ]
        if self.quick:
            notes.insert(0, QUICK)
        return StudyResult(
            name="debiasing",
            title="Debiasing that pays: rules for the votes of judges at equal money",
            answer=f"{QUICK} " * self.quick + _answer(judges, found, self.calls, at),
            used=[("data", "simulated judges and images"), ("seed", str(seed))],
            tables=[
                self._summary(judges, found, at, seed),
                self._contrasts(judges, found),
                _worlds_table(judges),
                self._everything(judges, found),
            ],
            figures=[self._figure(judge, found[i]) for i, judge in enumerate(judges)],
            notes=notes,
            simulated=SIMULATED,
        )

    def _summary(self, judges: Sequence[PlantedJudge], found: Array, at: int, seed: int) -> Table:
        rows: list[dict[str, Cell]] = []
        for world, judge in enumerate(judges):
            for i, rule in enumerate(RULES):
                values = found[world, i, :, :, 0]
                base = found[world, 0, :, :, 0]
                needed = calls_interval(values, base, self.calls, at=at, seed=seed)
                rows.append(
                    {
                        "world": judge.name,
                        "rule": rule.name,
                        "what": rule.title,
                        "accuracy": mean_interval(values[:, at]),
                        "spearman": mean_interval(found[world, i, :, at, 1]),
                        "points": None if i == 0 else _points(values[:, at] - base[:, at]),
                        "calls": None if i == 0 else calls_text(needed, self.calls),
                    }
                )
        n = f"{self.compare_at:,}"
        return Table(
            "debiasing",
            f"Held-out accuracy with {n} calls",
            [
                Column("world", "judge"),
                Column("rule", "rule"),
                Column("what", "what is done"),
                Column("accuracy", "accuracy", "percent", "on all pairs of held-out images"),
                Column("spearman", "Spearman", "number", "of scores and truth, held-out images"),
                Column("points", "points over discard", "signed", "of accuracy, same calls"),
                Column("calls", f"calls for what discard reaches with {n}"),
            ],
            rows,
        )

    def _contrasts(self, judges: Sequence[PlantedJudge], found: Array) -> Table:
        row_of = {rule.name: i for i, rule in enumerate(RULES)}
        rows: list[dict[str, Cell]] = []
        for rule, other, tells in CONTRASTS:
            for world, judge in enumerate(judges):
                values = found[world, :, :, :, 0]
                points = values[row_of[rule]] - values[row_of[other]]
                named: dict[str, Cell] = {"rule": rule, "other": other, "world": judge.name}
                named["tells"] = tells
                named |= {f"at_{c}": _points(points[:, j]) for j, c in enumerate(self.calls)}
                rows.append(named)
        return Table(
            "debiasing_contrasts",
            "Points of accuracy between two rules, by calls",
            [
                Column("rule", "rule"),
                Column("other", "less"),
                Column("world", "judge"),
                *(Column(f"at_{c}", f"{c:,} calls", "signed") for c in self.calls),
                Column("tells", "tells"),
            ],
            rows,
        )

    def _everything(self, judges: Sequence[PlantedJudge], found: Array) -> Table:
        rows: list[dict[str, Cell]] = [
            {
                "world": judge.name,
                "rule": rule.name,
                "calls": calls,
                "pairs": calls // 2 if rule.both else calls,
                "accuracy": mean_interval(found[world, i, :, j, 0]),
                "spearman": mean_interval(found[world, i, :, j, 1]),
                "points": None
                if i == 0
                else _points(found[world, i, :, j, 0] - found[world, 0, :, j, 0]),
            }
            for world, judge in enumerate(judges)
            for i, rule in enumerate(RULES)
            for j, calls in enumerate(self.calls)
        ]
        return Table(
            "debiasing_all",
            "All numbers of calls",
            [
                Column("world", "judge"),
                Column("rule", "rule"),
                Column("calls", "calls", "count"),
                Column("pairs", "pairs", "count"),
                Column("accuracy", "accuracy", "percent"),
                Column("spearman", "Spearman", "number"),
                Column("points", "points over discard", "signed"),
            ],
            rows,
        )

    def _figure(self, judge: PlantedJudge, found: Array) -> Curves:
        x = np.array(self.calls, dtype=np.float64)
        curves = []
        for i, rule in enumerate(RULES):
            points = [mean_interval(found[i, :, j, 0]) for j in range(len(self.calls))]
            curves.append(
                Curve(
                    rule.name,
                    x,
                    np.array([p.estimate for p in points]),
                    np.array([p.low for p in points]),
                    np.array([p.high for p in points]),
                )
            )
        return Curves(
            f"calls_{judge.name}",
            f"Judge: {judge.name}",
            f"It {judge.about}. Bands: "
            f"{interval_note(self.repetitions, f'{self.repetitions} simulations')}.",
            "calls",
            "held-out accuracy",
            curves,
            log_x=True,
        )


def _points(difference: Array) -> Interval:
    return mean_interval(100 * difference, most=100)


def _worlds_table(judges: Sequence[PlantedJudge]) -> Table:
    rows: list[dict[str, Cell]] = [
        {
            "world": judge.name,
            "about": judge.about,
            "slope": judge.slope,
            "b": judge.b,
            **judge.expected(),
        }
        for judge in judges
    ]
    return Table(
        "judges",
        "The simulated judges",
        [
            Column("world", "judge"),
            Column("about", "what it does"),
            Column("slope", "slope", "number", "logits per standard deviation of the truth"),
            Column("b", "b", "signed", "order term in logits; below 0 favours the second image"),
            Column("second_twice", "second twice", "percent", "of pairs, in both orders"),
            Column("first_twice", "first twice", "percent", "of pairs, in both orders"),
            Column("repeats", "repeats itself", "percent", "same answer to the same call again"),
            Column("right", "calls right", "percent", "that choose the better image"),
        ],
        rows,
        notes=["GPT-4o chose the second image twice in 36 % of pairs and repeats itself in 95 %."],
    )


def _answer(judges: Sequence[PlantedJudge], found: Array, calls: Sequence[int], at: int) -> str:
    """Which rule is ahead where, in words, from this run's numbers."""
    accuracy_ = found[..., 0].mean(axis=2)
    gain = 100 * (accuracy_ - accuracy_[:, :1])
    parts = []
    for kind, soft in (("answers alone", False), ("probabilities", True)):
        rows = [i for i, rule in enumerate(RULES) if rule.probabilities == soft]
        best = [rows[int(np.argmax(gain[w, rows, at]))] for w in range(len(judges))]
        named = ", ".join(
            f"{judge.name} {RULES[b].name} ({gain[w, b, at]:+.1f})"
            for w, (b, judge) in enumerate(zip(best, judges, strict=True))
        )
        parts.append(f"From {kind}: {named}.")
    told = (
        f"Best rule by judge with {calls[at]:,} calls, and its points of accuracy over discarding. "
        f"{' '.join(parts)}"
    )
    if found.shape[2] < FEWEST:
        return told
    behind = [
        f"{RULES[i].name} with {calls[j]:,} calls ({judges[w].name}, {gain[w, i, j]:+.2f})"
        for w, i, j in np.argwhere(gain < 0).tolist()
    ]
    lost = f"Discarding is ahead of {'; '.join(behind)}" if behind else "Discarding is never ahead"
    return f"{told} {lost}."


def main() -> None:
    """Read the options and simulate."""
    parser = parser_of(__doc__, repetitions=30)
    parser.add_argument("--calls", type=numbers, default="250,500,1000,2000,4000,8000,16000")
    parser.add_argument("--compare-at", type=int, default=1000, help="calls (%(default)s)")
    parser.add_argument("--images", type=int, default=600, help="to ask about (%(default)s)")
    parser.add_argument("--held-out", type=int, default=400, help="images (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="two small repetitions")
    given = parser.parse_args()
    try:
        simulation = (
            Debiasing(2, (250, 500), 500, 120, 100, quick=True)
            if given.quick
            else Debiasing(
                given.repetitions, given.calls, given.compare_at, given.images, given.held_out
            )
        )
    except ValueError as error:
        parser.error(str(error))
    tell("debiasing", lambda: simulation.run(given.seed), given.out)


if __name__ == "__main__":
    main()
