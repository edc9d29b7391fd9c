"""The simulated judge behind a real socket: an OpenAI-compatible server on loopback."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from interestingness.annotators.simulated import SimulatedJudge
from interestingness.annotators.types import Reply, Request


class SimulatedServer:
    """Answers ``/v1/chat/completions``, ``/v1/embeddings`` and ``/v1/models`` while it is open.

    Attributes:
        journal: paths of the requests that were answered, in order: what a provider would charge.
        keys: keys that came with them.
    """

    def __init__(self, judge: SimulatedJudge, *, latency_s: float = 0.0, port: int = 0) -> None:
        """Listen on 127.0.0.1.

        Args:
            judge: who answers.
            latency_s: waited before each answer.
            port: 0 takes a free one.
        """
        self.judge = judge
        self.latency_s = latency_s
        self.journal: list[str] = []
        self.keys: set[str] = set()
        self._http = _Listening(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    @property
    def base_url(self) -> str:
        """For ``annotator.base_url``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def answer(self, request: Request) -> Reply:
        """One reply, noted in the journal."""
        time.sleep(self.latency_s)
        reply = self.judge.reply(request)
        self.journal.append(request.path)
        return reply

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(server: SimulatedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            models = {"object": "list", "data": [{"id": server.judge.model, "object": "model"}]}
            known = self.path == "/v1/models"
            self._send(200 if known else 404, json.dumps(models if known else {}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path not in ("/v1/chat/completions", "/v1/embeddings"):
                self._send(404, b'{"error": {"message": "no such path"}}')
                return
            server.keys.add(self.headers.get("authorization", "").removeprefix("Bearer "))
            reply = server.answer(Request(self.path.removeprefix("/v1"), body))
            self._send(reply.status, reply.body)

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
