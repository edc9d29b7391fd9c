"""Batches at a mock that others wrote; it answers in plain text, so descriptions are asked for."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from batches import Batches
from bench import Bench
from llmock.routers import batch as mock_batches

from interestingness.annotators.batch.provider import BatchProvider
from interestingness.annotators.engine.run_state import Exit
from interestingness.annotators.types import Task

# the mock (0.2.2) leaves the temporary files of uploads open, and runs in this process
pytestmark = pytest.mark.filterwarnings("ignore:.*SpooledTemporaryFile")


def descriptions(count: int) -> list[Task]:
    return [
        Task.of("description", {"images": [f"image-{i}"]}, {"pair_id": f"{i}"})
        for i in range(count)
    ]


@pytest.fixture
def at_llmock(bench: Bench, llmock: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    monkeypatch.setattr(mock_batches, "_BATCH_DELAY", 0.1)
    monkeypatch.setattr(mock_batches, "_files", {})
    monkeypatch.setattr(mock_batches, "_batches", {})
    yield Batches(bench, llmock.base_url())
    gc.collect()


def test_a_batch_from_beginning_to_end(at_llmock: Batches, llmock: Any) -> None:
    """Its files cannot be listed, which is no reason to stop."""
    summary = at_llmock.run(descriptions(12))
    assert (summary.exit_code, summary.tally.labelled) == (Exit.DONE, 12)
    assert len(mock_batches._batches) == 1
    extras = [extra for (extra,) in at_llmock.bench.rows("SELECT extra FROM label")]
    assert all('"text":' in extra for extra in extras)
    llmock.assert_resilient()


def test_a_crash_after_the_batch_was_made(
    at_llmock: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 36: found by its metadata in the mock's own list."""
    create = BatchProvider.create

    class Crash(BaseException):
        pass

    async def made_and_gone(self: BatchProvider, *given: Any) -> None:
        await create(self, *given)
        raise Crash

    monkeypatch.setattr(BatchProvider, "create", made_and_gone)
    with pytest.raises(Crash):
        at_llmock.run(descriptions(6))
    monkeypatch.setattr(BatchProvider, "create", create)
    assert len(mock_batches._batches) == 1
    assert at_llmock.run(descriptions(6)).exit_code == Exit.DONE
    assert len(mock_batches._batches) == 1
    assert at_llmock.bench.rows("SELECT count(*) FROM label") == [(6,)]


def test_a_batch_that_is_cancelled_there(at_llmock: Batches) -> None:
    """Nothing was carried out: everything is free, and asked again."""
    at_llmock.run(descriptions(4), wait=False)
    (name,) = mock_batches._batches
    mock_batches._batches[name].update(status="cancelled", done=True)
    assert at_llmock.run(descriptions(4)).tally.labelled == 4
    assert at_llmock.bench.states() == {"failed_free": 4, "judged": 4}
