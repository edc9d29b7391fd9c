"""Metric shells: one process, batches, placeholders, and exactness under two ranks."""

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
from torchmetrics import MetricCollection

from interestingness.learning.metrics import PairAccuracy, PairBrier, PairCalibrationError
from interestingness.stats.agreement import accuracy
from interestingness.stats.calibration import brier, expected_calibration_error


def pairs(number: int, seed: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    margin = rng.normal(size=number).astype(np.float32)
    preference = rng.choice([0.0, 0.2, 0.5, 0.8, 1.0, np.nan], size=number).astype(np.float32)
    weight = rng.integers(1, 6, size=number).astype(np.float32)
    return np.arange(number), margin, preference, weight


def feed(metric: torch.nn.Module, columns: tuple[np.ndarray, ...], at: slice | np.ndarray) -> None:
    metric.update(*(torch.from_numpy(np.ascontiguousarray(c[at])) for c in columns))


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_give_what_the_pure_functions_give(weighted: bool) -> None:
    columns = pairs(101)
    _, margin, preference, weight = columns
    given = weight if weighted else None
    probability = 1 / (1 + np.exp(-margin.astype(np.float64)))
    metrics = MetricCollection(
        {
            "accuracy": PairAccuracy(weighted=weighted),
            "brier": PairBrier(weighted=weighted),
            "ece": PairCalibrationError(weighted=weighted),
        }
    )
    for start in range(0, 101, 17):
        feed(metrics, columns, slice(start, start + 17))
    found = {k: v.item() for k, v in metrics.compute().items()}
    assert found == pytest.approx(
        {
            "accuracy": accuracy(margin, preference, weight=given),
            "brier": brier(probability, preference, weight=given),
            "ece": expected_calibration_error(probability, preference, weight=given),
        },
        abs=1e-6,
    )
    assert 0.3 < found["accuracy"] < 0.7


def test_weights_only_matter_when_asked_for() -> None:
    columns = pairs(101)
    plain, weighted = PairAccuracy(), PairAccuracy(weighted=True)
    feed(plain, columns, slice(None))
    feed(weighted, columns, slice(None))
    assert plain.compute().item() != weighted.compute().item()


def test_placeholders_and_repeats_do_not_count() -> None:
    row = torch.tensor([4, 7, 7, -1, 9])
    margin = torch.tensor([2.0, 1.0, 1.0, 5.0, -3.0])
    preference = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0])
    weight = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0])
    metric = PairAccuracy()
    metric.update(row, margin, preference, weight)
    metric.update(row, margin, preference, weight)
    assert metric.compute().item() == 0.5  # row 4 right, row 7 wrong, each once


def test_nothing_decided_is_nan_and_a_diverged_model_is_not_right() -> None:
    empty = PairAccuracy()
    assert torch.isnan(empty.compute())
    ties = PairAccuracy()
    ties.update(torch.arange(2), torch.ones(2), torch.full((2,), 0.5))
    assert torch.isnan(ties.compute())
    diverged = PairAccuracy()
    diverged.update(torch.arange(2), torch.tensor([1.0, torch.nan]), torch.ones(2))
    assert torch.isnan(diverged.compute())


def test_half_precision_margins_and_reset() -> None:
    metric = PairAccuracy()
    metric.update(torch.arange(2), torch.tensor([1, -1], dtype=torch.bfloat16), torch.ones(2))
    assert metric.compute().item() == 0.5
    metric.reset()
    metric.update(torch.arange(1), torch.ones(1), torch.ones(1))
    assert metric.compute().item() == 1.0


RANKS = """
import json, os, sys
import numpy as np, torch, torch.distributed as dist
from interestingness.learning.metrics import PairAccuracy, PairBrier

meeting = sys.argv[1]
child = os.fork()  # torch is imported once for both ranks
rank = 0 if child else 1
dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
data = [torch.from_numpy(c) for c in np.load(meeting + ".npz").values()]
found = {}
for name, shares in json.load(open(meeting + ".json")).items():
    for kind in (PairAccuracy, PairBrier):
        metric = kind()
        for rows in shares[rank]:
            metric.update(*(c[rows] for c in data))
        found[f"{name} {kind.__name__}"] = [metric.compute().item(), metric.compute().item()]
        metric.update(*(c[[0]] for c in data))  # accumulation goes on from the rank's own state
        found[f"{name} {kind.__name__}"].append(sum(len(r) for r in metric.row))
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
    for kind in (PairAccuracy, PairBrier):
        alone = kind()
        feed(alone, columns, slice(None))
        for case, share in shares.items():
            for rank in range(2):
                one, again, own = results[rank][f"{case} {kind.__name__}"]
                if case == "nothing anywhere":
                    assert np.isnan(one)
                else:
                    assert one == again == alone.compute().item(), (case, rank)
                assert own == sum(map(len, share[rank])) + 1
