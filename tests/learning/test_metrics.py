"""The metric shell: batches, placeholders, and exactness under two ranks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from interestingness.learning.metrics import (
    ImageScores,
    PairScores,
    pair_metrics,
    scores_by_image,
)
from interestingness.schema import Pairs
from interestingness.stats.agreement import accuracy
from interestingness.stats.calibration import brier, expected_calibration_error

Columns = tuple[np.ndarray, ...]


def pairs(number: int, seed: int = 3) -> Columns:
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(2, number)).astype(np.float32)
    preference = rng.choice([0.0, 0.2, 0.5, 0.8, 1.0], size=number).astype(np.float32)
    weight = rng.integers(0, 6, size=number).astype(np.float32)
    return np.arange(number), left, right, preference, weight


def feed(metric: PairScores, columns: Columns, at: slice) -> None:
    metric.update(*(torch.from_numpy(np.ascontiguousarray(c[at])) for c in columns))


def test_batches_give_what_the_pure_functions_give() -> None:
    columns = pairs(101)
    metric = PairScores()
    for start in range(0, 101, 17):
        feed(metric, columns, slice(start, start + 17))
    found = pair_metrics(metric.compute())
    _, left, right, preference, weight = columns
    judged = weight > 0
    margin, preference = (left - right)[judged].astype(np.float64), preference[judged]
    probability = 1 / (1 + np.exp(-margin))
    loss = -(preference * np.log(probability) + (1 - preference) * np.log(1 - probability))
    assert found == pytest.approx(
        {
            "pairs": judged.sum(),
            "loss": np.average(loss, weights=weight[judged]),
            "accuracy": accuracy(margin, preference),
            "brier": brier(probability, preference),
            "ece": expected_calibration_error(probability, preference),
        },
        abs=1e-6,
    )
    assert 0.3 < found["accuracy"] < 0.7


def test_placeholders_and_repeats_do_not_count_but_unlabelled_pairs_are_kept() -> None:
    row = torch.tensor([4, 7, 7, -1, 9])
    left = torch.tensor([2.0, 1.0, 1.0, 5.0, -3.0])
    preference = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0])
    weight = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0])
    metric = PairScores()
    metric.update(row, left, torch.zeros(5), preference, weight)
    metric.update(row, left, torch.zeros(5), preference, weight)
    scores = metric.compute()
    assert scores["row"].tolist() == [4, 7, 9]
    assert pair_metrics(scores)["accuracy"] == 0.5  # row 4 right, row 7 wrong, each once


def test_nothing_to_judge_by_is_nan() -> None:
    found = pair_metrics(PairScores().compute())
    assert found.pop("pairs") == 0
    assert len(found) == 4 and all(np.isnan(v) for v in found.values())


def test_half_precision_and_reset() -> None:
    metric = PairScores()
    half = torch.tensor([1, -1], dtype=torch.bfloat16)
    metric.update(torch.arange(2), half, torch.zeros(2), torch.ones(2), torch.ones(2))
    assert pair_metrics(metric.compute())["accuracy"] == 0.5
    metric.reset()
    metric.update(*(torch.ones(1, dtype=torch.int64), *torch.tensor([[1.0], [0], [1], [1]])))
    assert pair_metrics(metric.compute())["accuracy"] == 1.0


RANKS = """
import json, os, sys
import numpy as np, torch, torch.distributed as dist
from interestingness.learning.metrics import (
    ImageScores,
    PairScores,
    pair_metrics,
    scores_by_image,
)
from interestingness.schema import Pairs

meeting = sys.argv[1]
child = os.fork()  # torch is imported once for both ranks
rank = 0 if child else 1
dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
data = [torch.from_numpy(c) for c in np.load(meeting + ".npz").values()]
found = {}
for name, shares in json.load(open(meeting + ".json")).items():
    metric = PairScores()
    for rows in shares[rank]:
        metric.update(*(c[rows] for c in data))
    found[name] = [pair_metrics(metric.compute()), len(metric.compute()["row"])]
    metric.update(*(c[[0]] for c in data))  # accumulation goes on from the rank's own state
    found[name].append(sum(len(r) for r in metric.row))
dist.destroy_process_group()
json.dump(found, open(f"{meeting}.rank{rank}", "w"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0)
"""


def test_two_ranks_give_exactly_what_one_gives(tmp_path: Path) -> None:
    columns = pairs(60)
    np.savez(tmp_path / "meeting.npz", *columns)
    everything = list(range(60))
    shares = {  # case → rank → batches of rows
        "uneven": [[everything[:20], everything[20:47]], [everything[47:]]],
        "empty rank": [[everything[:31], everything[31:]], []],
        "empty first rank": [[], [everything]],
        "shared pairs": [[everything[:40]], [everything[25:]]],
        "nothing anywhere": [[], []],
    }
    (tmp_path / "meeting.json").write_text(json.dumps(shares))
    ranks = subprocess.Popen(
        [sys.executable, "-Werror::UserWarning", "-c", RANKS, f"{tmp_path}/meeting"],
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, errors = ranks.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(ranks.pid, signal.SIGKILL)  # a rank that waits for ever, and its sibling
        raise
    assert ranks.returncode == 0, errors
    results = [json.loads((tmp_path / f"meeting.rank{rank}").read_text()) for rank in range(2)]
    alone = PairScores()
    feed(alone, columns, slice(None))
    expected = pair_metrics(alone.compute())
    for case, share in shares.items():
        for rank in range(2):
            found, counted, own = results[rank][case]
            if case == "nothing anywhere":
                assert counted == 0
            else:
                assert found == expected, (case, rank)
                assert counted == 60
            assert own == sum(map(len, share[rank])) + 1


def test_image_scores_are_collected_once_per_image_and_found_again() -> None:
    found, _, _ = Pairs.from_ids(["a", "a", "b"], ["b", "c", "c"], ["a", "b", "c", "d"])
    metric = ImageScores()
    # Images b, c and a of a batch; its last pair is a placeholder.
    left, right = torch.tensor([2, 2, 0]), torch.tensor([0, 1, 1])
    metric.update(torch.tensor([0, 1, -1]), left, right, torch.tensor([0.5, -1.0, 2.0]))
    gathered = metric.compute()
    assert len(gathered["slot"]) == 3
    scores = scores_by_image(gathered, found)
    assert scores == pytest.approx([2.0, 0.5, -1.0, np.nan], nan_ok=True)
