"""Collecting votes under kill −9, in real browsers, and with many raters at once.

    python benchmarks/collect.py [--kills 500] [--votes 100] [--raters 50] [--seconds 30]

Each part starts `interestingness collect` as a process and talks to it over loopback.

1. Kills. Four raters vote without a pause; the server is killed with ``kill -9`` at a random moment
   and started again. To save the time of imports, each is the fork of a process that has done them.
   An answer that was not acknowledged is sent again with its key, as the page does. Bars: no
   acknowledged answer is lost; no appearance has two answers that count; no vote is twice in the
   exported table.
2. Seconds from an answer to the next pair on screen, of two raters in a headless chromium each, who
   think for --think seconds between votes, on photographs of 4,000 × 3,000 pixels: while the server
   makes their renditions (in screen size), and with all of them ready. An interval begins with the
   key and ends after the frame that follows the release of the buttons, which waits for both
   pictures to be decoded. Bar: p95 at most 100 ms.
3. Raters at once, without a pause, each with the two pictures of its pair. Bars: no error, no
   acknowledged answer lost.

Votes are made up. Exit status 1 if a bar of part 1 or 3 is missed.

tiny: --kills 2 --votes 2 --photographs 4 --links 2 --raters 3 --seconds 1 --think 0.2
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "collecting"))
import browser

KILLED_RATERS = 4
NURSERY = """
import json, os, sys
import uvicorn
import interestingness.collecting.server
import interestingness.commands.collect
from interestingness import cli

log, child = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 0
for line in sys.stdin:
    if child:
        os.waitpid(child, 0)
    child = os.fork()
    if not child:
        os.dup2(log, 1)
        os.dup2(log, 2)
        cli.main(json.loads(line))
        os._exit(0)
    print(child, flush=True)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""Forks a server for each line of arguments, once the one before is dead."""
LIFE_S = 0.4
"""A server lives at most so long after its first response."""
START_S = 300
TYPE = {"Content-Type": "application/json"}

VOTES = """(async () => {
  const seconds = (s) => new Promise((done) => setTimeout(done, 1000 * s));
  const left = document.getElementById("left"), vote = document.getElementById("vote");
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  }));
  const ready = (token) => !left.disabled && vote.dataset.token && vote.dataset.token !== token;
  while (!ready("")) await seconds(0.05);
  const took = [];
  for (let i = 0; i < %d; i++) {
    await seconds(%f);
    const token = vote.dataset.token, begin = performance.now();
    const key = Math.random() < 0.5 ? "ArrowLeft" : "ArrowRight";
    const next = new Promise((done) => {
      const seen = new MutationObserver(() => { if (ready(token)) { seen.disconnect(); done(); } });
      seen.observe(left, { attributes: true });
    });
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await next;
    await painted();
    took.push(performance.now() - begin);
  }
  return JSON.stringify(took);
})()"""
"""Votes so many times; milliseconds of each."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=500, help="0: leave part 1 out")
    parser.add_argument("--votes", type=int, default=100, help="of each browser; 0: no part 2")
    parser.add_argument("--photographs", type=int, default=20, help="different ones, for part 2")
    parser.add_argument("--small", type=int, default=200, help="photographs of parts 1 and 3")
    parser.add_argument("--links", type=int, default=20, help="names that each has in the folder")
    parser.add_argument("--think", type=float, default=1.0, help="seconds between votes of part 2")
    parser.add_argument("--raters", type=int, default=50, help="0: leave part 3 out")
    parser.add_argument("--seconds", type=float, default=30, help="of part 3")
    parser.add_argument("--choose", choices=("random", "active"), default="random")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    good, choose = True, options.choose
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = photographs(folder / "small", options.small, (640, 480))
        if options.kills:
            good &= asyncio.run(kills(small, folder / "kills", options.kills, options.seed))
        if options.votes:
            if browser.CHROMIUM is None:
                print("answer to next pair: not measured, chromium is not installed")
            else:
                large = photographs(
                    folder / "large", options.photographs, (4000, 3000), options.links
                )
                asyncio.run(
                    next_pairs(
                        large, folder / "pages", options.votes, options.think, options.choose
                    )
                )
        if options.raters:
            good &= asyncio.run(
                crowd(small, folder / "crowd", options.raters, options.seconds, choose)
            )
    sys.exit(not good)


def photographs(folder: Path, number: int, size: tuple[int, int], links: int = 1) -> Path:
    """Make smooth pictures with grain, each under several names."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(number):
        coarse = Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
        pixels = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.int16)
        grain = rng.integers(-8, 9, (size[1], size[0], 1), dtype=np.int16)
        picture = Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))
        picture.save(folder / f"{i:04d}-0.jpg", quality=90)
        for link in range(1, links):
            os.link(folder / f"{i:04d}-0.jpg", folder / f"{i:04d}-{link}.jpg")
    return folder


# ---- a server, and raters of its interface ------------------------------------------------------


class Server:
    """``interestingness collect`` as a process, always at one port."""

    def __init__(self, photos: Path, folder: Path, *more: str) -> None:
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        self.folder, self.address = folder, f"http://127.0.0.1:{port}"
        self.store = folder / "votes.sqlite"
        self.command = [
            sys.executable, "-m", "interestingness", "collect", str(photos), "--store",
            str(self.store), "--port", str(port), "--cache", str(folder / "cache"), *more,
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it alone."""
        with open(self.folder / "server.txt", "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def fork(self) -> int:
        """Start it as a fork, once the one before is dead; return its process id."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-c", NURSERY, str(self.folder / "server.txt")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(self.command[3:]).encode() + b"\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    async def answers(self) -> bool:
        """Wait until it answers; False if it ended before."""
        assert self.process is not None
        for _ in range(START_S * 50):
            try:
                async with aiohttp.request("GET", f"{self.address}/api/state"):
                    return True
            except aiohttp.ClientError:
                if self.process.poll() is not None:
                    return False
                await asyncio.sleep(0.02)
        raise TimeoutError("the server does not answer")

    def stop(self, fork: int | None = None) -> None:
        """End it, or the fork, as a user does; it writes its table."""
        assert self.process is not None
        os.kill(fork or self.process.pid, signal.SIGTERM)
        for pipe in filter(None, (self.process.stdin, self.process.stdout)):
            pipe.close()
        if self.process.wait(timeout=START_S):
            raise RuntimeError((self.folder / "server.txt").read_text()[-2000:])


class Rater:
    """One person's cookies, and the answers that he has given."""

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name, self.tab = server, name, uuid.uuid4().hex
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.waiting: dict[str, dict[str, Any]] = {}
        self.statuses: Counter[int] = Counter()
        self.took: list[float] = []

    async def vote(self, until: float, *, pictures: bool = False) -> None:
        """Vote without a pause until a time, or until the server is gone."""
        async with aiohttp.ClientSession(
            self.server.address, cookie_jar=aiohttp.CookieJar(unsafe=True)
        ) as session:
            try:
                await self._post(session, "enter", {"name": self.name})
                for body in list(self.waiting.values()):
                    await self._answer(session, body)
                while time.monotonic() < until:
                    await self._one(session, pictures)
            except aiohttp.ClientError:
                if pictures:  # here nobody kills the server
                    self.statuses[0] += 1

    async def _one(self, session: aiohttp.ClientSession, pictures: bool) -> None:
        begin = time.perf_counter()
        found = (await self._post(session, "next", {"tab": self.tab, "count": 4}))["next"]
        if not found:
            raise RuntimeError("no pair is left: fewer raters or more photographs")
        pair = found[0]
        for side in ("left", "right") if pictures else ():
            async with session.get(f"/image/{pair[side]}") as response:
                await response.read()
                self.statuses[response.status] += 1
        key = uuid.uuid4().hex
        choice = random.choice(("left", "right", "tie", "skip"))
        body = {"tab": self.tab, "token": pair["token"], "key": key, "choice": choice}
        self.waiting[key] = body
        await self._answer(session, body)
        self.took.append(time.perf_counter() - begin)

    async def _answer(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> None:
        self.sent.add(body["key"])
        await self._post(session, "answer", body)
        self.acknowledged.add(body["key"])
        del self.waiting[body["key"]]

    async def _post(self, session: aiohttp.ClientSession, name: str, body: object) -> Any:
        async with session.post(f"/api/{name}", data=json.dumps(body), headers=TYPE) as response:
            self.statuses[response.status] += 1
            text = await response.text()
            if response.status != 200:
                raise RuntimeError(f"{name}: {response.status} {text}")
            return json.loads(text)


def held_against(server: Server, raters: list[Rater]) -> tuple[int, int, int]:
    """Answers in the store; acknowledged ones that are lost; answers that are there twice."""
    with closing(sqlite3.connect(f"file:{server.store}?mode=ro", uri=True)) as db:
        keys = [key for (key,) in db.execute("SELECT key FROM answer")]
        twice = db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM answer WHERE counts "
            "GROUP BY appearance HAVING count(*) > 1)"
        ).fetchone()[0]
    with open(server.store.with_suffix(".csv"), newline="", encoding="utf-8") as file:
        appearances = [row["appearance"] for row in csv.DictReader(file)]
    twice += len(appearances) - len(set(appearances)) + len(keys) - len(set(keys))
    acknowledged = set[str]().union(*(rater.acknowledged for rater in raters))
    unknown = set(keys) - set[str]().union(*(rater.sent for rater in raters))
    if unknown:
        raise RuntimeError(f"{len(unknown)} answers that nobody gave")
    return len(keys), len(acknowledged - set(keys)), int(twice)


# ---- the three parts ----------------------------------------------------------------------------


async def kills(photos: Path, folder: Path, number: int, seed: int) -> bool:
    """Part 1; whether its bars are kept."""
    rng, raters = random.Random(seed), []
    server = Server(photos, folder)
    for _ in range(number):
        process = server.fork()
        await server.answers()
        # New names now and then, since a rater has seen all pairs at some time.
        if not raters or rng.random() < 0.2:
            raters += [Rater(server, f"r{len(raters) + i}") for i in range(KILLED_RATERS)]
        killer = asyncio.get_running_loop().call_later(rng.random() * LIFE_S, os.kill, process, 9)
        await asyncio.gather(*(rater.vote(float("inf")) for rater in raters[-KILLED_RATERS:]))
        killer.cancel()
    process = server.fork()
    await server.answers()
    for rater in raters:
        await rater.vote(0.0)  # what waits is sent again
    server.stop(process)
    stored, lost, twice = held_against(server, raters)
    print(f"kill -9: {number} kills; {stored:,} answers, {lost} acknowledged lost, {twice} doubled")
    return not lost and not twice


async def next_pairs(photos: Path, folder: Path, votes: int, think: float, choose: str) -> None:
    """Part 2."""
    server = Server(photos, folder, "--choose", choose)
    server.start()
    await server.answers()

    async def person(name: str) -> list[float]:
        async with browser.opened(server.address, folder / name) as page:
            await page.until("!document.getElementById('entry').hidden")
            await page.run(f"document.getElementById('name').value = '{name}'")
            await page.run("document.querySelector('#entry button').click()")
            took: list[float] = []
            while len(took) < votes:  # in parts, because a command of the browser has a time limit
                some = await page.run(VOTES % (min(20, votes - len(took)), think))
                took += json.loads(some)
            return took

    number, made = len(list(photos.iterdir())), folder / "cache" / "renditions"
    for ready in (False, True):
        while ready and len(list(made.glob("[!.]*"))) < number:
            await asyncio.sleep(0.2)
        when = "with all renditions ready" if ready else "while renditions are made"
        raters = [f"{'late' if ready else 'early'}{rater}" for rater in (1, 2)]
        took = np.concatenate(await asyncio.gather(*(person(name) for name in raters)))
        middle, high = np.quantile(took, [0.5, 0.95])
        print(
            f"answer to next pair, {when}, 2 raters, {choose}: median {middle:.0f} ms, p95 "
            f"{high:.0f} ms (bar 100), highest {took.max():.0f} ms; {len(took)} votes on "
            f"{number:,} photographs of 4,000 × 3,000; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    server.stop()


async def crowd(photos: Path, folder: Path, number: int, seconds: float, choose: str) -> bool:
    """Part 3; whether its bars are kept."""
    server = Server(photos, folder, "--choose", choose)
    server.start()
    await server.answers()
    raters = [Rater(server, f"r{i}") for i in range(number)]
    until = time.monotonic() + seconds
    await asyncio.gather(*(rater.vote(until, pictures=True) for rater in raters))
    server.stop()
    stored, lost, twice = held_against(server, raters)
    statuses = sum((rater.statuses for rater in raters), Counter[int]())
    errors = statuses.total() - statuses[200]
    took = np.array([one for rater in raters for one in rater.took])
    middle, high = np.quantile(took, [0.5, 0.95]) * 1000
    print(
        f"{number} raters for {seconds:g} s, {choose}: {stored:,} answers, {errors} errors, "
        f"{lost} lost, {twice} doubled; a vote with its pictures takes {middle:.0f} ms, "
        f"p95 {high:.0f} ms"
    )
    return not errors and not lost and not twice


if __name__ == "__main__":
    main()
