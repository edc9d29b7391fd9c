"""The simulated judge does what is planted, in process and over a socket."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from material import backend, photographs, ring, rounds
from scipy.special import expit
from servers.simulated import SimulatedServer

from interestingness.annotators.parsing import parse
from interestingness.annotators.requests import Build
from interestingness.annotators.sent_images import ImageSource
from interestingness.annotators.simulated import SimulatedJudge, SimulatedSender
from interestingness.annotators.tasks import embedding_task, image_tasks, pair_tasks, text_tasks
from interestingness.annotators.transport import Transport
from interestingness.annotators.types import Answer, Reject, Reply, Request, Task


class World:
    """Photographs with planted utilities, and a judge who knows them."""

    def __init__(self, folder: Path, number: int = 30, **judge: Any) -> None:
        self.backend = backend()
        files = photographs(folder, number)
        self.sources = {n: ImageSource.read(n, p) for n, p in files.items()}
        self.utility = dict(zip(files, np.linspace(-1.5, 1.5, number), strict=True))
        shas = {
            hashlib.sha256(self.backend.transcode(s.bytes(), where=n)).hexdigest(): n
            for n, s in self.sources.items()
        }
        utilities = {sha: float(self.utility[name]) for sha, name in shas.items()}
        planted = {"seed": 0, "sharpness": 1.0, "order_term": -1.0, **judge}
        self.judge = SimulatedJudge(utilities=utilities, **planted)

    def tasks(self) -> list[Task]:
        return pair_tasks(self.backend, rounds(), ring(list(self.sources)), self.sources).tasks

    def build(self, structured: str = "json_schema") -> Build:
        ways = [way for kind in ("pair", "image", "description", "cupl") for way in rounds(kind)]
        prompts = {way.prompt.id: way.prompt for way in ways}
        return Build(
            self.backend, prompts, {s.sha256: s for s in self.sources.values()}, structured
        )

    def reply(self, task: Task, structured: str = "json_schema") -> Reply:
        return self.judge.reply(self.build(structured)(task))

    def verdict(self, task: Task) -> Any:
        return parse(task, self.reply(task))[0]


def test_probabilities_are_the_planted_ones(tmp_path: Path) -> None:
    world = World(tmp_path)
    for task in world.tasks():
        found = world.verdict(task)
        left, right = (world.utility[str(task.subject[s])] for s in ("left", "right"))
        sign = 1 if task.subject["first"] == "left" else -1
        assert found.p_first == pytest.approx(expit(sign * (left - right) - 1.0), abs=1e-6)
        assert found.extra["mass"] == pytest.approx(1.0)
        assert found.extra["reason_supports"] == "supports"


def test_noise_belongs_to_a_pair_and_turns_with_the_order(tmp_path: Path) -> None:
    world = World(tmp_path, noise=2.0, order_term=0.0, sharpness=0.0)
    p = np.array([world.verdict(task).p_first for task in world.tasks()])
    assert p[::2] + p[1::2] == pytest.approx(np.ones(30))
    assert 1.0 < np.std(np.log(p / (1 - p))) < 3.0


def test_the_same_request_gets_the_same_answer_and_another_seed_another(tmp_path: Path) -> None:
    one, other = World(tmp_path), World(tmp_path, seed=1)
    bodies = [[w.reply(task).body for task in w.tasks()] for w in (one, one, other)]
    assert bodies[0] == bodies[1] != bodies[2]


def test_planted_faults_come_as_often_as_planted(tmp_path: Path) -> None:
    world = World(tmp_path, 100, refusals=0.2, invalid=0.1, contradictions=0.3)
    found = [world.verdict(task) for task in world.tasks()]
    kinds = Counter(v.kind if isinstance(v, Reject) else "label" for v in found)
    assert 20 < kinds["refused"] < 60 and 6 < kinds["invalid_json"] < 32
    words = Counter(v.extra["reason_supports"] for v in found if isinstance(v, Answer))
    assert 0.2 < words["contradicts"] / sum(words.values()) < 0.4


def test_a_blind_judge_a_judge_without_schema_and_one_that_ignores_the_cap(tmp_path: Path) -> None:
    blind = World(tmp_path, sees=False)
    assert {round(blind.verdict(task).p_first, 3) for task in blind.tasks()} == {0.9}
    plain = World(tmp_path, modes=("text",))
    assert plain.reply(plain.tasks()[0]).status == 400
    assert plain.reply(plain.tasks()[0], "prompt").status == 200
    task = plain.tasks()[0]
    body = json.loads(plain.build("prompt")(task).body)
    request = Request(
        "/chat/completions", json.dumps({**body, "max_completion_tokens": 4}).encode()
    )
    cut = json.loads(plain.judge.reply(request).body)
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] <= 4
    rude = World(tmp_path, modes=("text",), caps=False).judge.reply(request)
    assert json.loads(rude.body)["usage"]["completion_tokens"] > 4


def test_texts_yes_or_no_and_vectors(tmp_path: Path) -> None:
    world = World(tmp_path)
    for kind in ("image", "description"):
        made = image_tasks(world.backend, rounds(kind), world.sources, world.sources).tasks
        found = [world.verdict(task) for task in made]
        assert all(isinstance(v, Answer) for v in found)
        assert {v.choice for v in found} <= ({"yes", "no"} if kind == "image" else {None})
    text = world.verdict(text_tasks(world.backend, rounds("cupl")[0], samples=1).tasks[0])
    assert "simulated" in text.extra["text"]
    vector = world.verdict(embedding_task(world.backend, "a dog"))
    assert vector.extra["dimensions"] == 64


def test_over_a_socket_it_says_the_same(tmp_path: Path) -> None:
    world = World(tmp_path, 4)
    tasks, build = world.tasks(), world.build()

    async def over_the_socket(url: str) -> list[Any]:
        async with Transport(url, None, connections=2) as transport:
            models = await transport.get("/models", deadline_s=10)
            absent = await transport.get("/nothing", deadline_s=10)
            return [models, absent] + [
                await transport.send(build(task), attempt_id="a", deadline_s=10) for task in tasks
            ]

    with SimulatedServer(world.judge) as server:
        models, absent, *replies = asyncio.run(over_the_socket(server.base_url))
        assert json.loads(models.body)["data"][0]["id"] == "simulated-judge"
        assert absent.status == 404
        assert [r.body for r in replies] == [world.judge.reply(build(t)).body for t in tasks]
        assert server.journal == ["/chat/completions"] * len(tasks)

    sender = SimulatedSender(world.judge)
    reply = asyncio.run(sender.send(build(tasks[0]), attempt_id="a", deadline_s=1))
    assert isinstance(reply, Reply) and reply.body == replies[0].body and sender.asked == 1
