"""The interface in OpenAPI's terms, and the page that shows it to people."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment

_BINARY = {"type": "string", "format": "binary", "minLength": 1}
_TEXT = {"type": "string"}
_NUMBER = {"type": ["number", "null"]}
_ERRORS = {
    "401": "a token is set, and the request has none or another one",
    "413": "the body is too large, or an image has more pixels than may be decoded",
    "415": "no multipart/form-data, or no image",
    "422": "a field is missing or too much, or an image is damaged or animated",
    "429": "the queue is full; `Retry-After` says when to come again",
}
_RESULT = {
    "name": _TEXT,
    "problem": {"type": "string", "description": "why there is no result; empty where there is"},
    "status": {"type": "integer", "description": "that this image alone would have"},
}
_SCORED = {"score": _NUMBER, "percentile": _NUMBER, **_RESULT}
_EMBEDDED = {"vector": {"type": ["array", "null"], "items": {"type": "number"}}, **_RESULT}


def openapi(version: str, *, token: bool, urls: bool) -> dict[str, Any]:
    """Describe the interface.

    Args:
        version: of the package.
        token: whether requests need one.
        urls: whether images may be named by URL.
    """
    images: dict[str, Any] = {"images": {"type": "array", "items": _BINARY, "minItems": 1}}
    some: dict[str, Any] = {"properties": images, "required": ["images"]}
    if urls:
        images["urls"] = {"type": "array", "items": _TEXT}
        some = {"properties": images}
    two = {"properties": {"a": _BINARY, "b": _BINARY}, "required": ["a", "b"]}
    preferred = {"probability": {"type": "number", "description": "that a is preferred to b"}}
    paths: dict[str, Any] = {
        "/score": _post("Score images", some, _results(_SCORED)),
        "/compare": _post("Compare two images", two, {"properties": preferred}),
        "/embed": _post("Compute the vectors of images", some, _results(_EMBEDDED)),
        "/health": _get("Tell whether it works, and with which scorer", "application/json"),
        "/metrics": _get("Counters for Prometheus", "text/plain"),
    }
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "interestingness", "version": version},
        "paths": paths,
    }
    if token:
        found["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        found["security"] = [{"token": []}]
    return found


def page(interface: dict[str, Any]) -> str:
    """Write the page of the interface."""
    text = (files("interestingness.serving") / "docs.html").read_text(encoding="utf-8")
    return Environment(autoescape=True).from_string(text).render(interface=interface)


def _results(fields: dict[str, Any]) -> dict[str, Any]:
    one = {"type": "object", "properties": fields}
    return {"properties": {"results": {"type": "array", "items": one}}}


def _post(summary: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    problem = {"type": "object", "properties": {"problem": _TEXT}, "required": ["problem"]}
    errors = {
        status: {"description": text, "content": {"application/json": {"schema": problem}}}
        for status, text in _ERRORS.items()
    }
    schema = {"type": "object", **answer}
    good = {"description": "done", "content": {"application/json": {"schema": schema}}}
    form = {"multipart/form-data": {"schema": {"type": "object", **body}}}
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": form},
            "responses": {"200": good, **errors},
        }
    }


def _get(summary: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object"} if kind == "application/json" else _TEXT
    good = {"description": "done", "content": {kind: {"schema": schema}}}
    refused = {"description": _ERRORS["401"]}
    return {"get": {"summary": summary, "responses": {"200": good, "401": refused}}}
