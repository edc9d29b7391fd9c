"""A host of images that misbehaves in every way the downloader must survive."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (40, 30), form: str = "JPEG") -> bytes:
    """A small image of noise, the same for the same seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(noise).save(stream, format=form)
    return stream.getvalue()


PLACEHOLDER = picture(999, (12, 12), "PNG")


class Misbehaving(ThreadingHTTPServer):
    """Paths say what happens: ``/ok/3.jpg``, ``/gone/…``, ``/html/…``, ``/flaky/…``, ….

    Attributes:
        asked: number of requests by path.
        most: the most requests that were under way at a time.
        agents: user agents seen.
        open: while it is cleared, ``/held/…`` does not answer.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.times: dict[str, list[float]] = {}
        self.now = self.most = 0
        self.agents: set[str] = set()
        self.guard = threading.Lock()
        self.open = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are expected here."""


class _Handler(BaseHTTPRequestHandler):
    server: Misbehaving
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        with server.guard:
            server.asked[self.path] += 1
            server.times.setdefault(self.path, []).append(time.monotonic())
            server.agents.add(self.headers["User-Agent"])
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            what, _, name = self.path.strip("/").partition("/")
            getattr(self, f"_{what.replace('-', '_')}")(name)
        finally:
            with server.guard:
                server.now -= 1

    def _send(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _ok(self, name: str) -> None:
        time.sleep(0.01)
        seed = int(re.match(r"\d*", name)[0] or 0)
        self._send(200, picture(seed), Content_Type="text/plain")

    def _held(self, name: str) -> None:
        self.server.open.wait()
        self._ok(name)

    def _png(self, name: str) -> None:
        self._send(200, picture(1, form="PNG"), Content_Type="image/jpeg")

    def _gone(self, name: str) -> None:
        self._send(404 if name < "5" else 410)

    def _forbidden(self, name: str) -> None:
        self._send(403)

    def _html(self, name: str) -> None:
        page = b"<!doctype html><title>Sign in</title>" + b"x" * 500
        self._send(200, page, Content_Type="image/jpeg")

    def _binary(self, name: str) -> None:
        self._send(200, b"%PDF-1.7\0\1\2" * 50, Content_Type="image/jpeg")

    def _truncated(self, name: str) -> None:
        self._send(200, picture(2)[:400], Content_Type="image/jpeg")

    def _cut(self, name: str) -> None:
        data = picture(3)
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def _cut_once(self, name: str) -> None:
        if self.server.asked[self.path] == 1:
            self._cut(name)
        else:
            self._send(200, picture(4))

    def _slow(self, name: str) -> None:
        data = picture(5)
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for at in range(0, len(data), 50):
            self.wfile.write(data[at : at + 50])
            self.wfile.flush()
            time.sleep(0.05)

    def _silent(self, name: str) -> None:
        time.sleep(1.5)
        self.close_connection = True

    def _announced(self, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(10**9))
        self.end_headers()
        self.close_connection = True

    def _endless(self, name: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(4000):
            self.wfile.write(b"1000\r\n" + b"\xff\xd8\xff" + b"x" * 4093 + b"\r\n")

    def _pixels(self, name: str) -> None:
        stream = BytesIO()
        Image.new("L", (3000, 3000)).save(stream, format="PNG")
        self._send(200, stream.getvalue())

    def _busy(self, name: str) -> None:
        if self.server.asked[self.path] == 1:
            self._send(429, Retry_After="1")
        else:
            self._send(200, picture(6))

    def _crowded(self, name: str) -> None:
        if self.server.asked[self.path] == 1:
            self._send(429)
        else:
            self._send(200, picture(6))

    def _always_busy(self, name: str) -> None:
        self._send(429, Retry_After="0")

    def _later(self, name: str) -> None:
        self._send(503, Retry_After="86400")

    def _error(self, name: str) -> None:
        self._send(500)

    def _error_once(self, name: str) -> None:
        self._send(500) if self.server.asked[self.path] == 1 else self._send(200, picture(7))

    def _loop(self, name: str) -> None:
        self._send(302, Location="/loop/b" if name == "a" else "/loop/a")

    def _chain(self, name: str) -> None:
        left = int(name)
        self._send(301, Location=f"/chain/{left - 1}" if left else "/ok/8.jpg")

    def _unavailable(self, name: str) -> None:
        self._send(302, Location="/pw/images/en-us/photo_unavailable_l.png")

    def _pw(self, name: str) -> None:
        self._send(200, PLACEHOLDER)

    def _placeholder(self, name: str) -> None:
        self._send(200, PLACEHOLDER)

    def _private(self, name: str) -> None:
        self._send(302, Location="http://169.254.169.254/latest/meta-data/")

    def _file(self, name: str) -> None:
        self._send(302, Location="file:///etc/passwd")

    def _back(self, name: str) -> None:
        self._send(302, Location=f"{self.server.url}/ok/9.jpg")

    def log_message(self, *_: object) -> None:
        """Say nothing."""
