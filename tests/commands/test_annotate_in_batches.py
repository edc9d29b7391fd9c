"""``interestingness annotate mode=batch`` from options to tables, at a provider in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from material import SIMULATED, data_set
from servers.provider import Provider, answer_line
from servers.scripted import Action, Answer, ScriptedServer, Seen

from interestingness.annotators.batch import lifecycle
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.simulated import SimulatedJudge
from interestingness.annotators.types import Request
from interestingness.cli import conf_folder
from interestingness.commands.annotate import annotate
from interestingness.errors import ConfigError

Run = Callable[..., dict[str, Any]]
LEDGER = Path("annotations/toy/openai.sqlite")


class Judging(Provider):
    """A provider whose model is the simulated judge, asked singly or in batches."""

    def __init__(self) -> None:
        super().__init__(ending=self.answers, polls=0)
        self.judge = SimulatedJudge(**SIMULATED, model="gpt-6-luna")
        self.single = 0

    def __call__(self, seen: Seen) -> Action:
        if seen.path == "/v1/models":
            return Answer(body=json.dumps({"data": [{"id": self.judge.model}]}).encode())
        if seen.path == "/v1/chat/completions":
            self.single += 1
            reply = self.judge.reply(Request("/chat/completions", seen.body))
            return Answer(reply.status, reply.body)
        return super().__call__(seen)

    def answers(self, ids: list[str]) -> tuple[str, bytes | None, bytes | None]:
        lines = []
        for file in self.files.values():
            asked = [json.loads(line) for line in file["content"].splitlines()]
            for line in asked:
                if line["custom_id"] in ids and "body" in line:
                    request = Request("/chat/completions", json.dumps(line["body"]).encode())
                    lines.append(answer_line(line["custom_id"], self.judge.reply(request).body))
        return "completed", b"".join(lines), None


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Judging:
    monkeypatch.setattr(lifecycle.BatchLimits, "poll_s", 0.01)
    return Judging()


@pytest.fixture
def run(provider: Judging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The command for eight photographs in a ring of eight pairs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERESTINGNESS_CACHE", str(tmp_path / "cache"))
    tables = data_set(tmp_path, 8)
    GlobalHydra.instance().clear()
    with ScriptedServer(provider) as server:

        def go(*overrides: str) -> dict[str, Any]:
            data = ["dataset=prepared", f"dataset.root={tables.root}", "paths.run=run"]
            judge = ["annotator=openai", f"annotator.base_url={server.base_url}"]
            judge += ["annotator.key_env=null", "++annotator.max_side=64"]
            judge += ["annotator.parameters.reasoning_effort=none"]
            with initialize_config_dir(str(conf_folder()), version_base="1.3"):
                return annotate(compose("annotate", [*data, *judge, *overrides]))

        yield go
    GlobalHydra.instance().clear()


def table(found: dict[str, Any]) -> list[dict[str, Any]]:
    rows = pq.read_table(found["table"]).to_pylist()
    names = ("pair_id", "rater_id", "first", "choice", "reason")
    return sorted(({name: row[name] for name in names} for row in rows), key=str)


def spent() -> int:
    with Ledger.open(LEDGER, run={}, cap_uusd=None, read_only=True) as ledger:
        return ledger.spent_uusd


def test_batches_give_the_same_votes_as_single_requests_for_half_the_price(
    run: Run, provider: Judging, capsys: pytest.CaptureFixture[str]
) -> None:
    single = run("yes=true", "ledger=single/openai.sqlite")
    votes = table(single)
    asked_singly = provider.single
    found = run("yes=true", "mode=batch", "replace=true")
    assert (found["labelled"], found["todo"]) == (16, 0)
    assert len(provider.batches) == 1
    preflight = provider.single - asked_singly
    assert 0 < preflight < 16
    assert table(found) == votes
    with Ledger.open(Path("single/openai.sqlite"), run={}, cap_uusd=None, read_only=True) as ledger:
        whole = ledger.spent_uusd
    assert spent() < 0.75 * whole
    capsys.readouterr()
    assert run("yes=true", "mode=batch")["todo"] == 0
    assert "nothing to ask" in capsys.readouterr().out


def test_a_run_that_ends_early_is_taken_up(run: Run, provider: Judging) -> None:
    """The provider fails for a while after it took the batch."""
    provider.faults = [("GET /v1/batches/batch-1", Answer(404, b"{}"))]
    with pytest.raises(SystemExit) as ended:
        run("yes=true", "mode=batch")
    assert ended.value.code == 77
    assert run("yes=true", "mode=batch")["labelled"] == 16
    assert len(provider.batches) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["mode=slow"], "mode=slow"),
        (["mode=batch", "annotator.price.batch=null"], "no price for batches"),
        (["mode=batch", "annotator.batch=null"], "no batch interface"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(
    run: Run, provider: Judging, options: list[str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        run("yes=true", *options)
    assert provider.single == 0
