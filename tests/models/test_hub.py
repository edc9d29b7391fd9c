"""Published weights, with a hub of our own on the loopback device."""

import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from interestingness.errors import WeightsError
from interestingness.models.hub import HubFile, TorchFile, obtain, seconds

CONTENT = b"weights" * 1000


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.3")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


class Hub(BaseHTTPRequestHandler):
    def do_HEAD(self, body=b""):
        if "absent" in self.path:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.send_header("ETag", '"' + hashlib.sha256(CONTENT).hexdigest() + '"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.do_HEAD(CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def silent():
    """A hub that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_cached_file_is_used_without_asking(caches):
    folder = caches / "hf" / "models--owner--clip"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "second.bin").write_bytes(CONTENT)
    published = HubFile("owner/clip", ("first.safetensors", "second.bin"), "MIT", "http://nowhere")
    assert obtain(published).read_bytes() == CONTENT


def test_a_download_says_name_size_and_licence_first(hub, capfd):
    published = HubFile("owner/clip", ("w.safetensors",), "MIT", hub)
    assert obtain(published).read_bytes() == CONTENT
    assert "downloading owner/clip/w.safetensors (0 MB, licence MIT)" in capfd.readouterr().err
    assert published.cached() is not None


def test_the_next_file_is_taken_where_the_first_is_not_published(hub, capfd):
    published = HubFile("owner/clip", ("absent.safetensors", "w.bin"), "MIT", hub)
    assert obtain(published).name == "w.bin"
    assert "owner/clip/w.bin" in capfd.readouterr().err
    with pytest.raises(WeightsError, match="absent"):
        obtain(HubFile("owner/clip", ("absent.bin",), "MIT", hub))


def test_a_silent_hub_is_one_error_with_alternatives(silent):
    with pytest.raises(WeightsError) as caught:
        obtain(HubFile("owner/clip", ("w.safetensors",), "MIT", silent))
    text = str(caught.value)
    assert "owner/clip/w.safetensors" in text and "HF_HUB_ETAG_TIMEOUT" in text
    assert "model.backbone.weights=/path/to/w.safetensors" in text
    assert "model=cached_features" in text and "model/backbone=" in text


def test_offline_is_respected(monkeypatch, hub):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        obtain(HubFile("owner/clip", ("w.safetensors",), "MIT", hub))


def test_torchvision_files_are_checked_by_their_name(hub, caches, capfd):
    digest = hashlib.sha256(CONTENT).hexdigest()[:8]
    path = obtain(TorchFile(f"{hub}/net-{digest}.pth", "BSD-3-Clause", 14_000_000))
    assert path == caches / "torch" / "checkpoints" / f"net-{digest}.pth"
    assert path.read_bytes() == CONTENT
    assert f"net-{digest}.pth (14 MB, licence BSD-3-Clause)" in capfd.readouterr().err
    with pytest.raises(WeightsError, match="invalid hash"):
        obtain(TorchFile(f"{hub}/net-00000000.pth", "BSD-3-Clause"))
    assert sorted(p.name for p in Path(path.parent).iterdir()) == [path.name]


def test_a_silent_torchvision_is_one_error(silent):
    with pytest.raises(WeightsError, match="timed out"):
        obtain(TorchFile(f"{silent}/net-00000000.pth", "BSD-3-Clause"))
    assert socket.getdefaulttimeout() is None


def test_waiting_is_a_matter_of_seconds(monkeypatch):
    monkeypatch.delenv("HF_HUB_ETAG_TIMEOUT")
    assert seconds() == 10
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "3")
    assert seconds() == 3
