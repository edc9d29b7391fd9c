"""The plan deals every pair exactly once, whatever the batch size, the ranks and the workers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interestingness.data.plan import EpochPlan, PoolOrder, place, shuffled
from interestingness.errors import ConfigError

sizes = st.integers(0, 200)
batch_sizes = st.integers(1, 40)
few = st.integers(1, 6)


@given(n=sizes, batch_size=batch_sizes, ranks=few, workers=few)
def test_every_position_has_one_place_and_the_plan_agrees(
    n: int, batch_size: int, ranks: int, workers: int
) -> None:
    plan = EpochPlan(np.arange(n) + 1000, batch_size, ranks)
    dealt: dict[int, tuple[int, int, int]] = {}
    for rank in range(ranks):
        for worker in range(workers):
            for batch in plan.batches(worker, workers):
                for row in plan.rows(batch, rank).tolist():
                    assert row not in dealt
                    dealt[row] = (batch, rank, worker)
    assert dealt == {
        position + 1000: place(position, batch_size=batch_size, ranks=ranks, workers=workers)
        for position in range(n)
    }


@given(n=sizes, batch_size=batch_sizes, ranks=few, workers=few, start=st.integers(0, 12))
def test_dataloader_turns_give_consecutive_batches_on_all_ranks(
    n: int, batch_size: int, ranks: int, workers: int, start: int
) -> None:
    plan = EpochPlan(np.arange(n), batch_size, ranks)
    queues = [list(plan.batches(w, workers, start_batch=start)) for w in range(workers)]
    turns = []
    while any(queues):  # DataLoader asks its workers in turn, worker 0 first
        for queue in queues:
            if queue:
                turns.append(queue.pop(0))
    assert turns == list(range(start, plan.steps))
    assert plan.steps == -(-n // batch_size)
    for rank in range(ranks):
        assert plan.share(rank) == sum(len(plan.rows(b, rank)) for b in range(plan.steps))


@given(n=sizes, batch_size=batch_sizes, ranks=few)
def test_global_batches_do_not_depend_on_ranks(n: int, batch_size: int, ranks: int) -> None:
    order = shuffled(n, seed=3, epoch=1)
    plan, alone = EpochPlan(order, batch_size, ranks), EpochPlan(order, batch_size, 1)
    for batch in range(plan.steps):
        union = np.concatenate([plan.rows(batch, rank) for rank in range(ranks)])
        assert sorted(union) == sorted(alone.rows(batch, 0)) == sorted(plan.global_rows(batch))


def test_a_rank_may_be_empty_in_the_last_batch_but_steps_with_the_others() -> None:
    plan = EpochPlan(np.arange(9), 4, 4)
    assert plan.steps == 3
    assert [len(plan.rows(2, rank)) for rank in range(4)] == [1, 0, 0, 0]


def test_resume_changes_who_works_but_not_what() -> None:
    assert place(25, batch_size=5, ranks=2, workers=3, start_batch=4) == (5, 0, 1)
    assert place(25, batch_size=5, ranks=2, workers=3) == (5, 0, 2)


@pytest.mark.parametrize(("batch_size", "ranks"), [(0, 1), (4, 0), (-1, 1)])
def test_senseless_plans_are_refused(batch_size: int, ranks: int) -> None:
    with pytest.raises(ConfigError):
        EpochPlan(np.arange(3), batch_size, ranks)


@given(n=st.integers(0, 300), seed=st.integers(0, 2**40), epoch=st.integers(0, 10))
def test_shuffles_are_permutations_fixed_by_seed_and_epoch(n: int, seed: int, epoch: int) -> None:
    order = shuffled(n, seed=seed, epoch=epoch)
    assert sorted(order) == list(range(n))
    assert (order == shuffled(n, seed=seed, epoch=epoch)).all()


def test_seeds_and_epochs_give_other_orders() -> None:
    orders = {tuple(shuffled(50, seed=s, epoch=e)) for s in range(4) for e in range(4)}
    assert len(orders) == 16


@st.composite
def shard_bounds(draw: st.DrawFn) -> np.ndarray:
    counts = draw(st.lists(st.integers(0, 9), min_size=1, max_size=12))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


@given(
    bounds=shard_bounds(),
    pool=st.integers(1, 5),
    seed=st.none() | st.integers(0, 9),
    data=st.data(),
)
def test_pools_hold_every_kept_row_once(
    bounds: np.ndarray, pool: int, seed: int | None, data: st.DataObject
) -> None:
    rows = int(bounds[-1])
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), dtype=bool)
    order = PoolOrder(bounds, kept, seed=seed, epoch=2, pool=pool)
    whole = order[:]
    assert len(order) == kept.sum() == len(whole)
    assert sorted(whole) == list(np.flatnonzero(kept))
    if seed is None:
        assert (whole == np.flatnonzero(kept)).all()
    pieces = [order[at : at + 3] for at in range(0, len(order), 3)]
    assert (np.concatenate([*pieces, np.empty(0)]) == whole).all()


def test_pool_shuffle_mixes_within_pools_and_differs_by_epoch() -> None:
    bounds = np.arange(0, 1001, 50)
    one, same, other = (PoolOrder(bounds, seed=1, epoch=epoch, pool=4)[:] for epoch in (0, 0, 1))
    assert (one == same).all() and not (one == other).all()
    first_pool = one[:200] // 50
    assert len(set(first_pool)) == 4
    assert len(set(first_pool[:20])) > 1, "the shards of a pool come one after the other"
    assert list(one[:200]) != sorted(one[:200])


def test_a_single_pool_differs_by_epoch_and_seed() -> None:
    orders = {
        tuple(PoolOrder(np.array([0, 40]), seed=seed, epoch=epoch)[:])
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(orders) == 4


def test_jumping_back_in_a_pool_order_gives_the_same_rows() -> None:
    order = PoolOrder(np.arange(0, 101, 10), seed=5, pool=2)
    late, early = order[90:100], order[0:10]
    assert (order[90:100] == late).all() and (order[0:10] == early).all()


def test_a_pool_needs_a_shard() -> None:
    with pytest.raises(ConfigError):
        PoolOrder(np.array([0, 3]), seed=1, pool=0)
