"""The HTTP side of a session: pages, pictures, and the few requests that the page makes."""

from __future__ import annotations

import hmac
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from interestingness.collecting.records import Given
from interestingness.collecting.session import LONGEST_REASON, VotingSession
from interestingness.errors import ImageError, InterestingnessError

PAGE = files("interestingness.collecting") / "page"
ASSETS = {"collect.js": "text/javascript", "collect.css": "text/css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content security policy: nothing of another host, and no script within the page."""
BODY = 16_384
"""Largest body in bytes."""
COOKIE, ACCESS = "rater", "access"
NAMED = re.compile(r"[A-Za-z0-9_-]{4,64}")


@dataclass(frozen=True)
class Admission:
    """Who may come in.

    Attributes:
        hosts: names in the header ``Host`` that are served, so that a page of another name that
            points to this address is refused; None serves any.
        token: that the first address of a visitor must carry; None lets in everybody who reaches
            the port.
        https: whether cookies are sent over TLS only.
    """

    hosts: frozenset[str] | None
    token: str | None = None
    https: bool = False


class TabRequest(BaseModel):
    """Which tab asks, and for how many."""

    tab: str = Field(pattern=NAMED.pattern, max_length=64)
    count: int = Field(default=4, ge=1, le=8)


class ShownRequest(BaseModel):
    """An appearance that stands on the screen."""

    token: str = Field(max_length=64)


class AnswerRequest(BaseModel):
    """An answer."""

    token: str = Field(max_length=64)
    key: str = Field(min_length=8, max_length=64)
    choice: str = Field(max_length=16)
    reason: str = Field(default="", max_length=LONGEST_REASON)
    response_ms: float | None = Field(default=None, ge=0, le=1e9)


class UndoRequest(TabRequest):
    """An undo."""

    key: str = Field(min_length=8, max_length=64)


class ExcludeRequest(BaseModel):
    """An image that shall not be shown any more."""

    image: str = Field(max_length=64)
    why: str = Field(min_length=1, max_length=200)


class EnterRequest(BaseModel):
    """A rater who enters."""

    name: str = Field(max_length=200)


def make_app(
    session: VotingSession, admission: Admission, report: Callable[[], Path | None]
) -> Starlette:
    """Build the ASGI application.

    Args:
        session: with the store.
        admission: who may come in.
        report: writes the page of all votes so far and returns its file; None without votes.
    """

    def rater_of(request: Request) -> str:
        rater = _rater(request)
        if rater is None:
            raise _NoRater("nobody has entered a name here")
        return session.rater(rater)

    def page(request: Request) -> Response:
        return Response((PAGE / "index.html").read_text(), media_type="text/html")

    def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ASSETS:
            return _problem(404, "there is no such file")
        return Response((PAGE / name).read_text(), media_type=ASSETS[name])

    def picture(request: Request) -> Response:
        try:
            file = session.renditions.file(request.path_params["image"])
        except KeyError:
            return _problem(404, "there is no such image")
        except (ImageError, OSError):
            return _problem(422, "the image cannot be read")
        kept = {"Cache-Control": "private, max-age=31536000, immutable"}
        if isinstance(file, bytes):
            return Response(file, media_type="image/jpeg", headers=kept)
        return FileResponse(file, media_type="image/jpeg", headers=kept)

    def state(request: Request) -> Response:
        task = session.task
        try:
            rater = rater_of(request)
            known = session.progress(rater)
        except InterestingnessError:  # nobody yet, or a name of another store that is not invited
            rater, known = None, {}
        return JSONResponse(
            {"question": task.shown, "scale": task.scale, "raters": list(task.raters),
             "store": session.store.id, "rater": rater, **known}
        )  # fmt: skip

    def enter(request: Request, body: EnterRequest) -> Response:
        name = session.rater(body.name)
        response = JSONResponse({"rater": name, **session.progress(name)})
        _set_cookie(response, COOKIE, name.encode().hex(), admission)
        return response

    def leave(request: Request) -> Response:
        response = JSONResponse({})
        response.delete_cookie(COOKIE)
        return response

    def hand_out(request: Request, body: TabRequest) -> Response:
        rater = rater_of(request)
        return JSONResponse({"next": session.hand_out(rater, body.tab, body.count)})

    def shown(request: Request, body: ShownRequest) -> Response:
        session.store.shown(rater_of(request), body.token)
        return JSONResponse({})

    def answer(request: Request, body: AnswerRequest) -> Response:
        given = Given(body.token, body.key, body.choice, body.reason, body.response_ms)
        return JSONResponse(session.answer(rater_of(request), given))

    def undo(request: Request, body: UndoRequest) -> Response:
        return JSONResponse(session.undo(rater_of(request), body.tab, body.key))

    def exclude(request: Request, body: ExcludeRequest) -> Response:
        session.store.exclude(body.image, rater_of(request), body.why)
        return JSONResponse({})

    def statistics(request: Request) -> Response:
        return JSONResponse(session.own_statistics(rater_of(request)))

    def results(request: Request) -> Response:
        file = report()
        if file is None:
            return _problem(404, "no votes yet")
        # A report is one file with its own styles: they are allowed there, scripts are not.
        policy = POLICY.replace("style-src 'self'", "style-src 'unsafe-inline'").replace(
            "img-src 'self' data:", "img-src data:"
        )
        return FileResponse(
            file, media_type="text/html", headers={"Content-Security-Policy": policy}
        )

    routes = [
        Route("/", page),
        Route("/static/{name}", asset),
        Route("/image/{image}", picture),
        Route("/results", results),
        Route("/api/state", state),
        Route("/api/statistics", statistics),
        *(
            Route(f"/api/{name}", _posted(function, model), methods=["POST"])
            for name, function, model in (
                ("enter", enter, EnterRequest),
                ("next", hand_out, TabRequest),
                ("shown", shown, ShownRequest),
                ("answer", answer, AnswerRequest),
                ("undo", undo, UndoRequest),
                ("exclude", exclude, ExcludeRequest),
            )
        ),
        Route("/api/leave", leave, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(_Guard, admission=admission)],
        exception_handlers={
            InterestingnessError: _ours,
            sqlite3.OperationalError: _disk,
        },
    )


class _NoRater(InterestingnessError):
    """A request of somebody who has not entered."""


def _posted(function: Callable[..., Response], model: type[BaseModel]) -> Callable[..., Any]:
    """Read and check a JSON body, then run the function in a thread."""
    from starlette.concurrency import run_in_threadpool

    async def endpoint(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _problem(415, "a body that is not application/json")
        data = b""
        async for chunk in request.stream():
            data += chunk
            if len(data) > BODY:
                return _problem(413, f"a body of more than {BODY:,} bytes")
        try:
            body = model.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            return _problem(422, f"{where or 'body'}: {first['msg']}")
        return await run_in_threadpool(function, request, body)

    return endpoint


class _Guard:
    """Refuses other hosts and visitors without the token; adds the headers of every response."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self.app, self.admission = app, admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        refused = self._refused(request)

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = Headers(raw=message["headers"])
                more = {
                    "X-Content-Type-Options": "nosniff",
                    "Referrer-Policy": "no-referrer",
                    "Cross-Origin-Resource-Policy": "same-origin",
                }
                if "content-security-policy" not in headers:
                    more["Content-Security-Policy"] = POLICY
                if "cache-control" not in headers:
                    more["Cache-Control"] = "no-store"
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in more.items()),
                ]
            await send(message)

        await (refused or self.app)(scope, receive, sent)

    def _refused(self, request: Request) -> Response | None:
        host = request.headers.get("host", "").lower()
        if (
            self.admission.hosts is not None
            and re.sub(r":\d+$", "", host) not in self.admission.hosts
        ):
            return _problem(421, "another host name than this server's")
        origin = request.headers.get("origin")
        if request.method == "POST" and origin not in (None, f"{request.url.scheme}://{host}"):
            return _problem(403, "a request from a page of another address")
        return self._without_token(request)

    def _without_token(self, request: Request) -> Response | None:
        token = self.admission.token
        if token is None or _equal(request.cookies.get(ACCESS, ""), token):
            return None
        if not _equal(request.query_params.get("token", ""), token):
            return _problem(401, "open the address that the server printed: it carries the token")
        response = RedirectResponse(request.url.path, status_code=303)
        _set_cookie(response, ACCESS, token, self.admission)
        return response


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _set_cookie(response: Response, name: str, value: str, admission: Admission) -> None:
    response.set_cookie(
        name, value, max_age=400 * 86400, httponly=True, samesite="strict", secure=admission.https
    )


def _rater(request: Request) -> str | None:
    try:
        return bytes.fromhex(request.cookies.get(COOKIE, "")).decode() or None
    except ValueError:
        return None


def _problem(status: int, why: str) -> JSONResponse:
    return JSONResponse({"problem": why}, status_code=status)


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, InterestingnessError)
    return _problem(401 if isinstance(error, _NoRater) else 422, error.found)


def _disk(request: Request, error: Exception) -> Response:
    """A full disk: nothing was stored, and the page must not say so."""
    return _problem(507, f"not saved: {error}")
