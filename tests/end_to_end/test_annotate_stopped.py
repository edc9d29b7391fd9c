"""The command is stopped and killed; the server's own journal is the witness of what was paid."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from servers.simulated import SimulatedServer

from interestingness.annotators.simulated import SimulatedJudge

PREFLIGHT, PAIRS = 3, 50


class Shop:
    """A server that thinks for a while, and the command that buys there."""

    def __init__(self, folder: Path, server: SimulatedServer) -> None:
        self.server, self.folder = server, folder
        data = ["dataset.images=20", "dataset.image_size=32"]
        judge = ["annotator=local", "annotator.model=simulated-judge"]
        judge += [f"annotator.base_url={server.base_url}", "ledger=answers.sqlite"]
        judge += ["annotator.price.prompt=0.01"]  # what is free would be asked again after a kill
        self.words = [sys.executable, "-m", "interestingness", "annotate", *data, *judge]

    def start(self, *more: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "INTERESTINGNESS_CACHE": str(self.folder / "cache")}
        return subprocess.Popen(
            [*self.words, *more],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def paid(self, least: int) -> int:
        """Requests that the server answered, once there are so many."""
        until = time.monotonic() + 60
        while len(self.server.journal) < least and time.monotonic() < until:
            time.sleep(0.02)
        return len(self.server.journal)

    def known(self) -> tuple[int, int]:
        """Votes in the ledger, and attempts that may have been paid for."""
        query = "SELECT (SELECT count(*) FROM label JOIN task USING (key) WHERE kind = 'pair'),"
        query += " (SELECT count(*) FROM attempt WHERE state != 'failed_free')"
        with closing(sqlite3.connect(self.folder / "answers.sqlite")) as db:
            votes, attempts = db.execute(query).fetchone()
        return int(votes), int(attempts)


@pytest.mark.slow
def test_stopped_killed_and_run_again(tmp_path: Path) -> None:
    judge = SimulatedJudge(seed=0, sharpness=1.0, order_term=-1.0)
    with SimulatedServer(judge, latency_s=0.2) as server:
        shop = Shop(tmp_path, server)

        process = shop.start()
        shop.paid(20)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "run the same command again" in said
        votes, attempts = shop.known()
        assert votes + PREFLIGHT == attempts == len(server.journal), "nothing was lost"

        process = shop.start()
        shop.paid(40)
        process.kill()
        process.communicate(timeout=60)
        time.sleep(0.5)  # what was on its way arrives
        killed, attempts = shop.known()
        assert len(server.journal) <= attempts, "nothing was paid that the ledger does not know"

        process = shop.start()
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        votes, _ = shop.known()
        held = 2 * PAIRS - votes
        # Four may be on their way, and a quarter more may have reserved (engine/pacing.py).
        assert killed <= votes and 0 <= held <= 5, "as many as were on their way at most"
        assert ("in doubt" in said) == (held > 0)

        before = len(server.journal)
        process = shop.start("in_doubt=rebuy")
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert shop.known()[0] == 2 * PAIRS
        assert len(server.journal) - before == held
