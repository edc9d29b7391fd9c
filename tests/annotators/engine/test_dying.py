"""Processes that are stopped, or killed at the worst moment; then the same command again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench import Bench, pairs
from servers.scripted import Answer, ScriptedServer, completion

HERE = Path(__file__).resolve().parents[1]


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(bench: Bench, server: ScriptedServer) -> Iterator[Start]:
    """Start a run of so many pairs; killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def go(count: int, concurrency: int, *where: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / "dying.py"), server.base_url, str(bench.path)]
        process = subprocess.Popen(
            [*command, str(count), str(concurrency), *where],
            env={**os.environ, "PYTHONPATH": str(HERE)},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield go
    for process in started:
        process.kill()
        process.communicate()


def until(server: ScriptedServer, count: int) -> None:
    for _ in range(6000):
        if len(server.journal) >= count:
            return
        time.sleep(0.005)
    raise AssertionError(f"only {len(server.journal)} requests came")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_in_flight_finish(
    bench: Bench, server: ScriptedServer, start: Start, number: signal.Signals
) -> None:
    """Row 6: nothing is in doubt, and the exit status says that it was stopped."""
    server.script = lambda seen: Answer(body=completion(), delay_s=2.0)
    process = start(100, 8)
    until(server, 8)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "waiting for what is in flight" in said
    assert len(server.journal) == len(server.answered) == 8
    assert bench.states().pop("judged") == 8
    assert set(bench.states()) <= {"judged", "failed_free"}
    bench.check(server)


def test_a_second_signal_ends_it_at_once_and_nothing_is_forgotten(
    bench: Bench, server: ScriptedServer, start: Start
) -> None:
    server.script = lambda seen: Answer(body=completion(), delay_s=600.0)
    process = start(100, 4)
    until(server, 4)
    assert process.stderr is not None
    process.send_signal(signal.SIGTERM)
    while "waiting for what is in flight" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    bench.open().close()
    assert bench.states()["in_doubt"] >= 4
    bench.check(server)


@pytest.mark.parametrize(("where", "seen"), [("before_send", 4), ("after_reply", 5)])
def test_a_kill_leaves_doubt_and_buys_nothing_again(
    bench: Bench, server: ScriptedServer, start: Start, where: str, seen: int
) -> None:
    """Rows 2 and 3, one request at a time: the journal tells which of the two it was."""
    process = start(20, 1, where)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(server.journal) == seen
    summary = bench.run(server.base_url, pairs(20))
    assert summary.tally.labelled == 15
    assert len(server.journal) == seen + 15
    assert bench.states() == {"judged": 19, "in_doubt": 1}
    bench.check(server)
