"""W&B without an account: offline, quiet, complete on disk, and nothing sent anywhere."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import wandb
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from wandb.proto import wandb_internal_pb2

from interestingness.errors import ConfigError
from interestingness.learning import wandb_logging
from interestingness.reports.media import log_report
from interestingness.studies.result import StudyResult

WANDB = str(wandb.Settings.model_fields["base_url"].default)
KEY = "0123456789" * 4

RUN = """
import json, sys
from pathlib import Path
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from lightning.pytorch.loggers import CSVLogger
from interestingness.learning.wandb_logging import RunLogger
from interestingness.reports.media import log_report
from interestingness.studies.result import Column, Gallery, Shown, StudyResult, Table

run = Path(sys.argv[1])
logger = RunLogger(save_dir=str(run), project="p", name="synthetic human seed 0", pictures=True)
csv = CSVLogger(save_dir=str(run), name="", version="log")
for each in (logger, csv):
    each.log_hyperparams({"model": {"scaling": "none"}, "seed": 0})
    each.log_metrics({"train/loss": 0.7}, step=1)
    each.save()
image = Image.new("RGB", (32, 24), "red")
pq.write_table(pa.table({"pair_id": ["a", "b"], "margin": [0.5, None]}), run / "p.parquet")
(run / "page.html").write_text("<p>hello</p>")
result = StudyResult(
    "run", "Run", "All is well.", [], [Table("references", "References", [Column("a", "a")], [])],
    galleries=[Gallery("Highest", images=[Shown("a", "1.2")]),
               Gallery("Lowest", images=[Shown("b")])],
    simulated="SIMULATION: planted",
)
log_report(
    [logger, csv],
    result,
    page=run / "page.html",
    picture=lambda name: image,
    metrics={"test/human/accuracy": 0.75},
    predictions=run / "p.parquet",
)
"""


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which nobody has ever logged in."""
    for name in list(os.environ):
        if name.startswith("WANDB"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return dict(os.environ)


def test_a_run_without_a_key_is_whole_on_disk_and_sends_nothing(
    tmp_path: Path, nobody: dict[str, str]
) -> None:
    run = tmp_path / "run"
    environment = {**nobody, "WANDB_RUN_GROUP": "sweep 1", "WANDB_JOB_NAME": "seed-3"}
    with _listener() as (address, calls):
        # Whatever would leave the machine goes through the proxy, and would be seen here.
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "https_proxy"), address)
        done = _python(RUN, str(run), environment={**environment, **proxies})
    assert calls == []
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert len(said) == 1 and "offline" in said[0] and str(run) in said[0]

    (folder,) = (run / "wandb").glob("offline-run-*")
    kinds = {p.suffix for p in (folder / "files" / "media").rglob("*") if p.is_file()}
    assert kinds == {".png", ".json", ".html"}
    records = _records(next(folder.glob("*.wandb")))
    begun = next(r.run for r in records if r.HasField("run"))
    assert begun.run_group == "sweep 1" and begun.project == "p"
    assert begun.display_name == "synthetic human seed 0 seed-3"
    last = [r.run for r in records if r.HasField("run")][-1]
    assert last.display_name.startswith("SIMULATION ") and last.notes == "SIMULATION: planted"
    assert list(last.tags) == ["simulation"]
    config = {i.key: json.loads(i.value_json) for r in records for i in r.config.update}
    assert config["seed"] == 0 and config["model"] == {"scaling": "none"}
    history = {
        tuple(item.nested_key): json.loads(item.value_json)
        for r in records
        for item in r.history.item
    }
    assert history["test/human/accuracy",] == 0.75 and history["train/loss",] == 0.7
    assert history["pictures/highest", "captions"] == ["a: 1.2"]
    assert history["pictures/lowest", "_type"] == "images/separated"
    assert history["predictions", "nrows"] == 2
    assert history["page", "_type"] == "html-file"
    assert any(r.HasField("exit") and r.exit.exit_code == 0 for r in records)
    written = (run / "log" / "metrics.csv").read_text()
    assert written.split() == ["step,train/loss", "1,0.7"]


@pytest.mark.usefixtures("nobody")
def test_other_ranks_begin_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wandb, "init", None)  # a call would raise
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = wandb_logging.RunLogger(save_dir=str(tmp_path / "run"), project="p", pictures=True)
    logger.log_hyperparams({"seed": 0})
    nothing = StudyResult("run", "", "", [], [])
    log_report(
        [logger], nothing, page=tmp_path / "page.html", picture=lambda _: None, metrics={"a": 1.0}
    )
    logger.finalize("failed")
    assert not (tmp_path / "run").exists()
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("key", "mode", "pictures", "told"),
    [
        (KEY, "online", True, True),
        (KEY, "shared", True, True),
        (KEY, "online", False, False),
        (KEY, "offline", True, False),
        (KEY, "disabled", True, False),
        (None, "online", True, False),  # then it is offline, which is said
    ],
)
def test_pictures_that_will_be_sent_are_announced(
    key: str | None, mode: str, pictures: bool, told: bool, tmp_path: Path, monkeypatch, capsys
) -> None:
    settings = SimpleNamespace(mode=mode, base_url=WANDB, api_key=key)
    monkeypatch.setattr(wandb, "setup", lambda: SimpleNamespace(settings=settings))
    wandb_logging.RunLogger(save_dir=str(tmp_path), project="p", pictures=pictures)
    said = capsys.readouterr().out
    assert ("logger.wandb.pictures=false" in said) is told
    assert (WANDB in said) is told


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("mode", ["online", "offline", "disabled"])
def test_the_users_choice_wins(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wandb_logging.choose_mode() == "offline"
    monkeypatch.setenv("WANDB_MODE", mode)
    assert wandb_logging.choose_mode() is None


@pytest.mark.usefixtures("nobody")
def test_a_key_is_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not wandb_logging.has_key(WANDB)
    assert wandb_logging.has_key(WANDB, "from the settings file")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert wandb_logging.has_key(WANDB)
    assert wandb_logging.choose_mode() is None


@pytest.mark.parametrize(
    ("machine", "server", "found"),
    [
        ("api.wandb.ai", None, True),
        ("api.wandb.ai", "https://wandb.our-lab.example", False),
        ("wandb.our-lab.example", "https://wandb.our-lab.example", True),
        ("github.com", None, False),
    ],
)
def test_a_login_is_found(
    machine: str, server: str | None, found: bool, nobody: dict[str, str]
) -> None:
    Path(nobody["NETRC"]).write_text(f"machine {machine}\n  login user\n  password {KEY}\n")
    Path(nobody["NETRC"]).chmod(0o600)
    assert wandb_logging.has_key(server or WANDB) is found


def test_an_unreadable_login_file_is_no_key(nobody: dict[str, str]) -> None:
    Path(nobody["NETRC"]).write_text("machine")
    assert not wandb_logging.has_key(WANDB)


def test_a_refused_key_is_a_clear_error(
    tmp_path: Path, nobody: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise wandb.errors.AuthenticationError("API key must have 40+ characters")

    monkeypatch.setattr(wandb, "init", refuse)
    monkeypatch.setattr(wandb, "run", None)
    monkeypatch.setenv("WANDB_API_KEY", "short")
    logger = wandb_logging.RunLogger(save_dir=str(tmp_path), project="p", pictures=True)
    with pytest.raises(ConfigError, match=r"40\+ characters[\s\S]*WANDB_MODE=offline"):
        _ = logger.experiment


def _python(
    code: str, *arguments: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


class _listener:
    """Accepts connections on loopback, and counts them."""

    def __enter__(self) -> tuple[str, list[object]]:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.calls: list[object] = []
        threading.Thread(target=self._serve, daemon=True).start()
        return f"http://127.0.0.1:{self.server.getsockname()[1]}", self.calls

    def _serve(self) -> None:
        while True:
            try:
                connection, peer = self.server.accept()
            except OSError:
                return
            self.calls.append(peer)
            connection.close()

    def __exit__(self, *_: object) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


def _records(path: Path) -> list[wandb_internal_pb2.Record]:
    """A .wandb file: 7 bytes of header, then LevelDB's log (blocks of 32 KiB, chunks in them)."""
    data, block, header = path.read_bytes(), 32768, 7
    at, whole, found = header, b"", []
    while at + header <= len(data):
        if block - at % block < header:
            at += block - at % block
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + header : at + header + length]
        at += header + length
        if kind in (1, 4):  # a whole record, or the last chunk of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            found.append(record)
            whole = b""
    return found
