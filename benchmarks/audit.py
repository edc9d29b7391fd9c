"""Processor time of ``interestingness audit`` beside a Bradley-Terry fit of evalica alone.

    pip install evalica
    python benchmarks/audit.py                  # 1,000,000 votes of 1,000 images
    python benchmarks/audit.py --votes 20000    # a small one

Each is a process of its own that reads the same table, in turn.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

BAR = 5.0
"""The audit's processor time over evalica's, at most."""

EVALICA = """
import csv, sys, time
import evalica
winner, rows = {"left": evalica.Winner.X, "right": evalica.Winner.Y}, []
with open(sys.argv[1], encoding="utf-8") as stream:
    rows = [(r["left"], r["right"], winner[r["choice"]]) for r in csv.DictReader(stream)]
began = time.process_time()
evalica.bradley_terry(*zip(*rows))
print(f"fit alone: {time.process_time() - began:.2f} s", file=sys.stderr)
"""
"""A process that reads the same table and fits."""


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


def processor_time(command: list[str]) -> float:
    """Seconds of user and system time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print both times and their ratio; exit status 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--raters", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = make(folder, votes=given.votes, images=given.images, raters=given.raters)
        audit = [
            sys.executable,
            "-m",
            "interestingness",
            "audit",
            str(file),
            "--out",
            f"{name}/out",
        ]
        fit = [sys.executable, "-c", EVALICA, str(folder / "votes.npz")]
        ours, theirs = [], []
        for _ in range(given.repeats):
            ours.append(processor_time(audit))
            done = subprocess.run(fit, check=True, capture_output=True, text=True)
            theirs.append(float(done.stdout))
    a, b = float(np.median(ours)), float(np.median(theirs))
    print(f"audit    {a:6.2f} s   {given.votes:,} votes of {given.images:,} images")
    print(f"evalica  {b:6.2f} s   reads the table and fits Bradley-Terry")
    kept = a <= BAR * b
    print(f"ratio    {a / b:6.2f}     bar {BAR:g} {'kept' if kept else 'MISSED'}")
    raise SystemExit(not kept)


if __name__ == "__main__":
    main()
