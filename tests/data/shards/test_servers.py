"""Shards behind http servers that fail, fall silent, break off, or want a password."""

from __future__ import annotations

import base64
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from interestingness.data.shards import copying, remote
from interestingness.data.shards.copying import TRIES, copy_shards
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.remote import Unreachable
from interestingness.data.shards.stream import PairShardStream
from interestingness.data.shards.verify import verify_shards
from interestingness.errors import ShardError

SHARD = "pairs-000001.tar"


class Server(ThreadingHTTPServer):
    """Serves a folder on loopback; ``trouble`` answers for the shard as often as it likes."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.root, self.asked = root, Counter[str]()
        self.trouble: Callable[[Any, bytes, int], bool] = lambda *_: False
        self.password: str | None = None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name, server = self.path.strip("/"), self.server
        server.asked[name] += 1
        if server.password and self.headers.get("Authorization") != server.password:
            self.send_error(401)
            return
        if not (server.root / name).is_file():
            self.send_error(404)
            return
        data = (server.root / name).read_bytes()
        if name == SHARD and server.trouble(self, data, server.asked[name]):
            return
        self.begin(data)
        self.wfile.write(data)

    def begin(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(copying, "WAIT_S", 0.0)
    monkeypatch.setattr(remote, "SILENCE_S", 1.5)
    made = Server(root)
    yield made
    made.shutdown()
    made.server_close()


def fails(answer: Any, data: bytes, time: int) -> bool:
    answer.send_error(503)
    return True


def breaks_off(answer: Any, data: bytes, time: int) -> bool:
    answer.begin(data)
    answer.wfile.write(data[: len(data) // 2])
    return True


def falls_silent(answer: Any, data: bytes, _: int) -> bool:
    breaks_off(answer, data, _)
    answer.wfile.flush()
    time.sleep(4)
    return True


TROUBLES = {
    "503": fails,
    "15360 of 30720 bytes": breaks_off,
    "nothing for 1.5 s": falls_silent,
}


@pytest.mark.parametrize("told", TROUBLES)
def test_trouble_that_passes_is_waited_for_and_said(
    server: Server, told: str, tmp_path: Path
) -> None:
    said: list[str] = []
    trouble = TROUBLES[told]
    server.trouble = lambda answer, data, count: count < 3 and trouble(answer, data, count)
    copy = copy_shards(server.url(), tmp_path / "cache", say=said.append)
    assert server.asked[SHARD] == 3 and len(said) == 2
    assert all(SHARD in one and told in one and "trying again" in one for one in said)
    assert not verify_shards(copy).problems


@pytest.mark.parametrize("told", TROUBLES)
def test_trouble_that_stays_is_one_error_and_the_next_copy_goes_on(
    server: Server, told: str, tmp_path: Path
) -> None:
    server.trouble = TROUBLES[told]
    with pytest.raises(Unreachable, match=told):
        copy_shards(server.url(), tmp_path / "cache")
    assert server.asked[SHARD] == TRIES
    server.trouble, before = lambda *_: False, server.asked.copy()
    copy = copy_shards(server.url(), tmp_path / "cache")
    assert not verify_shards(copy).problems
    assert server.asked["index.parquet"] == before["index.parquet"] == 1


def test_what_is_not_there_is_not_asked_for_again(
    server: Server, root: Path, tmp_path: Path
) -> None:
    (root / SHARD).unlink()
    with pytest.raises(Unreachable, match=SHARD):
        copy_shards(server.url(), tmp_path / "cache")
    assert server.asked[SHARD] == 1


def test_a_password_is_sent_and_never_said(server: Server, tmp_path: Path) -> None:
    server.password = "Basic " + base64.b64encode(b"me:secret").decode()
    with pytest.raises(Unreachable, match="401"):
        copy_shards(server.url(), tmp_path / "cache")
    with pytest.raises(Unreachable, match="401") as caught:
        copy_shards(server.url("me:wrong@"), tmp_path / "cache")
    assert "wrong" not in str(caught.value)
    manifest = server.root / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text[:-20])
    for read in (PairShards, lambda url: copy_shards(url, tmp_path / "cache")):
        with pytest.raises(ShardError, match="damaged manifest") as damaged:
            read(server.url("me:secret@"))
        assert "secret" not in str(damaged.value)
    manifest.write_text(text)
    copy = copy_shards(server.url("me:secret@"), tmp_path / "cache")
    assert not verify_shards(copy).problems


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "WAIT_S", 0.0)
    said: list[str] = []
    with pytest.raises(Unreachable, match="manifest"):
        copy_shards("http://127.0.0.1:1", tmp_path / "cache", say=said.append)
    assert len(said) == TRIES - 1


@pytest.mark.parametrize("told", TROUBLES)
def test_a_stream_that_meets_trouble_ends_with_an_error(server: Server, told: str) -> None:
    server.trouble = TROUBLES[told]

    def blank(image: Image.Image) -> torch.Tensor:
        return torch.zeros(3, 2, 2)

    shards = PairShards(server.url())
    with pytest.raises(Exception, match=SHARD) as caught:
        list(PairShardStream(shards, batch_size=5, transform=blank))
    assert type(caught.value).__name__ in {"Unreachable", "ShardError"}
