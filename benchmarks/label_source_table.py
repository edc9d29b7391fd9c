"""The whole table of label sources, 10 sources × 50 splits, against fitting one by one.

    python benchmarks/label_source_table.py [--l2 0.1] [--rounds 3] [--sample 20]

SYNTHETIC features: 1,000 images in 768 dimensions with a spectrum that falls as 1/rank and a
common mean, each image in about five pairs, of which 1,599 stay; labels are drawn from planted
linear utilities. Three arms over the same problems, by image splits and by pair splits:

- ours: the whole table, all problems together; its threads are those of torch (two cores: two);
- scikit-learn's LogisticRegression, one BLAS thread, on a sample of problems: of its solvers lbfgs,
  newton-cg and liblinear on float64 and float32 features, each at the loosest tolerance of a grid
  that gives a cosine of 0.9999 with the optimum on every problem of the sample, the fastest;
- a bare LightningModule, 25 epochs of Adam, batches of 32, no logger, no checkpoint: a few fits.

- the floor: the operations of one Gram matrix and of one Cholesky factorisation a split, in the
  smaller of its two sizes, over the rate of a product of such matrices, measured beside the rest.

Ours, too, is taken at its loosest tolerance that gives this cosine on the sample. Ours and
scikit-learn take turns; ratios are medians over rounds, by the clock and by processor time, which
says more where the cores are shared. The time of a table by the other two is that of the sample
times the number of problems.

tiny: --l2 0.1 --rounds 1 --splits 2 --sample 1 --lightning 1 --kinds image
"""

from __future__ import annotations

import argparse
import logging
import resource
import statistics
import time
import warnings
from typing import NamedTuple

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, TensorDataset

from interestingness.learning.linear_solver.choice import choose_each
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.learning.linear_solver.recipe import Recipe, fit_recipe
from interestingness.schema import Pairs

IMAGES, DIM, KEPT, SOURCES, SPLITS = 1000, 768, 1599, 10, 50
COSINE = 0.9999
TOLERANCES = (1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6)
RECIPE = Recipe(epochs=25, rate=1e-3, batch_size=32, seed=0)
OURS = (1.0, 0.3, 0.1, 0.03, 0.01)
SOLVERS = ("lbfgs", "newton-cg", "liblinear")


def world(seed: int = 0) -> tuple[NDArray[np.float32], Pairs, NDArray[np.float64]]:
    """Features, pairs and hard labels of all sources."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, DIM + 1) ** -0.5
    basis = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    features = (rng.normal(size=(IMAGES, DIM)) * spectrum) @ basis
    features *= 7 / np.linalg.norm(features, axis=1).mean()
    common = rng.normal(size=DIM)
    features += 7 * common / np.linalg.norm(common)
    ends = rng.permutation(np.repeat(np.arange(IMAGES), 5)).reshape(-1, 2)
    ends = ends[ends[:, 0] != ends[:, 1]]
    names = [f"image{k:04d}" for k in range(IMAGES)]
    pairs, _, _ = Pairs.from_ids(
        [names[k] for k in ends[:, 0]], [names[k] for k in ends[:, 1]], names
    )
    pairs = pairs[np.sort(rng.permutation(len(pairs))[:KEPT])]
    margin = (features[pairs.left] - features[pairs.right]) @ rng.normal(size=(DIM, SOURCES))
    chance = 1 / (1 + np.exp(-2 * margin / margin.std(axis=0)))
    return features.astype(np.float32), pairs, (rng.random(chance.shape) < chance).astype(float)


def training_rows(pairs: Pairs, kind: str, count: int) -> list[NDArray[np.int64]]:
    """Half of the images, or of the pairs, of each split."""
    out = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        if kind == "image":
            side = rng.permutation(IMAGES) < IMAGES // 2
            mask = side[pairs.left] & side[pairs.right]
        else:
            mask = rng.permutation(len(pairs)) < len(pairs) // 2
        out.append(np.flatnonzero(mask))
    return out


class Taken(NamedTuple):
    """Seconds by the clock, and of processors."""

    clock: float
    cpu: float


class Sample:
    """Some problems of the table, as scikit-learn wants them, with their optima."""

    def __init__(self, features, pairs, labels, splits, l2: float, size: int) -> None:
        self.problems = []
        for number in range(size):
            s, k = (number * 7) % len(splits), number % labels.shape[1]
            rows = splits[s]
            x = features[pairs.left[rows]] - features[pairs.right[rows]]
            self.problems.append((s, k, x, labels[rows, k], 1 / (l2 * len(rows))))
        self.optima = [
            fit_one(x.astype(np.float64), y, c, "lbfgs", 1e-10) for _, _, x, y, c in self.problems
        ]
        self.cast = {
            kind: [x.astype(kind) for _, _, x, _, _ in self.problems] for kind in ("f8", "f4")
        }

    def run(self, kind: str, solver: str, tolerance: float) -> tuple[Taken, float]:
        """Time a problem, and the smallest cosine with the optimum."""
        taken, found = timed(
            lambda: [
                fit_one(x, y, c, solver, tolerance)
                for x, (_, _, _, y, c) in zip(self.cast[kind], self.problems, strict=True)
            ]
        )
        share = 1 / len(found)
        return Taken(taken.clock * share, taken.cpu * share), min(map(cosine, found, self.optima))

    def least(self, weights) -> float:
        """Smallest cosine of a whole table's weights with the optima."""
        return min(
            cosine(weights[s, k], optimum)
            for (s, k, *_), optimum in zip(self.problems, self.optima, strict=True)
        )


def fit_one(x, y, c: float, solver: str, tolerance: float) -> NDArray[np.float64]:
    """One problem by scikit-learn."""
    model = LogisticRegression(
        C=c, fit_intercept=False, solver=solver, tol=tolerance, max_iter=20_000
    )
    return model.fit(x, y).coef_[0]


def cosine(one, other) -> float:
    """Cosine in float64."""
    one, other = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def best_of_scikit_learn(sample: Sample) -> dict[tuple[str, str], tuple[float, float]]:
    """Loosest tolerance that reaches the cosine and seconds a problem, by type and solver."""
    out = {}
    for kind in ("f8", "f4"):
        for solver in SOLVERS:
            for tolerance in TOLERANCES:
                taken, least = sample.run(kind, solver, tolerance)
                if least >= COSINE:
                    out[kind, solver] = (tolerance, taken.cpu)
                    print(
                        f"  scikit-learn {solver:9} {'float64' if kind == 'f8' else 'float32'}: "
                        f"tol {tolerance:g}, cosine {least:.6f}, "
                        f"{1e3 * taken.cpu:.1f} ms a problem",
                        flush=True,
                    )
                    break
    return out


class Bare(L.LightningModule):
    """The least that Lightning asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(DIM, 1, bias=False)

    def training_step(self, batch, index):
        x, y = batch
        margin = self.head(x)[:, 0]
        return torch.nn.functional.binary_cross_entropy_with_logits(margin, y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def by_lightning(sample: Sample, count: int) -> float:
    """Seconds a problem for 25 epochs."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    taken = []
    for _, _, x, y, _ in sample.problems[:count]:
        data = TensorDataset(torch.from_numpy(x), torch.from_numpy(y.astype(np.float32)))
        began = time.perf_counter()
        trainer = L.Trainer(
            max_epochs=25,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Bare(), DataLoader(data, batch_size=32, shuffle=True))
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def timed(work):
    """Time taken, and what came of it."""
    clock, cpu = time.perf_counter(), time.process_time()
    out = work()
    return Taken(time.perf_counter() - clock, time.process_time() - cpu), out


def floor(sizes: list[int]) -> float:
    """Seconds of processor time that any direct method needs for splits of so many pairs."""
    size = min(round(statistics.mean(sizes)), DIM)
    one = torch.randn(size, DIM)
    product = [timed(lambda: one @ one.T)[0].cpu for _ in range(20)]
    rate = 2 * size * size * DIM / statistics.median(product)
    shapes = [sorted((n, DIM)) for n in sizes]
    return sum(2 * few**2 * many + few**3 / 3 for few, many in shapes) / rate


def megabytes() -> float:
    """Greatest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(kind: str, options: argparse.Namespace, l2: float) -> None:
    """Print all timings of one kind of split at one strength."""
    features, pairs, labels = world()
    weight = np.ones_like(labels)
    splits = training_rows(pairs, kind, options.splits)
    problems = options.splits * SOURCES
    before = megabytes()

    def ours(tolerance: float = 0.01):
        return fit_linear(features, pairs, labels, weight, splits, l2=l2, tolerance=tolerance)

    first, fits = timed(ours)
    grown = megabytes() - before
    mean = statistics.mean(map(len, splits))
    print(f"\nsplits by {kind}, l2 = {l2:g}: {problems} problems of about {mean:.0f} pairs")
    sample = Sample(features, pairs, labels, splits, l2, options.sample)
    loosest = next(t for t in OURS if sample.least(ours(t).weights) >= COSINE)
    with threadpool_limits(1, "blas"):
        found = best_of_scikit_learn(sample)
    (type_of, solver), (tolerance, _) = min(found.items(), key=lambda item: item[1][1])
    arms = {
        f"scikit-learn at its best ({solver}, {'float64' if type_of == 'f8' else 'float32'})": (
            type_of,
            solver,
            tolerance,
        ),
        "scikit-learn's default (lbfgs, float64)": ("f8", "lbfgs", found["f8", "lbfgs"][0]),
    }
    mine, floors, theirs = [], [], {name: [] for name in arms}
    for _ in range(options.rounds):
        taken, fits = timed(lambda: ours(loosest))
        mine.append(taken)
        floors.append(floor([len(rows) for rows in splits]))
        for name, arm in arms.items():
            with threadpool_limits(1, "blas"):
                theirs[name].append(sample.run(*arm)[0])
    median = Taken(*(statistics.median(column) for column in zip(*mine, strict=True)))
    print(
        f"  ours: {median.clock:.3f} s for the table, {median.cpu:.3f} s of processors "
        f"(first time {first.clock:.3f} s); tolerance {loosest:g}, cosine at least "
        f"{sample.least(fits.weights):.6f} on the sample, bound at most {fits.bound.max():.4f} on "
        f"all; peak memory grew by {grown:.0f} MB to {before + grown:.0f} MB"
    )
    by_floor = [m.cpu / low for m, low in zip(mine, floors, strict=True)]
    print(
        f"  floor: {statistics.median(floors):.3f} s of processors; ours / floor: "
        f"{statistics.median(by_floor):.2f}"
    )
    for name, taken in theirs.items():
        clock = [problems * t.clock for t in taken]
        ratios = [
            (problems * t.clock / m.clock, problems * t.cpu / m.cpu)
            for t, m in zip(taken, mine, strict=True)
        ]
        by_clock, by_cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
        print(
            f"  {name}: {statistics.median(clock):.2f} s (from {options.sample} fits); "
            f"/ ours: {by_clock:.1f}, by processor time {by_cpu:.1f}",
            flush=True,
        )
    lightning = problems * by_lightning(sample, options.lightning)
    print(
        f"  bare Lightning, 25 epochs: {lightning:.0f} s (from {options.lightning} fits); / ours: "
        f"{lightning / median.clock:.0f}"
    )
    taken, recipe = timed(lambda: fit_recipe(features, pairs, labels, weight, splits, RECIPE))
    near = [cosine(a, b) for a, b in zip(recipe.weights[0], fits.weights[0], strict=True)]
    print(
        f"  the paper's recipe in one loop: {taken.clock:.2f} s; cosine with the L2 optimum "
        f"{np.mean(near):.2f}"
    )


def main() -> None:
    """Both kinds of split, at a chosen strength and at scikit-learn's own C = 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--l2", type=float, nargs="*", help="strengths; none: chosen, and C = 1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--splits", type=int, default=SPLITS)
    parser.add_argument("--sample", type=int, default=20, help="problems given to scikit-learn")
    parser.add_argument("--lightning", type=int, default=3, help="problems given to Lightning")
    parser.add_argument("--kinds", nargs="*", default=["image", "pair"], choices=["image", "pair"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"SYNTHETIC features; torch threads {torch.get_num_threads()}")
    features, pairs, labels = world()
    for kind in options.kinds:
        strengths = options.l2
        if not strengths:
            rows = training_rows(pairs, kind, 1)[0]
            weight = np.ones((len(rows), SOURCES))
            taken, choice = timed(
                lambda r=rows, w=weight: choose_each(features, pairs[r], labels[r], w, seed=0)
            )
            best = float(np.median(choice.l2))
            print(
                f"\nl2 by inner validation on the first {kind} split: {best:g} "
                f"({taken.clock:.2f} s)"
            )
            strengths = [best, 1 / len(rows)]
        for l2 in strengths:
            compare(kind, options, l2)


if __name__ == "__main__":
    main()
