"""Processor time of ``interestingness audit`` beside evalica's Bradley-Terry.

    pip install evalica                         # Apache-2.0; brings pandas, so no tool of ours
    python benchmarks/audit.py                  # 1,000,000 votes of 1,000 images

tiny: --votes 2000 --images 50 --repeats 1

Each is a process of its own that reads the same table, in turn: the audit, and a few lines of
Python that read it and fit. The fit without the reading is printed too. Without evalica only
the audit is timed.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

BAR = 5.0
"""The audit's processor time over evalica's, at most."""

EVALICA = """
import csv, sys, time
import evalica
winner = {"left": evalica.Winner.X, "right": evalica.Winner.Y}
with open(sys.argv[1], encoding="utf-8") as stream:
    rows = [(r["left"], r["right"], winner[r["choice"]]) for r in csv.DictReader(stream)]
began = time.process_time()
evalica.bradley_terry(*zip(*rows))
print(time.process_time() - began)
"""
"""Reads the table, fits, and prints the processor seconds of the fit."""


def make(folder: Path, *, votes: int, images: int, raters: int) -> Path:
    """A table of simulated votes as CSV."""
    rng = np.random.default_rng(0)
    utility = rng.normal(size=images)
    left = rng.integers(images, size=votes)
    right = (left + rng.integers(1, images, size=votes)) % images
    choice = rng.random(votes) > 1 / (1 + np.exp(utility[right] - utility[left]))
    names = [f"{i:05d}.jpg" for i in range(images)]
    who = rng.integers(raters, size=votes).tolist()
    side, file = np.array(["left", "right"]), folder / "votes.csv"
    rows = zip(left.tolist(), right.tolist(), side[choice.astype(int)].tolist(), who, strict=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["left", "right", "choice", "rater"])
        table.writerows([names[a], names[b], c, f"rater{r}"] for a, b, c, r in rows)
    return file


def processor_time(command: list[str]) -> tuple[float, str]:
    """Seconds of user and system time of a command, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main() -> None:
    """Print the times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--raters", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = make(folder, votes=given.votes, images=given.images, raters=given.raters)
        program = [sys.executable, "-m", "interestingness", "audit"]
        audit = [*program, str(file), "--out", str(folder / "out")]
        evalica = [sys.executable, "-c", EVALICA, str(file)]
        there = find_spec("evalica") is not None
        seconds = np.full((given.repeats, 3), np.nan)
        for row in seconds:
            row[0], _ = processor_time(audit)
            if there:
                row[1], fit = processor_time(evalica)
                row[2] = float(fit)
    ours, whole, alone = np.median(seconds, axis=0)
    print(f"audit             {ours:6.2f} s   {given.votes:,} votes of {given.images:,} images")
    if not there:
        print("evalica is not installed: no ratio (pip install evalica)")
        return
    print(f"evalica           {whole:6.2f} s   reads the table and fits Bradley-Terry")
    print(f"evalica, the fit  {alone:6.2f} s")
    print(f"audit / evalica   {ours / whole:6.2f}     (bar {BAR:g}); of the fit {ours / alone:.1f}")


if __name__ == "__main__":
    main()
