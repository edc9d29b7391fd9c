"""People fitted in a second by `study=personal_taste`, against a loop of scikit-learn.

    python benchmarks/personal_ridge.py [--people 757] [--supports 2]

Ratings and features are SYNTHETIC, of OASIS's size: 757 people, 814 images, 1,024 numbers an image.
Ours fits every person at 13 strengths from 10, 20, 50 and 100 ratings, twice (ratings, and what the
generic score leaves of them), and predicts 50 images. The loop fits ``RidgeCV`` (leave one out, the
same 13 strengths) on the same ratings, once, for the first people of the list; its time a fit is
compared with ours. Both in one run.

tiny: --people 6 --supports 1
"""

from __future__ import annotations

import argparse
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV

from interestingness.progress import ProgressLine
from interestingness.stats.personal_ridge import STRENGTHS
from interestingness.studies.personal_taste import Protocol, evaluate_people

RATINGS = (10, 20, 50, 100)
LOOP = 25
"""People of the loop."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--people", type=int, default=757)
    parser.add_argument("--supports", type=int, default=2)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    features = rng.normal(size=(814, 1024))
    value = features[:, :1].T + rng.normal(size=(options.people, 814))
    value[rng.random(value.shape) > 0.27] = np.nan
    material: Any = SimpleNamespace(progress=ProgressLine)
    protocol = Protocol(RATINGS, options.supports, 50, 0)
    start = time.process_time()
    evaluate_people(value, features, np.arange(814), protocol, material)
    ours = time.process_time() - start
    fits = 2 * options.people * len(RATINGS) * options.supports
    start, loops = time.process_time(), 0
    for person in range(min(LOOP, options.people)):
        known = np.flatnonzero(~np.isnan(value[person]))
        for n in RATINGS:
            model = RidgeCV(alphas=np.asarray(STRENGTHS) * n * 1024)
            model.fit(features[known[:n]], value[person, known[:n]])
            model.predict(features[known[n : n + 50]])
            loops += 1
    theirs = time.process_time() - start
    rate, rival = fits / ours, loops / theirs
    print(
        f"{options.people} people x {len(RATINGS)} numbers of ratings x {options.supports} supports"
    )
    print(f"  ours: {ours:.1f} s of processor, {rate:,.0f} fits/s, with metrics and generic scores")
    print(f"  RidgeCV: {rival:,.0f} fits/s")
    print(f"ratio {rate / rival:.1f}; 20 supports of 757 people take {757 * 8 * 20 / rate:.0f} s")


if __name__ == "__main__":
    main()
