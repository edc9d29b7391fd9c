"""The seam to the network: what goes out, what comes back, and what never happens."""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import traceback

import pytest
from servers.cutter import Cutter
from servers.scripted import Answer, Cut, Hang, ScriptedServer, Seen, completion, error

from interestingness.annotators.redaction import Secret
from interestingness.annotators.transport import Transport
from interestingness.annotators.types import Failure, Reply, Request

KEY = "test-key-0123456789"
ASK = Request("/chat/completions", b'{"model": "judge-1",  "odd": "spacing kept"}')


def exchange(
    base_url: str, *, deadline_s: float = 5.0, request: Request = ASK, times: int = 1
) -> list[Reply | Failure]:
    """Some requests, one after the other, through one transport."""

    async def run() -> list[Reply | Failure]:
        async with Transport(base_url, Secret(KEY), connections=4) as transport:
            return [
                await transport.send(request, attempt_id=f"attempt-{i}", deadline_s=deadline_s)
                for i in range(times)
            ]

    return asyncio.run(run())


def one(base_url: str, **options: float) -> Reply | Failure:
    return exchange(base_url, **options)[0]  # type: ignore[arg-type]


def test_the_bytes_go_out_verbatim_and_come_back_verbatim(server: ScriptedServer) -> None:
    body = b'{ "id":"x",\n "choices" : [] }  '
    server.follow([Answer(body=body, headers={"X-Request-Id": "req-7", "X-RateLimit-Limit": "9"})])
    reply = one(server.base_url)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body, reply.request_id) == (200, body, "req-7")
    assert reply.headers["x-ratelimit-limit"] == "9"
    seen = server.journal[0]
    assert (seen.path, seen.body) == ("/v1/chat/completions", ASK.body)
    assert seen.attempt_id == "attempt-0"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["content-type"] == "application/json"


def test_only_known_headers_leave(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 44: nothing that the environment holds changes where and what is sent."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer other\nX-Spy: 1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    monkeypatch.setenv("OPENAI_API_KEY", "another-key-of-the-environment")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert isinstance(one(server.base_url), Reply)
    headers = dict(server.journal[0].headers)
    assert headers.pop("authorization") == f"Bearer {KEY}"
    assert set(headers) <= {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-client-request-id",
    }


@pytest.mark.parametrize("key_header", ["Authorization", "api-key"])
@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("", "/v1/chat/completions"),
        ("?", "/v1/chat/completions"),
        ("/?api-version=2024-10-21", "/v1/chat/completions?api-version=2024-10-21"),
        ("?api-version=2024-10-21", "/v1/chat/completions?api-version=2024-10-21"),
        ("?a=1&b=x%20y", "/v1/chat/completions?a=1&b=x%20y"),
    ],
)
def test_the_query_of_the_address_goes_with_each_request(
    server: ScriptedServer, query: str, path: str, key_header: str
) -> None:
    async def run() -> None:
        whole = server.base_url + query
        async with Transport(whole, Secret(KEY), connections=1, key_header=key_header) as carrier:
            await carrier.send(ASK, attempt_id="a", deadline_s=5.0)
            await carrier.get("/models", deadline_s=5.0)

    asyncio.run(run())
    posted, got = server.journal
    assert posted.path.replace("+", "%20") == path
    assert got.path.replace("+", "%20") == path.replace("chat/completions", "models")
    sent = {"authorization": f"Bearer {KEY}"} if key_header != "api-key" else {"api-key": KEY}
    for seen in (posted, got):
        keys = {n: v for n, v in seen.headers.items() if n in {"authorization", "api-key"}}
        assert keys == sent


def test_without_a_key_no_authorization_is_sent(server: ScriptedServer) -> None:
    async def run() -> None:
        async with Transport(server.base_url, None, connections=1) as transport:
            await transport.send(ASK, attempt_id="a", deadline_s=5)

    asyncio.run(run())
    assert "authorization" not in server.journal[0].headers


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(server: ScriptedServer, status: int) -> None:
    """Row 45."""
    with ScriptedServer() as elsewhere:
        location = f"{elsewhere.base_url}/chat/completions"
        server.follow([Answer(status, headers={"Location": location})])
        reply = one(server.base_url)
        assert isinstance(reply, Reply)
        assert (reply.status, reply.headers["location"]) == (status, location)
        assert elsewhere.journal == []


@pytest.mark.parametrize("path", ["https://elsewhere.test/v1", "//elsewhere.test/x", "chat"])
def test_a_path_cannot_lead_to_another_host(server: ScriptedServer, path: str) -> None:
    failure = exchange(server.base_url, request=Request(path, b"{}"))[0]
    assert isinstance(failure, Failure)
    assert failure.kind == "free"
    assert server.journal == []


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 504, 529]
)
def test_an_error_is_a_reply_and_is_sent_once(server: ScriptedServer, status: int) -> None:
    server.follow([error(status, "some_code", x_should_retry="true", retry_after="0")])
    reply = one(server.base_url)
    assert isinstance(reply, Reply)
    assert reply.status == status
    assert b"some_code" in reply.body
    assert len(server.journal) == 1


def test_a_refused_connection_is_free() -> None:
    """Row 27: nothing listens there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    failure = one(f"http://127.0.0.1:{port}/v1")
    assert isinstance(failure, Failure)
    assert failure.kind == "free"
    assert "ConnectError" in failure.detail


def test_a_server_without_tls_is_free(server: ScriptedServer) -> None:
    """Row 27: the handshake fails before any byte of the request."""
    failure = one(server.base_url.replace("http:", "https:"))
    assert isinstance(failure, Failure)
    assert failure.kind == "free"
    assert server.journal == []


def test_a_name_that_does_not_resolve_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 27: the resolver says no."""

    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    failure = one("http://judge.invalid/v1")
    assert isinstance(failure, Failure)
    assert failure.kind == "free"


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(Cut(completion(), after=0), id="reset before the answer"),
        pytest.param(Cut(completion(), after=40), id="reset in the head"),
        pytest.param(Cut(completion(), after=150), id="reset in the body"),
        pytest.param(Answer(body=completion(), length=9999), id="Content-Length too large"),
        pytest.param(
            Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"}), id="undecodable body"
        ),
        pytest.param(Hang(), id="hang"),
        pytest.param(Answer(body=completion(), drip_s=0.02), id="slow drip"),
    ],
)
def test_what_is_lost_after_sending_is_in_doubt_and_not_sent_again(
    server: ScriptedServer, action: object
) -> None:
    """Rows 13, 14 and 26: the deadline is for the whole exchange, not for one read."""
    server.follow([action])  # type: ignore[list-item]
    failure = one(server.base_url, deadline_s=1.5)
    assert isinstance(failure, Failure)
    assert failure.kind == "doubt"
    assert len(server.journal) == 1


def test_an_answer_replayed_by_a_proxy_is_not_taken_for_the_next_one(
    server: ScriptedServer,
) -> None:
    """Row 12: the second copy waits in the connection when the next request goes out."""
    server.script = lambda seen: Answer(body=f'{{"n": {seen.number}}}'.encode())
    with Cutter(server.port, ["twice"]) as cutter:
        replies = exchange(cutter.base_url, times=3)
    assert [reply.body for reply in replies if isinstance(reply, Reply)] == [
        b'{"n": 0}',
        b'{"n": 1}',
        b'{"n": 2}',
    ]


def test_the_key_is_in_nothing_that_comes_back(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 43: not in replies of servers that repeat it, failures, logs, reprs or pickles."""
    caplog.set_level(logging.DEBUG)

    def repeat(seen: Seen) -> Answer | Cut:
        if seen.number == 2:
            return Cut(completion(), after=100)
        said = seen.headers["authorization"]
        return Answer(
            401 if seen.number else 200,
            f'{{"error": {{"message": "wrong: {said}"}}}}'.encode(),
            {"X-Request-Id": said},
        )

    server.script = repeat
    results = exchange(server.base_url, times=3)
    assert [type(result) for result in results] == [Reply, Reply, Failure]
    texts = [repr(results), caplog.text, repr(Secret(KEY))]
    for record in caplog.records:
        texts.append(str(record.args) + str(record.exc_info))
    assert KEY not in "".join(texts)
    assert KEY.encode() not in pickle.dumps(results)
    assert caplog.records, "nothing was logged: the test saw nothing"


def test_a_key_neither_prints_nor_pickles() -> None:
    with pytest.raises(TypeError) as caught:
        pickle.dumps({"key": Secret(KEY)})
    assert KEY not in "".join(traceback.format_exception(caught.value))
