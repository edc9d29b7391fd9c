"""A simulated person votes on OASIS photographs in a browser; a model learns from the export."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import browser
import pytest
from collect_process import Server, read

VOTES = 300
SHARPNESS = 3.0
"""Logits for each point of the mean rating: the person is not always of the mean's opinion."""


def ratings(oasis: Path) -> dict[str, float]:
    with open(oasis / "ratings.csv", newline="", encoding="utf-8") as file:
        return {row["file"]: float(row["beauty_mean"]) for row in csv.DictReader(file)}


async def person(server: Server, profile: Path, beauty: dict[str, float]) -> None:
    """Looks at both pictures, presses a key, waits for the next pair."""
    rng = random.Random(0)
    ready = "!document.getElementById('left').disabled && vote.dataset.token"
    seen = (
        "JSON.stringify(['left', 'right'].map((side) => "
        "document.querySelector(`#${side} img`).src.split('/').pop()))"
    )
    async with browser.opened(server.address, profile) as page:
        await page.until("!document.getElementById('entry').hidden")
        await page.run("document.getElementById('name').value = 'ann'")
        await page.run("document.querySelector('#entry button').click()")
        name_of = dict(read(server.store, "SELECT id, name FROM image"))
        token = ""
        for _ in range(VOTES):
            token = await page.until(
                f"{ready} && vote.dataset.token !== '{token}' && vote.dataset.token"
            )
            left, right = (name_of[image] for image in json.loads(await page.run(seen)))
            sure = 1 / (1 + math.exp(SHARPNESS * (beauty[right] - beauty[left])))
            await page.press("ArrowLeft" if rng.random() < sure else "ArrowRight")
        await page.until(f"document.getElementById('status').textContent === 'Saved: {VOTES}'")


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_votes_of_a_person_become_a_model(
    repository: Path, shared_data: Path, tmp_path: Path
) -> None:
    oasis = shared_data / "oasis"
    server = Server(oasis / "images", tmp_path, "--question", "beautiful")
    server.start()
    try:
        asyncio.run(person(server, tmp_path / "profile", ratings(oasis)))
    finally:
        assert server.stop() == 0
    votes = server.store.with_suffix(".csv")
    with open(votes, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == VOTES and sum(bool(row["repeats"]) for row in rows) >= 0.04 * VOTES
    done = subprocess.run(
        [sys.executable, str(repository / "train.py"), "dataset=folder",
         f"dataset.images={oasis / 'images'}", f"dataset.votes={votes}", "question=beautiful",
         "label_source=human", "model=cached_features",
         f"model.features={oasis / 'clip_like_vectors_1024.npz'}", "name=ours",
         f"paths.runs={tmp_path / 'runs'}", f"paths.cache={tmp_path / 'cache'}"],
        cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "runs" / "ours" / "metrics.json").read_text())
    (human,) = (r for r in found["test"]["references"] if r["name"] == "human")
    assert human["accuracy"]["low"] > 0.5
