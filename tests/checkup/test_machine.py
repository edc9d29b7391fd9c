"""What is read of a machine: hosts on loopback, child processes, folders."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from interestingness.checkup import machine
from interestingness.checkup.machine import (
    hub_models,
    read_extra,
    read_folder,
    read_host,
    read_machine,
    read_packages,
    read_torch,
    torch_models,
)


class Host(BaseHTTPRequestHandler):
    """Answers as the path says."""

    def do_HEAD(self) -> None:
        status = int(self.path.rpartition("/")[2] or 200)
        self.send_response_only(status)
        if status == 302:
            self.send_header("Location", f"http://localhost:{self.server.server_port}/200")  # type: ignore[attr-defined]
        elif self.path.startswith("/late"):
            self.send_header("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
        else:
            self.send_header("Date", self.date_time_string())
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_answers_of_a_host(host: str) -> None:
    for status in (200, 401, 404):
        found = read_host(f"{host}/{status}")
        assert found.problem == "" and found.host == "127.0.0.1"
        assert found.ahead_s is not None and abs(found.ahead_s) < 3600
    assert read_host(f"{host}/500").problem == "HTTP 500"
    assert "localhost" in read_host(f"{host}/302").problem  # a page to log in, as hotels have it
    late = read_host(f"{host}/late/200").ahead_s
    assert late is not None and late < -1e9


def test_hosts_that_do_not_answer() -> None:
    assert read_host("http://127.0.0.1:1/").problem
    secret = read_host("http://user:pa55word@127.0.0.1:1/?token=pa55word")
    assert secret.problem and "pa55word" not in repr(secret)
    assert read_host("no address").problem
    assert read_host("http://127.0.0.1:1/", "HF_HUB_OFFLINE").forbidden == "HF_HUB_OFFLINE"


def test_a_host_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    forever = threading.Event()
    monkeypatch.setattr(machine, "ANSWER_S", 0.01)
    monkeypatch.setattr(machine, "_ask", lambda *_: forever.wait())
    assert "no answer" in read_host("http://example.org").problem
    forever.set()


def test_torch_in_a_child_process() -> None:
    found = read_torch()
    assert found.version and not found.error
    made_up = read_torch('print(\'warning\'); print(\'["2.6", "12.4", ["A"]]\')')
    assert (made_up.version, made_up.cuda, made_up.gpus) == ("2.6", "12.4", ("A",))
    assert "libtorch" in read_torch("raise ImportError('libtorch')").error
    assert "signal" in read_torch("import os; os.kill(os.getpid(), 9)").error
    assert read_torch("print('hello')").error and read_torch("pass").error


def test_extras() -> None:
    assert read_extra(("json", "email.message"), run=True) == {}
    missing = read_extra(("json", "no_such_module", "no_such.inner"), run=False)
    assert set(missing) == {"no_such_module", "no_such.inner"}


def test_an_extra_that_fails_to_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_extra.py").write_text("raise OSError('libsomething.so')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert read_extra(("broken_extra",), run=False) == {}
    assert "libsomething" in read_extra(("broken_extra",), run=True)["broken_extra"]


def test_packages() -> None:
    found = read_packages(["numpy<3,>=1.26", "no-such-package>=1"])
    assert found["numpy"] and found["no-such-package"] is None


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x" * 1000)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "b" / "file")
    (tmp_path / "a" / "circle").symlink_to(tmp_path / "a")
    found = read_folder(tmp_path / "a")
    assert found.used == 1000 and found.whole and found.exists and found.writable
    assert found.free > 0
    assert not read_folder(tmp_path / "a", count_s=-1).whole
    absent = read_folder(tmp_path / "not" / "yet")
    assert not absent.exists and absent.writable and absent.used == 0
    assert not read_folder(tmp_path / "a" / "b" / "file" / "below").writable


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert not read_folder(tmp_path / "cache").writable
    tmp_path.chmod(0o700)


def test_models_on_disk(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--timm--vit" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    assert hub_models(tmp_path) == []
    (snapshot / "model.safetensors").symlink_to("nowhere")  # a download that was cut
    assert hub_models(tmp_path) == []
    (snapshot / "model.bin").write_bytes(b"x")
    assert hub_models(tmp_path) == ["timm/vit"]
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "net.pth").write_bytes(b"x")
    assert torch_models(tmp_path) == ["net.pth"]


def test_the_environment_says_where_things_are(tmp_path: Path) -> None:
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hf"),
        "TORCH_HOME": str(tmp_path / "torch"),
        "INTERESTINGNESS_CACHE": str(tmp_path / "own"),
        "HF_ENDPOINT": "http://127.0.0.1:1",
    }
    found = read_machine(environment)
    assert found.hosts["hub"].forbidden == "HF_HUB_OFFLINE"
    assert found.hub_cache.path == tmp_path / "hf" / "hub"
    assert found.torch_cache.path == tmp_path / "torch" and found.cache.path == tmp_path / "own"
    assert found.python == sys.version_info[:3] and found.models == ()
    assert 1.7e9 < found.installed <= found.now
