"""Build the bytes of a task's request, just before they are sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interestingness.annotators.backends import Backend
from interestingness.annotators.parsing import DOUBLE_CAP
from interestingness.annotators.prompting import Prompt
from interestingness.annotators.sent_images import ImageSource, Stored, join_side_by_side
from interestingness.annotators.types import Request, Task

CANARY_CAP = 16
"""Cap of the preflight's request that checks whether the server keeps to a cap."""

CHAT, EMBEDDINGS = "/chat/completions", "/embeddings"


def unstored(_sha256: str, _transcode: str, make: Callable[[], bytes]) -> bytes:
    """Make the bytes each time: for tests and for what is sent once."""
    return make()


@dataclass(frozen=True)
class Build:
    """Makes requests of tasks.

    Attributes:
        backend: where they go.
        prompts: rendered, by id.
        sources: image files, by hash.
        structured: one of ``backends.STRUCTURED``; a task of the preflight names its own.
        stored: keeps the bytes of sent images.
    """

    backend: Backend
    prompts: Mapping[str, Prompt]
    sources: Mapping[str, ImageSource]
    structured: str
    stored: Stored = unstored

    def __call__(self, task: Task, retry_with: str | None = None) -> Request:
        """The request of a task; the same bytes whenever it is asked for.

        Raises:
            ImageError: if an image cannot be read, or is another one by now.
        """
        if task.kind == "embedding":
            return self._embedding(task)
        prompt = self.prompts[str(task.identity["prompt"])]
        hashes: Sequence[str] = task.identity["images"]  # type: ignore[assignment]
        sample = int(task.identity["sample"])  # type: ignore[arg-type]
        cap = self.backend.cap * (2 if retry_with == DOUBLE_CAP else 1)
        if task.kind == "canary_cap":
            cap = CANARY_CAP
        images = self._images(prompt, hashes) if hashes else []
        mode = str(task.identity.get("structured", self.structured))
        body = chat_body(self.backend, prompt, images, structured=mode, sample=sample, cap=cap)
        return Request(CHAT, encoded(body))

    def _images(self, prompt: Prompt, hashes: Sequence[str]) -> list[bytes]:
        transcode = self.backend.transcode
        if prompt.canvas:
            # Not stored: each pair has a canvas of its own, and they would fill the ledger.
            first, second = (
                transcode.fit(source.bytes(), where=source.image_id)
                for source in (self.sources[sha256] for sha256 in hashes)
            )
            return [transcode.jpeg(join_side_by_side(first, second))]
        return [self._sent(self.sources[sha256]) for sha256 in hashes]

    def _sent(self, source: ImageSource) -> bytes:
        def make() -> bytes:
            return self.backend.transcode(source.bytes(), where=source.image_id)

        return self.stored(source.sha256, self.backend.transcode.id, make)

    def _embedding(self, task: Task) -> Request:
        body: dict[str, Any] = {
            "model": self.backend.model,
            "input": [task.subject["text"]],
            "encoding_format": "float",
        }
        if task.identity["dimensions"] is not None:
            body["dimensions"] = task.identity["dimensions"]
        return Request(EMBEDDINGS, encoded(body))


def chat_body(
    backend: Backend,
    prompt: Prompt,
    images: Sequence[bytes],
    *,
    structured: str,
    sample: int,
    cap: int,
) -> dict[str, Any]:
    """Build the body of a chat completion: system, then captions and images, then the question."""
    content: list[dict[str, Any]] = []
    for caption, image in zip(prompt.captions, images, strict=True) if images else ():
        if caption:
            content.append({"type": "text", "text": caption})
        content.append(_image(image, backend.detail))
    content.append({"type": "text", "text": prompt.ask})
    messages: list[dict[str, Any]] = []
    if prompt.system:
        messages.append({"role": "system", "content": prompt.system})
    messages.append({"role": "user", "content": content})
    parameters = dict(backend.parameters)
    if "seed" in parameters:
        parameters["seed"] = int(parameters["seed"]) + sample
    if not prompt.choices:
        parameters.pop("logprobs", None)
        parameters.pop("top_logprobs", None)
    body = {"model": backend.model, "messages": messages, backend.cap_name: cap, **parameters}
    return {**body, **backend.extra_body, **_structured(prompt, structured)}


def _image(data: bytes, detail: str | None) -> dict[str, Any]:
    image = {"url": "data:image/jpeg;base64," + base64.b64encode(data).decode()}
    return {"type": "image_url", "image_url": {**image, **({"detail": detail} if detail else {})}}


def _structured(prompt: Prompt, mode: str) -> dict[str, Any]:
    schema = prompt.schema
    if schema is None or mode == "prompt":
        return {}
    if mode == "guided_json":
        return {"guided_json": schema}
    formats: dict[str, dict[str, Any]] = {
        "json_schema": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        },
        "json_object_schema": {"type": "json_object", "schema": schema},
        "json_object": {"type": "json_object"},
    }
    return {"response_format": formats[mode]}


def encoded(body: Mapping[str, Any]) -> bytes:
    """Encode as JSON without spaces."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
