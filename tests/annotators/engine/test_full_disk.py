"""The disk fills up while answers are on their way: row 7, with the engine and a server."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from bench import Bench, pairs
from disks import fill
from servers.scripted import Answer, ScriptedServer, Seen, completion

from interestingness.annotators.engine.run_state import Exit, Stop


@pytest.mark.parametrize("noise", [5_000, 100_000])
def test_what_was_answered_is_kept_and_the_next_run_goes_on(
    small_disk: Path,
    tmp_path: Path,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    noise: int,
) -> None:
    """Answers that fit into the ballast, and answers that do not and are spilled."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    bench = Bench(small_disk / "judge.sqlite")

    def script(seen: Seen) -> Answer:
        reason = os.urandom(noise // 2).hex()  # does not compress to nothing
        content = json.dumps({"choice": "first", "reason": reason})
        return Answer(body=completion(content), delay_s=0.3)

    async def fill_up(stop: Stop) -> None:
        while len(server.journal) < 8:
            await asyncio.sleep(0.005)
        await asyncio.to_thread(fill, small_disk)
        await asyncio.Event().wait()

    server.script = script
    ended = bench.run(server.base_url, pairs(60), concurrency=8, meanwhile=fill_up)
    assert ended.exit_code == Exit.IO
    paid = len(server.answered)
    assert 8 <= paid < 60
    (small_disk / "filler").unlink()
    server.follow([])
    again = bench.run(server.base_url, pairs(40), concurrency=8)
    assert again.exit_code == Exit.DONE
    states = dict(bench.rows("SELECT id, state FROM attempt"))
    answered = {seen.attempt_id for seen in server.answered}
    assert len(answered) == paid + again.tally.sent
    assert {states[attempt_id] for attempt_id in answered} == {"judged"}
    # reserved and not sent when nothing could be written any more: nobody can tell, so it is held
    unsent = [state for attempt_id, state in states.items() if attempt_id not in answered]
    assert set(unsent) <= {"in_doubt", "failed_free"}
    assert unsent.count("in_doubt") <= 2
    assert bench.rows("SELECT count(*) FROM label") == [(40 - unsent.count("in_doubt"),)]
    bench.check(server)
