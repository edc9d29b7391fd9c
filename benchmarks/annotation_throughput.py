"""Labels per second against a server that takes its time, beside what would be ideal.

Everything is real but the model: the transport, the engine, a ledger on disk, and a server on
loopback in a process of its own that answers each request after a while. Ideal is that all places
are always taken: ``requests / concurrency`` rounds of the server's latency. Seconds are those of
the run, from an open ledger to the last label; opening ledger and transport is told apart. Server
and client share the processors, and the disk's commits count: run it where nothing else runs.

    python benchmarks/annotation_throughput.py --concurrency 64 --latency 1 --rounds 20

tiny: --concurrency 4 --latency 0.05 --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from interestingness.annotators.engine.asking import Asking
from interestingness.annotators.engine.run_state import Summary
from interestingness.annotators.engine.runner import Limits, run_tasks
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.parsing import PARSER_VERSION, parse
from interestingness.annotators.transport import Transport
from interestingness.annotators.types import Request, Task, Usage

SERVER = Path(__file__).resolve().parents[1] / "tests" / "annotators" / "servers" / "scripted.py"
IMAGE = base64.b64encode(bytes(30_000)).decode()  # two images of 30 kB, as in a real request


class Free:
    """A model that costs nothing."""

    price_id = "free"

    def reserve(self, task: Task, retry_with: str | None = None) -> int:
        """Nothing."""
        return 0

    def cost(self, usage: Usage) -> int:
        """Nothing."""
        return 0


def build(task: Task, retry_with: str | None = None) -> Request:
    """A request as large as a real one."""
    images = [{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64," + IMAGE}}] * 2
    body = {"model": "judge-1", "messages": [{"role": "user", "content": images}]}
    return Request("/chat/completions", json.dumps(body).encode())


async def label(base_url: str, path: Path, count: int, concurrency: int) -> tuple[float, Summary]:
    """One run over new tasks, and its seconds."""
    tasks = [Task.of("pair", {"images": [f"a{i}", f"b{i}"]}, {"pair_id": i}) for i in range(count)]
    with Ledger.open(path, run={"prices": {"free": {}}}, cap_uusd=None) as ledger:
        async with Transport(base_url, None, connections=concurrency) as transport:
            began = time.monotonic()
            asking = Asking(ledger, build, parse, PARSER_VERSION, Free())
            summary = await run_tasks(asking, tasks, transport, Limits(concurrency, 60.0))
            return time.monotonic() - began, summary


def main() -> None:
    """Start the server, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds")
    parser.add_argument("--rounds", type=int, default=20, help="requests for each place")
    options = parser.parse_args()
    count = options.concurrency * options.rounds
    command = [sys.executable, str(SERVER), "--latency", str(options.latency)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    base_url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.monotonic(), time.process_time()
        path = Path(folder) / "judge.sqlite"
        seconds, summary = asyncio.run(label(base_url, path, count, options.concurrency))
        whole, cpu = time.monotonic() - began, time.process_time() - cpu
    told, _ = server.communicate("")
    assert summary.tally.labelled == count, summary
    ideal = options.rounds * options.latency
    print(f"{count} labels in {seconds:.2f} s, ideal {ideal:.2f} s: ratio {ideal / seconds:.3f}")
    print(f"{whole - seconds:.2f} s to open and close the ledger and the transport")
    print(f"{1000 * cpu / count:.1f} ms of processor time for each label; the server saw {told}")


if __name__ == "__main__":
    main()
