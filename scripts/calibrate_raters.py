"""Print what the simulated raters achieve beside the paper, or fit their constants again.

python scripts/calibrate_raters.py                 # five seeds of 1,000 images, as generated
python scripts/calibrate_raters.py --fit           # constants for datasets/synthetic/constants.py

tiny: --seeds 2 --images 100
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtr

from interestingness.datasets.synthetic.constants import CALIBRATED, Calibration
from interestingness.datasets.synthetic.measure import TARGETS, measured, pair_agreements
from interestingness.datasets.synthetic.simulate import (
    GPT,
    SyntheticWorld,
    make_world,
    pair_votes,
    simulated_tables,
)

FIT_IMAGES, FIT_SEEDS, ROUNDS = 2_000, tuple(range(1_000_000, 1_000_010)), 4


def report(seeds: int, images: int, degree: int) -> None:
    """A Markdown table: target, mean over seeds, spread over seeds."""
    rows = [measured(simulated_tables(images, degree, seed)) for seed in range(seeds)]
    print(f"{seeds} seeds, {images} images, {degree} pairs each; percent\n")
    print("| quantity | paper | simulated, mean | SD over seeds | difference |")
    print("|---|---|---|---|---|")
    for key, target in TARGETS.items():
        values = np.array([row[key] for row in rows])
        mean, spread = values.mean(), values.std(ddof=1) if seeds > 1 else float("nan")
        print(f"| {key} | {target:.1f} | {mean:.1f} | {spread:.1f} | {mean - target:+.1f} |")


Worlds = tuple[SyntheticWorld, ...]


def _with(worlds: Worlds, **changes: object) -> Worlds:
    """The same scenes and pairs under other constants."""
    return tuple(replace(world, constants=replace(world.constants, **changes)) for world in worlds)


def _shares(world: SyntheticWorld) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of left among people, and among GPT-4o's calls in either order."""
    votes = pair_votes(world, world.basis.seed)
    judge = votes[GPT].left
    half = judge.shape[1] // 2
    both = np.stack([judge[:, :half].mean(1), judge[:, half:].mean(1)], axis=1)
    return votes["human"].left.mean(1), both


def _mean(rows: list[dict[str, float]], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))


def _pair_value(worlds: Worlds, knob: str, key: str, x: float) -> float:
    changed = _with(worlds, **{knob: x})
    return _mean([pair_agreements(*_shares(world), {}) for world in changed], key)


def _bisect(value: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Where a monotone function meets the target."""
    rising = value(high) > value(low)
    for _ in range(9):
        middle = (low + high) / 2
        low, high = (middle, high) if (value(middle) < target) == rising else (low, middle)
    return (low + high) / 2


def fit_pairs(worlds: Worlds) -> Worlds:
    """Sharpness, bias, noise and share of truth, one after the other until they settle."""
    knobs = (
        ("judge_bias", "second in both orders", 0.2, 1.4),
        ("judge_noise", "gpt-4o consensus", 0.01, 0.8),
        ("sharpness", "human consensus", 0.2, 2.0),
        ("judge_truth", "human ~ gpt-4o, human consensus", 0.0, 2.0),
    )
    for _ in range(ROUNDS):
        for knob, key, low, high in knobs:
            value = partial(_pair_value, worlds, knob, key)
            found = round(_bisect(value, TARGETS[key], low, high), 3)
            worlds = _with(worlds, **{knob: found})
            print(f"{knob} = {found}", flush=True)
    return worlds


def _with_mix(worlds: Worlds, name: str, weights: NDArray[np.float64]) -> Worlds:
    mixes = {**worlds[0].constants.mixes, name: (float(weights[0]), float(weights[1]))}
    return _with(worlds, mixes=mixes)


def _mix_loss(
    weights: NDArray[np.float64],
    worlds: Worlds,
    shares: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    name: str,
) -> float:
    rows = [
        pair_agreements(*share, {name: world.difference(world.sources.scores[name])})
        for world, share in zip(_with_mix(worlds, name, weights), shares, strict=True)
    ]
    keys = (f"human ~ {name}", f"gpt-4o ~ {name}")
    return sum((_mean(rows, key) - TARGETS[key]) ** 2 for key in keys)


def fit_mixes(worlds: Worlds) -> Worlds:
    """For each score, the two weights whose agreements with people and GPT-4o are the paper's."""
    shares = [_shares(world) for world in worlds]
    # Views decide the flag, and the flag moves the other counts: views come first.
    names = ("views", *(name for name in worlds[0].constants.mixes if name != "views"))
    for name in names:
        start = np.array(worlds[0].constants.mixes[name])
        simplex = start + np.array([[0, 0], [0.3, 0], [0, 0.3]])
        options = {"initial_simplex": simplex, "maxfev": 50, "xatol": 0.005, "fatol": 0.005}
        best = minimize(
            _mix_loss, start, (worlds, shares, name), method="Nelder-Mead", options=options
        )
        worlds = _with_mix(worlds, name, np.round(best.x, 3))
        print(f"{name} = {best.x.round(3)}, off by {best.fun**0.5:.2f} points", flush=True)
    return worlds


def _single_loss(knobs: NDArray[np.float64], utility: NDArray[np.float64], name: str) -> float:
    p = ndtr(knobs[0] + knobs[1] * utility)
    yes, no = p**5 + 5 * p**4 * (1 - p), (1 - p) ** 5 + 5 * (1 - p) ** 4 * p
    consensus = float((yes + no).mean())
    share = float(yes.mean()) / consensus
    return (100 * consensus - TARGETS[f"single {name} consensus"]) ** 2 + (
        100 * share - TARGETS[f"single {name} yes"]
    ) ** 2


def fit_singles(worlds: Worlds) -> Worlds:
    """Level and slope of yes answers, by the exact binomial over the scenes of all worlds."""
    constants = worlds[0].constants
    singles = dict(constants.singles)
    truth = np.concatenate([world.basis.truth for world in worlds])
    judge = np.concatenate([world.basis.judge(constants) for world in worlds])
    for name, start in singles.items():
        utility = truth if name == "human" else judge
        best = minimize(_single_loss, start, (utility, name), method="Nelder-Mead")
        singles[name] = (round(float(best.x[0]), 3), round(float(best.x[1]), 3))
        print(f"{name} = {best.x.round(3)}, off by {best.fun**0.5:.2f} points", flush=True)
    return _with(worlds, singles=singles)


def fit() -> Calibration:
    """All constants, in the order in which they depend on one another."""
    worlds = tuple(make_world(FIT_IMAGES, 5, seed) for seed in FIT_SEEDS)
    return fit_singles(fit_mixes(fit_pairs(worlds)))[0].constants


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", action="store_true", help="fit again instead of reporting")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--degree", type=int, default=5)
    given = parser.parse_args()
    if given.fit:
        for name, value in asdict(fit()).items():
            was = getattr(CALIBRATED, name)
            print(f"{name} = {value}" + ("" if value == was else f"    # was {was}"))
    else:
        report(given.seeds, given.images, given.degree)


if __name__ == "__main__":
    main()
