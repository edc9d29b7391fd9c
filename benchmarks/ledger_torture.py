"""Kills a process that buys answers, at random moments, and holds its ledger against the server's.

    python benchmarks/ledger_torture.py kills=500 tasks=12000 concurrency=16 policy=hold

The options above have their defaults; ``policy`` is hold or rebuy. There are also ``seed``,
``longest_ms`` (a worker lives at most so long) and ``folder`` (where the ledger lies meanwhile).

A server in this process keeps a journal of its own: which attempts it answered and charged. A
worker process opens the ledger, reserves, sends, stores and parses; it is killed with ``kill -9``
again and again, at any moment of this. The worker also notes, by a single ``write`` to a file, each
attempt for which the ledger said that the reply is stored. Afterwards one run is left in peace, and
then:

- every attempt that the server charged is in the ledger,
- every reply that the ledger said to have stored is there, byte for byte as the server sent it,
- no task has two labels, and with ``hold`` none was charged twice,
- attempts in doubt are at most kills × concurrency,
- the sum of charges is within the budget, and labels made again are the same.

Answers are made up; nothing leaves this machine. Exit status 1 if anything does not hold.

tiny: kills=5 tasks=1000 longest_ms=100
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal

from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.ledger.verify import problems
from interestingness.annotators.types import Answer, Denied, Parsed, Reject, Reply, Task, Usage

RESERVE, COST, PARSER = 100, 60, "torture-1"
DEFAULTS = {"kills": 500, "tasks": 12000, "concurrency": 16, "seed": 0, "longest_ms": 400}
LATENCY_S = 0.02
SLICE = 1000
TOO_MANY, BROKEN = 0.05, 0.03


# ---- the server and its journal -----------------------------------------------------------------


class Server:
    """Answers each POST after a while and writes down what it charged for."""

    def __init__(self, seed: int) -> None:
        self.paid: Counter[str] = Counter()
        self.bodies: dict[str, bytes] = {}
        self.seen = 0
        self._random = random.Random(seed)
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            attempt = (await reader.readuntil(b"\n")).decode().strip()
            self.seen += 1
            await asyncio.sleep(self._random.uniform(0, 2 * LATENCY_S))
            fate = self._random.random()
            if fate < TOO_MANY + BROKEN:
                status, body = (429 if fate < TOO_MANY else 500), b"{}"
            else:
                status, body = 200, self._charge(attempt)
            writer.write(f"{status} {len(body)}\n".encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _charge(self, attempt: str) -> bytes:
        what = self._random.choices(["first", "second", "refused", "invalid_json"], [9, 9, 1, 1])[0]
        body = json.dumps({"what": what, "for": attempt, "pad": "x" * 600}).encode()
        self.paid[attempt] += 1
        self.bodies[attempt] = body
        return body


# ---- the worker ---------------------------------------------------------------------------------


def task(number: int) -> Task:
    """A made-up question."""
    return Task.of("pair", {"torture": number}, {"pair_id": f"{number:016x}", "first": "left"})


def parse(task: Task, reply: Reply) -> Parsed:
    """The made-up answer."""
    what = json.loads(reply.body)["what"]
    usage = Usage(10, 5)
    if what in {"first", "second"}:
        return Parsed(Answer(what, None, ""), usage)
    return Parsed(Reject(what, "", terminal=what == "refused"), usage)


async def judge(ledger: Ledger, attempt_id: str, asked: Task, reply: Reply) -> None:
    """Parse what is stored."""
    found = parse(asked, reply)
    await ledger.parsed(attempt_id, found, parser_version=PARSER, cost_uusd=COST)


async def buy(ledger: Ledger, asked: Task, port: int, witness: int) -> None:
    """Ask until there is a label, a refusal, or nothing more to try in this run."""
    while True:
        attempt = await ledger.reserve(asked, reserve_uusd=RESERVE, price_id="p")
        if isinstance(attempt, Denied):
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{attempt.id}\n".encode())
        status, length = map(int, (await reader.readline()).split())
        body = await reader.readexactly(length)
        writer.close()
        if status != 200:
            await ledger.free(attempt.id, str(status))
            continue
        reply = Reply(status, body)
        await ledger.received(attempt.id, reply)
        os.write(witness, f"{attempt.id}\n".encode())
        await judge(ledger, attempt.id, asked, reply)


async def work(
    path: Path, port: int, tasks: int, concurrency: int, policy: Literal["hold", "rebuy"]
) -> None:
    """One run over everything that is still needed."""
    witness = os.open(f"{path}.witness", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    cap = tasks * RESERVE * 20
    run = {"prices": {"p": "made up"}}
    with Ledger.open(path, run=run, cap_uusd=cap, policy=policy, spare_bytes=1 << 20) as ledger:
        for attempt_id, asked, reply in ledger.unparsed():
            await judge(ledger, attempt_id, asked, reply)
        gate = asyncio.Semaphore(concurrency)

        async def one(asked: Task) -> None:
            async with gate:
                await buy(ledger, asked, port, witness)

        # slice by slice, so that a worker that lives shortly gets to buy something
        for begin in range(0, tasks, SLICE):
            need = ledger.need([task(n) for n in range(begin, min(begin + SLICE, tasks))])
            await asyncio.gather(*(one(asked) for asked in need.todo))


# ---- killing and judging ------------------------------------------------------------------------


class Nursery:
    """Forks workers out of a process that has imported everything, so that they start at once."""

    def __init__(self, path: Path, port: int, options: dict[str, Any]) -> None:
        facts = [str(path), str(port), str(options["tasks"]), str(options["concurrency"])]
        command = [sys.executable, __file__, "nursery", *facts, options["policy"]]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, until: Literal["kill", "finish"]) -> int:
        """Process id of a new worker, which lives until it is killed or has finished."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{until}\n")
        self._process.stdin.flush()
        return self._told()

    def ended(self) -> int:
        """Wait for it: its exit status, negative for a signal."""
        return self._told()

    def close(self) -> None:
        """No more workers."""
        self._process.communicate()

    def _told(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


def nursery(path: str, port: str, tasks: str, concurrency: str, policy: str) -> None:
    """Fork a worker for each line of standard input; tell its id, then its exit status.

    After "kill" a worker never ends well by itself; after "finish" it does.
    """
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                asyncio.run(
                    work(Path(path), int(port), int(tasks), int(concurrency), policy)  # type: ignore[arg-type]
                )
                status = 0
            except BaseException:
                traceback.print_exc()
            while status == 0 and line == "kill\n":
                signal.pause()  # all is bought: the signal that ends it is still to come
            os._exit(status)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def torture(path: Path, options: dict[str, Any]) -> list[str]:
    """Kill, finish, compare; what does not hold."""
    server, chance = Server(options["seed"]), random.Random(options["seed"])
    workers = Nursery(path, server.port, options)
    began, kills, idle = time.monotonic(), options["kills"], 0
    for _ in range(kills):
        worker = workers.start("kill")
        time.sleep(chance.uniform(0, options["longest_ms"] / 1000))
        idle += len(server.paid) >= options["tasks"]
        with suppress(ProcessLookupError):  # it failed: its status says so
            os.kill(worker, signal.SIGKILL)
        status = workers.ended()
        if status != -signal.SIGKILL:
            return [f"a worker ended by itself with status {status}"]
    if idle == kills:
        return ["all was bought before the first kill: give more tasks"]
    killed_while = server.seen
    workers.start("finish")
    if workers.ended() != 0:
        return ["the last run failed"]
    workers.close()
    seconds = time.monotonic() - began
    print(f"kills              {kills} in {seconds:.0f} s, {idle} after all was bought")
    print(f"requests           {server.seen:,}, {killed_while:,} of them before the last kill")
    return compare(path, server, kills, options)


def compare(path: Path, server: Server, kills: int, options: dict[str, Any]) -> list[str]:
    """The ledger against the server's journal and the worker's witness."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        attempts = {row["id"]: row for row in db.execute("SELECT * FROM attempt")}
        labels = [row["key"] for row in db.execute("SELECT key FROM label")]
        standing = Counter(row["standing"] for row in db.execute("SELECT * FROM standing"))
        found = list(problems(db, parse, PARSER))
        runs = db.execute("SELECT count(*) FROM run").fetchone()[0]
    with Ledger.open(path, run={}, cap_uusd=None, read_only=True) as ledger:
        stored = {name: ledger.reply(name) for name in attempts}
    told = Path(f"{path}.witness").read_text().split()
    states = Counter(row["state"] for row in attempts.values())
    unknown = [name for name in server.paid if name not in attempts]
    lost = [
        name
        for name in told
        if (reply := stored[name]) is None or reply.body != server.bodies[name]
    ]
    by_key: Counter[str] = Counter()
    for name, times in server.paid.items():
        by_key[name[:32]] += times
    answered = Counter(name[:32] for name, reply in stored.items() if reply is not None)
    unsure = Counter(
        name[:32] for name, row in attempts.items() if row["state"] in {"in_doubt", "written_off"}
    )
    twice = [key for key, times in by_key.items() if times > answered[key] + unsure[key]]
    rebought = [
        row["key"]
        for row in attempts.values()
        if row["state"] == "written_off" and options["policy"] == "hold"
    ]
    doubt = states["in_doubt"] + states["written_off"]
    charged = sum(row["charge_uusd"] for row in attempts.values())
    paid_unsure = sum(1 for name in server.paid if stored.get(name) is None)
    print(f"openings           {runs}")
    print(f"charged by server  {sum(server.paid.values()):,}")
    print(f"replies stored     {sum(reply is not None for reply in stored.values()):,}")
    print(f"in doubt           {doubt:,}, {paid_unsure:,} of them charged; all known")
    print(f"tasks              {dict(standing)}")
    print(f"labels             {len(labels):,}")
    print(f"paid and unknown   {len(unknown)}")
    print(f"acknowledged, lost {len(lost)} of {len(told):,}")
    print(f"second labels      {len(labels) - len(set(labels))}")
    checks = {
        "charged attempts are unknown to the ledger": unknown,
        "acknowledged replies are lost or changed": lost,
        "tasks have two labels": len(labels) - len(set(labels)),
        "tasks were charged more often than their attempts explain": twice,
        "attempts in doubt were bought again without being told to": rebought,
        "more is in doubt than kills × concurrency": doubt > kills * options["concurrency"],
        "the budget is passed": charged > options["tasks"] * RESERVE * 20,
        "tasks are left over": standing["askable"] and standing["askable"] != _rejected(path),
        "attempts are open or unparsed": states["open"] + states["received"],
    }
    return found + [f"{what}: {bad}" for what, bad in checks.items() if bad]


def _rejected(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT count(*) FROM standing WHERE standing = 'askable' AND rejects >= 3"
        return int(db.execute(query).fetchone()[0])


def main() -> None:
    """Read options, torture, tell."""
    if sys.argv[1:2] == ["nursery"]:
        nursery(*sys.argv[2:])
        return
    options: dict[str, Any] = {**DEFAULTS, "policy": "hold", "folder": None}
    for argument in sys.argv[1:]:
        name, _, value = argument.partition("=")
        if name not in options:
            raise SystemExit(f"{name}: options are {', '.join(options)}")
        options[name] = int(value) if name in DEFAULTS else value
    with tempfile.TemporaryDirectory(dir=options["folder"]) as folder:
        bad = torture(Path(folder) / "torture.ledger", options)
    for problem in bad:
        print(f"WRONG              {problem}")
    print("everything holds" if not bad else f"{len(bad)} things do not hold")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
