"""The ASGI application: one scorer, many clients."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import interestingness
from interestingness.data.workers import worker_count
from interestingness.datasets.download.content import with_own
from interestingness.datasets.download.fetch import close, fetch, open_session
from interestingness.datasets.download.settings import DownloadSettings
from interestingness.library.scorer import LoadedScorer
from interestingness.serving.batching import Batcher
from interestingness.serving.intake import OK, UNREADABLE, TakenIn, take_in
from interestingness.serving.interface import openapi, page
from interestingness.serving.metrics import Metrics

OPEN = ("/health",)
"""Paths that need no token."""
RETRY_S = 1


@dataclass(frozen=True)
class ServingLimits:
    """What a server takes.

    Attributes:
        waiting: images that are accepted and not finished; more are refused with 429.
        images: in one request.
        body: bytes of one request.
    """

    waiting: int = 256
    images: int = 64
    body: int = 256 * 2**20


class Service:
    """A scorer with its queue and counters."""

    def __init__(self, scorer: LoadedScorer, limits: ServingLimits, *, urls: bool) -> None:
        """Start the thread of the network and those that decode."""
        scorer.backbone  # noqa: B018 - its absence is an error before anything is served
        self.scorer, self.limits, self.metrics = scorer, limits, Metrics()
        self.urls = DownloadSettings() if urls else None
        self._batcher = Batcher(scorer, note=self.metrics.batches.observe)
        self._pool = ThreadPoolExecutor(worker_count("auto"), thread_name_prefix="decode")
        self.waiting = 0

    def close(self) -> None:
        """Finish what was accepted."""
        self._pool.shutdown()
        self._batcher.close()

    async def features(
        self, images: Sequence[tuple[str, bytes]]
    ) -> tuple[list[TakenIn], NDArray[np.float32]]:
        """Decode and encode images; a bad one has a row of NaN.

        Raises:
            HTTPException: 429 where the queue is full.
        """
        if self.waiting + len(images) > self.limits.waiting:
            raise HTTPException(
                429,
                f"{self.waiting} images wait, and {self.limits.waiting} may",
                headers={"Retry-After": str(RETRY_S)},
            )
        self._count(len(images))
        try:
            return await self._features(images)
        finally:
            self._count(-len(images))

    async def _features(
        self, images: Sequence[tuple[str, bytes]]
    ) -> tuple[list[TakenIn], NDArray[np.float32]]:
        loop = asyncio.get_running_loop()
        taken = await asyncio.gather(
            *(loop.run_in_executor(self._pool, take_in, self.scorer, data, name)
              for name, data in images)
        )  # fmt: skip
        rows = np.full((len(taken), self.scorer.dim), np.nan, dtype=np.float32)
        good = {at: one.pixels for at, one in enumerate(taken) if one.pixels is not None}
        futures = [asyncio.wrap_future(self._batcher.submit(p)) for p in good.values()]
        for at, row in zip(good, await asyncio.gather(*futures), strict=True):
            rows[at] = row
        for one in taken:
            self.metrics.images.labels(str(one.status)).inc()
        return list(taken), rows

    def _count(self, images: int) -> None:
        self.waiting += images
        self.metrics.waiting.set(self.waiting)


def make_app(
    scorer: LoadedScorer,
    *,
    token: str | None = None,
    limits: ServingLimits | None = None,
    allow_urls: bool = False,
) -> Starlette:
    """Build the application.

    Args:
        scorer: with a backbone.
        token: that requests must carry as ``Authorization: Bearer TOKEN``; None for none.
        limits: None takes the defaults.
        allow_urls: whether a form may name images by URL; private addresses are refused.

    Raises:
        WeightsError: for a scorer without a backbone.
    """
    service = Service(scorer, limits or ServingLimits(), urls=allow_urls)
    interface = openapi(interestingness.__version__, token=token is not None, urls=allow_urls)
    shown = page(interface)

    async def score(request: Request) -> Response:
        taken, rows = await service.features(await _images(request, service))
        records = scorer.records(rows, [t.name for t in taken], [t.problem for t in taken])
        return _results(taken, [{"score": r.score, "percentile": r.percentile} for r in records])

    async def embed(request: Request) -> Response:
        taken, rows = await service.features(await _images(request, service))
        vectors = [None if t.problem else row.tolist() for t, row in zip(taken, rows, strict=True)]
        return _results(taken, [{"vector": vector} for vector in vectors])

    async def compare(request: Request) -> Response:
        fields = await _files(request, service)
        if sorted(name for name, *_ in fields) != ["a", "b"]:
            raise HTTPException(UNREADABLE, "one file in each of the fields a and b is needed")
        taken, rows = await service.features([(n, data) for n, _, data in sorted(fields)])
        for one in taken:
            if one.problem:
                return _problem(one.status, one.problem)
        a, b = (r.score for r in scorer.records(rows, ["a", "b"], ["", ""]))
        assert a is not None and b is not None
        return JSONResponse({"probability": float(expit(a - b))})

    async def health(request: Request) -> Response:
        about = {"scorer": scorer.card.name, "unit": scorer.card.unit}
        return JSONResponse({"status": "ok", "version": interestingness.__version__, **about})

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    async def docs(request: Request) -> Response:
        return HTMLResponse(shown)

    async def described(request: Request) -> Response:
        return JSONResponse(interface)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(service.close)

    posts = {"/score": score, "/embed": embed}
    if scorer.in_logits:
        posts["/compare"] = compare
    gets = {"/health": health, "/metrics": metrics, "/docs": docs, "/openapi.json": described}
    routes = [
        *(Route(path, function, methods=["POST"]) for path, function in posts.items()),
        *(Route(path, function) for path, function in gets.items()),
    ]
    app = Starlette(
        routes=routes,
        lifespan=life,
        middleware=[Middleware(_Guard, token=token, service=service)],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    app.state.service = service
    return app


class _Guard:
    """Asks for the token, bounds the body, counts and times requests."""

    def __init__(self, app: ASGIApp, token: str | None, service: Service) -> None:
        self.app, self.token, self.service = app, token, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, start, status, read = Request(scope), time.perf_counter(), 500, 0
        known = {route.path for route in scope["app"].routes}
        path = scope["path"] if scope["path"] in known else "other"

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.service.limits.body:
                raise HTTPException(413, f"a body of more than {self.service.limits.body:,} bytes")
            return message

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app_for(request)(scope, bounded, sent)
        finally:
            self.service.metrics.requests.labels(path, str(status)).inc()
            self.service.metrics.seconds.labels(path).observe(time.perf_counter() - start)

    def _app_for(self, request: Request) -> ASGIApp:
        if self.token is not None and request.url.path not in OPEN:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                refused = _problem(401, "a token is needed: Authorization: Bearer TOKEN")
                refused.headers["WWW-Authenticate"] = "Bearer"
                return refused
        length = request.headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.service.limits.body:
            return _problem(413, f"a body of more than {self.service.limits.body:,} bytes")
        return self.app


async def _files(request: Request, service: Service) -> list[tuple[str, str, bytes]]:
    """Read the form: name of the field, name of the file, and bytes.

    Raises:
        HTTPException: for another body, or more files than one request may have.
    """
    if request.headers.get("content-type", "").partition(";")[0] != "multipart/form-data":
        raise HTTPException(415, "a body that is not multipart/form-data")
    most = service.limits.images
    parser = MultiPartParser(request.headers, request.stream(), max_files=most, max_fields=most)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(UNREADABLE, error.message) from None
    except (KeyError, ValueError) as error:
        raise HTTPException(UNREADABLE, f"a form that cannot be read ({error})") from None
    found: list[tuple[str, str, bytes]] = []
    try:
        for field, value in form.multi_items():
            if isinstance(value, UploadFile):
                found.append((field, value.filename or "", await value.read()))
            elif field == "urls" and service.urls is not None:
                found.append((field, value, b""))
            else:
                raise HTTPException(UNREADABLE, f"the field {field[:40]!r} is not a file")
    finally:
        await form.close()
    return found


async def _images(request: Request, service: Service) -> list[tuple[str, bytes]]:
    """Read the images of a form, those by URL too."""
    fields = await _files(request, service)
    wrong = [field for field, *_ in fields if field not in ("images", "urls")]
    if wrong or not fields:
        raise HTTPException(UNREADABLE, "one or more files in the field images are needed")
    found = [(name or f"image {at}", data) for at, (_, name, data) in enumerate(fields)]
    addressed = [at for at, (field, *_) in enumerate(fields) if field == "urls"]
    if addressed and service.urls is not None:
        session = open_session(service.urls)
        try:
            for at in addressed:
                name = found[at][0]
                answer = await fetch(
                    session, name, settings=service.urls, placeholders=with_own([])
                )
                if answer.data is None:
                    raise HTTPException(UNREADABLE, f"{name}: {answer.detail}")
                found[at] = name, answer.data
        finally:
            await close(session)
    return found


def _results(taken: Sequence[TakenIn], values: Sequence[dict[str, Any]]) -> Response:
    """Answer with a result an image; one image alone that is bad has its own status."""
    if len(taken) == 1 and taken[0].problem:
        return _problem(taken[0].status, taken[0].problem)
    results = [
        {"name": one.name, **value, "problem": one.problem, "status": one.status}
        for one, value in zip(taken, values, strict=True)
    ]
    return JSONResponse({"results": results}, status_code=OK)


def _problem(status: int, why: str) -> Response:
    return JSONResponse({"problem": why}, status_code=status)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(
        {"problem": error.detail}, status_code=error.status_code, headers=error.headers
    )


async def _failed(request: Request, error: Exception) -> Response:
    return _problem(500, f"the server failed: {type(error).__name__}")
